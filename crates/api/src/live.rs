//! Rows from now on: what is said on the bus, held against the query as it comes.
//!
//! Nothing is asked again and again, so nothing that comes late or at the same time as another is lost. Lines become rows
//! in the way of the store, so that a tail and a query show the same.

mod hearing;
mod raw;
mod recent;
mod subject;

use bus::client::{Client, Delivery, Status};
use bytes::Bytes;
use line::time::write_rfc3339;
use line::{Address, Gap, GapReason, Hop, Level, Name, OrgId, Provider};
use query::{Block, Column, Flow};

use crate::logs::{Answer, Answering, Failure, Listen, Pending};
use crate::serve::unix_ns;
use hearing::Hearing;
pub use raw::{Heard, Hearing as Ears, deaf};

/// Messages that are looked at together.
const MAX_TOGETHER: usize = 512;

/// Hears lines on the bus.
#[derive(Clone)]
pub struct Live {
    client: Client,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// Hears over this connection, whose login may subscribe to `o.>`.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// What [`crate::Logs::hear`] is to give. Must be called in a tokio runtime.
    pub fn hear(&self, org: OrgId, app: Option<Name>) -> Ears {
        raw::hear(self.client.clone(), org, app)
    }

    /// What [`crate::Logs::recent`] is to give.
    pub fn recent(&self, org: OrgId, app: Option<Name>, since: i64) -> Pending<Vec<(Address, Bytes)>> {
        Box::pin(recent::ask(self.client.clone(), org, app, since))
    }

    /// What [`crate::Logs::tail`] is to give. Must be called in a tokio runtime. Each tail is a subscription of its own, as narrow as
    /// its filter allows. What a lost connection may have cost nobody knows: it ends the tail.
    pub fn tail(&self, listen: Listen) -> Answer {
        let (answering, answer) = Answer::begin();
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Err(failure) = hear(&client, &listen, &answering).await {
                answering.end(Err(failure)).await;
            }
        });
        answer
    }
}

/// Hears until nobody listens.
async fn hear(client: &Client, listen: &Listen, answering: &Answering) -> Result<(), Failure> {
    // Its expressions may take long to prepare.
    let listen = listen.clone();
    let hearing = tokio::task::spawn_blocking(move || (Hearing::new(&listen), listen)).await;
    let (hearing, listen) = hearing.map_err(|_| Failure::Broken)?;
    let mut hearing = hearing?;
    let mut status = client.status();
    // Which connection it is: with the next one some lines may be missing.
    let epoch = match *status.borrow_and_update() {
        Status::Connected { epoch, .. } => epoch,
        _ => return Err(Failure::Away("there is no connection to the bus".into())),
    };
    let is_gone = |status: &Status| !matches!(status, Status::Connected { epoch: now, .. } if *now == epoch);
    let pattern = subject::pattern(&listen.org, hearing.predicate());
    let subscribed = client.subscribe(&pattern, None).await;
    let mut subscription = subscribed.map_err(|error| Failure::Away(error.to_string()))?;
    answering.rows(Block::new(0)).await;
    let mut missed = 0;
    loop {
        tokio::select! {
            delivery = subscription.next() => {
                let mut heard = 0;
                let mut next = Some(delivery);
                while let Some(delivery) = next {
                    take(&mut hearing, delivery)?;
                    heard += 1;
                    next = if heard < MAX_TOGETHER { subscription.try_next().map(Some) } else { None };
                }
                hand_over(&mut hearing, answering, &mut missed)?;
                // Others of this thread have a turn.
                tokio::task::yield_now().await;
            }
            () = async { _ = status.wait_for(is_gone).await } => return Err(lost()),
            () = answering.dropped() => return Ok(()),
            () = answering.room(), if missed > 0 => {
                if give(answering, gap(missed, unix_ns())).is_ok() {
                    missed = 0;
                }
            }
        }
    }
}

fn lost() -> Failure {
    Failure::Away("the connection to the bus was lost".into())
}

fn take(hearing: &mut Hearing, delivery: Option<Delivery>) -> Result<(), Failure> {
    match delivery {
        Some(Delivery::Message(message)) => hearing.take(&message.subject, &message.payload),
        Some(Delivery::NoResponders) => {}
        Some(Delivery::Denied { reason }) => return Err(Failure::Away(reason)),
        Some(Delivery::Interrupted { .. }) | None => return Err(lost()),
    }
    Ok(())
}

/// Gives what was heard, and counts what there is no room for.
fn hand_over(hearing: &mut Hearing, answering: &Answering, missed: &mut u64) -> Result<(), Failure> {
    for block in hearing.rows()? {
        if *missed > 0 && give(answering, gap(*missed, unix_ns())).is_ok() {
            *missed = 0;
        }
        let rows = block.rows() as u64;
        if *missed > 0 || give(answering, block).is_err() {
            *missed += rows;
        }
    }
    Ok(())
}

fn give(answering: &Answering, block: Block) -> Result<(), Block> {
    // Whether somebody still listens is seen before the next one.
    answering.try_rows(block).map(|_: Flow| ())
}

/// The row that stands for those that were missed, in their place.
fn gap(missed: u64, now: i64) -> Block {
    let gap = Gap { reason: GapReason::SlowReader, hop: Hop::Unknown, bytes: 0 };
    let mut time = Vec::new();
    write_rfc3339(now, &mut time);
    let lines = if missed == 1 { "line" } else { "lines" };
    let message = format!("{missed} {lines} lost: {}", gap.reason.sentence());
    Block::new(1)
        .with("_msg", Column::of(message))
        .with("_stream", Column::of("{}"))
        .with("_time", Column::of(time))
        .with("code", Column::of(gap.reason.code_name()))
        .with("gap.hop", Column::of("api"))
        .with("gap.reason", Column::of(gap.reason.as_str()))
        .with("level", Column::of(Level::Warn.as_str()))
        .with("provider", Column::of(Provider::Runner.as_str()))
        .with("span", Column::of(missed.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_there_is_no_room_for_becomes_one_row() {
        use crate::logs::Piece;
        let (answering, mut answer) = Answer::begin();
        let mut given = 0;
        while give(&answering, Block::new(3)).is_ok() {
            given += 1;
        }
        for _ in 0..given {
            answer.next().await;
        }
        answering.room().await;
        assert!(give(&answering, gap(2, 0)).is_ok());
        let Some(Ok(Piece::Rows(row))) = answer.next().await else { panic!("no row") };
        assert_eq!(row.value("_msg", 0, &mut Vec::new()), b"2 lines lost: this reader was too slow");
    }
}
