//! Three orgs, a front door before a broker, and an agent that publishes lines which say whose they are.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use access::{
    Action, Actions, Directory, Keyring, RevocationId, Scope, SigningKey, Tokens, attenuate, inspect,
};
use bus::broker::{self, User};
use bus::client::{Client, Credentials, Delivery, Options};
use bus::roles::Role;
use bus::sys::{self, EndOfRecent, Heartbeat, HeartbeatMark, Mark, RecentEnd, RecentRequest};
use fastrand::Rng;
use line::{Name, OrgId};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// Their ids, which stand in no text that a client of another one may see.
pub(super) const ORGS: [&str; 3] = ["k3f9q", "m7x2v", "z1b8w"];
pub(super) const APPS: [&str; 3] = ["web", "api", "job"];
pub(super) const REGIONS: [&str; 2] = ["lhr", "ams"];
pub(super) const INSTANCES: [&str; 3] = ["i1", "i2", "i3"];
/// What they may be called; there are more names than orgs.
const SLUGS: [&str; 5] = ["acme", "umbrella", "initech", "hooli", "globex"];

/// Whose a line is: the text of each.
pub(super) fn canary(org: &str, app: &str, region: &str, instance: &str) -> String {
    format!("<{org}|{app}|{region}|{instance}>")
}

/// Who somebody is, and what it may hear.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) org: &'static str,
    pub(super) slug: String,
    pub(super) scope: Scope,
    pub(super) token: String,
}

struct State {
    slugs: [String; 3],
    revoked: Vec<RevocationId>,
    /// Tokens that were given out and may be revoked.
    given: Vec<RevocationId>,
}

pub(super) struct World {
    pub(super) address: SocketAddr,
    keyring: Keyring,
    public: access::PublicKey,
    state: Mutex<State>,
    known: watch::Sender<proxy::Known>,
    agent: Client,
}

fn login(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: "secret".to_owned() }
}

