//! How much was delivered to clients, by app, and how each of them stands.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use access::{Count, Deliveries, Reads, Standing};
use line::{Name, OrgId};
use serde::Deserialize;
use tokio::time::{Duration, Instant};

use crate::batch::Group;
use crate::tenant::{Member, Tenant};

/// Apps whose counts one subscription keeps at hand. With more it looks them up anew.
const MAX_AT_HAND: usize = 1024;
/// How exactly it is known since when bytes wait.
const MARK_EVERY: Duration = Duration::from_millis(100);
/// Moments that are kept of one queue. With more, every other one is left out.
const MAX_MARKS: usize = 64;

/// Unix nanoseconds.
fn unix_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}

/// Counts by apps as they stand in subjects. `None`: that one is not counted.
type AtHand = HashMap<Box<[u8]>, Option<Arc<Count>>>;

/// Counts what one subscription upstream brings.
#[derive(Debug)]
pub(crate) struct Tally {
    deliveries: Arc<Deliveries>,
    /// `None`: what it brings is of no org.
    org: Option<OrgId>,
    /// Bytes of `o.<orgid>.`.
    prefix_bytes: usize,
    counts: Mutex<AtHand>,
}

impl Tally {
    /// For what is subscribed to with this pattern, which has so many bytes of `o.<orgid>.` before it.
    pub(crate) fn new(deliveries: &Arc<Deliveries>, pattern: &str, prefix_bytes: usize) -> Self {
        let org = pattern.get(..prefix_bytes).and_then(|prefix| prefix.strip_prefix("o.")?.strip_suffix('.'));
        let org = org.and_then(|org| OrgId::new(org).ok());
        Self { deliveries: Arc::clone(deliveries), org, prefix_bytes, counts: Mutex::default() }
    }

    /// Counts what clients were given of a group.
    pub(crate) fn note(&self, group: &Group<'_>) {
        // Most messages are of the app of the one before.
        let mut run: Option<(&[u8], u64)> = None;
        for at in 0..group.len() {
            let times = group.times_given(at);
            if times == 0 {
                continue;
            }
            let Some(app) = app_of(&group.inner(at)[self.prefix_bytes..]) else { continue };
            match &mut run {
                Some((of, sum)) if *of == app => *sum += times,
                _ => {
                    self.add(run.replace((app, times)));
                }
            }
        }
        self.add(run);
    }

    fn add(&self, run: Option<(&[u8], u64)>) {
        let (Some((app, lines)), Some(org)) = (run, &self.org) else { return };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(app) {
            if counts.len() >= MAX_AT_HAND {
                counts.clear();
            }
            let name = std::str::from_utf8(app).ok().and_then(|app| Name::new("app", app).ok());
            counts.insert(app.into(), name.and_then(|name| self.deliveries.count(org, &name, unix_ns())));
        }
        if let Some(Some(count)) = counts.get(app) {
            count.add(lines, unix_ns());
        }
    }
}

/// The app of a subject, or of a pattern, as clients see it; `None`: it is none of lines.
fn app_of(subject: &[u8]) -> Option<&[u8]> {
    let mut tokens = subject.split(|byte| *byte == b'.');
    (tokens.next() == Some(b"logs")).then(|| tokens.next()).flatten()
}

/// Counts a recent line that a client asked for, if that is what it was given.
pub(crate) fn note_recent(deliveries: &Deliveries, org: &OrgId, payload: &[u8]) {
    #[derive(Deserialize)]
    struct Line {
        fly: Fly,
    }
    #[derive(Deserialize)]
    struct Fly {
        app: App,
    }
    #[derive(Deserialize)]
    struct App {
        name: String,
    }
    let Ok(line) = serde_json::from_slice::<Line>(payload) else { return };
    let (app, now) = (Name::new("app", &line.fly.app.name).ok(), unix_ns());
    if let Some(count) = app.and_then(|app| deliveries.count(org, &app, now)) {
        count.add(1, now);
    }
}

/// Since when the bytes of a client's queue wait.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Bytes that were queued since it was empty last.
    queued: u64,
    /// How many those were at which moment, both rising.
    marks: VecDeque<(u64, Instant)>,
}

impl Backlog {
    /// Bytes were queued: so many waited before, and so many do now.
    pub(crate) fn queued(&mut self, before: usize, after: usize, now: Instant) {
        if before == 0 {
            self.marks.clear();
            self.queued = 0;
        }
        if self.marks.back().is_none_or(|(_, at)| now.saturating_duration_since(*at) >= MARK_EVERY) {
            if self.marks.len() >= MAX_MARKS {
                let mut is_kept = false;
                self.marks.retain(|_| {
                    is_kept = !is_kept;
                    is_kept
                });
            }
            self.marks.push_back((self.queued, now));
        }
        self.queued += after.saturating_sub(before) as u64;
    }

