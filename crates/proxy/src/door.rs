//! The front door as a server of sessions: who comes in, and what each may hear.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use access::Grant;
use bus::session::{
    About, Connect, Peer, Publish, Published, Refused, Server, Settings, Stats, Sub, Touched, Turned, Wanted,
};
use bus::subject;
use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::audit::{Audit, Event};
use crate::limits::{Admission, Gate, OrgPlace};
use crate::logins::{Logins, Why};
use crate::relay::Relay;
use crate::rules::{self, Target};
use crate::tenant::{Member, NewTenant, Tenant};
use crate::upstream::{Standing, Upstream};

/// Bytes of a client's name that are kept.
const MAX_NAME_BYTES: usize = 128;
/// Longest name of a queue group.
const MAX_QUEUE_BYTES: usize = 128;
/// Subscriptions with a wildcard that one connection may have; of others it may have as many as it may have at all.
const MAX_WIDE: usize = 128;
/// Without a connection to the bus for so long nobody new is let in: another front door may have one.
const BUS_PATIENCE: Duration = Duration::from_secs(5);

/// What all sessions share.
pub(crate) struct Door {
    pub(crate) settings: Settings,
    pub(crate) stats: Arc<Stats>,
    pub(crate) server_id: String,
    pub(crate) gate: Arc<Gate>,
    pub(crate) logins: Logins,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) relay: Relay,
    pub(crate) audit: Audit,
    pub(crate) tenants: Mutex<Vec<Weak<Tenant>>>,
    /// Lines that tenants who are gone were not given because they were slow.
    pub(crate) skipped_lines: AtomicU64,
}

/// A login that is good.
pub(crate) struct Login {
    grant: Arc<Grant>,
    place: OrgPlace,
    from: SocketAddr,
}

/// One of a client's subscriptions.
pub(crate) struct Heard(Arc<Member>);

impl AsRef<Sub> for Heard {
    fn as_ref(&self) -> &Sub {
        &self.0.sub
    }
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Door {
    /// Those who are logged in.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        let mut tenants = self.tenant_list();
        tenants.retain(|tenant| tenant.strong_count() > 0);
        tenants.iter().filter_map(Weak::upgrade).collect()
    }

    fn tenant_list(&self) -> MutexGuard<'_, Vec<Weak<Tenant>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_bus(&self) -> bool {
        match &*self.upstream.standing().borrow() {
            Standing::Connected { .. } => true,
            Standing::Away { since, .. } => since.elapsed() < BUS_PATIENCE,
        }
    }

    async fn check(&self, connect: &Connect, from: SocketAddr) -> Result<Login, Why> {
        if !self.has_bus() {
            return Err(Why::NoBus);
        }
        let grant = self.logins.check(connect, from.ip(), &self.gate, unix_now).await?;
        let place = self.gate.enter(&grant.org).ok_or(Why::OrgFull)?;
        Ok(Login { grant, place, from })
    }

    /// Writes down what a client does, as far as it has not done so much already.
    fn note(&self, client: &Tenant, event: impl FnOnce() -> Event) {
        let may =
            client.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(std::time::Instant::now());
        if may {
            self.audit.tell(event);
        }
    }

    fn deny(&self, client: &Tenant, what: &'static str, subject: &[u8]) {
        self.note(client, || Event::Denied {
            connection: client.peer.id,
            org: client.grant.org.to_string(),
            what,
            subject: String::from_utf8_lossy(subject).into_owned(),
        });
    }

    fn slug_of(&self, grant: &Grant) -> String {
        let directory = self.logins.directory(Instant::now());
        directory.and_then(|directory| directory.slug(&grant.org).map(str::to_owned)).unwrap_or_default()
    }

    fn join(&self, client: &Arc<Tenant>, sub: Sub, queue: Option<&Bytes>, target: Target) -> Arc<Member> {
        if target != Target::Bus {
            return Arc::new(Member::new(sub, client, None, target == Target::Marks));
        }
        // Legal patterns are UTF-8.
        let pattern = String::from_utf8_lossy(&sub.pattern).into_owned();
        let queue = queue.map(|queue| rules::inner_queue(queue));
        let make = |interest| Member::new(sub, client, Some(interest), false);
        let send = |verbs| self.upstream.send(&verbs);
        let member = self.upstream.interests.join((&client.prefix, &pattern), queue, make, send);
        let barrier = member.interest.as_ref().map_or(0, |interest| interest.barrier());
        // One that is known already may have to be subscribed to anew.
        let barrier = barrier.max(self.upstream.floor());
        client.barrier.fetch_max(barrier, Ordering::Relaxed);
        client.hears_from(self.upstream.epoch());
        member
    }
}

impl Server for Door {
    type Admission = Admission;
    type Login = Login;
    type Client = Tenant;
    type Listener = Heard;

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    fn info(&self, about: &About) -> String {
        about.info(&self.server_id, self.settings.limits.payload_bytes)
    }

    fn admit(&self, from: SocketAddr) -> Result<Admission, Turned> {
        self.gate.admit(from.ip(), Instant::now()).ok_or(Turned::Silently)
    }

    async fn log_in(&self, connect: &Connect, from: SocketAddr) -> Result<Login, Refused> {
        self.check(connect, from).await.map_err(|why| {
            let shown = |text: &str| text.chars().take(MAX_NAME_BYTES).collect::<String>();
            // Whatever is no name may be a token that somebody put there.
            let is_name =
                |user: &str| user.len() <= 63 && user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let user = if is_name(&connect.user) { shown(&connect.user) } else { "(not a name)".to_owned() };
            self.audit.tell(|| Event::Refused { from: from.to_string(), user, why: why.to_string() });
            why.refused()
        })
    }

