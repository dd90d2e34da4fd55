//! Following the registry from elsewhere: hold what it says it holds, and know since when that is so.

mod collect;

use std::sync::Arc;
use std::time::Duration;

use access::Directory;
use bus::client::{Client, Delivery, Status, Subscription};
use bus::sys::{REGISTRY, REGISTRY_SECONDS, REGISTRY_SNAPSHOT, RegistryMark};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::Error;
use collect::Collect;

/// How long the registry may take for one page.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);
/// Three announcements that do not come are a silence: the registry is away, or the server that we are connected to is deaf.
const SILENCE: Duration = Duration::from_secs(3 * REGISTRY_SECONDS);
/// Each further try to hear it by another server waits twice as long, up to this: where the registry is away none will help.
const MAX_SILENCE: Duration = Duration::from_secs(60);
/// How often a fault of what the registry says is logged.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What a follower holds: nothing yet, or the directory, and when the registry last said that this is its state.
pub type Followed = Option<(Arc<Directory>, Instant)>;

/// Follows the registry over `client`, whose role may ask it, in a task of its own.
///
/// The time is renewed with each announcement that names what is held, every 2 s, so that its age says for how long the registry
/// was not heard, or was ahead of us. While the registry is away the directory stays and its time does not. The directory is
/// another one only if the registry's state has changed.
///
/// A revocation must be heard, so a server that hands on nothing is left: when no announcement has come for 6 s over a connection that
/// stands, another server is tried, and after 12, 24, 48 and then each 60 s the next one. For that the client should be this task's own:
/// what others have on it is interrupted.
///
/// The task ends when the client is closed, or all receivers are gone; it holds a handle on the client until then. It takes as
/// much memory as the registry's state, and three times as much while it reads a new one, whose snapshot has 64 MiB at most.
/// Must be called in a tokio runtime.
#[must_use]
pub fn follow(client: Client) -> watch::Receiver<Followed> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = keep_up(&client, &sender) => {}
        }
    });
    receiver
}

async fn keep_up(client: &Client, sender: &watch::Sender<Followed>) {
    if client.connected().await.is_err() {
        return;
    }
    let Ok(marks) = client.subscribe(REGISTRY, None).await else { return };
    let mut marks = Marks { marks, patience: SILENCE };
    let mut held: Option<RegistryMark> = None;
    let mut last_said: Option<Instant> = None;
    // Whoever begins does not wait for an announcement.
    let mut heard = Some(Heard::Nothing);
    while let Some(news) = heard {
        match news {
            Heard::Mark(mark) if held.as_ref() == Some(&mark) => renew(sender),
            // What was said meanwhile is said again.
            Heard::Nothing if held.is_some() => {}
            Heard::Mark(_) | Heard::Nothing => match fetch(client).await {
                Ok((mark, directory, at)) => {
                    held = Some(mark);
                    sender.send_replace(Some((directory, at)));
                }
                Err(error) => say(&error, &mut last_said),
            },
        }
        heard = marks.newest(client).await;
    }
}

/// What the subscription brought.
enum Heard {
    Mark(RegistryMark),
    Nothing,
}

/// The announcements, and for how long none may come.
struct Marks {
    marks: Subscription,
    patience: Duration,
}

impl Marks {
    /// The newest announcement, waiting for one. `None` when there will be none any more.
    async fn newest(&mut self, client: &Client) -> Option<Heard> {
        let mut delivery = self.next(client).await?;
        while let Some(later) = self.marks.try_next() {
            delivery = later;
        }
        match delivery {
            // What is no announcement has nothing to say; the next one comes soon.
            Delivery::Message(message) => {
                self.patience = SILENCE;
                Some(serde_json::from_slice(&message.payload).map_or(Heard::Nothing, Heard::Mark))
            }
            Delivery::Interrupted { .. } | Delivery::NoResponders => Some(Heard::Nothing),
            Delivery::Denied { reason } => {
                tracing::error!(code = "LB02", %reason, "the registry cannot be followed: the bus does not let this role");
                None
            }
        }
    }

    /// What comes next, by another server if this one hands on nothing. A connection begins with an interruption, so that the
    /// time for which nothing came is the connection's.
    async fn next(&mut self, client: &Client) -> Option<Delivery> {
        loop {
            if let Ok(delivery) = timeout(self.patience, self.marks.next()).await {
                return delivery;
            }
            if !matches!(*client.status().borrow(), Status::Connected { .. }) {
                continue;
            }
            let silent_s = self.patience.as_secs();
            tracing::warn!(silent_s, "the registry is not heard on this connection: trying another server");
            self.patience = (self.patience * 2).min(MAX_SILENCE);
            client.reconnect_elsewhere();
        }
    }
}

fn renew(sender: &watch::Sender<Followed>) {
    let now = Instant::now();
    sender.send_modify(|followed| {
        if let Some((_, at)) = followed {
            *at = now;
        }
    });
}

/// Fetches the whole state, whichever it is when the last page comes, and gives the time at which the registry said so.
async fn fetch(client: &Client) -> Result<(RegistryMark, Arc<Directory>, Instant), Error> {
    let mut collect = Collect::default();
    loop {
        let page = ask(client, &collect.request()).await?;
        let at = Instant::now();
        let Some(whole) = collect.take(&page)? else { continue };
        let read = tokio::task::spawn_blocking(move || {
            let directory = whole.read()?.directory();
            Ok::<_, Error>((whole.mark, Arc::new(directory)))
        });
        let (mark, directory) = read.await.map_err(|_| Error::Ending)??;
        return Ok((mark, directory, at));
    }
}

async fn ask(client: &Client, request: &[u8]) -> Result<Bytes, Error> {
    let mut answers = client.request_many(REGISTRY_SNAPSHOT, request).await?;
    match timeout(PAGE_PATIENCE, answers.next()).await {
        Ok(Some(Delivery::Message(message))) => Ok(message.payload),
        Ok(Some(Delivery::NoResponders)) => Err(Error::NoAnswer("nobody listens")),
        Ok(Some(Delivery::Interrupted { .. }) | None) => Err(Error::NoAnswer("the connection was lost")),
        Ok(Some(Delivery::Denied { .. })) => Err(Error::NoAnswer("the bus does not let this role")),
        Err(_) => Err(Error::NoAnswer("no page came in time")),
    }
}

/// Logs what is wrong with what the registry says. That it says nothing shows in the age of what is held.
fn say(error: &Error, last: &mut Option<Instant>) {
    let now = Instant::now();
    let is_quiet = matches!(error, Error::NoAnswer(_) | Error::Bus(_) | Error::Ending);
    if is_quiet || last.is_some_and(|last| now.saturating_duration_since(last) < SAY_EVERY) {
        tracing::debug!(%error, "the registry's state was not fetched");
        return;
    }
    *last = Some(now);
    tracing::warn!(code = "LR04", %error, "the registry's state cannot be read, the former one stays");
}
