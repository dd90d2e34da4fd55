//! The first step of a tail: the newest lines of the past, or where those begin that are asked for.

use std::time::Instant;

use tokio::time::sleep;

use super::batch::{Fresh, Record};
use super::cursor::{Cursor, Last};
use super::request::LINES;
use super::run::{Over, Tail, records};
use super::writer::Notice;
use crate::commits::Commits;
use crate::logs::{Ask, Failure, Piece};

impl Tail {
    /// Gives the history that is asked for, and where it ended.
    pub(super) async fn first(&mut self) -> Result<Cursor, Over> {
        let joined = self.feed.join();
        let Cursor { stores, at, .. } = joined.stand.cursor.clone();
        let mut cursor = Cursor { stores, at, ..Cursor::default() };
        if let (None, Some(since)) = (self.request.lines, self.request.since) {
            for (store, pos) in &mut cursor.stores {
                let first = self.feed.follower().first_since(store, since).await;
                // Without an answer it is looked for from the beginning: what is older does not match.
                *pos = first.unwrap_or(0).min(*pos);
            }
            self.writer.stand_at(&cursor);
            self.writer.say(Notice::State("history", None)).await?;
            return Ok(cursor);
        }
        let begin = Cursor { history: Some(Last::BEFORE_ALL), ..cursor.clone() };
        self.writer.stand_at(&begin);
        self.writer.say(Notice::State("history", None)).await?;
        self.history(&mut cursor, None).await?;
        Ok(cursor)
    }

    /// The newest lines below the cursor, behind `last`. A store that does not answer is not in the cursor any more: of it comes what is of the
    /// last ten minutes, when it answers.
    pub(super) async fn history(&mut self, cursor: &mut Cursor, last: Option<Last>) -> Result<(), Over> {
        let lines = self.request.lines.unwrap_or(LINES);
        if lines == 0 {
            return Ok(());
        }
        let mut found: Vec<(Last, Record)> = Vec::new();
        for (store, pos) in cursor.stores.clone() {
            let newest = Newest { of: self.rows_of(&store), pos, lines };
            match self.waiting(newest.read()).await? {
                Ok(some) => found.extend(some),
                Err(failure) => {
                    // Whoever was interrupted in it may have some of that, and would get it again.
                    if last.is_none() {
                        cursor.stores.remove(&store);
                    }
                    self.writer.say(Notice::State("store-away", Some(&failure.to_string()))).await?
                }
            }
        }
        found.sort_by_key(|(last, _)| *last);
        let too_many = found.len().saturating_sub(lines);
        let below = Cursor { history: Some(Last::BEFORE_ALL), ..cursor.clone() };
        self.writer.stand_at(&below);
        for (place, record) in &found[too_many..] {
            if last.is_none_or(|last| *place > last) {
                self.writer.line(record, Some(*place)).await?;
            }
        }
        self.writer.stand_at(cursor);
        self.writer.flush().await?;
        Ok(())
    }
}

/// The newest rows of a store below `pos`, at most `lines`.
struct Newest {
    of: Commits,
    pos: u64,
    lines: usize,
}

impl Newest {
    /// They, with their places in the history.
    async fn read(&self) -> Result<Vec<(Last, Record)>, Failure> {
        let (mut limit, until) = (self.lines, Instant::now() + self.of.timeout);
        loop {
            match self.ask(limit).await {
                // They are so long that there is no room for as many.
                Err(failure) if failure.is_too_much() && limit > 1 => limit = limit.div_ceil(4),
                // Many come at once when a server comes back.
                Err(Failure::Busy { retry_after, .. }) if Instant::now() < until => sleep(retry_after).await,
                found => return found,
            }
        }
    }

    async fn ask(&self, limit: usize) -> Result<Vec<(Last, Record)>, Failure> {
        let Commits { logs, store, org, now, state_bytes, .. } = &self.of;
        let mut query = self.of.query.clone();
        query.pipes = query::parse(&format!("* | sort by (_time desc, pos desc) limit {limit}"), *now)?.pipes;
        let mut answer = logs.query(Ask {
            org: org.clone(),
            query,
            now: *now,
            deadline: Instant::now() + self.of.timeout,
            state_bytes: *state_bytes,
            store: Some(store.clone()),
            pos: 0..self.pos,
        });
        let mut found = Vec::new();
        loop {
            match answer.next().await {
                Some(Ok(Piece::Rows(block))) => {
                    let rows = (0..block.rows()).filter_map(|row| Fresh::stored(org, &block, row));
                    found.extend(records(rows));
                }
                Some(Ok(Piece::End(_))) => return Ok(found),
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Broken),
            }
        }
    }
}
