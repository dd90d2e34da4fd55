//! What goes out of the agent: the lines, heartbeats, answers, figures.

use std::sync::Arc;
use std::time::Duration;

use bus::client::Client;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::config::Config;
use crate::context::Context;
use crate::live::Source;
use crate::publish::Publisher;
use crate::vector::Vector;
use crate::writer::Running;
use crate::{bus_state, heartbeat, http, recent};

/// What carries the lines on.
pub(crate) struct Outlet {
    client: Client,
    stop: watch::Sender<bool>,
    lines: JoinHandle<()>,
    grace: Duration,
}

/// Starts to carry lines on, from where the cursor stands.
pub(crate) fn start(config: &Config, context: &Arc<Context>, writer: &Running) -> Outlet {
    let client = Client::start(config.bus.clone());
    let (stop, stopped) = watch::channel(false);
    let cursor = Arc::clone(&writer.cursor);
    let source = Source::new(Arc::clone(&writer.live), context.reader.clone(), cursor.get());
    let lines = match config.vector.clone() {
        Some(path) => tokio::spawn(Vector::new(Arc::clone(context), path, source, cursor, stopped).run()),
        None => {
            let (context, client) = (Arc::clone(context), client.clone());
            tokio::spawn(Publisher::new(context, client, source, cursor, config.live_lag, stopped).run())
        }
    };
    Outlet { client, stop, lines, grace: config.grace }
}

impl Outlet {
    /// Starts what else goes out, and tells whoever waits that the agent is ready.
    pub(crate) fn start_side_tasks(&self, config: Config, context: &Arc<Context>) -> SideTasks {
        let mut tasks = JoinSet::new();
        let client = || self.client.clone();
        tasks.spawn(recent::run(Arc::clone(context), client()));
        tasks.spawn(heartbeat::run(Arc::clone(context), client(), config.heartbeat));
        tasks.spawn(bus_state::follow(client(), Arc::clone(context), config.vector.is_none()));
        if let Some(listener) = config.http {
            tasks.spawn(http::serve(listener, Arc::clone(context), config.more_metrics));
        }
        if let Some(ready) = config.ready {
            // Whoever asked may not wait any more.
            let _told = ready.send(());
        }
        SideTasks(tasks)
    }

    /// Stops carrying lines on: what is there goes out as long as it is taken, within the grace.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let abort: AbortHandle = self.lines.abort_handle();
        if timeout(self.grace, self.lines).await.is_err() {
            abort.abort();
            tracing::warn!("not all lines went out in time, they go out after the next start");
        }
        // The rest of the grace is for the last heartbeat and answers; they are small.
        let _closed = timeout(self.grace, self.client.close()).await;
    }
}

/// Tasks that need no orderly end.
pub(crate) struct SideTasks(JoinSet<()>);

impl SideTasks {
    /// Ends them.
    pub(crate) fn abort(mut self) {
        self.0.abort_all();
    }
}
