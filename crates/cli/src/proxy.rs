//! `logway proxy`: the NATS front door by itself, before a cluster of nats-servers.

mod limits;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bus::client::{Client, Credentials, Options, ServerAddr};
use bus::roles::Role;
use bus::session::{LameDuck, Tls, TlsWhen};
use bus::tls;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::data::DataArg;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::{aside, notice};
use crate::signals::Signals;

/// The arguments of `logway proxy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A server of the bus: nats://[user:password@]host[:port], or tls://; several, and it goes to the next one when it loses one
    #[arg(long, value_name = "URL", required = true, value_delimiter = ',')]
    nats: Vec<String>,
    /// A file with the login for the bus as user:password, where the URL has none [default: DIR/bus/proxy of the data directory]
    #[arg(long, value_name = "FILE")]
    nats_login: Option<PathBuf>,
    /// Whose certificates the bus's servers have, as a PEM file; needed for tls://
    #[arg(long, value_name = "FILE")]
    nats_ca: Option<PathBuf>,
    /// Our own certificate for the bus, as a PEM file
    #[arg(long, value_name = "FILE", requires = "nats_key", requires = "nats_ca")]
    nats_cert: Option<PathBuf>,
    /// The key of that certificate, as a PEM file
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    nats_key: Option<PathBuf>,
    /// Where clients come
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:4223")]
    listen: SocketAddr,
    /// Where /metrics, /healthz and /varz are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8223")]
    http: SocketAddr,
    /// The certificate that clients see, as a PEM file: with it they may use TLS
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of that certificate, as a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// When TLS begins
    #[arg(long, value_enum, default_value = "required", requires = "cert")]
    tls: When,
    /// Each connection begins with a PROXY protocol header (version 2) of the load balancer before us
    #[arg(long)]
    proxy_protocol: bool,
    /// How much orgs and addresses may have, as a JSON file
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Keep who read what in this file; at 64 MiB it becomes FILE.1
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// After a first signal, clients are told, and cut one by one over so many seconds; a second signal cuts them at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3600))]
    lame_duck: u64,
    #[command(flatten)]
    data: DataArg,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    /// After the greeting, if the client wants it
    Offered,
    /// After the greeting, always
    Required,
    /// Before the greeting: clients have to be told so
    First,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway proxy --nats nats://10.0.0.5:4222,nats://10.0.0.6:4222 --nats-login /etc/logway/proxy
  logway proxy --nats tls://n1:4222 --nats-ca ca.pem --nats-cert proxy.pem --nats-key proxy.key
  logway proxy --nats nats://n1 --cert front.pem --key front.key --audit /var/log/logway/audit
  logway proxy --nats nats://n1 --proxy-protocol --limits limits.json

Clients log in with an org's slug and a token ('logway tokens create'). Until the registry was
heard on the bus nobody is let in. 'ready' on stderr says that clients are served.

