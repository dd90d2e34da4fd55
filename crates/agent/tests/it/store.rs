//! The way to the store: whatever it answers, or does not, it gets every line, and nobody waits for another's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::{Config, LiveLag, ToStore};
use bus::sys::AppendAnswer;
use disk::fault::FaultDisk;
use tokio::net::{TcpListener, UnixListener};

use crate::fake_store::{FakeStore, Reaction, Request, read, rejected};
use crate::outlets::{Gate, get};
use crate::support::{Agent, Bus, Init, Tail, assert_covers, boot, gaps, text, within};

/// A store that is asked again soon when it says nothing.
fn with_store(config: &mut Config) {
    config.store = Some(ToStore { retry_after: Duration::from_millis(200), ..ToStore::default() });
}

async fn agent_with_store(dir: &Path, bus: &Bus) -> Agent {
    Agent::start_with(dir, bus.address, with_store).await
}

/// Two apps of the org of the same shard, and one of another.
fn apps() -> (String, String, String) {
    let shard = |app: &str| line::shard::of_key(format!("k3f9.{app}").as_bytes());
    let names = || (0..).map(|number| format!("app-{number}"));
    let same = names().skip(1).find(|name| shard(name) == shard("app-0")).unwrap();
    let other = names().find(|name| shard(name) % 2 != shard("app-0") % 2).unwrap();
    ("app-0".to_owned(), same, other)
}

async fn greet(agent: &Agent, app: &str, number: u16) -> Init {
    let socket = agent.register("k3f9", app, &format!("{app}-i1")).await;
    Init::greet(&socket, boot(number)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_gets_every_line_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut store = FakeStore::start(&bus).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        with_store(config);
        config.http = Some(listener);
    })
    .await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let mut web = greet(&agent, "web", 1).await;
    let mut api = greet(&agent, "api", 2).await;
    for number in 0..20 {
        web.lines(&[format!("web {number}"), "x".repeat(number * 1000)]).await;
        api.lines(&[format!("api {number}")]).await;
    }
    web.gap(41, 5).await;
    let kept = store.wait_for("all lines", |kept| kept.has("web", 46) && kept.has("api", 21)).await;
    assert_eq!((kept.repeated, kept.lines.len()), (0, 61));
    assert_eq!(kept.of("api")[7].what, Ok("api 7".to_owned()));
    assert_eq!(kept.of("web")[40].what, Err("ring_full"));
    assert!(kept.requests < 40, "lines wait for each other: {}", kept.requests);
    // The live copy is as ever.
    tail.take(61).await;
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.state == "ok")).await;
    web.flush().await;
    agent.wait_for(|status| status.spool_unsent_bytes == 0).await;
    // The last answer may still be on its way to the agent.
    let figures = within("all figures", async {
        loop {
            let figures = get(address, "/metrics").await;
            if figures.contains("logway_agent_store_lines_total 61") {
                return figures;
            }
        }
    })
    .await;
    for wanted in [r#"logway_agent_store_requests_total{answer="acked"}"#, "logway_agent_dead_letters 0"] {
        assert!(figures.contains(wanted), "{wanted} is not in\n{figures}");
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_a_request_is_repeated_until_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        let answer_within = Duration::from_millis(300);
        config.store = Some(ToStore { answer_within, ..ToStore::default() });
    })
    .await;
    let mut init = greet(&agent, "web", 1).await;
    init.lines(&["one", "two"]).await;
    init.flush().await;
    let state = |wanted: &'static str| {
        move |status: &agent::admin::Status| {
            status.store.as_ref().is_some_and(|store| store.state.contains(wanted))
        }
    };
    agent.wait_for(state("no store listens")).await;
    let busy = || Reaction::Say(AppendAnswer::Busy { retry_ms: 1, reason: "the test is".into() });
    let react = move |request: &Request| match request.number {
        0 => busy(),
        1 => Reaction::Silence,
        2 => Reaction::Nonsense,
        3 => Reaction::KeepSilently,
        _ => Reaction::Keep,
    };
    let mut store = FakeStore::start_with(&bus, |_| true, react).await;
    let kept = store.wait_for("a repeated request", |kept| kept.requests >= 5).await;
    assert!(kept.has("web", 3) && kept.repeated >= 2);
    agent.wait_for(state("ok")).await;
    agent.wait_for(|status| status.spool_unsent_bytes == 0).await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refuses_is_kept_aside_and_stated_and_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let (bad, same, other) = apps();
    let prefix = format!("k3f9.{bad}.");
    let react = move |request: &Request| {
        let is_bad = |line: &crate::fake_store::Line| line.key.starts_with(&prefix) && line.what.is_ok();
        if request.lines.iter().any(is_bad) { rejected() } else { Reaction::Keep }
    };
    let mut store = FakeStore::start_with(&bus, |_| true, react).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut inits = Vec::new();
    for (app, number) in [(&bad, 1), (&same, 2), (&other, 3)] {
        inits.push(greet(&agent, app, number).await);
    }
    for init in &mut inits {
        init.lines(&["one", "two", "three"]).await;
    }
    let has_all = |kept: &crate::fake_store::Kept| [&bad, &same, &other].iter().all(|app| kept.has(app, 4));
    let kept = store.wait_for("all apps", has_all).await;
    assert!(kept.of(&same).iter().chain(&kept.of(&other)).all(|line| line.what.is_ok()));
    assert!(kept.of(&bad).iter().all(|line| line.what == Err("rejected")));
    agent.wait_for(|status| status.spool_unsent_bytes == 0).await;
    // What was refused can be read, and is found by the next agent too.
    for _ in 0..2 {
        agent_letters(&agent, dir.path(), &bad).await;
    }
    agent.stop().await;
    let agent = agent_with_store(dir.path(), &bus).await;
    agent_letters(&agent, dir.path(), &bad).await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_an_org_that_has_ended_are_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let (bad, same, _) = apps();
    let prefix = format!("k3f9.{bad}.");
    let react = move |request: &Request| {
        let is_gone = request.lines.iter().any(|line| line.key.starts_with(&prefix));
        let (code, reason) = (line::append::ORG_ENDED.to_owned(), "it has".to_owned());
        if is_gone { Reaction::Say(AppendAnswer::Rejected { code, reason }) } else { Reaction::Keep }
    };
    let mut store = FakeStore::start_with(&bus, |_| true, react).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut inits = Vec::new();
    for (app, number) in [(&bad, 1), (&same, 2)] {
        inits.push(greet(&agent, app, number).await);
    }
    for init in &mut inits {
        init.lines(&["one", "two", "three"]).await;
    }
    let kept = store.wait_for("the other app", |kept| kept.has(&same, 4)).await;
    assert!(kept.of(&bad).is_empty(), "no gap record either");
    let is_settled = |status: &agent::admin::Status| {
        status.spool_unsent_bytes == 0
            && status.store.as_ref().is_some_and(|store| store.dead_letters.is_empty())
    };
    agent.wait_for(is_settled).await;
    agent.stop().await;
    bus.stop().await;
}

