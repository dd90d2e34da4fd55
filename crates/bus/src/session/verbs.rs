//! The reading side of a client that is logged in: one verb after another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::connect::{Connect, VIOLATION};
use super::listen::Sessions;
use super::outgoing::{MAX_ANSWER_BYTES, Outgoing};
use super::peer::{Peer, Touched};
use super::sub::Sub;
use super::{Published, Server, Wanted};
use crate::codec::{ClientOp, ProtocolError, ServerReader, write};
use crate::subject::{self, quoted};

/// PINGs without an answer after which a client is cut.
const MAX_PINGS_OUT: u32 = 2;
/// For how many seconds a client may send at once what it may send in each.
const BURST_SECONDS: u32 = 5;
/// In which time refusals are counted.
const VIOLATIONS_PER: Duration = Duration::from_secs(60);

/// A message that a client publishes.
#[derive(Debug)]
pub struct Publish<'a> {
    /// The subject: a legal literal.
    pub subject: &'a Bytes,
    /// Where an answer is wanted: a legal literal.
    pub reply: Option<&'a Bytes>,
    /// The header block.
    pub headers: Option<&'a Bytes>,
    /// The payload.
    pub payload: &'a Bytes,
    /// Whether the client's own subscriptions get it.
    pub echo: bool,
    /// When it was read.
    pub now: Instant,
}

/// How the client wants to be spoken to. A second CONNECT may change it.
struct Manner {
    verbose: bool,
    pedantic: bool,
    echo: bool,
    no_responders: bool,
}

impl Manner {
    const fn of(connect: &Connect) -> Self {
        let Connect { verbose, pedantic, echo, no_responders, .. } = *connect;
        Self { verbose, pedantic, echo, no_responders }
    }
}

/// The reading side of a client that is logged in.
pub(super) struct Verbs<'a, S: Server> {
    sessions: &'a Sessions<S>,
    client: Arc<S::Client>,
    peer: Arc<Peer>,
    manner: Manner,
    /// Of its login.
    mark: u64,
    subs: HashMap<Bytes, S::Listener>,
    now: Instant,
    pings_out: u32,
    /// Up to when the client has used up what it may send: later than now by its burst at most.
    paced_until: Instant,
    /// Refusals since when.
    violations: (u32, Instant),
}

/// Whether to read on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Go,
    /// A PING waits until what was subscribed to is in force.
    Settle,
    /// So many answers wait that the client has to read first.
    Pause,
    Stop,
}

fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

impl<'a, S: Server> Verbs<'a, S> {
    pub(super) fn new(
        sessions: &'a Sessions<S>,
        client: &Arc<S::Client>,
        peer: &Arc<Peer>,
        connect: &Connect,
    ) -> Self {
        let now = Instant::now();
        let manner = Manner::of(connect);
        if manner.verbose {
            peer.answer(now, ok);
        }
        Self {
            sessions,
            client: Arc::clone(client),
            peer: Arc::clone(peer),
            manner,
            mark: connect.mark(&sessions.marks),
            subs: HashMap::new(),
            now,
            pings_out: 0,
            paced_until: now,
            violations: (0, now),
        }
    }