    fn enter(&self, login: Login, connect: &Connect, peer: &Arc<Peer>) -> Arc<Tenant> {
        let Login { grant, place, from } = login;
        let name: String = connect.name.chars().take(MAX_NAME_BYTES).collect();
        self.audit.tell(|| Event::Login {
            connection: peer.id,
            from: from.to_string(),
            org: grant.org.to_string(),
            slug: self.slug_of(&grant),
            token: grant
                .revocation_ids
                .last()
                .map(|id| id.to_string().chars().take(16).collect())
                .unwrap_or_default(),
            client: format!("{name} ({} {})", connect.lang, connect.version)
                .chars()
                .take(MAX_NAME_BYTES)
                .collect(),
        });
        let max_pending_bytes = self.gate.limits().of(&grant.org).pending_bytes;
        let grant = Arc::unwrap_or_clone(grant);
        let peer = Arc::clone(peer);
        let tenant = Arc::new(Tenant::new(NewTenant { peer, grant, max_pending_bytes, place }));
        self.tenant_list().push(Arc::downgrade(&tenant));
        let reader: Weak<Tenant> = Arc::downgrade(&tenant);
        self.upstream.interests.deliveries.enter(&tenant.grant.org, reader);
        tenant
    }

    fn leave(&self, client: &Arc<Tenant>) {
        let skipped_lines = client.skipped_lines.load(Ordering::Relaxed);
        self.skipped_lines.fetch_add(skipped_lines, Ordering::Relaxed);
        self.audit.tell(|| Event::End {
            connection: client.peer.id,
            org: client.grant.org.to_string(),
            why: client.end_reason(),
            seconds: client.since.elapsed().as_secs(),
            messages: client.messages.load(Ordering::Relaxed),
            bytes: client.bytes.load(Ordering::Relaxed),
            skipped_lines,
            unwritten: client.allowance.lock().unwrap_or_else(PoisonError::into_inner).unwritten,
        });
        self.relay.forget(client);
    }

    fn max_subscriptions(&self, _client: &Tenant) -> usize {
        self.settings.max_subscriptions
    }

    fn may_subscribe(&self, client: &Tenant, pattern: &Bytes) -> bool {
        let text = std::str::from_utf8(pattern).unwrap_or_default();
        // The bus has its own bounds of what a pattern is, the org's prefix included.
        let fits = subject::is_pattern(format!("{}{text}", client.prefix).as_bytes());
        let may = fits && rules::target(&client.grant.scope, text) != Target::Refused;
        if !may {
            self.deny(client, "subscribe", pattern);
        }
        may
    }

    fn subscribe(&self, client: &Arc<Tenant>, sub: Sub, wanted: &Wanted<'_>) -> Option<Heard> {
        if wanted.queue.is_some_and(|queue| queue.len() > MAX_QUEUE_BYTES) {
            return None;
        }
        // Of wide patterns each one more gets every line once more.
        let is_wide = subject::tokens(wanted.pattern).any(|token| token == b"*" || token == b">");
        let wide = client.members().iter().filter(|member| member.is_wide()).count();
        if (is_wide && wide >= MAX_WIDE) || !client.place.take_subscription(Instant::now()) {
            return None;
        }
        let text = std::str::from_utf8(wanted.pattern).unwrap_or_default();
        let target = rules::target(&client.grant.scope, text);
        if target == Target::Refused {
            client.place.give_subscription_back();
            return None;
        }
        if target != Target::Inbox {
            self.note(client, || Event::Subscribe {
                connection: client.peer.id,
                org: client.grant.org.to_string(),
                pattern: text.to_owned(),
                queue: wanted.queue.map(|queue| String::from_utf8_lossy(queue).into_owned()),
            });
        }
        let member = self.join(client, sub, wanted.queue, target);
        client.members().push(Arc::clone(&member));
        if member.is_marks {
            self.relay.hear_marks(&member);
        }
        Some(Heard(member))
    }

    fn unsubscribe(&self, listener: &Heard) {
        // Whoever drains is told what it was not given.
        listener.0.tell_skipped();
        self.upstream.part(&listener.0);
    }

    /// Clients only read. The one thing that they may say is a question for recent lines, which the front door asks for them.
    fn publish(&self, client: &Arc<Tenant>, message: &Publish<'_>, _touched: &mut Touched) -> Published {
        if message.subject == rules::RECENT.as_bytes()
            && let Some(reply) = message.reply
        {
            let answer = self.relay.ask(client, reply, message.payload, &self.upstream, &self.audit);
            if answer != Published::Refused {
                return answer;
            }
        }
        self.deny(client, "publish", message.subject);
        Published::Refused
    }

    fn say_no_responders(&self, client: &Arc<Tenant>, reply: &Bytes) {
        self.relay.say_no_responders(client, reply);
    }

    fn is_settled(&self, client: &Tenant) -> bool {
        self.upstream.is_settled(client.barrier.load(Ordering::Relaxed))
    }

    async fn settle(&self, client: &Tenant) {
        let barrier = client.barrier.load(Ordering::Relaxed);
        self.upstream.settle(barrier).await;
        // Not again for the same: what was waited for in vain once would be waited for with every PING.
        let _ = client.barrier.compare_exchange(barrier, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn wait_for_readers(&self, _touched: &mut Touched) {}

    fn has_room(&self, client: &Arc<Tenant>) {
        client.catch_up().iter().for_each(|member| self.upstream.part(member));
    }
}
