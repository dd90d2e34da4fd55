//! A bus, a store on disk and an API between them, Machines whose lines go both ways, and readers of tails.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use api::logs::Local;
use bus::broker::{self, User};
use bus::client::Client as Bus;
use bus::roles::Role;
use disk::RealDisk;
use line::append::{Run, Writer};
use line::json::Encoder;
use line::{
    Address, Body, Boot, Clock, Entry, Gap, GapReason, Hop, Level, LevelSource, OrgId, Stream, Text, entry,
    subject,
};
use serde_json::Value;
use store::stage::Store;
use store::{Config, Engine, Request, SystemClock};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::switch::Switch;
use crate::live::{credentials, login};
use crate::support::{Api, Client, Fake, soon};

pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) switch: Arc<Switch>,
    address: SocketAddr,
    live: api::Live,
    agent: Bus,
    _stop: oneshot::Sender<()>,
    _dir: Vec<TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut api::Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = Role::ALL.map(|role| User { role, credentials: credentials(role) });
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(broker::run(broker::Config::new(users.into()), listener, async {
            let _ = stopped.await;
        }));
        let (store, dir) = store(address);
        let ears = Bus::start(login(address, Role::Api));
        soon(ears.connected()).await.unwrap();
        let agent = Bus::start(login(address, Role::Agent));
        soon(agent.connected()).await.unwrap();
        let live = api::Live::new(ears);
        let name = line::Name::new("store", "main").unwrap();
        let switch = Arc::new(Switch::new(Arc::new(Local::new(store.clone(), name, live.clone()))));
        let api = Api::start_on(switch.clone(), Arc::new(Fake::new(Vec::new())), change).await;
        Self { api, store, switch, address, live, agent, _stop: stop, _dir: vec![dir] }
    }

    /// The API ends, and another one is there.
    pub(crate) async fn restart_api(self) -> Self {
        let Self { api, store, switch, address, live, agent, _stop, _dir } = self;
        api.stop().await;
        let api = Api::start_on(switch.clone(), Arc::new(Fake::new(Vec::new())), |_| {}).await;
        Self { api, store, switch, address, live, agent, _stop, _dir }
    }

    /// All shards move to a new store.
    pub(crate) fn move_shards(&mut self) {
        let (store, dir) = store(self.address);
        let name = line::Name::new("store", "second").unwrap();
        self.switch.set_second(Arc::new(Local::new(store.clone(), name, self.live.clone())));
        self.store = store;
        self._dir.push(dir);
    }

    /// Records go over the bus.
    pub(crate) async fn publish(&self, machine: &Machine, entries: &[Entry<'static>]) {
        let encoder = Encoder::new(&machine.address, "h1");
        for entry in entries {
            let mut json = Vec::new();
            encoder.write(machine.boot, entry, &mut json);
            self.agent.publish(&subject::inner(&machine.address), None, &json).await.unwrap();
        }
        soon(self.agent.flush()).await.unwrap();
    }

    /// Records that follow each other go to the store.
    pub(crate) async fn keep(&self, machine: &Machine, entries: &[Entry<'static>]) {
        let Some(first) = entries.first() else { return };
        let mut writer = entry::Writer::new(first.seq, first.time);
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| writer.push(entry, &mut bytes).unwrap());
        let run = Run { first_seq: first.seq, base_time: first.time, count: writer.count(), bytes: &bytes };
        let mut body = Writer::with_capacity(bytes.len() + 100);
        body.machine(&machine.address.key(), "h1", machine.boot, false, run).unwrap();
        let request = Request::of(Arc::new(body.finish())).unwrap();
        soon(self.store.append(request)).await.unwrap();
    }

    /// The next lines of a Machine, in the store alone.
    pub(crate) async fn stored(&self, machine: &mut Machine, count: u64) {
        let lines = machine.lines(count);
        self.keep(machine, &lines).await;
    }

    /// A reader of an app's tail, with arguments.
    pub(crate) async fn tail(&self, app: &str, args: &str) -> Reader {
        self.tail_as("k3f9", app, args).await
    }

    pub(crate) async fn tail_as(&self, org: &str, app: &str, args: &str) -> Reader {
        let token = self.api.world.token(org);
        self.tail_at(&token, &format!("/api/v1/apps/{app}/logs/tail?{args}")).await
    }

    /// A reader of what this path gives, with a token.
    pub(crate) async fn tail_at(&self, token: &str, path: &str) -> Reader {
        Reader::open(&self.api, token, path).await
    }

    /// Another API on the same store, which is never away for it.
    pub(crate) async fn other_server(&self) -> Api {
        Api::start_on(self.switch.logs(), Arc::new(Fake::new(Vec::new())), |_| {}).await
    }
}

/// A store that has nothing yet.
fn store(bus: SocketAddr) -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let (engine, _) = Engine::open(Arc::new(RealDisk), dir.path(), Config::default(), clock).unwrap();
    (Store::start(Arc::new(engine), login(bus, Role::Store)), dir)
}

/// A Machine, and what it has written.
pub(crate) struct Machine {
    pub(crate) address: Address,
    pub(crate) boot: Boot,
    seq: u64,
}

