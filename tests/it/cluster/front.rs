//! A front door before the cluster, in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Directory, Keyring, Scope, SigningKey, Tokens};
use bus::client::{Credentials, Options};
use line::OrgId;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// The org whose lines are written.
const ORG: &str = "k";

/// Starts a front door that is connected to the bus in this way; gives how a client reads at it. It ends with the runtime.
pub(crate) async fn start(upstream: Options) -> Options {
    let (key, org) = (SigningKey::generate(1), OrgId::new(ORG).unwrap());
    let mut directory = Directory::new(1);
    directory.add_key(key.public(), 0, None);
    directory.add_org(org.clone(), "acme");
    let token = Keyring::new(Vec::new()).with_signing_key(key).mint(&org, &Scope::ALL).unwrap();
    let known = watch::Sender::new(Some((Arc::new(directory), Instant::now())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut config = proxy::Config::new(listener, upstream, known.subscribe());
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);
    tokio::spawn(async move {
        // What is known stays known for as long as the sender is there.
        let _known = known;
        proxy::run(config, std::future::pending()).await
    });
    is_ready.await.unwrap();
    Options {
        servers: vec![address.into()],
        name: "test".to_owned(),
        credentials: Some(Credentials { user: "acme".to_owned(), password: token }),
        inbox_prefix: "_INBOX".to_owned(),
        tls: None,
    }
}
