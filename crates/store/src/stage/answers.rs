//! Answers that are under way: each is searched in a thread of its own and waits, a page ahead, until it is asked for more.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::sys::{
    MAX_QUERY_PAGE_BYTES, QUERY_IDLE_SECONDS, QUERY_PAGE_SECONDS, QueryEnd, QueryFailure, QueryNext,
    QueryPage, write_page,
};
use line::OrgId;
use query::Held;
use tokio::sync::{Mutex as Turn, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::fair::Place;

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
    /// All was said; and what is kept until it is fetched.
    End(QueryEnd, Option<Kept>),
}

/// What an answer holds until all of it is in pages.
pub(super) struct Kept {
    pub(super) _place: Place<OrgId>,
    pub(super) _memory: Option<Held>,
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
    org: OrgId,
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
    /// What was said and is not in a page yet, from byte `at` of the first one on: `rest_bytes` in all.
    rest: VecDeque<Vec<u8>>,
    at: usize,
    rest_bytes: usize,
    kept: Option<Kept>,
    /// The end has come.
    end: Option<QueryEnd>,
    /// The page that was made last, and its number: it may have got lost.
    last: Option<(u64, Vec<u8>)>,
}

impl Answers {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an answer of `org`, and what its search watches: it is to end when that is set. `None` if there are too many, or
    /// not more left for others than the org has.
    pub(super) fn begin(
        &self,
        org: &OrgId,
        said: mpsc::Receiver<Said>,
    ) -> Option<(QueryNext, Arc<AtomicBool>)> {
        let mut open = self.open();
        let is_full = |open: &HashMap<String, Arc<Answer>>| {
            let own = open.values().filter(|answer| answer.org == *org).count();
            open.len() + own >= MAX_ANSWERS
        };
        if is_full(&open) {
            open.retain(|_, answer| !answer.is_done.load(Ordering::Relaxed));
        }
        if is_full(&open) {
            return None;
        }
        let id = format!("{:x}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let over = Arc::new(AtomicBool::new(false));
        let pages = Turn::new(Pages::new(said));
        let used = Mutex::new(Instant::now());
        let is_done = AtomicBool::new(false);
        open.insert(
            id.clone(),
            Arc::new(Answer {
                id: id.clone(),
                org: org.clone(),
                over: Arc::clone(&over),
                used,
                is_done,
                pages,
            }),
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
    const fn new(said: mpsc::Receiver<Said>) -> Self {
        Self { said, rest: VecDeque::new(), at: 0, rest_bytes: 0, kept: None, end: None, last: None }
    }

    /// Whether all of it is in pages.
    const fn is_done(&self) -> bool {
        self.end.is_some() && self.rest_bytes == 0
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.rest_bytes += bytes.len();
        self.rest.push_back(bytes);
    }

    /// Takes up to `most` bytes of what was said.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(most.min(self.rest_bytes));
        while body.len() < most {
            let Some(first) = self.rest.front() else { break };
            let left = first.get(self.at..).unwrap_or_default();
            let some = left.get(..most - body.len()).unwrap_or(left);
            body.extend_from_slice(some);
            self.at += some.len();
            if self.at >= first.len() {
                self.rest.pop_front();
                self.at = 0;
            }
        }
        self.rest_bytes -= body.len();
        body
    }

    /// Waits until there is a page's worth, or the end, or [`PAGE`] is over.
    async fn make(&mut self, id: &str, page: u64, max_bytes: usize) -> Vec<u8> {
        let room = MAX_QUERY_PAGE_BYTES.min(max_bytes.saturating_sub(HEAD_BYTES)).max(1);
        let due = Instant::now() + PAGE;
        while self.rest_bytes < room && self.end.is_none() {
            let Ok(said) = timeout_at(due, self.said.recv()).await else { break };
            match said {
                Some(Said::Bytes(bytes)) => self.push(bytes),
                Some(Said::End(said, kept)) => (self.end, self.kept) = (Some(said), kept),
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
        let body = self.take(room);
        let end = if self.rest_bytes == 0 { self.end.clone() } else { None };
        if self.is_done() {
            self.kept = None;
        }
        write_page(&QueryPage { id: id.to_owned(), page, end }, &body)
    }
}

/// A page that says why there is none.
pub(super) fn failed(asked: &QueryNext, code: &str, reason: &str, retry: bool) -> Vec<u8> {
    let failure = QueryFailure { code: code.to_owned(), reason: reason.to_owned(), retry };
    let end = QueryEnd { error: Some(failure), ..QueryEnd::default() };
    write_page(&QueryPage { id: asked.id.clone(), page: asked.page, end: Some(end) }, b"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_said_is_what_is_taken(said in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9), most in 1_usize..9) {
            let mut pages = Pages::new(mpsc::channel(1).1);
            let mut taken = Vec::new();
            for bytes in &said {
                pages.push(bytes.clone());
                if bytes.len() % 2 == 0 {
                    taken.extend(pages.take(most));
                }
            }
            loop {
                let some = pages.take(most);
                prop_assert!(some.len() == most || pages.rest_bytes == 0);
                if some.is_empty() {
                    break;
                }
                taken.extend(some);
            }
            prop_assert_eq!(taken, said.concat());
            prop_assert!(pages.rest.iter().all(Vec::is_empty));
        }
    }

    #[tokio::test]
    async fn an_org_leaves_as_many_answers_as_it_has() {
        let answers = Answers::default();
        let begin =
            |org: &str| answers.begin(&OrgId::new(org).unwrap(), mpsc::channel(1).1).map(|(next, _)| next);
        let count = |org: &str| std::iter::from_fn(|| begin(org)).count();
        assert_eq!((count("a"), count("b"), count("c")), (32, 16, 8));
        answers.end();
        let next = begin("a").unwrap();
        answers.cancel(&next);
        assert_eq!(count("a"), 32);
    }
}