    pub(super) fn client(&self) -> &Arc<S::Client> {
        &self.client
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn server(&self) -> &S {
        &self.sessions.server
    }

    /// Reads verbs until the client is gone (`false`) or must go (`true`).
    pub(super) async fn read(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        mut buffer: BytesMut,
        mut codec: ServerReader,
    ) -> bool {
        let (read_bytes, ping_interval) =
            (self.server().settings().read_bytes, self.server().settings().ping_interval);
        let mut touched = Touched::default();
        loop {
            self.now = Instant::now();
            let next = self.handle_all(&mut buffer, &mut codec, &mut touched);
            touched.wake();
            match next {
                Next::Go => {}
                Next::Stop => return true,
                Next::Pause => {
                    self.wait_for_answer_room().await;
                    continue;
                }
                Next::Settle => {
                    self.sessions.server.settle(&self.client).await;
                    self.peer.answer(Instant::now(), pong);
                    continue;
                }
            }
            if std::mem::take(&mut touched.is_deep) {
                // A reader that is only waiting for its turn must not be taken for a slow one.
                tokio::task::yield_now().await;
            }
            self.server().wait_for_readers(&mut touched).await;
            self.wait_for_answer_room().await;
            self.wait_for_pace().await;
            buffer.reserve(read_bytes);
            match timeout(ping_interval, reader.read_buf(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => self.pings_out = 0,
                Ok(_) => return false,
                Err(_) if self.pings_out >= MAX_PINGS_OUT => {
                    self.last_word("Stale Connection");
                    return true;
                }
                Err(_) => {
                    self.pings_out += 1;
                    self.peer.urgent(|out| out.extend_from_slice(b"PING\r\n"));
                }
            }
        }
    }

    /// Handles every whole verb that was read.
    fn handle_all(&mut self, buffer: &mut BytesMut, codec: &mut ServerReader, touched: &mut Touched) -> Next {
        loop {
            match codec.next(buffer) {
                Ok(Some(op)) => {
                    self.count_verb();
                    match self.handle(op, touched) {
                        Next::Go => {}
                        other => return other,
                    }
                }
                Ok(None) => return Next::Go,
                Err(why) => return self.last_word(&why.to_string()),
            }
        }
    }

    fn count_verb(&mut self) {
        if let Some(verbs_per_s) = self.server().settings().max_verbs_per_s {
            let cost = Duration::from_secs(1) / verbs_per_s.max(1);
            self.paced_until = self.paced_until.max(self.now) + cost;
        }
    }

    /// A client that sends more verbs than it may is not read for a while: its own socket makes it wait.
    async fn wait_for_pace(&self) {
        let earliest = self.paced_until.checked_sub(Duration::from_secs(u64::from(BURST_SECONDS)));
        if let Some(earliest) = earliest.filter(|earliest| *earliest > self.now) {
            sleep_until(earliest).await;
        }
    }

    /// A client that sends PINGs and does not read the answers is not read either.
    async fn wait_for_answer_room(&self) {
        loop {
            let drained = self.peer.drained();
            if self.peer.outgoing().answer_bytes() < MAX_ANSWER_BYTES {
                return;
            }
            drained.await;
        }
    }

    /// Tells the client why it is cut.
    fn last_word(&self, text: &str) -> Next {
        self.peer.change(|outgoing| outgoing.end_with(Instant::now(), |out| write::error(out, text)));
        Next::Stop
    }

    fn handle(&mut self, op: ClientOp, touched: &mut Touched) -> Next {
        match op {
            ClientOp::Publish { subject, reply, headers, payload } => {
                let (echo, now) = (self.manner.echo, self.now);
                let (reply, headers) = (reply.as_ref(), headers.as_ref());
                let publish = Publish { subject: &subject, reply, headers, payload: &payload, echo, now };
                return self.publish(&publish, touched);
            }
            ClientOp::Subscribe { subject, queue, sid } => return self.subscribe(&subject, queue, &sid),
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(&sid, max),
            ClientOp::Ping if self.server().is_settled(&self.client) => {
                let mut answer_bytes = 0;
                self.peer.change(|outgoing| {
                    outgoing.push_answer(self.now, pong);
                    answer_bytes = outgoing.answer_bytes();
                });
                return if answer_bytes < MAX_ANSWER_BYTES { Next::Go } else { Next::Pause };
            }
            ClientOp::Ping => return Next::Settle,
            ClientOp::Connect(json) => return self.connect_again(&json),
            ClientOp::Pong | ClientOp::Ignored => {}
            ClientOp::Hangup => return Next::Stop,
        }
        Next::Go
    }

    /// A second CONNECT may change how the client is spoken to, never who it is.
    fn connect_again(&mut self, json: &[u8]) -> Next {
        match Connect::read(json) {
            Ok(connect) if connect.mark(&self.sessions.marks) == self.mark => {
                self.manner = Manner::of(&connect);
                self.say_ok();
                Next::Go
            }
            Ok(_) => self.last_word(VIOLATION),
            Err(why) => self.last_word(why),
        }
    }

    fn say_ok(&self) {
        if self.manner.verbose {
            self.peer.answer(self.now, ok);
        }
    }

    /// Refuses something. Very many refusals, and the client is cut without a word.
    fn violation(&mut self, text: &str) -> Next {
        self.server().stats().violations.fetch_add(1, Ordering::Relaxed);
        let (count, since) = self.violations;
        let is_new = self.now.saturating_duration_since(since) >= VIOLATIONS_PER;
        self.violations = if is_new { (1, self.now) } else { (count + 1, since) };
        if self.server().settings().max_violations.is_some_and(|max| self.violations.0 > max) {
            self.peer.change(Outgoing::end_soon);
            return Next::Stop;
        }
        self.peer.answer(self.now, |out| write::error(out, text));
        Next::Go
    }

    fn subscribe(&mut self, pattern: &Bytes, queue: Option<Bytes>, sid: &Bytes) -> Next {
        let may = subject::is_pattern(pattern) && self.server().may_subscribe(&self.client, pattern);
        if may {
            self.forget_ended(sid);
            if self.subs.contains_key(sid) {
                self.say_ok();
                return Next::Go;
            }
        }
        let max = self.server().max_subscriptions(&self.client);
        if self.subs.len() >= max {
            let ended = |_: &Bytes, listener: &mut S::Listener| listener.as_ref().has_ended();
            self.subs.extract_if(ended).for_each(|(_, listener)| self.sessions.server.unsubscribe(&listener));
        }
        let mut listener = None;
        if may && self.subs.len() < max {
            let sub = Sub::new(&self.peer, sid, pattern);
            let wanted = Wanted { sid, pattern, queue: queue.as_ref() };
            listener = self.server().subscribe(&self.client, sub, &wanted);
        }
        let Some(listener) = listener else {
            let group = queue.map(|q| format!(" using queue {}", quoted(&q))).unwrap_or_default();
            return self
                .violation(&format!("Permissions Violation for Subscription to {}{group}", quoted(pattern)));
        };
        let sid = listener.as_ref().sid.clone();
        self.subs.insert(sid, listener);
        self.say_ok();
        Next::Go
    }

    /// A subscription that reached its last message is still in our table.
    fn forget_ended(&mut self, sid: &Bytes) {
        let has_ended = self.subs.get(sid).is_some_and(|listener| listener.as_ref().has_ended());
        if let Some(listener) = has_ended.then(|| self.subs.remove(sid)).flatten() {
            self.server().unsubscribe(&listener);
        }
    }

    fn unsubscribe(&mut self, sid: &Bytes, max: Option<u64>) {
        if let Some(listener) = self.subs.get(sid) {
            match max {
                Some(max) if listener.as_ref().limit(max) => {}
                _ => {
                    self.server().unsubscribe(listener);
                    listener.as_ref().end();
                    self.subs.remove(sid);
                }
            }
        }
        self.say_ok();
    }

    fn publish(&mut self, message: &Publish<'_>, touched: &mut Touched) -> Next {
        if message.headers.is_some() && !self.peer.headers {
            return self.last_word(&ProtocolError::Unknown.to_string());
        }
        if !subject::is_literal(message.subject) {
            // Who wants it exactly is told what nats-server says; to others that word would be the end.
            if self.manner.pedantic {
                return self.violation("Invalid Publish Subject");
            }
            return self.violation(&publish_violation(message.subject));
        }
        if let Some(reply) = message.reply.filter(|r| !subject::is_literal(r) || r.starts_with(b"_R_.")) {
            return self
                .violation(&format!("Permissions Violation for Publish with Reply of {}", quoted(reply)));
        }
        match self.sessions.server.publish(&self.client, message, touched) {
            Published::Refused => return self.violation(&publish_violation(message.subject)),
            Published::Reached(0) if self.manner.no_responders => {
                if let Some(reply) = message.reply {
                    self.server().say_no_responders(&self.client, reply);
                }
            }
            Published::Reached(_) => {}
        }
        self.say_ok();
        Next::Go
    }
}

fn publish_violation(subject: &[u8]) -> String {
    format!("Permissions Violation for Publish to {}", quoted(subject))
}

impl<S: Server> Drop for Verbs<'_, S> {
    fn drop(&mut self) {
        self.peer.change(Outgoing::cut);
        for (_, listener) in self.subs.drain() {
            self.sessions.server.unsubscribe(&listener);
            listener.as_ref().end();
        }
        // Who waits for room waits in vain.
        self.peer.note_written();
        self.sessions.server.leave(&self.client);
    }
}
