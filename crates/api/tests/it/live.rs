//! Tails over a broker: what is said on the bus is what is read.

use std::net::SocketAddr;

use bus::broker::{self, User};
use bus::client::{Client as Bus, Credentials, Options};
use bus::roles::Role;
use line::{Address, Boot, Entry, Level, LevelSource, Text, json};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Api, Client, get, org, soon};

/// A broker, who publishes lines, and an API that hears them.
struct Stage {
    api: Api,
    agent: Bus,
    stop: oneshot::Sender<()>,
    broker: JoinHandle<Result<(), bus::Error>>,
    seq: u64,
}

pub(crate) fn login(address: SocketAddr, role: Role) -> Options {
    Options {
        servers: vec![format!("nats://{address}").parse().unwrap()],
        name: "test".to_owned(),
        credentials: Some(credentials(role)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

pub(crate) fn credentials(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: format!("secret-{role}") }
}

impl Stage {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = Role::ALL.map(|role| User { role, credentials: credentials(role) });
        let (stop, stopped) = oneshot::channel();
        let broker = tokio::spawn(broker::run(broker::Config::new(users.into()), listener, async {
            let _ = stopped.await;
        }));
        let api = Api::start(Vec::new()).await;
        let client = Bus::start(login(address, Role::Api));
        soon(client.connected()).await.unwrap();
        assert!(api.fake.live.set(api::Live::new(client)).is_ok());
        let agent = Bus::start(login(address, Role::Agent));
        soon(agent.connected()).await.unwrap();
        Self { api, agent, stop, broker, seq: 0 }
    }

    async fn say(&mut self, whose: &str, app: &str, level: Level, message: &str) {
        self.seq += 1;
        let address = Address::new(org(whose), app, "lhr", "i1").unwrap();
        let entry = Entry {
            time: 1_767_261_600_000_000_000,
            seq: self.seq,
            span: 1,
            stream: line::Stream::Stdout,
            level,
            level_source: LevelSource::Syslog,
            clock: line::Clock::Guest,
            body: line::Body::Line(Text::whole(message.as_bytes())),
        };
        let mut payload = Vec::new();
        json::Encoder::new(&address, "h1").write(Boot::from_bits(9), &entry, &mut payload);
        soon(self.agent.publish(&line::subject::inner(&address), None, &payload)).await.unwrap();
    }

    /// A tail that has begun. What is said from now on is heard.
    async fn tail(&self, token: &str, query: &str) -> Client {
        let mut client = Client::connect(self.api.address).await;
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = get(&format!("/select/logsql/tail?query={query}"));
        client.send(request.replacen("\r\n", &format!("\r\nAuthorization: {token}\r\n"), 1).as_bytes()).await;
        assert_eq!(client.head().await.unwrap().0, 200);
        client
    }

    async fn end(self) {
        self.api.stop().await;
        self.stop.send(()).unwrap();
        soon(self.broker).await.unwrap().unwrap();
    }
}

async fn row(client: &mut Client) -> Value {
    let chunk = client.chunk().await.unwrap().unwrap();
    serde_json::from_slice(&chunk).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&chunk)))
}

#[tokio::test]
async fn a_tail_shows_rows_as_a_query_would() {
    let mut stage = Stage::new().await;
    let token = stage.api.world.token("k3f9");
    let mut client = stage.tail(&token, "app:=web (user.id:7 or level:error)").await;
    stage.say("k3f9", "web", Level::Info, "nothing").await;
    stage.say("m7x2", "web", Level::Error, "of somebody else").await;
    stage.say("k3f9", "db", Level::Error, "of another app").await;
    stage.say("k3f9", "web", Level::Info, r#"{"user":{"id":7},"app":"x"}"#).await;
    let found = row(&mut client).await;
    let wanted = serde_json::json!({
        "_time": "2026-01-01T10:00:00.000000000Z", "_msg": r#"{"user":{"id":7},"app":"x"}"#, "app": "web", "region": "lhr",
        "_stream": r#"{app="web",instance="i1",region="lhr"}"#, "instance": "i1", "host": "h1", "provider": "app", "stream": "stdout",
        "level": "info", "boot": "0000000000000009", "seq": "4", "logway.level_source": "syslog", "user.id": "7", "app.app": "x",
        "_stream_id": found["_stream_id"],
    });
    assert_eq!(found, wanted);
    stage.say("k3f9", "web", Level::Error, "no").await;
    assert_eq!(row(&mut client).await["_msg"], "no");
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn who_is_slow_is_told_what_it_missed() {
    const LINES: u64 = 30_000;
    let mut stage = Stage::new().await;
    let token = stage.api.world.token("k3f9");
    let mut client = stage.tail(&token, "*").await;
    let message = "x".repeat(1000);
    for _ in 0..LINES {
        stage.say("k3f9", "web", Level::Info, &message).await;
    }
    stage.say("k3f9", "web", Level::Info, "last").await;
    soon(stage.agent.flush()).await.unwrap();
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < LINES + 1 {
        let chunk = String::from_utf8(client.chunk().await.unwrap().unwrap()).unwrap();
        for line in chunk.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            if row["gap.reason"] == "slow_reader" {
                missed += row["span"].as_str().unwrap().parse::<u64>().unwrap();
                assert_eq!((row["code"].as_str(), row["level"].as_str()), (Some("LB05"), Some("warn")));
            } else {
                seen += 1;
            }
        }
    }
    assert_eq!(seen + missed, LINES + 1);
    assert!(missed > 0, "the reader was quicker than this test thinks");
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn a_lost_bus_ends_the_tail_aloud() {
    let stage = Stage::new().await;
    let mut client = stage.tail(&stage.api.world.token("k3f9"), "*").await;
    stage.stop.send(()).unwrap();
    soon(stage.broker).await.unwrap().unwrap();
    let chunk = String::from_utf8(client.chunk().await.unwrap().unwrap()).unwrap();
    assert!(chunk.contains("lines may be missing"), "{chunk}");
    assert_eq!(client.chunk().await, Err(()));
    let answered = stage.api.ask(&get("/select/logsql/tail?query=*")).await;
    assert!(answered.status == 503 && answered.body.contains("bus"), "{answered:?}");
    stage.api.stop().await;
}