impl Machine {
    pub(crate) fn new(app: &str, instance: &str, boot: u64) -> Self {
        let org = OrgId::new("k3f9").unwrap();
        let address = Address::new(org, app, "lhr", instance).unwrap();
        Self { address, boot: Boot::from_bits(0x019a_0c3f_2b7c_0000 + boot), seq: 1 }
    }

    /// The next lines.
    pub(crate) fn lines(&mut self, count: u64) -> Vec<Entry<'static>> {
        (0..count).map(|_| self.line(Level::Info, "")).collect()
    }

    pub(crate) fn line(&mut self, level: Level, more: &str) -> Entry<'static> {
        let text = format!("{}/{:x}/{}{more}", self.address.instance, self.boot.bits() & 0xffff, self.seq);
        self.entry(1, level, Body::Line(Text::whole(text.into_bytes())))
    }

    /// The next so many were lost.
    pub(crate) fn gap(&mut self, span: u64) -> Entry<'static> {
        self.entry(
            span,
            Level::Warn,
            Body::Gap(Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 9 }),
        )
    }

    fn entry(&mut self, span: u64, level: Level, body: Body<'static>) -> Entry<'static> {
        let (seq, now) = (self.seq, now());
        self.seq += span;
        // Strictly rising in a boot.
        let time = now / 1_000_000_000 * 1_000_000_000 - 60_000_000_000 + i64::try_from(seq).unwrap();
        let (stream, level_source, clock) = (Stream::Stdout, LevelSource::Default, Clock::Guest);
        Entry { time, seq, span, stream, level, level_source, clock, body }
    }
}

pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

/// What a line says that [`Machine::lines`] made, and what a gap record covers.
pub(crate) fn told(entry: &Entry<'_>) -> String {
    match &entry.body {
        Body::Line(text) => String::from_utf8(text.bytes.to_vec()).unwrap(),
        _ => format!("gap {}+{}", entry.seq, entry.span),
    }
}

/// An event of a tail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A line or a gap record: what it says, and the cursor behind it.
    Line(String, String),
    State(String),
    Heartbeat,
    End(String),
}

/// Who reads a tail.
pub(crate) struct Reader {
    client: Client,
    unread: String,
    /// The last cursor.
    pub(crate) id: String,
}

impl Reader {
    /// Reads what this path gives, with a token.
    pub(crate) async fn open(api: &Api, token: &str, path: &str) -> Self {
        let mut client = Client::connect(api.address).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: FlyV1 {token}\r\n\r\n"
        );
        client.send(request.as_bytes()).await;
        let (status, head) = client.head().await.unwrap();
        assert_eq!(status, 200, "{head}");
        Self { client, unread: String::new(), id: String::new() }
    }

    /// The next event; `None` when the tail ends.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.unread.split_once("\n\n") {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.unread = rest;
                if let Some(event) = self.read(&text) {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.client.chunk().await.ok()??;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    fn read(&mut self, text: &str) -> Option<Event> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let Some(id) = field("id") {
            id.clone_into(&mut self.id);
        }
        let data: Value = serde_json::from_str(field("data")?).unwrap();
        let string = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        Some(match field("event") {
            None if data["gap"].is_object() => {
                let place = &data["logway"];
                Event::Line(format!("gap {}+{}", place["seq"], place["span"]), self.id.clone())
            }
            None => Event::Line(string("message"), self.id.clone()),
            Some("state") => Event::State(string("state")),
            Some("heartbeat") => Event::Heartbeat,
            Some("end") => Event::End(string("why")),
            Some(other) => panic!("an event {other}"),
        })
    }

    /// The next line. One that does not come fails the test, heartbeats or not.
    pub(crate) async fn line(&mut self) -> String {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let event = tokio::time::timeout_at(until, self.event()).await;
            match event.unwrap_or_else(|_| panic!("no line came behind {}", self.id)) {
                Some(Event::Line(line, _)) => return line,
                Some(Event::State(_) | Event::Heartbeat) => {}
                other => panic!("no line but {other:?}"),
            }
        }
    }

    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(self.line().await);
        }
        lines
    }

    /// Waits until it is live.
    pub(crate) async fn live(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.event().await {
                Some(Event::Line(line, _)) => lines.push(line),
                Some(Event::State(state)) if state == "live" => return lines,
                Some(_) => {}
                None => panic!("the tail has ended"),
            }
        }
    }

    /// Everything up to the end, and why it ended.
    pub(crate) async fn rest(&mut self) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        loop {
            match self.event().await {
                Some(Event::Line(line, _)) => lines.push(line),
                Some(Event::End(why)) => return (lines, why),
                Some(_) => {}
                None => panic!("it broke off behind {lines:?}"),
            }
        }
    }
}

/// Lines by the Machine's boot that wrote them, in their order.
pub(crate) fn by_boot(lines: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut boots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let boot = line.rsplit_once('/').map_or("gaps", |(boot, _)| boot);
        boots.entry(boot.to_owned()).or_default().push(line.clone());
    }
    boots
}
