//! What goes out of the agent: the lines, heartbeats, answers, figures.

use std::sync::Arc;
use std::time::Duration;

use bus::client::Client;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::config::Config;
use crate::context::Context;
use crate::durable::{self, Durable};
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
    durable: Option<JoinHandle<()>>,
    grace: Duration,
}

/// Starts to carry lines on, from where the cursors stand.
pub(crate) fn start(config: &Config, context: &Arc<Context>, writer: &Running) -> Outlet {
    let client = Client::start(config.bus.clone());
    let (stop, stopped) = watch::channel(false);
    let cursor = Arc::clone(&writer.cursors.live);
    let source = Source::new(Arc::clone(&writer.feeds.live), context.reader.clone(), cursor.get());
    let durable = start_durable(config, context, writer, (&client, &stopped));
    let lines = match config.vector.clone() {
        Some(path) => tokio::spawn(
            Vector::new(Arc::clone(context), path, source, cursor, config.live_lag, stopped).run(),
        ),
        None => {
            let (context, client) = (Arc::clone(context), client.clone());
            tokio::spawn(Publisher::new(context, client, source, cursor, config.live_lag, stopped).run())
        }
    };
    Outlet { client, stop, lines, durable, grace: config.grace }
}

/// Starts to hand lines to the store, if there is one.
fn start_durable(
    config: &Config,
    context: &Arc<Context>,
    writer: &Running,
    (client, stop): (&Client, &watch::Receiver<bool>),
) -> Option<JoinHandle<()>> {
    let (settings, state) = (config.store.clone()?, Arc::clone(context.store.as_ref()?));
    let (feed, cursor) =
        (Arc::clone(writer.feeds.store.as_ref()?), Arc::clone(writer.cursors.store.as_ref()?));
    let parts = durable::Parts {
        context: Arc::clone(context),
        state,
        client: client.clone(),
        source: Source::new(feed, context.reader.clone(), cursor.get()),
        cursor,
        stop: stop.clone(),
    };
    Some(tokio::spawn(Durable::new(parts, settings).run()))
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
        let tasks: Vec<JoinHandle<()>> = std::iter::once(self.lines).chain(self.durable).collect();
        let aborts: Vec<AbortHandle> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = async {
            for task in tasks {
                // One that has panicked has said so.
                let _ended = task.await;
            }
        };
        if timeout(self.grace, all).await.is_err() {
            aborts.iter().for_each(AbortHandle::abort);
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