/// The dead letters hold the three lines of the app and nothing else.
async fn agent_letters(agent: &Agent, dir: &Path, app: &str) {
    let agent::admin::Response::Status(status) = agent.call(agent::admin::Request::Status {}).await.unwrap()
    else {
        panic!()
    };
    let letters = status.store.unwrap().dead_letters;
    let mut lines = Vec::new();
    for letter in &letters {
        let bytes = std::fs::read(dir.join("agent/dead-letter").join(&letter.file)).unwrap();
        assert_eq!(bytes.len() as u64, letter.bytes);
        lines.extend(read(&bytes).unwrap());
    }
    let found: Vec<_> = lines.iter().map(|line| (line.seq, line.what.clone())).collect();
    let wanted = ["one", "two", "three"].map(|text| Ok(text.to_owned()));
    assert_eq!(found, (1..).zip(wanted).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line.key.starts_with(&format!("k3f9.{app}."))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_goes_on_where_the_store_is() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut store = FakeStore::start(&bus).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut init = greet(&agent, "web", 1).await;
    init.lines(&["one", "two"]).await;
    store.wait_for("the lines", |kept| kept.has("web", 3)).await;
    init.bye().await;
    agent.stop().await;
    store.stop();
    let mut store = FakeStore::start(&bus).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut init = greet(&agent, "api", 2).await;
    init.lines(&["three"]).await;
    let kept = store.wait_for("the next line", |kept| kept.has("api", 2)).await;
    assert_eq!(kept.lines.len(), 1, "what the store has is not sent again");
    agent.stop().await;
    // An agent that was stopped with lines in hand has sent them before.
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut init = greet(&agent, "late", 3).await;
    init.lines(&["four"]).await;
    init.flush().await;
    agent.stop().await;
    assert!(store.kept().has("late", 2));
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_moment_costs_repeats_and_no_line() {
    let bus = Bus::start().await;
    for seed in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new();
        let on = |disk: &FaultDisk| {
            let disk = Arc::new(disk.clone());
            move |config: &mut Config| {
                with_store(config);
                config.disk = disk;
                config.vanish_after = Duration::from_secs(3600);
                config.grace = Duration::from_millis(100);
            }
        };
        // Answers are lost, or the cut comes right behind them and before the cursor is saved.
        let reaction = move |_: &Request| if seed % 2 == 0 { Reaction::Keep } else { Reaction::KeepSilently };
        let mut store = FakeStore::start_with(&bus, |_| true, reaction).await;
        let agent = Agent::start_with(dir.path(), bus.address, on(&disk)).await;
        let mut init = greet(&agent, "web", 1).await;
        init.lines(&["x"; 20]).await;
        init.flush().await;
        store.wait_for("the lines", |kept| kept.has("web", 21)).await;
        let left = disk.power_cut(seed);
        agent.stop().await;
        drop(init);
        let before = store.stop();
        let mut store = FakeStore::start(&bus).await;
        let agent = Agent::start_with(dir.path(), bus.address, on(&left)).await;
        let socket = agent.register("k3f9", "web", "web-i1").await;
        let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 1, 21).await;
        assert_eq!(resume_seq, 21, "seed {seed}");
        init.lines(&["last"]).await;
        let last = ("k3f9.web.lhr.web-i1".to_owned(), boot(1).bits(), 21);
        let after = store.wait_for("the last line", |kept| kept.lines.contains_key(&last)).await;
        let has =
            |seq| [&before, &after].iter().any(|kept| kept.of("web").iter().any(|line| line.seq == seq));
        assert!((1..=21).all(has), "seed {seed}");
        agent.stop().await;
        store.stop();
    }
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_holds_up_no_other_and_then_gets_all() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let (even, _, odd) = apps();
    let is_even = line::shard::of_key(format!("k3f9.{even}").as_bytes()) % 2;
    let mut here = FakeStore::start_with(&bus, |shard| shard % 2 != is_even, |_| Reaction::Keep).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let (mut away, mut goes_on) = (greet(&agent, &even, 1).await, greet(&agent, &odd, 2).await);
    // More than is held in memory.
    let many: Vec<String> = (0..60_000).map(|number| format!("{number} {}", "x".repeat(200))).collect();
    for lines in many.chunks(1000) {
        away.lines(lines).await;
        away.flush().await;
        goes_on.lines(&lines[..10]).await;
    }
    here.wait_for("the lines of the store that is here", |kept| kept.has(&odd, 601)).await;
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.failing_shards == 1)).await;
    goes_on.lines(&["still here"]).await;
    here.wait_for("a further line", |kept| kept.has(&odd, 602)).await;
    // Both have half the shards.
    let mut back = FakeStore::start_with(&bus, |shard| shard % 2 == is_even, |_| Reaction::Keep).await;
    away.lines(&["and on"]).await;
    let kept = back.wait_for("the lines of the store that is back", |kept| kept.has(&even, 60_002)).await;
    assert!(kept.of(&odd).is_empty() && here.kept().of(&even).is_empty());
    agent.wait_for(|status| status.spool_unsent_bytes == 0).await;
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.lag_seconds == 0.0)).await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_that_is_not_stored_makes_room_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        with_store(config);
        config.keep_bytes = 0;
        config.spool.segment_bytes = 64 << 10;
        config.spool.quota_bytes = 1 << 20;
    })
    .await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let mut init = greet(&agent, "web", 1).await;
    let many: Vec<String> = (0..200).map(|number| format!("{number} {}", "x".repeat(200))).collect();
    for _ in 0..50 {
        init.lines(&many).await;
        init.flush().await;
    }
    // The live copy is out, and the store has nothing: the spool is full of it.
    let refused = tail.take_until(|line| line["gap"]["reason"] == "spool_full").await;
    assert!(refused.len() > 1000);
    let mut store = FakeStore::start(&bus).await;
    let kept = store.wait_for("all", |kept| kept.has("web", 10_001)).await;
    let stored = kept.of("web").iter().filter(|line| line.what.is_ok()).count();
    let reasons: Vec<_> = kept.of("web").into_iter().filter_map(|line| line.what.err()).collect();
    assert!(stored >= refused.len() - 1 && reasons.iter().all(|reason| *reason == "spool_full"));
    // There is room again.
    agent.wait_for(|status| status.spool_unsent_bytes == 0).await;
    init.lines(&["welcome"]).await;
    store
        .wait_for("a line", |kept| kept.of("web").iter().any(|line| line.what == Ok("welcome".into())))
        .await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_apps_with_a_line_each_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut store = FakeStore::start(&bus).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut inits = Vec::new();
    for number in 0..120_u16 {
        inits.push(greet(&agent, &format!("app-{number}"), number).await);
    }
    for init in &mut inits {
        init.lines(&["hello"]).await;
    }
    let kept = store.wait_for("all apps", |kept| kept.lines.len() == 120).await;
    assert!(kept.repeated == 0 && kept.requests <= 120);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_copy_that_jumps_leaves_the_lines_to_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let gate = Gate::open(bus.address).await;
    gate.close();
    let mut store = FakeStore::start(&bus).await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start_with(dir.path(), gate.address, |config| {
        with_store(config);
        config.live_lag = Some(LiveLag { after: Duration::from_secs(3600), bytes: 100 << 10 });
    })
    .await;
    let mut init = greet(&agent, "web", 1).await;
    let many: Vec<String> = (0..4000).map(|number| format!("{number} {}", "x".repeat(100))).collect();
    init.lines(&many).await;
    init.flush().await;
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.state.contains("NATS"))).await;
    gate.reopen();
    assert_eq!(gaps(&tail.take(1).await), [(1, 4000, "live-lag".to_owned())]);
    let kept = store.wait_for("all lines", |kept| kept.has("web", 4001)).await;
    assert!(kept.of("web").iter().all(|line| line.what.is_ok()));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_gets_the_lines_of_an_agent_that_feeds_vector() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut store = FakeStore::start(&bus).await;
    let path = dir.path().join("vector.sock");
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        with_store(config);
        config.vector = Some(path.clone());
    })
    .await;
    let mut init = greet(&agent, "web", 1).await;
    init.lines(&["one", "two"]).await;
    store.wait_for("the lines", |kept| kept.has("web", 3)).await;
    // What the store has is held for Vector.
    let listener = UnixListener::bind(&path).unwrap();
    let (stream, _) = within("Vector's connection", listener.accept()).await.unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stream));
    for wanted in ["one", "two"] {
        let line = within("a line", lines.next_line()).await.unwrap().unwrap();
        assert_eq!(text(&serde_json::from_str(&line).unwrap()), wanted);
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_that_is_away_does_not_hold_up_the_spool_for_lines_that_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut store = FakeStore::start(&bus).await;
    let path = dir.path().join("vector.sock");
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        with_store(config);
        config.vector = Some(path.clone());
        config.live_lag = Some(LiveLag { after: Duration::from_secs(3600), bytes: 100 << 10 });
    })
    .await;
    let mut init = greet(&agent, "web", 1).await;
    let many: Vec<String> = (0..4000).map(|number| format!("{number} {}", "x".repeat(100))).collect();
    init.lines(&many).await;
    init.flush().await;
    store.wait_for("all lines", |kept| kept.has("web", 4001)).await;
    agent.wait_for(|status| status.bus.contains("left out")).await;
    let listener = UnixListener::bind(&path).unwrap();
    let (stream, _) = within("Vector's connection", listener.accept()).await.unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stream));
    init.lines(&["last"]).await;
    let mut read: Vec<serde_json::Value> = Vec::new();
    while read.last().is_none_or(|line| text(line) != "last") {
        let line = within("a line", lines.next_line()).await.unwrap().unwrap();
        read.push(serde_json::from_str(&line).unwrap());
    }
    let left_out = gaps(&read);
    assert!(!left_out.is_empty() && left_out.iter().all(|(_, _, reason)| reason == "live-lag"));
    assert_covers(&read, 1, 4002);
    assert_eq!(read[0]["logway"]["org"], "k3f9");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_is_too_narrow_for_is_parted() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start_with(|config| config.session.limits.payload_bytes = 4000).await;
    let mut store = FakeStore::start(&bus).await;
    let agent = agent_with_store(dir.path(), &bus).await;
    let mut init = greet(&agent, "web", 1).await;
    let noise = |len: usize| (0..len).map(|_| fastrand::alphanumeric()).collect::<String>();
    let mut texts: Vec<String> = (0..50).map(|_| noise(1000)).collect();
    texts.insert(20, noise(9000));
    init.lines(&texts).await;
    let kept = store.wait_for("all lines", |kept| kept.has("web", 52)).await;
    for (line, text) in kept.of("web").iter().zip(&texts) {
        let wanted = if text.len() > 4000 { Err("rejected") } else { Ok(text.clone()) };
        assert_eq!(line.what, wanted);
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_the_disk_does_not_take_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let disk = FaultDisk::new();
    let below = disk.clone();
    let react = move |request: &Request| {
        below.set_space((request.number == 0).then_some(0));
        if request.lines.iter().any(|line| line.what.is_ok()) { rejected() } else { Reaction::Keep }
    };
    let mut store = FakeStore::start_with(&bus, |_| true, react).await;
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        with_store(config);
        config.disk = Arc::new(disk.clone());
    })
    .await;
    let mut init = greet(&agent, "web", 1).await;
    init.lines(&["one"]).await;
    let kept = store.wait_for("a gap record", |kept| kept.has("web", 2)).await;
    assert!(kept.requests >= 3);
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.dead_letters.len() == 1)).await;
    agent.stop().await;
    bus.stop().await;
}
