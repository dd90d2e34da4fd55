//! `sys.recent`: lines that the spool still has, for readers that come late.

mod select;

use std::sync::Arc;

use bus::client::{Client, Delivery, Message, Status};
use bus::sys::{EndOfRecent, RECENT, RecentEnd, RecentRequest};
use tokio::sync::{Semaphore, mpsc};

use crate::context::Context;
use crate::error::chain;
use crate::quiet::quiet_warn;

/// Questions that are answered at one time; others wait for their turn.
const MAX_ANSWERS: usize = 2;
/// Messages of an answer that are made ahead of the bus.
const AHEAD: usize = 2;

/// Answers questions until the client is closed.
pub(crate) async fn run(context: Arc<Context>, client: Client) {
    let turns = Arc::new(Semaphore::new(MAX_ANSWERS));
    let mut questions = match client.subscribe(RECENT, None).await {
        Ok(questions) => questions,
        Err(error) => {
            tracing::warn!(%error, "recent lines cannot be served");
            return;
        }
    };
    while let Some(delivery) = questions.next().await {
        match delivery {
            Delivery::Message(message) => {
                let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
                let (context, client) = (Arc::clone(&context), client.clone());
                tokio::spawn(async move {
                    answer(&context, &client, &message).await;
                    drop(turn);
                });
            }
            Delivery::Denied { reason } => {
                tracing::warn!(code = "LB02", %reason, "recent lines cannot be served: the bus does not let this role");
                return;
            }
            // Whoever asked meanwhile asks again.
            Delivery::Interrupted { .. } | Delivery::NoResponders => {}
        }
    }
}

async fn answer(context: &Arc<Context>, client: &Client, message: &Message) {
    let Some(reply) = message.reply.as_deref().and_then(|reply| std::str::from_utf8(reply).ok()) else {
        return;
    };
    // We may publish on the subjects of lines: nobody is to have us write there.
    if !reply.starts_with("_INBOX.") {
        quiet_warn!(subject = %reply, "a question asks for an answer that is not in an inbox, and is not answered");
        return;
    }
    let request = serde_json::from_slice::<RecentRequest>(&message.payload);
    let of_other = |request: &RecentRequest| request.page.as_ref().is_some_and(|p| p.host != context.host);
    if request.as_ref().is_ok_and(of_other) {
        return;
    }
    context.metrics.recent.inc();
    let mut end = EndOfRecent { host: context.host.clone(), ..EndOfRecent::default() };
    match request {
        Ok(request) => {
            if let Err(error) = send_lines(context, client, reply, request, &mut end).await {
                end.error = Some(error);
            }
        }
        Err(why) => end.error = Some(format!("not a question that this version reads: {why}")),
    }
    if let Ok(payload) = serde_json::to_vec(&RecentEnd { end }) {
        // Without a connection there is nobody who waits.
        let _sent = client.publish(reply, None, &payload).await;
    }
}

async fn send_lines(
    context: &Arc<Context>,
    client: &Client,
    reply: &str,
    request: RecentRequest,
    end: &mut EndOfRecent,
) -> Result<(), String> {
    let selection = select::Selection::new(request).map_err(|why| why.to_string())?;
    let (messages, mut made) = mpsc::channel::<Vec<u8>>(AHEAD);
    let (reader, host) = (context.reader.clone(), context.host.clone());
    let max_payload = match *client.status().borrow() {
        Status::Connected { max_payload, .. } => max_payload,
        _ => return Err("the connection was lost".to_owned()),
    };
    let work = tokio::task::spawn_blocking(move || {
        // An asker that is gone ends the work.
        select::run(&reader, &selection, &host, max_payload, |message| {
            messages.blocking_send(message).is_ok()
        })
    });
    while let Some(message) = made.recv().await {
        if client.publish(reply, None, &message).await.is_err() {
            break;
        }
    }
    drop(made);
    match work.await {
        Ok(Ok(found)) => {
            (end.sent, end.truncated, end.more) = (found.sent, found.truncated, found.more);
            Ok(())
        }
        Ok(Err(why)) => {
            quiet_warn!(error = %chain(&why), "recent lines could not be read");
            Err("the spool could not be read".to_owned())
        }
        Err(_) => Err("the agent ends".to_owned()),
    }
}
