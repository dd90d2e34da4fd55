//! Answers that are under way: each is searched in a thread of its own and waits, a page ahead, until it is asked for more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::sys::{
    MAX_QUERY_PAGE_BYTES, QUERY_IDLE_SECONDS, QUERY_PAGE_SECONDS, QueryEnd, QueryFailure, QueryNext,
    QueryPage, write_page,
};
use tokio::sync::{Mutex as Turn, mpsc};
use tokio::time::{Instant, timeout_at};

/// Answers that may be under way at once. Who asks beyond that is told to come again.
const MAX_ANSWERS: usize = 64;
/// Room for the head of a page.
const HEAD_BYTES: usize = 4096;
/// How long an answer waits for its next question.
const IDLE: Duration = Duration::from_secs(QUERY_IDLE_SECONDS);
/// How long a page waits for what fills it.
const PAGE: Duration = Duration::from_secs(QUERY_PAGE_SECONDS);

/// What a search says to whoever sends its answer.
pub(super) enum Said {
    /// Some of it.
    Bytes(Vec<u8>),
    /// All was said.
    End(QueryEnd),
}

/// The answers by id.
#[derive(Default)]
pub(super) struct Answers {
    open: Mutex<HashMap<String, Arc<Answer>>>,
    next_id: AtomicU64,
}

/// One of them.
struct Answer {
    id: String,
    /// Tells the search to end.
    over: Arc<AtomicBool>,
    used: Mutex<Instant>,
    /// All of it is in pages: it is kept only for who has not got the last one.
    is_done: AtomicBool,
    /// Whoever has it makes the next page.
    pages: Turn<Pages>,
}

struct Pages {
    said: mpsc::Receiver<Said>,
    /// What was said and is not in a page yet.
    rest: Vec<u8>,
    /// The end has come.
    end: Option<QueryEnd>,
    /// The page that was made last, and its number: it may have got lost.
    last: Option<(u64, Vec<u8>)>,
}

impl Answers {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an answer, and what its search watches: it is to end when that is set. `None` if there are too many.
    pub(super) fn begin(&self, said: mpsc::Receiver<Said>) -> Option<(QueryNext, Arc<AtomicBool>)> {
        let mut open = self.open();
        if open.len() >= MAX_ANSWERS {
            open.retain(|_, answer| !answer.is_done.load(Ordering::Relaxed));
        }
        if open.len() >= MAX_ANSWERS {
            return None;
        }
        let id = format!("{:x}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let over = Arc::new(AtomicBool::new(false));
        let pages = Turn::new(Pages { said, rest: Vec::new(), end: None, last: None });
        let used = Mutex::new(Instant::now());
        let is_done = AtomicBool::new(false);
        open.insert(
            id.clone(),
            Arc::new(Answer { id: id.clone(), over: Arc::clone(&over), used, is_done, pages }),
        );
        Some((QueryNext { id, page: 0 }, over))
    }

    /// The page that is asked for, as a message of at most `max_bytes`.
    pub(super) async fn page(&self, asked: &QueryNext, max_bytes: usize) -> Vec<u8> {
        let answer = self.open().get(&asked.id).cloned();
        let Some(answer) = answer else {
            let reason = format!(
                "the answer was not asked for in {QUERY_IDLE_SECONDS} s, or the store has started anew"
            );
            return failed(asked, "LS08", &reason, true);
        };
        let mut pages = answer.pages.lock().await;
        *answer.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let page = match &pages.last {
            Some((number, message)) if *number == asked.page => return message.clone(),
            Some((number, _)) if number + 1 == asked.page && !pages.is_done() => asked.page,
            None if asked.page == 0 => 0,
            _ => return failed(asked, "LS08", "there is no such page", false),
        };
        let message = pages.make(&answer.id, page, max_bytes).await;
        if pages.is_done() {
            if page == 0 {
                // Whoever does not get it asks the whole again.
                self.open().remove(&answer.id);
            }
            answer.is_done.store(true, Ordering::Relaxed);
        }
        pages.last = Some((page, message.clone()));
        message
    }

    /// Ends an answer that nobody wants any more.
    pub(super) fn cancel(&self, asked: &QueryNext) {
        if let Some(answer) = self.open().remove(&asked.id) {
            answer.over.store(true, Ordering::Relaxed);
        }
    }

    /// Ends those that nobody has asked for in a while.
    pub(super) fn expire(&self, now: Instant) {
        self.open().retain(|_, answer| {
            let used = *answer.used.lock().unwrap_or_else(PoisonError::into_inner);
            let keep = now.saturating_duration_since(used) < IDLE;
            if !keep {
                answer.over.store(true, Ordering::Relaxed);
            }
            keep
        });
    }

    /// Ends all.
    pub(super) fn end(&self) {
        self.open().drain().for_each(|(_, answer)| answer.over.store(true, Ordering::Relaxed));
    }
}

impl Pages {
    /// Whether all of it is in pages.
    const fn is_done(&self) -> bool {
        self.end.is_some() && self.rest.is_empty()
    }

    /// Waits until there is a page's worth, or the end, or [`PAGE`] is over.
    async fn make(&mut self, id: &str, page: u64, max_bytes: usize) -> Vec<u8> {
        let room = MAX_QUERY_PAGE_BYTES.min(max_bytes.saturating_sub(HEAD_BYTES)).max(1);
        let due = Instant::now() + PAGE;
        while self.rest.len() < room && self.end.is_none() {
            let Ok(said) = timeout_at(due, self.said.recv()).await else { break };
            match said {
                Some(Said::Bytes(bytes)) => self.rest.extend_from_slice(&bytes),
                Some(Said::End(said)) => self.end = Some(said),
                // The search has gone without a word: it panicked.
                None => {
                    let failure = QueryFailure {
                        code: "LS08".to_owned(),
                        reason: "the search ended without an answer; see the store's log".to_owned(),
                        retry: false,
                    };
                    self.end = Some(QueryEnd { error: Some(failure), ..QueryEnd::default() });
                }
            }
        }
        // The end may have come with more than fits: it is said with the last page.
        let body: Vec<u8> = self.rest.drain(..self.rest.len().min(room)).collect();
        let end = if self.rest.is_empty() { self.end.clone() } else { None };
        write_page(&QueryPage { id: id.to_owned(), page, end }, &body)
    }
}

/// A page that says why there is none.
pub(super) fn failed(asked: &QueryNext, code: &str, reason: &str, retry: bool) -> Vec<u8> {
    let failure = QueryFailure { code: code.to_owned(), reason: reason.to_owned(), retry };
    let end = QueryEnd { error: Some(failure), ..QueryEnd::default() };
    write_page(&QueryPage { id: asked.id.clone(), page: asked.page, end: Some(end) }, b"")
}
