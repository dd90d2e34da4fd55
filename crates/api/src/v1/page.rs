//! `GET /api/v1/apps/:app/logs`: a page of lines, as `flyctl logs` and other clients of Fly's Logs API read it.
//!
//! | step | module |
//! |---|---|
//! | where the page begins | [`token`] |
//! | its rows, from each store | [`read`] |
//! | when there is nothing new | [`quiet`] |
//! | a row as JSON | [`entry`] |

mod entry;
mod quiet;
mod read;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use line::Name;
use query::{Block, Confinement};

use super::app_of;
use crate::logs::Failure;
use crate::reply::{self, Refused, Reply, set_header};
use crate::select::PARTIAL;
use crate::select::json::time;
use crate::serve::{Api, Asked};
pub(crate) use quiet::Quiet;
use read::{Found, Reader, pos, refused};
use token::{Cursor, Token, digest};

/// Most lines of a page.
const MAX_LINES: usize = 100;
/// Most bytes of a page, unless its only line is longer.
const MAX_BYTES: usize = 8 << 20;
/// How far back a page without a token goes.
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// What [`crate::probe::page_token`] says.
pub(crate) fn probe(text: &str) -> Option<String> {
    match Token::read(text).ok()? {
        Token::Newest => Some(String::new()),
        Token::After(after) => Some(after.to_string()),
        Token::From(cursor) => Some(cursor.to_string()),
    }
}

pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    let app = app_of(asked)?;
    let text = asked.args.get("next_token").unwrap_or_default().to_owned();
    let token = Token::read(&text)?;
    // Until the page is made: what is read of it is held that long.
    let _place = asked.place.take();
    let stores = api.logs.stores().map_err(|failure| refused(&failure))?;
    let reader = Reader {
        api: Arc::clone(api),
        limits: limits(asked, app),
        now: asked.now,
        deadline: Instant::now() + api.limits.query_time,
    };
    let page = match &token {
        Token::Newest => newest(&reader, &stores).await?,
        Token::After(after) => behind(&reader, &stores, *after).await?,
        Token::From(cursor) => on(&reader, &stores, cursor).await?,
    };
    let waits = match token {
        Token::Newest => false,
        Token::After(after) => after > asked.now,
        Token::From(_) => true,
    };
    // Some clients sleep when the token is the one that they sent, and some do not even look at that of an empty page.
    let is_same = page.lines.is_empty() && waits;
    let next = if is_same { text } else { page.cursor() };
    Ok(page.reply(&next, asked.now))
}

/// What the token allows, and of it what the arguments ask for.
fn limits(asked: &Asked, app: Name) -> Confinement {
    let scope = &asked.caller.grant.scope;
    let one_of = |allowed: &Option<BTreeSet<Name>>, what: &'static str| {
        let Some(text) = asked.args.get(what) else { return allowed.clone() };
        // What is no name is nobody's name.
        let name = Name::new(what, text).ok();
        let seen = name.filter(|name| allowed.as_ref().is_none_or(|names| names.contains(name)));
        Some(seen.into_iter().collect())
    };
    Confinement {
        org: asked.caller.grant.org.clone(),
        apps: Some(BTreeSet::from([app])),
        regions: one_of(&scope.regions, "region"),
        instances: one_of(&scope.instances, "instance"),
        filters: Vec::new(),
    }
}

/// The newest lines of a day, and a cursor behind everything that is stored.
async fn newest(reader: &Reader, stores: &[Name]) -> Result<Page, Refused> {
    let after = reader.now.saturating_sub(DAY_NS);
    let mut page = Page::new(after);
    for store in stores {
        match reader.newest(store, after, MAX_LINES).await {
            Ok(found) => {
                page.missing.extend(found.missing);
                page.read_to(store, found.next);
                page.lines.extend(lines(&found.blocks));
            }
            // None of its lines were given: later all of them are.
            Err(failure) => page.lost(store, 0, failure)?,
        }
    }
    page.must_have_a_store(stores)?;
    page.lines.sort_unstable_by_key(|line| (line.time, line.pos));
    let left_out = page.lines.len().saturating_sub(MAX_LINES);
    page.lines.drain(..left_out);
    let (mut bytes, mut fit) = (0, 0);
    for line in page.lines.iter().rev() {
        bytes += line.entry.len();
        fit += usize::from(fit == 0 || bytes <= MAX_BYTES);
    }
    page.lines.drain(..page.lines.len() - fit);
    Ok(page)
}

