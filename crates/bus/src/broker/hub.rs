//! Who listens to what, and the delivery of messages to them.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::Config;
use super::requests::Requests;
use super::users;
use crate::roles::Role;
use crate::session::{
    About, Connect, Outbound, Outgoing, Peer, Publish, Published, Refused, Server, Settings, Stats, Sub,
    Touched, Turned, VIOLATION, Wanted,
};
use crate::sublist::Sublist;

/// From this part of its bound on, a queue is deep.
const DEEP_PART: usize = 16;
/// From this part of its bound on, a queue has publishers wait.
const FULL_PART: usize = 2;

/// A client that is logged in.
#[derive(Debug)]
pub(super) struct Client {
    peer: Arc<Peer>,
    role: Role,
    requests: Mutex<Requests>,
    /// The last subject that it was found to be allowed to publish on: the next is mostly the same.
    last_allowed: Mutex<Bytes>,
}

impl Client {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription; equal to itself only.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    sub: Arc<Sub>,
    client: Arc<Client>,
}

impl PartialEq for Listener {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.sub, &other.sub)
    }
}

impl AsRef<Sub> for Listener {
    fn as_ref(&self) -> &Sub {
        &self.sub
    }
}

/// What all sessions share.
pub(super) struct Hub {
    config: Config,
    stats: Arc<Stats>,
}

impl Hub {
    pub(super) fn new(config: Config, stats: Arc<Stats>) -> Self {
        Self { config, stats }
    }

    const fn full_bytes(&self) -> usize {
        self.config.max_pending_bytes / FULL_PART
    }

    fn subscriptions(&self) -> MutexGuard<'_, Sublist<Listener>> {
        self.config.interest.subscriptions()
    }

    fn may_publish(&self, client: &Client, subject: &Bytes, now: Instant) -> bool {
        let mut last = client.last_allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == *subject {
            return true;
        }
        if client.role.allows_publish(subject) {
            *last = Bytes::copy_from_slice(subject);
            return true;
        }
        client.role.may_answer() && client.requests().take(subject, now)
    }

    /// Gives a message to all who listen, and adds to `touched` whose queue now has something to write. Returns how many
    /// subscriptions got it.
    fn hand_out(&self, from: &Client, message: &Publish<'_>, touched: &mut Touched) -> usize {
        let matched = self.subscriptions().matched(message.subject);
        let mut count = 0;
        for listener in &matched.plain {
            count += usize::from(self.deliver(listener, from, message, touched));
        }
        for group in &matched.groups {
            let first = fastrand::usize(..group.len());
            let mut members = group.iter().cycle().skip(first).take(group.len());
            count += usize::from(members.any(|listener| self.deliver(listener, from, message, touched)));
        }
        self.stats.out_messages.fetch_add(count as u64, Ordering::Relaxed);
        self.stats.out_bytes.fetch_add((count * message.payload.len()) as u64, Ordering::Relaxed);
        count
    }

    /// Gives a message to one subscription; `false` if it takes none any more.
    fn deliver(
        &self,
        listener: &Listener,
        from: &Client,
        message: &Publish<'_>,
        touched: &mut Touched,
    ) -> bool {
        let Listener { sub, client } = listener;
        let peer = &client.peer;
        if !message.echo && peer.id == from.peer.id {
            return false;
        }
        let outbound = Outbound {
            subject: message.subject,
            reply: message.reply.map(|reply| &reply[..]),
            headers: message.headers.map(|block| &block[..]),
            payload: message.payload,
        };
        // Only in the asker's own inboxes: nobody is to be made to speak where neither may. Noted before the client has the
        // request, and so can answer it.
        let may_answer = |reply: &&Bytes| client.role.may_answer() && from.role.has_inbox(reply);
        if let Some(reply) = message.reply.filter(may_answer) {
            client.requests().note(reply, message.now);
        }
        let is_last = {
            let mut outgoing = peer.outgoing();
            if outgoing.is_closing() || sub.has_ended() {
                return false;
            }
            let is_last = sub.give(&mut outgoing, &outbound);
            let pending_bytes = self.bound(client, &mut outgoing);
            touched.is_deep |= pending_bytes > self.config.max_pending_bytes / DEEP_PART;
            if pending_bytes > self.full_bytes() {
                touched.full.entry(peer.id).or_insert_with(|| Arc::clone(peer));
            }
            if outgoing.call_writer() {
                touched.push(peer);
            }
            is_last
        };
        if is_last {
            self.unsubscribe(listener);
        }
        true
    }

    /// Has a client cut whose queue is over its bound. Gives how many bytes wait.
    fn bound(&self, client: &Client, outgoing: &mut Outgoing) -> usize {
        let pending_bytes = outgoing.pending_bytes();
        if pending_bytes > self.config.max_pending_bytes {
            outgoing.cut();
            self.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(client = client.peer.id, role = %client.role, "cut a bus client that reads too slowly");
        }
        pending_bytes
    }
}

