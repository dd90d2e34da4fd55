//! Ways out of the agent: NATS that comes and goes, Vector, heartbeats, figures.

use std::net::SocketAddr;
use std::time::Duration;

use agent::LiveLag;
use agent::admin::Status;
use bus::roles::Role;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::support::{
    Agent, Bus, Init, Tail, assert_covers, boot, gaps, nowhere, options_with, seqs, text, within,
};

/// A way to the bus that can be closed.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    is_open: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_open, opened) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let mut opened = opened.clone();
                if !*opened.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut outer) = tokio::net::TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = opened.wait_for(|opened| !opened) => {}
                    }
                });
            }
        });
        Self { address, is_open }
    }

    /// Cuts all connections and takes none.
    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn reopen(&self) {
        self.is_open.send_replace(true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_written_while_nats_is_away_come_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let gate = Gate::open(bus.address).await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), gate.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["1", "2"]).await;
    tail.take(2).await;
    gate.close();
    init.lines(&["3", "4"]).await;
    // Acknowledged although nobody carries them on.
    init.flush().await;
    gate.reopen();
    init.lines(&["5"]).await;
    let mut lines = tail.take_until(|line| text(line) == "5").await;
    lines.sort_by_key(seqs);
    lines.dedup_by_key(|line| seqs(line));
    lines.retain(|line| seqs(line).0 > 2);
    assert_covers(&lines, 3, 6);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_starts_and_spools_without_nats_and_with_a_wrong_password() {
    let bus = Bus::start().await;
    let wrong = options_with(Role::Agent, bus.address, "wrong");
    for (options, state) in
        [(wrong, "refused"), (options_with(Role::Agent, nowhere().await, "x"), "connecting")]
    {
        let dir = tempfile::tempdir().unwrap();
        let agent = Agent::start_with(dir.path(), bus.address, |config| config.bus = options).await;
        let socket = agent.register("k3f9", "web", "i1").await;
        let mut init = Init::greet(&socket, boot(1)).await;
        init.lines(&["kept"]).await;
        init.flush().await;
        agent.wait_for(|status| status.bus == state).await;
        agent.stop().await;
        let mut tail = Tail::start(&bus, "o.k3f9.>").await;
        let agent = Agent::start(dir.path(), bus.address).await;
        assert_eq!(text(&tail.next().await), "kept");
        agent.stop().await;
    }
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_the_bus_refuses_stay_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    // It may connect, and publish no line.
    let other = options_with(Role::Proxy, bus.address, "secret");
    let agent = Agent::start_with(dir.path(), bus.address, |config| config.bus = other).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["kept"]).await;
    init.flush().await;
    let is_refused =
        |status: &Status| status.fault.as_ref().is_some_and(|fault| fault.contains("does not take lines"));
    agent.wait_for(is_refused).await;
    drop(init);
    agent.stop().await;
    let agent = Agent::start(dir.path(), bus.address).await;
    assert_eq!(text(&tail.next().await), "kept");
    agent.wait_for(|status| status.fault.is_none()).await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_copy_too_far_behind_jumps_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let gate = Gate::open(bus.address).await;
    gate.close();
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start_with(dir.path(), gate.address, |config| {
        config.live_lag = Some(LiveLag { after: Duration::from_secs(3600), bytes: 100 << 10 });
    })
    .await;
    let (one, two) = (agent.register("k3f9", "web", "i1").await, agent.register("k3f9", "web", "i2").await);
    let mut inits = [Init::greet(&one, boot(1)).await, Init::greet(&two, boot(2)).await];
    let many: Vec<String> = (0..4000).map(|i| format!("line {i} {}", "x".repeat(100))).collect();
    for init in &mut inits {
        init.lines(&many).await;
        init.flush().await;
    }
    gate.reopen();
    let skipped = tail.take(2).await;
    let mut found = gaps(&skipped);
    found.sort();
    assert_eq!(found, [(1, 4000, "live-lag".to_owned()), (1, 4000, "live-lag".to_owned())]);
    assert_ne!(skipped[0]["logway"]["boot"], skipped[1]["logway"]["boot"]);
    inits[0].lines(&["now"]).await;
    assert_eq!(seqs(&tail.next().await), (4001, 1));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vector_gets_every_line_with_its_org_also_after_it_was_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vector.sock");
    let agent =
        Agent::start_with(dir.path(), nowhere().await, |config| config.vector = Some(path.clone())).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["1", "2", "3"]).await;
    init.flush().await;
    let listener = UnixListener::bind(&path).unwrap();
    let mut lines: Vec<Value> = Vec::new();
    let (stream, _) = within("Vector's connection", listener.accept()).await.unwrap();
    let mut read = BufReader::new(stream).lines();
    for _ in 0..3 {
        let line = within("a line", read.next_line()).await.unwrap().unwrap();
        lines.push(serde_json::from_str(&line).unwrap());
    }
    drop(read);
    init.lines(&["4"]).await;
    init.flush().await;
    // The agent notices with a write that its peer is gone: what that write carried went nowhere it can know of. So the
    // next lines come on a new connection.
    init.lines(&["5"]).await;
    let (stream, _) = within("Vector's second connection", listener.accept()).await.unwrap();
    let mut read = BufReader::new(stream).lines();
    while lines.last().is_none_or(|line| text(line) != "5") {
        let line = within("a line", read.next_line()).await.unwrap().unwrap();
        lines.push(serde_json::from_str(&line).unwrap());
    }
    lines.dedup_by_key(|line| seqs(line));
    assert_covers(&lines, 1, 6);
    assert!(lines.iter().all(|line| line["logway"]["org"] == "k3f9"));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_say_how_far_each_boot_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "sys.hb.lhr.h1").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["1", "2", "3"]).await;
    let beats = tail.take_until(|beat| beat["marks"][0]["next_seq"] == 4).await;
    let mark = &beats.last().unwrap()["marks"][0];
    assert_eq!(
        (&mark["org"], &mark["app"], &mark["instance"]),
        (&"k3f9".into(), &"web".into(), &"i1".into())
    );
    assert_eq!(mark["boot"], boot(1).to_string());
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_that_is_too_long_for_the_bus_comes_in_parts() {
    const COUNT: u16 = 20;
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start_with(|config| config.session.limits.payload_bytes = 1000).await;
    let mut tail = Tail::start(&bus, "sys.hb.lhr.h1").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let mut inits = Vec::new();
    for number in 0..COUNT {
        let socket = agent.register("k3f9", "web", &format!("i{number}")).await;
        let mut init = Init::greet(&socket, boot(number)).await;
        init.lines(&["1"]).await;
        inits.push(init);
    }
    let mut named = std::collections::BTreeSet::new();
    while named.len() < usize::from(COUNT) {
        let beat = tail.next().await;
        assert!(beat.to_string().len() <= 1000 && beat["host"] == "h1" && beat["region"] == "lhr", "{beat}");
        named.extend(beat["marks"].as_array().unwrap().iter().map(|mark| mark["instance"].to_string()));
    }
    agent.stop().await;
    bus.stop().await;
}

/// What is served at `path`.
pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an HTTP answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let agent = Agent::start_with(dir.path(), bus.address, |config| config.http = Some(listener)).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["one", "three"]).await;
    init.gap(3, 7).await;
    init.flush().await;
    tail.take(3).await;
    let text = get(address, "/metrics").await;
    for wanted in [
        r#"logway_agent_lines_total{org="k3f9",app="web"} 3"#,
        r#"logway_agent_text_bytes_total{org="k3f9",app="web"} 8"#,
        r#"logway_agent_gap_lines_total{org="k3f9",app="web",reason="ring_full"} 7"#,
        "logway_agent_connections 1",
        "logway_agent_machines 1",
        "logway_agent_fsync_seconds_count",
        "logway_agent_publish_lag_seconds",
        "logway_agent_spool_quota_bytes 1073741824",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));
    // Each is documented.
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = name.split(' ').next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/metrics.md");
    }
    agent.stop().await;
    bus.stop().await;
}