/// The first lines behind a time. From there on it is the commit order that counts.
async fn behind(reader: &Reader, stores: &[Name], after: i64) -> Result<Page, Refused> {
    let (mut page, mut places) = (Page::new(after), Vec::new());
    for store in stores {
        match reader.first(store, after).await {
            Ok((Some(first), _)) => places.push((store, first)),
            Ok((None, found)) => {
                page.missing.extend(found.missing);
                page.read_to(store, found.next);
            }
            Err(failure) => page.lost(store, 0, failure)?,
        }
    }
    page.fill(reader, &places).await?;
    page.must_have_a_store(stores)?;
    Ok(page)
}

/// What was committed since the page before.
async fn on(reader: &Reader, stores: &[Name], cursor: &Cursor) -> Result<Page, Refused> {
    let mut page = Page::new(cursor.after);
    let place = |store| {
        let known = cursor.stores.iter().find(|(name, _)| *name == digest(Name::as_str(store)));
        // Of a store that was not there yet nothing was given.
        (store, known.map_or(0, |(_, pos)| *pos))
    };
    let places: Vec<_> = stores.iter().map(place).collect();
    page.fill(reader, &places).await?;
    page.must_have_a_store(stores)?;
    Ok(page)
}

/// A line on its way into a page.
#[derive(Debug)]
struct Line {
    time: i64,
    pos: u64,
    entry: Vec<u8>,
}

/// The rows of blocks as lines, in their order.
fn lines(blocks: &[Block]) -> Vec<Line> {
    let mut lines = Vec::new();
    for block in blocks {
        for row in 0..block.rows() {
            let mut entry = Vec::new();
            entry::write(block, row, &mut entry);
            let time = time(block, row, &mut Vec::new()).unwrap_or_default();
            lines.push(Line { time, pos: pos(block, row).unwrap_or_default(), entry });
        }
    }
    lines
}

/// What there is room for.
#[derive(Debug, Clone, Copy)]
struct Room {
    lines: usize,
    bytes: usize,
}

/// A page that is being made.
#[derive(Debug)]
struct Page {
    after: i64,
    lines: Vec<Line>,
    bytes: usize,
    /// How far each store was read.
    read: Vec<(u64, u64)>,
    missing: Vec<String>,
    failed: Vec<Failure>,
}

impl Page {
    fn new(after: i64) -> Self {
        Self { after, lines: Vec::new(), bytes: 0, read: Vec::new(), missing: Vec::new(), failed: Vec::new() }
    }

    /// Notes where to go on with a store.
    fn read_to(&mut self, store: &Name, pos: u64) {
        let name = digest(store.as_str());
        match self.read.iter_mut().find(|(known, _)| *known == name) {
            Some((_, read)) => *read = pos,
            None => self.read.push((name, pos)),
        }
    }

    /// The token behind it.
    fn cursor(&self) -> String {
        Cursor { after: self.after, stores: self.read.clone() }.to_string()
    }

