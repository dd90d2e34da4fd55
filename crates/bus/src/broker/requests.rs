//! Which requests a client was given, and so may answer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::roles::{ANSWER_SECONDS, MAX_ANSWERS};

/// Requests that may wait for answers from one client; the oldest gives way.
const MAX_REQUESTS: usize = 1024;

/// The requests of one client.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: HashMap<Bytes, (u32, Instant)>,
    order: VecDeque<Bytes>,
}

impl Requests {
    /// Notes that this client was given a request, which it may answer.
    pub(super) fn note(&mut self, reply: &[u8], now: Instant) {
        if self.open.len() >= MAX_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        let reply = Bytes::copy_from_slice(reply);
        let until = now + Duration::from_secs(ANSWER_SECONDS);
        if self.open.insert(reply.clone(), (MAX_ANSWERS, until)).is_none() {
            self.order.push_back(reply);
        }
    }

    /// Whether this client may publish one more answer on `subject`.
    pub(super) fn take(&mut self, subject: &[u8], now: Instant) -> bool {
        match self.open.get_mut(subject) {
            Some((left, until)) if *left > 0 && *until >= now => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_counted_bounded_and_expire() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let reply = b"_INBOX.api.1";
        assert!(!requests.take(reply, now));
        requests.note(reply, now);
        for _ in 0..MAX_ANSWERS {
            assert!(requests.take(reply, now));
        }
        assert!(!requests.take(reply, now));
        requests.note(reply, now);
        assert!(!requests.take(reply, now + Duration::from_secs(ANSWER_SECONDS + 1)));
        for i in 0..MAX_REQUESTS {
            requests.note(format!("r{i}").as_bytes(), now);
        }
        assert!(!requests.take(reply, now), "the oldest gave way");
        assert!(requests.take(b"r1023", now));
    }
}