impl Server for Hub {
    type Admission = ();
    type Login = Role;
    type Client = Client;
    type Listener = Listener;

    fn settings(&self) -> &Settings {
        &self.config.session
    }

    fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The greeting. It tells nothing of the host, and claims no more than core NATS.
    fn info(&self, about: &About) -> String {
        about.info("LOGWAY", self.config.session.limits.payload_bytes)
    }

    fn admit(&self, _from: SocketAddr) -> Result<(), Turned> {
        Ok(())
    }

    async fn log_in(&self, connect: &Connect, from: SocketAddr) -> Result<Role, Refused> {
        let role = users::find(&self.config.users, connect).ok_or(Refused(Some(VIOLATION)))?;
        tracing::debug!(%role, %from, "bus client logged in");
        Ok(role)
    }

    fn enter(&self, role: Role, _connect: &Connect, peer: &Arc<Peer>) -> Arc<Client> {
        let (peer, requests, last_allowed) = (Arc::clone(peer), Mutex::default(), Mutex::default());
        Arc::new(Client { peer, role, requests, last_allowed })
    }

    fn leave(&self, _client: &Arc<Client>) {}

    fn max_subscriptions(&self, client: &Client) -> usize {
        if client.role == Role::Proxy { usize::MAX } else { self.config.session.max_subscriptions }
    }

    fn may_subscribe(&self, client: &Client, pattern: &Bytes) -> bool {
        client.role.allows_subscribe(pattern)
    }

    fn subscribe(&self, client: &Arc<Client>, sub: Sub, wanted: &Wanted<'_>) -> Option<Listener> {
        let listener = Listener { sub: Arc::new(sub), client: Arc::clone(client) };
        // Copies of their own: these are slices of a read buffer, which would be kept whole.
        let queue = wanted.queue.map(|queue| Bytes::copy_from_slice(queue));
        let pattern = listener.sub.pattern.clone();
        self.subscriptions().insert(&pattern, queue, listener.clone());
        Some(listener)
    }

    fn unsubscribe(&self, listener: &Listener) {
        self.subscriptions().remove(&listener.sub.pattern, listener);
    }

    fn publish(&self, client: &Arc<Client>, message: &Publish<'_>, touched: &mut Touched) -> Published {
        if !self.may_publish(client, message.subject, message.now) {
            return Published::Refused;
        }
        self.stats.in_messages.fetch_add(1, Ordering::Relaxed);
        self.stats.in_bytes.fetch_add(message.payload.len() as u64, Ordering::Relaxed);
        Published::Reached(self.hand_out(client, message, touched))
    }

    /// On the first of its subscriptions that listens and is in no group. It does not count among the messages after which the
    /// subscription ends.
    fn say_no_responders(&self, client: &Arc<Client>, reply: &Bytes) {
        let matched = self.subscriptions().matched(reply);
        let own = matched.plain.iter().find(|listener| Arc::ptr_eq(&listener.client, client));
        if let Some(listener) = own {
            client.peer.change(|outgoing| {
                outgoing.push_no_responders(&listener.sub.sid, reply, client.peer.headers);
                self.bound(client, outgoing);
            });
        }
    }

    fn is_settled(&self, _client: &Client) -> bool {
        true
    }

    async fn settle(&self, _client: &Client) {}

    /// Has a publisher wait for readers that are behind: for a moment, and for none that does not read. Without that, one
    /// that publishes at full speed would get every reader cut that is slower.
    async fn wait_for_readers(&self, touched: &mut Touched) {
        if touched.full.is_empty() {
            return;
        }
        let until = Instant::now() + self.config.max_hold;
        let mut has_waited = false;
        for (_, peer) in touched.full.drain() {
            loop {
                let drained = peer.drained();
                let now = Instant::now();
                let reads_until =
                    peer.outgoing().reads_until(self.full_bytes(), self.config.stuck_after, now);
                let Some(reads_until) = reads_until.filter(|_| now < until) else { break };
                if !std::mem::replace(&mut has_waited, true) {
                    self.stats.held_up.fetch_add(1, Ordering::Relaxed);
                }
                // Whether it came in time shows in the queue.
                let _ = timeout_at(until.min(reads_until), drained).await;
            }
        }
    }

    fn has_room(&self, _client: &Arc<Client>) {}
}