    /// The whole of it.
    fn reply(&self, next: &str, now: i64) -> Reply {
        let mut body =
            Vec::with_capacity(self.lines.iter().map(|line| line.entry.len() + 1).sum::<usize>() + 256);
        body.extend_from_slice(b"{\"data\":[");
        for (at, line) in self.lines.iter().enumerate() {
            body.extend_from_slice(if at == 0 { b"" } else { b"," });
            body.extend_from_slice(&line.entry);
        }
        let missing = self.missing.join("; ");
        // A page that has nothing else would be taken for news, and asked for again at once.
        if !missing.is_empty() && !self.lines.is_empty() {
            body.push(b',');
            entry::write_notice(&format!("lines may be missing here: {missing}"), now, &mut body);
        }
        body.extend_from_slice(b"],\"meta\":{\"next_token\":\"");
        body.extend_from_slice(next.as_bytes());
        body.extend_from_slice(b"\"}}");
        let mut reply = reply::ok(reply::JSON, body);
        if !missing.is_empty() {
            set_header(&mut reply, PARTIAL, &header_text(&missing));
        }
        reply
    }

    /// A part of the room that is left, if so many share it.
    fn room(&self, shares: usize) -> Room {
        let lines = MAX_LINES.saturating_sub(self.lines.len()).div_ceil(shares.max(1));
        let bytes = MAX_BYTES.saturating_sub(self.bytes);
        Room { lines: if bytes == 0 { 0 } else { lines }, bytes: bytes / shares.max(1) }
    }

    /// Adds what stores have from their positions on. Each has its share of the room, so that none has to wait until another has
    /// nothing new; what some leave goes to those that have more.
    async fn fill(&mut self, reader: &Reader, places: &[(&Name, u64)]) -> Result<(), Refused> {
        let mut with_more = Vec::new();
        for (at, (store, from)) in places.iter().enumerate() {
            let room = self.room(places.len() - at);
            if room.lines == 0 {
                self.read_to(store, *from);
                continue;
            }
            match reader.forward(store, self.after, *from, room.lines).await {
                Ok(found) => with_more.extend(self.add(store, found, room).map(|next| (*store, next))),
                Err(failure) => self.lost(store, *from, failure)?,
            }
        }
        for (store, from) in with_more {
            let room = self.room(1);
            if room.lines == 0 {
                break;
            }
            // What it has given already is good without the rest.
            if let Ok(found) = reader.forward(store, self.after, from, room.lines).await {
                self.add(store, found, room);
            }
        }
        Ok(())
    }

    /// Adds what a store had, as far as there is room. If it may have more: from where on.
    fn add(&mut self, store: &Name, found: Found, room: Room) -> Option<u64> {
        self.missing.extend(found.missing);
        let mut next = found.next;
        let mut more = lines(&found.blocks);
        let (mut bytes, mut fit) = (0, 0);
        for line in &more {
            let with = bytes + line.entry.len();
            // Of each store one line may be longer than its share, and the only one of a page as long as it likes.
            let is_first = fit == 0 && (self.lines.is_empty() || self.bytes + with <= MAX_BYTES);
            if with > room.bytes && !is_first {
                break;
            }
            (bytes, fit) = (with, fit + 1);
        }
        let has_more = fit < more.len() || fit >= room.lines;
        if let Some(line) = more.get(fit) {
            next = line.pos;
        }
        more.truncate(fit);
        self.bytes += bytes;
        // Each start of a Machine has rising times, so its lines stay in order, and others are put where they belong.
        more.sort_by_key(|line| (line.time, line.pos));
        self.lines.extend(more);
        self.read_to(store, next);
        has_more.then_some(next)
    }

    /// A store has not answered. Others may, and then it is only said; what is wrong with the question itself is wrong everywhere.
    fn lost(&mut self, store: &Name, from: u64, failure: Failure) -> Result<(), Refused> {
        if !matches!(failure, Failure::Away(_) | Failure::Broken) {
            return Err(refused(&failure));
        }
        self.read_to(store, from);
        self.missing.push(failure.to_string());
        self.failed.push(failure);
        Ok(())
    }

    /// 503 if no store has answered.
    fn must_have_a_store(&self, stores: &[Name]) -> Result<(), Refused> {
        match self.failed.first() {
            Some(failure) if self.failed.len() == stores.len() => Err(refused(failure)),
            _ => Ok(()),
        }
    }
}

/// Text as a header may have it.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect()
}
