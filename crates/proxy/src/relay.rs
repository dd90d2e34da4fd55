//! What the front door asks and hears on behalf of its clients, beside lines: recent lines, and how far boots have come.
//!
//! A stock NATS client needs none of it. `logway logs` does, to show what came before it and to notice a last line that never came.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use access::Action;
use bus::client::{Client, Delivery, Subscription};
use bus::session::{Outbound, Published};
use bus::subject;
use bus::sys::{self, Heartbeat, HeartbeatMark, RecentEnd, RecentRequest};
use bytes::Bytes;
use line::{Address, OrgId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, Instant, timeout};

use crate::audit::{Audit, Event};
use crate::delivery::note_recent;
use crate::door::unix_now;
use crate::rules;
use crate::tenant::{Member, Tenant};
use crate::upstream::Upstream;

/// Questions of one client that are answered at the same time. One more is refused.
const MAX_QUESTIONS: u32 = 8;
/// And of all clients of one org.
const MAX_QUESTIONS_OF_ORG: u32 = 16;
/// Bytes of answers that may wait for a client. A client that reads takes a page of 1 MiB of each of so many hosts.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Longest question in bytes.
const MAX_QUESTION_BYTES: usize = 64 << 10;
/// How long a question stays open after the last answer: agents answer at once or not at all.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// How often it is looked whether the client still listens.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks and hears.
pub(crate) struct Relay {
    client: Client,
    /// By connection: one each.
    marks: Mutex<HashMap<u64, Weak<Member>>>,
}

impl Relay {
    /// `client` is logged in to the bus as a front door.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, marks: Mutex::default() }
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<u64, Weak<Member>>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives heartbeats to a subscription, as far as its client may read what they are about; not to another one of the same client
    /// any more.
    pub(crate) fn hear_marks(&self, member: &Arc<Member>) {
        self.marks().insert(member.tenant.peer.id, Arc::downgrade(member));
    }

    /// Forgets a client that is gone.
    pub(crate) fn forget(&self, tenant: &Tenant) {
        self.marks().remove(&tenant.peer.id);
    }

