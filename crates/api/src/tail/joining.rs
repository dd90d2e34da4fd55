//! Waits until a feed is as far as a cursor: another server may have been further, whose store is away now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use line::Name;
use tokio::time::sleep;

use super::cursor::Cursor;
use super::feed::{Feed, Health, Joined};
use super::run::{Over, Tail};
use super::writer::Notice;

/// How long to wait until the feed is as far as a cursor before it is said that a store is away.
const SAID: Duration = Duration::from_secs(1);

impl Tail {
    /// Joins the feed when it is as far as the cursor.
    pub(super) async fn join(&mut self, cursor: &Cursor) -> Result<Joined, Over> {
        let (mut beats, begun, mut is_told) = (self.beats(), Instant::now(), false);
        loop {
            let joined = self.feed.join();
            let stores = &joined.stand.cursor.stores;
            let is_far = |(store, pos): (&Name, &u64)| stores.get(store).is_none_or(|reached| reached >= pos);
            if cursor.stores.iter().all(is_far) {
                return Ok(joined);
            }
            drop(joined);
            self.feed.hurry();
            if !is_told && begun.elapsed() >= SAID {
                is_told = true;
                self.say_away(cursor).await?;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(20)) => {}
                _ = beats.tick() => {
                    self.beat().await?;
                    self.say_away(cursor).await?;
                }
                () = self.writer.gone() => return Err(Over::Gone),
            }
        }
    }

    /// Says that what is behind a cursor cannot be said yet. Ends the tail if it never can.
    async fn say_away(&mut self, cursor: &Cursor) -> Result<(), Over> {
        self.writer.stand_at(cursor);
        let health = self.feed.health().borrow().clone();
        let why = match &health {
            Health::Storeless(why) => why.as_str(),
            _ => "it has not said yet how far it is",
        };
        self.writer.say(Notice::State("store-away", Some(why))).await?;
        let feed = Arc::clone(&self.feed);
        if self.waiting(is_past(&feed, cursor)).await? { Ok(()) } else { Err(Over::Done(AHEAD)) }
    }
}

/// What is said to a client whose cursor cannot be gone on with.
pub(super) const AHEAD: &str = "the cursor is ahead of what is stored: it is of another installation, or of a store that was replaced; begin anew with since";

/// Whether the stores are as far as a cursor, as far as they answer. If not, it is of another one, or the store has lost what it had.
pub(super) async fn is_past(feed: &Feed, cursor: &Cursor) -> bool {
    let stand = feed.join().stand;
    for (store, &pos) in &cursor.stores {
        if stand.cursor.stores.get(store).is_none_or(|&reached| reached >= pos) {
            continue;
        }
        // The feed may only not be there yet.
        if feed.follower().end(store).await.is_ok_and(|end| end < pos) {
            return false;
        }
    }
    true
}
