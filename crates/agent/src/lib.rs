//! The host agent: takes the lines of the Machines on a host, keeps them on disk, and carries them on.
//!
//! [`run`] reads as the steps of the stage:
//!
//! | step | module |
//! |---|---|
//! | open the spool, and state what it lost | [`spool`], `recover` |
//! | listen on a socket for each registered Machine | `registry`, `machines`, `accept` |
//! | take frames, acknowledge what is on disk | `session` |
//! | leave out what came twice, join, stamp, infer levels | `assemble`, `stamp` |
//! | append, sync for all at once | `writer` |
//! | out of the spool: to NATS, or to Vector | `live`, `publish`, `vector` |
//! | out of the spool: to the store | `durable` |
//! | answer for recent lines, say that the host lives | `recent`, `heartbeat` |
//!
//! The disk is met only behind [`disk::Disk`]. The agent never ships its own log lines through itself.

mod accept;
pub mod admin;
mod assemble;
mod bus_state;
mod clock;
mod config;
mod context;
mod durable;
mod error;
mod health;
mod heartbeat;
mod http;
mod lag;
mod lines;
mod live;
mod machine;
mod machines;
mod metrics;
mod outlet;
mod pace;
mod publish;
mod quiet;
mod ranges;
mod rate;
mod recent;
mod recover;
mod registry;
mod session;
mod socket;
pub mod spool;
mod stamp;
mod tenure;
mod vector;
mod writer;

use std::future::Future;
use std::sync::Arc;

pub use config::{Config, Figures, LiveLag, MoreMetrics, ToStore};
pub use error::Error;

/// The admin socket's name in the agent's directory.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// Runs the agent until `shutdown` resolves; then it takes what is in the sockets, syncs, and gives the bus two seconds.
///
/// # Errors
/// When it cannot start: its directory, its journal, its spool or a socket cannot be used. Once it runs, it goes on: a disk
/// that is full, a bus that is away and a Machine that misbehaves show in its log, its metrics and on `/health`.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let (parts, recovery) = recover::open(&config)?;
    let writer = writer::Running::start(parts)?;
    let context = Arc::new(context::Context::new(&config, &writer)?);
    // One configuration, one run.
    let _ = config.figures.0.set(Arc::clone(&context));
    recover::state_holes(&context, &recovery).await;
    let machines = machines::Machines::open(Arc::clone(&context), &config, &recovery)?;
    let admin = admin::server::listen(&config.data_dir, &machines)?;
    let outlet = outlet::start(&config, &context, &writer);
    let side = outlet.start_side_tasks(config, &context);
    tracing::info!(host = %context.host, region = %context.region, "the agent runs");
    shutdown.await;
    admin.abort();
    machines.stop().await;
    outlet.stop().await;
    side.abort();
    writer.stop().await;
    Ok(())
}
