//! A front door for `cargo xtask bench proxy`: the library as it is, with an org, a key and tokens of its own in place of a registry, and with limits
//! that let one machine play ten thousand clients.
//!
//! `door NATS_URL TOKENS` says on stderr `listening ADDRESS`, `token TOKEN` for each token, and `ready`. It serves until it is killed.
#![allow(clippy::print_stderr, reason = "this is how it tells the bench where it is")]

use std::error::Error;
use std::sync::Arc;

use access::{Directory, Keyring, Scope, SigningKey, Tokens};
use bus::client::{Options, ServerAddr};
use bus::roles::Role;
use line::OrgId;
use proxy::{Config, Limits, OrgLimits};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, Instant, interval};

/// The org whose lines are read, and what it is called.
const ORG: &str = "bench";
/// How often it is said that all is as it was: a front door that hears nothing lets nobody in after a while.
const TELL_EVERY: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(tokens)) = (args.next(), args.next()) else {
        return Err("usage: door NATS_URL TOKENS".into());
    };
    let tokens: usize = tokens.parse()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(&url, tokens))
}

async fn serve(url: &str, tokens: usize) -> Result<(), Box<dyn Error>> {
    let key = SigningKey::generate(1);
    let mut directory = Directory::new(1);
    let org = OrgId::new(ORG)?;
    directory.add_org(org.clone(), ORG);
    directory.add_key(key.public(), 0, None);
    let (tell, known) = watch::channel(Some((Arc::new(directory), Instant::now())));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening {}", listener.local_addr()?);
    let keyring = Keyring::new(Vec::new()).with_signing_key(key);
    for _ in 0..tokens {
        eprintln!("token {}", keyring.mint(&org, &Scope::ALL)?);
    }

    let server: ServerAddr = url.parse()?;
    let inbox_prefix = Role::Proxy.inbox_prefix();
    let upstream = Options {
        servers: vec![server],
        name: "door".to_owned(),
        credentials: None,
        inbox_prefix,
        tls: None,
    };
    let (ready, is_ready) = oneshot::channel();
    let mut config = Config::new(listener, upstream, known);
    config.limits = limits();
    config.ready = Some(ready);
    let tell_on = async move {
        let mut ticks = interval(TELL_EVERY);
        if is_ready.await.is_ok() {
            eprintln!("ready");
        }
        loop {
            ticks.tick().await;
            tell.send_modify(|known| {
                if let Some((_, heard)) = known {
                    *heard = Instant::now();
                }
            });
        }
    };
    proxy::run(config, tell_on).await?;
    Ok(())
}

/// Those of a front door, save for how many may come from one address and one org: all clients of the bench do.
fn limits() -> Limits {
    let org = OrgLimits { connections: 100_000, subscriptions: 1_000_000, ..OrgLimits::default() };
    Limits {
        org,
        connections_per_address: 100_000,
        connects_per_s: 1_000_000,
        failures_per_min: u32::MAX,
        ..Limits::default()
    }
}
