//! The embedded broker: core NATS with the role table, for one machine without a nats-server.

mod config;

use tokio::net::TcpListener;

pub use config::{Config, Error, Stats, StatsSnapshot, User};

/// Serves NATS clients on `listener` until `shutdown` is done, then closes every connection and returns.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let _ = (config, listener);
    shutdown.await;
    Ok(())
}