    /// Hands heartbeats on, until there will be no more.
    pub(crate) async fn run(&self, mut beats: broadcast::Receiver<Bytes>) {
        loop {
            match beats.recv().await {
                Ok(payload) => {
                    if let Ok(heartbeat) = serde_json::from_slice::<Heartbeat>(&payload) {
                        self.hand_on(&heartbeat);
                    }
                }
                // The next ones say the same and more.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn hand_on(&self, heartbeat: &Heartbeat) {
        let members: Vec<_> = {
            let mut marks = self.marks();
            marks.retain(|_, member| member.upgrade().is_some_and(|member| !member.sub.has_ended()));
            marks.values().filter_map(Weak::upgrade).collect()
        };
        let now_s = unix_now();
        for member in members {
            let visible = marks_for(&member.tenant, heartbeat, now_s);
            if let Some(payload) = visible.and_then(|visible| serde_json::to_vec(&visible).ok()) {
                // Without room it is left out: the next one says the same and more.
                say(&member, rules::MARKS.as_bytes(), &payload);
            }
        }
    }

    /// Asks agents for recent lines on behalf of a client; the answers come to its own inbox.
    pub(crate) fn ask(
        &self,
        tenant: &Arc<Tenant>,
        reply: &Bytes,
        payload: &[u8],
        upstream: &Arc<Upstream>,
        audit: &Audit,
    ) -> Published {
        let Some(Question { request, pattern, is_page }) = question(tenant, payload) else {
            return Published::Refused;
        };
        if inbox_of(tenant, reply).is_none() {
            return Published::Refused;
        }
        let Some(open) = Open::of(tenant) else { return Published::Refused };
        if !tenant.place.may_ask(Instant::now()) {
            return Published::Refused;
        }
        audit.tell(|| Event::Recent {
            connection: tenant.peer.id,
            org: tenant.grant.org.to_string(),
            pattern,
        });
        let (client, tenant, reply) =
            (self.client.clone(), Arc::clone(tenant), Bytes::copy_from_slice(reply));
        let upstream = Arc::clone(upstream);
        tokio::spawn(async move {
            let _open = open;
            match client.request_many(sys::RECENT, &request).await {
                Ok(answers) => pass_on(&tenant, &reply, answers, is_page, &upstream).await,
                // The client hears nothing, and asks again.
                Err(error) => tracing::debug!(%error, "cannot ask for recent lines"),
            }
        });
        Published::Reached(1)
    }

    /// Tells a client on its own inbox that nobody heard its request.
    pub(crate) fn say_no_responders(&self, tenant: &Tenant, reply: &[u8]) {
        if let Some(member) = inbox_of(tenant, reply) {
            tenant.peer.change(|outgoing| {
                outgoing.push_no_responders(&member.sub.sid, reply, tenant.peer.headers);
            });
        }
    }
}

/// A question that is being answered; ends when dropped.
struct Open(Arc<Tenant>);

impl Open {
    fn of(tenant: &Arc<Tenant>) -> Option<Self> {
        let before = tenant.relays.fetch_add(1, Ordering::Relaxed);
        let before_of_org = tenant.place.questions().fetch_add(1, Ordering::Relaxed);
        // Made first: it gives both back, however this ends.
        let open = Self(Arc::clone(tenant));
        (before < MAX_QUESTIONS && before_of_org < MAX_QUESTIONS_OF_ORG).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.relays.fetch_sub(1, Ordering::Relaxed);
        self.0.place.questions().fetch_sub(1, Ordering::Relaxed);
    }
}

/// What agents are asked.
struct Question {
    request: Vec<u8>,
    /// Which lines it is about.
    pattern: String,
    /// It is for a further page of one host.
    is_page: bool,
}

/// What agents are asked; `None` if that is no question, or one for lines that the client may not
/// read. Whose lines it is about, the client does not choose.
fn question(tenant: &Tenant, payload: &[u8]) -> Option<Question> {
    if payload.len() > MAX_QUESTION_BYTES {
        return None;
    }
    let request: RecentRequest = serde_json::from_slice(payload).ok()?;
    let names = [&request.app, &request.region, &request.instance];
    // Each is one name, so that the pattern says what agents will take the question for.
    if names.into_iter().flatten().any(|name| name.contains('.') || !subject::is_literal(name.as_bytes())) {
        return None;
    }
    let token = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
    let pattern =
        format!("logs.{}.{}.{}", token(&request.app), token(&request.region), token(&request.instance));
    let scope = &tenant.grant.scope;
    if !scope.may_read(&pattern) || !scope.is_live(unix_now()) {
        return None;
    }
    let request = RecentRequest { org: tenant.grant.org.to_string(), ..request };
    Some(Question { request: serde_json::to_vec(&request).ok()?, pattern, is_page: request.page.is_some() })
}

/// The subscription of the client itself that an answer on this subject comes to: one to its inboxes, so that no answer looks like
/// a line.
fn inbox_of(tenant: &Tenant, reply: &[u8]) -> Option<Arc<Member>> {
    let members = tenant.members();
    let hears = |member: &&Arc<Member>| {
        member.interest.is_none()
            && !member.is_marks
            && !member.sub.has_ended()
            && subject::matches(&member.sub.pattern, reply)
    };
    members.iter().find(hears).map(Arc::clone)
}

/// Hands answers on as fast as the client takes them, until it listens no more, or all has been said that was asked for. What the
/// client does not take waits here, so that the answers to others go on; if that becomes much, the question is given up, and the
/// client, which hears no end, asks again.
async fn pass_on(
    tenant: &Tenant,
    reply: &[u8],
    mut answers: Subscription,
    is_page: bool,
    upstream: &Upstream,
) {
    let (mut waiting, mut waiting_bytes) = (VecDeque::<Bytes>::new(), 0);
    let (mut last_answer, mut is_whole) = (Instant::now(), false);
    loop {
        while let Some(payload) = waiting.front() {
            let Some(member) = inbox_of(tenant, reply) else { return };
            if !say(&member, reply, payload) {
                break;
            }
            note_recent(&upstream.interests.deliveries, &tenant.grant.org, payload);
            if member.sub.has_ended() {
                upstream.part(&member);
            }
            waiting_bytes -= payload.len();
            waiting.pop_front();
        }
        if (is_whole && waiting.is_empty()) || tenant.peer.outgoing().is_closing() {
            return;
        }
        let delivery = match timeout(LOOK_EVERY, answers.next()).await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return,
            Err(_) if last_answer.elapsed() < OPEN_FOR && inbox_of(tenant, reply).is_some() => continue,
            Err(_) => return,
        };
        last_answer = Instant::now();
        match delivery {
            Delivery::Message(message) => {
                // A further page is one host's.
                is_whole |= is_page && serde_json::from_slice::<RecentEnd>(&message.payload).is_ok();
                waiting_bytes += message.payload.len();
                waiting.push_back(message.payload);
                if waiting_bytes > MAX_WAITING_BYTES {
                    return;
                }
            }
            Delivery::NoResponders => {
                let Some(member) = inbox_of(tenant, reply) else { return };
                let headers = tenant.peer.headers;
                tenant.peer.change(|out| out.push_no_responders(&member.sub.sid, reply, headers));
            }
            // The client hears no end, and asks again.
            Delivery::Interrupted { .. } | Delivery::Denied { .. } => return,
        }
    }
}

/// Gives a client a message, if there is room for it.
fn say(member: &Member, subject: &[u8], payload: &[u8]) -> bool {
    let mut is_said = false;
    member.tenant.peer.change(|outgoing| {
        if !outgoing.is_closing() && outgoing.pending_bytes() < member.tenant.max_pending_bytes / 4 {
            member.sub.give(outgoing, &Outbound { subject, reply: None, headers: None, payload });
            is_said = true;
        }
    });
    is_said
}

/// The part of a heartbeat that a client may know; `None` if that is nothing. Not even the host's name, then.
fn marks_for(tenant: &Tenant, heartbeat: &Heartbeat, now_s: u64) -> Option<Heartbeat> {
    let (org, scope) = (&tenant.grant.org, &tenant.grant.scope);
    let may = |mark: &&HeartbeatMark| {
        mark.org == org.as_str()
            && address_of(org, mark).is_some_and(|address| scope.allows(Action::Read, &address, now_s))
    };
    let marks: Vec<_> = heartbeat.marks.iter().filter(may).cloned().collect();
    let Heartbeat { host, region, time, .. } = heartbeat;
    (!marks.is_empty()).then(|| Heartbeat { host: host.clone(), region: region.clone(), time: *time, marks })
}

fn address_of(org: &OrgId, mark: &HeartbeatMark) -> Option<Address> {
    let HeartbeatMark { app, region, mark, .. } = mark;
    Address::from_key(&format!("{org}.{app}.{region}.{}", mark.instance)).ok()
}