limits.json, with what holds where it says nothing:
  {\"org\": {\"connections\": 64, \"subscriptions\": 10000, \"pending_bytes\": 8388608},
   \"orgs\": {\"ORG_ID\": {\"connections\": 500}},
   \"connections_per_address\": 256, \"connects_per_s\": 20, \"failures_per_min\": 5,
   \"total_pending_bytes\": 1073741824}";

/// Runs until a signal comes.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let upstream = args.upstream()?;
    let (listener, http) = (bind(args.listen, "--listen").await?, bind(args.http, "--http").await?);
    let (clients, figures) = (listener.local_addr()?, http.local_addr()?);
    let known = registry::follow(Client::start(upstream.clone()));
    let mut config = proxy::Config::new(listener, upstream, known);
    config.listen.tls = args.tls()?;
    config.listen.proxy_protocol = args.proxy_protocol;
    config.listen.lame_duck = lame_duck(args.lame_duck);
    config.limits = limits::read(args.limits.as_deref())?;
    (config.audit, config.http) = (args.audit.clone(), Some(http));
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);

    let (stop, stopped) = oneshot::channel::<()>();
    let serving = proxy::run(config, async {
        // The sender is gone only when we are.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    notice(&format!("clients  nats://{clients}"));
    notice(&format!("metrics  http://{figures}/metrics"));
    let say_ready = async {
        if is_ready.await.is_ok() {
            notice("ready");
        }
        std::future::pending::<()>().await;
    };
    let signal = tokio::select! {
        ended = &mut serving => return ended.map(|()| Exit::Ok).map_err(failed),
        () = say_ready => return Ok(Exit::Ok),
        signal = signals.next() => signal,
    };
    aside(&format!(
        "{signal}: clients are told, and cut within {} s; once more cuts them now",
        args.lame_duck
    ));
    // Whoever would hear it may have ended by itself.
    let _ = stop.send(());
    tokio::select! {
        ended = serving => ended.map(|()| Exit::Ok).map_err(failed),
        _ = signals.next() => Ok(Exit::Ok),
    }
}

fn failed(error: proxy::Error) -> anyhow::Error {
    Fail::new(Exit::Failure, error.to_string()).code("LP01").into()
}

/// A third of the time for the word to be heard, two for the cuts.
const fn lame_duck(seconds: u64) -> LameDuck {
    let grace = Duration::from_millis(seconds * 1000 / 3);
    LameDuck { grace, spread: Duration::from_millis(seconds * 1000 - seconds * 1000 / 3) }
}

impl Args {
    fn upstream(&self) -> Result<Options> {
        let mut servers = Vec::new();
        for url in &self.nats {
            match url.parse::<ServerAddr>() {
                Ok(server) => servers.push(server),
                Err(error) => {
                    return Fail::new(Exit::Usage, "--nats cannot be used").why(error).err();
                }
            }
        }
        let credentials = match &self.nats_login {
            Some(path) => Some(read_login(path)?),
            None if servers.iter().all(|server| server.credentials.is_some()) => None,
            None => {
                let login = self.data.dir()?.credential(Role::Proxy.as_str())?;
                login.map(|(user, password)| Credentials { user, password })
            }
        };
        let mut options = Options {
            servers,
            name: "logway proxy".to_owned(),
            credentials,
            inbox_prefix: Role::Proxy.inbox_prefix(),
            tls: None,
        };
        if let Some(server) = options.servers.iter().find(|server| server.is_tls && self.nats_ca.is_none()) {
            return Fail::new(Exit::Usage, format!("{server} cannot be dialled"))
                .code("LB04")
                .hint("give the file of the CA that signed its certificate with --nats-ca")
                .err();
        }
        if let Some(ca) = &self.nats_ca {
            let identity = identity(self.nats_cert.as_deref(), self.nats_key.as_deref());
            options.tls = Some(tls::Client::load(ca, identity).map_err(|error| unusable("the bus", error))?);
        }
        Ok(options)
    }

    fn tls(&self) -> Result<Option<Tls>> {
        let Some(identity) = identity(self.cert.as_deref(), self.key.as_deref()) else { return Ok(None) };
        let server = tls::Server::load(identity, None).map_err(|error| unusable("clients", error))?;
        let when = match self.tls {
            When::Offered => TlsWhen::Offered,
            When::Required => TlsWhen::Required,
            When::First => TlsWhen::First,
        };
        Ok(Some(Tls { server, when }))
    }
}

fn identity<'a>(certificate: Option<&'a Path>, key: Option<&'a Path>) -> Option<tls::Identity<'a>> {
    Some(tls::Identity { certificate: certificate?, key: key? })
}

fn unusable(whose: &str, error: bus::Error) -> anyhow::Error {
    Fail::new(Exit::Usage, format!("the certificates for {whose} cannot be used")).why(error).into()
}

fn read_login(path: &Path) -> Result<Credentials> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    match text.parse() {
        Ok(login) => Ok(login),
        Err(error) => Fail::new(Exit::Usage, format!("{} cannot be used", path.display())).why(error).err(),
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) => {
            let fail = Fail::new(Exit::Failure, format!("cannot listen on {address}"));
            let in_use = error.kind() == io::ErrorKind::AddrInUse;
            let fail = if in_use { fail.code("LB03") } else { fail };
            fail.why(error)
                .hint(format!("choose another address with {flag}; port 0 takes any free one"))
                .err()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lame_duck_s_time_is_that_which_was_given() {
        for seconds in [0, 1, 30, 3600] {
            let LameDuck { grace, spread } = lame_duck(seconds);
            assert_eq!(grace + spread, Duration::from_secs(seconds));
        }
        assert_eq!(lame_duck(0), LameDuck::default());
    }
}
