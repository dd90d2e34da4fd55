//! Following the registry from elsewhere: hold what it says it holds, and know since when that is so.

mod collect;

use std::sync::Arc;
use std::time::Duration;

use access::Directory;
use bus::client::{Client, Delivery, Subscription};
use bus::sys::{REGISTRY, REGISTRY_SNAPSHOT, RegistryMark};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::Error;
use collect::Collect;

/// How long the registry may take for one page.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);
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
    let Ok(mut marks) = client.subscribe(REGISTRY, None).await else { return };
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
        heard = newest(&mut marks).await;
    }
}

/// What the subscription brought.
enum Heard {
    Mark(RegistryMark),
    Nothing,
}

/// The newest announcement, waiting for one. `None` when there will be none any more.
async fn newest(marks: &mut Subscription) -> Option<Heard> {
    let mut delivery = marks.next().await?;
    while let Some(later) = marks.try_next() {
        delivery = later;
    }
    match delivery {
        // What is no announcement has nothing to say; the next one comes soon.
        Delivery::Message(message) => {
            Some(serde_json::from_slice(&message.payload).map_or(Heard::Nothing, Heard::Mark))
        }
        Delivery::Interrupted { .. } | Delivery::NoResponders => Some(Heard::Nothing),
        Delivery::Denied { reason } => {
            tracing::error!(code = "LB02", %reason, "the registry cannot be followed: the bus does not let this role");
            None
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