    /// How long the first byte has waited when so many wait.
    pub(crate) fn behind(&self, pending: usize, now: Instant) -> Duration {
        let written = self.queued.saturating_sub(pending as u64);
        let since = self.marks.iter().rev().find(|(queued, _)| *queued <= written);
        match since.filter(|_| pending > 0) {
            Some((_, at)) => now.saturating_duration_since(*at),
            None => Duration::ZERO,
        }
    }
}

impl Reads for Tenant {
    fn apps(&self) -> Option<&BTreeSet<Name>> {
        self.grant.scope.apps.as_ref()
    }

    fn tell(&self, say: &mut dyn FnMut(Option<&Name>, Standing)) {
        let pending = {
            let outgoing = self.peer.outgoing();
            if outgoing.is_closing() {
                return;
            }
            outgoing.pending_bytes()
        };
        let members = self.members().clone();
        let lines = members.iter().filter(|member| member.interest.is_some() && !member.sub.has_ended());
        // However many subscriptions it has, it reads an app once, and all of them if one is for all.
        let (mut apps, mut is_of_all, mut is_live) = (BTreeSet::new(), false, true);
        for member in lines {
            match read_by(member) {
                Some(Some(app)) => _ = apps.insert(app),
                Some(None) => is_of_all = true,
                None => continue,
            }
            is_live &= !member.is_skipping();
        }
        let standing = Standing { is_live, behind: self.backlog().behind(pending, Instant::now()) };
        match is_of_all {
            true => say(None, standing),
            false => apps.iter().for_each(|app| say(Some(app), standing)),
        }
    }
}

/// Which app a subscription is for, `None` if for all; `None` if it is not for lines.
fn read_by(member: &Member) -> Option<Option<Name>> {
    let pattern = &member.sub.pattern;
    match pattern.split(|byte| *byte == b'.').next() {
        Some(b"logs" | b"*" | b">") => {}
        _ => return None,
    }
    let app = app_of(pattern).and_then(|app| std::str::from_utf8(app).ok());
    match app {
        Some("*" | ">") | None => Some(None),
        Some(app) => Name::new("app", app).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whose_lines_a_subject_has() {
        for (subject, wanted) in [
            ("logs.web.lhr.i1", Some("web")),
            ("logs.*.lhr.>", Some("*")),
            ("logs.>", Some(">")),
            ("logs", None),
            ("metrics.web", None),
            ("", None),
        ] {
            assert_eq!(app_of(subject.as_bytes()), wanted.map(str::as_bytes), "{subject}");
        }
    }

    #[test]
    fn recent_lines_are_counted_and_nothing_else() {
        let (deliveries, org) = (Deliveries::default(), OrgId::new("k3f9").unwrap());
        for payload in [
            r#"{"fly":{"app":{"name":"web","instance":"i"}},"message":"x"}"#,
            r#"{"end":{"host":"h","sent":1}}"#,
            "",
            r#"{"fly":{"app":{"name":""}}}"#,
        ] {
            note_recent(&deliveries, &org, payload.as_bytes());
        }
        assert_eq!(deliveries.lines(), [(org, Name::new("app", "web").ok(), 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_bytes_wait() {
        let (mut backlog, begin) = (Backlog::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(backlog.behind(0, begin), Duration::ZERO);
        backlog.queued(0, 100, at(0));
        backlog.queued(100, 300, at(1_000));
        backlog.queued(300, 400, at(2_000));
        for (pending, wanted) in [(0, 0), (400, 3_000), (301, 3_000), (300, 2_000), (100, 1_000), (1, 1_000)]
        {
            assert_eq!(backlog.behind(pending, at(3_000)), Duration::from_millis(wanted), "{pending}");
        }
        // It was empty in between.
        backlog.queued(0, 50, at(9_000));
        assert_eq!(backlog.behind(50, at(9_500)), Duration::from_millis(500));
    }

    proptest! {
        /// A queue of which each step writes some and queues some: what is told is never less than the truth, and not much more.
        #[test]
        fn what_is_told_is_about_what_is_so(
            steps in proptest::collection::vec((0_usize..300, 1_usize..200, 1_u64..400), 1..60),
        ) {
            let (mut backlog, begin) = (Backlog::default(), Instant::now());
            let (mut queue, mut ms) = (VecDeque::<u64>::new(), 0);
            for (written, queued, later) in steps {
                ms += later;
                queue.drain(..written.min(queue.len()));
                let before = queue.len();
                queue.extend(std::iter::repeat_n(ms, queued));
                backlog.queued(before, queue.len(), begin + Duration::from_millis(ms));
                let told = backlog.behind(queue.len(), begin + Duration::from_millis(ms));
                let wanted = Duration::from_millis(ms - queue[0]);
                prop_assert!(told >= wanted && told < wanted + MARK_EVERY, "{told:?} {wanted:?}");
            }
        }
    }
}
