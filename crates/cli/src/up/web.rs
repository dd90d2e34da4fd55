//! The HTTP face of `logway up`: search and inserts, and the figures and faults of all parts.

use std::sync::Arc;

use access::Deliveries;
use anyhow::Result;
use api::Live;
use api::logs::{Local, Remote, Routed};
use bus::client::Client;
use bus::roles::Role;
use line::Name;
use store::stage::Store;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::parts::{Parts, until};
use super::tokens::OverSocket;
use super::{Ready, tell_of_refusal};
use crate::bus_link;
use crate::data::{Data, Running};
use crate::store_link;

/// The parts that it serves.
pub(super) struct Others {
    /// The store and its name, if this machine keeps lines.
    pub(super) store: Option<(Name, Store)>,
    pub(super) proxy: Arc<proxy::Figures>,
    pub(super) agent: Arc<agent::Figures>,
    /// Where it is counted what readers are given, here and at the front door.
    pub(super) deliveries: Arc<Deliveries>,
    /// Whether the registry is one of them.
    pub(super) has_registry: bool,
}

/// What each text of figures ends with, and all of them together once.
const END: &str = "# EOF\n";

/// Starts it; gives when it lets callers in. It asks the store of this process if that is the only one, else all that there are.
pub(super) fn start(
    data: &Data,
    running: &Running,
    listener: TcpListener,
    others: Others,
    parts: &mut Parts,
) -> Result<Ready> {
    let bus = bus_link::options(data, &running.nats, Role::Api, "logway http")?;
    let client = Client::start(bus.clone());
    tokio::spawn(tell_of_refusal(
        "HTTP API",
        client.status(),
        data.path().join("bus").join(Role::Api.as_str()),
    ));
    if let Some((name, _)) = &others.store {
        tokio::spawn(store_link::tell_of_namesake(client.clone(), name.clone()));
    }
    // To follow, a connection of its own: it is left when it hears nothing.
    let known = registry::follow(Client::start(bus));
    let live = Live::new(client.clone());
    let heartbeats = Some(client.clone());
    let remote = Remote::new(client, live.clone(), known.clone());
    let logs: Arc<dyn api::Logs> = match others.store.clone() {
        Some((name, store)) => {
            Arc::new(Routed::new(Local::new(store, name.clone(), live), remote, name, known.clone()))
        }
        None => Arc::new(remote),
    };
    let (ready, is_ready) = oneshot::channel();
    let mut heard = known.clone();
    tokio::spawn(async move {
        if heard.wait_for(Option::is_some).await.is_ok() {
            // Who waits may have waited long enough.
            let _told = ready.send(());
        }
    });
    let mut config = api::Config::new(listener, logs, known);
    config.host.clone_from(&running.host);
    config.heartbeats = heartbeats;
    config.deliveries = others.deliveries;
    let socket = data.registry().join(registry::admin::SOCKET);
    config.tokens = others.has_registry.then(|| Arc::new(OverSocket { socket }) as Arc<dyn api::Tokens>);
    let (own, proxy, agent) = (Arc::clone(&config.own_figures), others.proxy, Arc::clone(&others.agent));
    let store = others.store.map(|(_, store)| store);
    let figured = store.clone();
    config.figures = Some(Box::new(move || {
        let store = figured.as_ref().map(Store::figures).unwrap_or_default();
        joined(&[agent.text(), store, proxy.text(), own.text()])
    }));
    let (agent, warned) = (others.agent, store.clone());
    config.warnings = Some(Box::new(move || warned.as_ref().map(Store::warnings).unwrap_or_default()));
    config.fault = Some(Box::new(move || agent.fault().or_else(|| store.as_ref().and_then(Store::fault))));
    parts.start("HTTP API", |ending| async {
        api::run(config, until(ending)).await;
        Ok(())
    });
    Ok(is_ready)
}

/// Texts of figures as one.
fn joined(texts: &[String]) -> String {
    let bodies = texts.iter().map(|text| text.strip_suffix(END).unwrap_or(text));
    bodies.chain([END]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_end_once() {
        let texts = ["a 1\n# EOF\n".to_owned(), String::new(), "b 2\n# EOF\n".to_owned()];
        assert_eq!(joined(&texts), "a 1\nb 2\n# EOF\n");
    }
}