fn options(bus: SocketAddr, role: Role) -> Options {
    Options {
        servers: vec![format!("nats://{bus}").parse().unwrap()],
        name: "test".to_owned(),
        credentials: Some(login(role)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

impl World {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bus = listener.local_addr().unwrap();
        let users = Role::ALL.map(|role| User { role, credentials: login(role) });
        tokio::spawn(broker::run(broker::Config::new(users.into()), listener, std::future::pending()));
        let key = SigningKey::generate(1);
        let public = key.public();
        let known = watch::Sender::new(None);
        let agent = Client::start(options(bus, Role::Agent));
        agent.connected().await.unwrap();
        answer_questions(&agent).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = proxy::Config::new(listener, options(bus, Role::Proxy), known.subscribe());
        let limits = &mut config.limits;
        (limits.connections_per_address, limits.connects_per_s) = (u32::MAX, u32::MAX);
        (limits.failures_per_min, limits.org.connections) = (u32::MAX, u32::MAX);
        limits.org.subscriptions = u32::MAX;
        (config.session.max_violations, config.session.max_verbs_per_s) = (None, None);
        let (ready, is_ready) = oneshot::channel();
        config.ready = Some(ready);
        tokio::spawn(proxy::run(config, std::future::pending()));
        let slugs = [0, 1, 2].map(|at| SLUGS[at].to_owned());
        let state = Mutex::new(State { slugs, revoked: Vec::new(), given: Vec::new() });
        let keyring = Keyring::new(Vec::new()).with_signing_key(key);
        let world = Self { address, keyring, public, state, known, agent };
        world.tell(&world.state());
        is_ready.await.unwrap();
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Says how things are, as the registry would.
    fn tell(&self, state: &State) {
        let mut directory = Directory::new(1);
        for (id, slug) in ORGS.iter().zip(&state.slugs) {
            directory.add_org(OrgId::new(id).unwrap(), slug);
        }
        directory.add_key(self.public.clone(), 0, None);
        state.revoked.iter().for_each(|id| directory.revoke(*id));
        self.known.send_replace(Some((Arc::new(directory), Instant::now())));
    }

    /// A slug changes hands, or a token is revoked, or the registry says the same again.
    pub(super) async fn change(&self, rng: &mut Rng) -> u64 {
        {
            let mut state = self.state();
            match rng.u8(..4) {
                0 | 1 => {
                    let free: Vec<&str> = SLUGS
                        .into_iter()
                        .filter(|slug| !state.slugs.iter().any(|taken| taken == slug))
                        .collect();
                    let at = rng.usize(..3);
                    state.slugs[at] = free[rng.usize(..free.len())].to_owned();
                }
                2 if !state.given.is_empty() => {
                    let at = rng.usize(..state.given.len());
                    let id = state.given.swap_remove(at);
                    state.revoked.push(id);
                }
                _ => {}
            }
            self.tell(&state);
        }
        // Nobody waits for this: it is how often the world changes.
        tokio::time::sleep(Duration::from_millis(rng.u64(5..50))).await;
        1
    }

    /// A token with a scope of any kind, and who it makes of its holder.
    pub(super) fn somebody(&self, rng: &mut Rng) -> Who {
        let at = rng.usize(..3);
        let (org, mut scope) = (ORGS[at], any_scope(rng));
        let mut token = self.keyring.mint(&OrgId::new(org).unwrap(), &scope).unwrap();
        if rng.u8(..3) == 0 {
            let narrower = any_scope(rng);
            if let Ok(narrowed) = attenuate(&token, &narrower) {
                token = narrowed;
                scope.narrow(&narrower);
            }
        }
        let mut state = self.state();
        state.given.extend(inspect(&token).unwrap().revocation_ids.last());
        Who { org, slug: state.slugs[at].clone(), scope, token }
    }

    /// Publishes lines and heartbeats of all orgs.
    pub(super) async fn publish(&self, rng: &mut Rng) -> u64 {
        let mut count = 0;
        for _ in 0..rng.u64(1..60) {
            let (org, app) = (ORGS[rng.usize(..3)], APPS[rng.usize(..3)]);
            let (region, instance) = (REGIONS[rng.usize(..2)], INSTANCES[rng.usize(..3)]);
            let text = canary(org, app, region, instance);
            if rng.u8(..20) == 0 {
                let beat = heartbeat(rng);
                let payload = serde_json::to_vec(&beat).unwrap();
                self.agent.publish("sys.hb.lhr.h1", None, &payload).await.unwrap();
            } else {
                let subject = format!("o.{org}.logs.{app}.{region}.{instance}");
                self.agent.publish(&subject, None, text.as_bytes()).await.unwrap();
            }
            count += 1;
        }
        self.agent.flush().await.unwrap();
        count
    }
}

/// An agent answers each question for recent lines with lines of the org that is asked for.
async fn answer_questions(agent: &Client) {
    let mut questions = agent.subscribe(sys::RECENT, None).await.unwrap();
    let agent = agent.clone();
    tokio::spawn(async move {
        while let Some(Delivery::Message(message)) = questions.next().await {
            let request: RecentRequest = serde_json::from_slice(&message.payload).unwrap();
            let reply = String::from_utf8(message.reply.unwrap().to_vec()).unwrap();
            let pick = |asked: Option<String>, usual: &str| asked.unwrap_or_else(|| usual.to_owned());
            let (app, region) = (pick(request.app, "web"), pick(request.region, "lhr"));
            let text = canary(&request.org, &app, &region, &pick(request.instance, "i1"));
            let end = EndOfRecent { host: "h1".to_owned(), sent: 1, ..EndOfRecent::default() };
            let end = serde_json::to_vec(&RecentEnd { end }).unwrap();
            for payload in [text.as_bytes(), &end] {
                // Who asked may be gone.
                let _ = agent.publish(&reply, None, payload).await;
            }
        }
    });
}

fn heartbeat(rng: &mut Rng) -> Heartbeat {
    let mut marks = Vec::new();
    for org in ORGS {
        for _ in 0..rng.usize(..3) {
            let mark = Mark {
                instance: INSTANCES[rng.usize(..3)].to_owned(),
                boot: "0123456789abcdef".to_owned(),
                next_seq: 7,
            };
            let (app, region) = (APPS[rng.usize(..3)].to_owned(), REGIONS[rng.usize(..2)].to_owned());
            marks.push(HeartbeatMark { org: org.to_owned(), app, region, mark });
        }
    }
    Heartbeat { host: "h1".to_owned(), region: "lhr".to_owned(), time: 0, marks }
}

/// All, or some apps, regions and instances; sometimes without reading.
fn any_scope(rng: &mut Rng) -> Scope {
    let mut scope = Scope::ALL;
    let mut some = |what: &'static str, names: &[&str]| {
        let count = rng.usize(1..=names.len());
        let picked = rng.choose_multiple(names.iter(), count);
        (rng.u8(..3) == 0).then(|| picked.into_iter().map(|name| Name::new(what, name).unwrap()).collect())
    };
    scope.apps = some("app", &APPS);
    scope.regions = some("region", &REGIONS);
    scope.instances = some("instance", &INSTANCES);
    if rng.u8(..12) == 0 {
        scope.actions = [Action::Write, Action::Ship].into_iter().collect::<Actions>();
    }
    scope
}
