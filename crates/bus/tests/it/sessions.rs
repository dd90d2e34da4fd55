//! Sessions as clients have them: who gets which message, who may what, and who is cut.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::pressure::assert_whole_frames;
use crate::support::{Broker, PATIENCE, Raw, config, connect, small_reader, soon, until};
use bus::roles::Role;
use tokio::io::AsyncWriteExt;

const LINE: &str = "o.k.logs.web.lhr.i";

#[tokio::test]
async fn wildcards_and_literals() {
    let broker = Broker::start(config()).await;
    let mut reader = broker.raw(Role::Api, "").await;
    for (sid, pattern) in
        ["o.>", "o.k.logs.*.lhr.>", LINE, "o.k.logs.web.*", "o.j.>", "o.*.logs.web.lhr.i"].iter().enumerate()
    {
        reader.send(format!("SUB {pattern} {sid}\r\n")).await;
    }
    reader.flush().await;
    let mut agent = broker.raw(Role::Agent, "").await;
    agent.send(format!("PUB {LINE} 002\r\nhi\r\n")).await;
    agent.flush().await;
    let mut sids = BTreeSet::new();
    for _ in 0..4 {
        let head = reader.line().await;
        let sid = head.strip_prefix("MSG o.k.logs.web.lhr.i ").and_then(|rest| rest.strip_suffix(" 2\r\n"));
        sids.insert(sid.unwrap_or_else(|| panic!("{head}")).to_owned());
        reader.expect("hi\r\n").await;
    }
    assert_eq!(sids.into_iter().collect::<Vec<_>>(), ["0", "1", "2", "5"]);
    reader.flush().await;
}

#[tokio::test]
async fn each_message_reaches_one_member_of_each_group() {
    let broker = Broker::start(config()).await;
    let mut readers = Vec::new();
    for queue in ["q", "q", "r", ""] {
        let mut reader = broker.raw(Role::Proxy, "").await;
        reader.send(format!("SUB o.> {queue} 1\r\n")).await;
        reader.flush().await;
        readers.push((queue, reader));
    }
    let mut agent = broker.raw(Role::Agent, "").await;
    for number in 0..200 {
        agent.send(format!("PUB {LINE} 3\r\n{number:03}\r\n")).await;
    }
    agent.flush().await;
    let (mut of_q, mut sizes) = (BTreeSet::new(), Vec::new());
    for (queue, reader) in &mut readers {
        let own = reader_until_pong(reader).await;
        let distinct: BTreeSet<_> = own.iter().cloned().collect();
        assert_eq!(distinct.len(), own.len());
        if *queue == "q" {
            assert!(!own.is_empty(), "a member got nothing of 200");
            of_q.extend(own.iter().cloned());
            sizes.push(own.len());
        } else {
            assert_eq!(own.len(), 200, "{queue}");
        }
    }
    assert_eq!((of_q.len(), sizes.iter().sum::<usize>()), (200, 200));
}

/// The payloads that wait for a reader. The broker has queued them before the reader asks.
async fn reader_until_pong(reader: &mut Raw) -> Vec<String> {
    let mut found = Vec::new();
    reader.send("UNSUB 1\r\nPING\r\n").await;
    loop {
        let line = reader.line().await;
        if line == "PONG\r\n" {
            return found;
        }
        assert!(line.starts_with("MSG "), "{line}");
        found.push(reader.line().await);
    }
}

#[tokio::test]
async fn headers_reach_only_those_who_take_them() {
    let broker = Broker::start(config()).await;
    let mut with = broker.raw(Role::Api, ",\"headers\":true").await;
    let mut without = broker.raw(Role::Api, "").await;
    for reader in [&mut with, &mut without] {
        reader.send("SUB o.> 1\r\n").await;
        reader.flush().await;
    }
    let mut agent = broker.raw(Role::Agent, ",\"headers\":true").await;
    agent.send(format!("HPUB {LINE} r 20 22\r\nNATS/1.0\r\nK: vvv\r\n\r\nhi\r\n")).await;
    agent.send(format!("HPUB {LINE} 0 2\r\nyo\r\n")).await;
    agent.flush().await;
    with.expect(&format!(
        "HMSG {LINE} 1 r 20 22\r\nNATS/1.0\r\nK: vvv\r\n\r\nhi\r\nMSG {LINE} 1 2\r\nyo\r\n"
    ))
    .await;
    without.expect(&format!("MSG {LINE} 1 r 2\r\nhi\r\nMSG {LINE} 1 2\r\nyo\r\n")).await;
}

#[tokio::test]
async fn a_request_that_nobody_hears_is_answered_with_503() {
    let broker = Broker::start(config()).await;
    let mut api = broker.raw(Role::Api, ",\"headers\":true,\"no_responders\":true").await;
    api.send("SUB _INBOX.api.x.* 7\r\nPUB sys.recent _INBOX.api.x.1 2\r\n{}\r\n").await;
    api.expect("HMSG _INBOX.api.x.1 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").await;
    // Once, and to no member of a group.
    api.send("SUB _INBOX.api.> q 6\r\nSUB _INBOX.api.> 8\r\nPUB sys.recent _INBOX.api.x.1 2\r\n{}\r\n").await;
    let head = api.line().await;
    assert!(["7", "8"].map(|sid| format!("HMSG _INBOX.api.x.1 {sid} 16 16\r\n")).contains(&head), "{head}");
    api.expect("NATS/1.0 503\r\n\r\n\r\n").await;
    api.flush().await;
    let mut agent = broker.raw(Role::Agent, "").await;
    agent.send("SUB sys.recent 1\r\n").await;
    agent.flush().await;
    api.send("PUB sys.recent _INBOX.api.x.2 2\r\n{}\r\n").await;
    api.flush().await;
    agent.expect("MSG sys.recent 1 _INBOX.api.x.2 2\r\n{}\r\n").await;
}

#[tokio::test]
async fn who_asks_in_vain_and_does_not_read_is_cut() {
    let mut config = config();
    config.max_pending_bytes = 64 * 1024;
    let broker = Broker::start(config).await;
    let mut api = broker.raw(Role::Api, ",\"headers\":true,\"no_responders\":true").await;
    api.send("SUB _INBOX.api.> 1\r\n").await;
    api.flush().await;
    let questions = "PUB sys.recent _INBOX.api.x 0\r\n\r\n".repeat(1000);
    // At some time the broker has heard enough.
    soon(async { while api.stream.write_all(questions.as_bytes()).await.is_ok() {} }).await;
    until(&broker.stats.slow_consumers, 1).await;
}

#[tokio::test]
async fn answers_are_allowed_to_who_was_asked() {
    let broker = Broker::start(config()).await;
    let mut api = broker.raw(Role::Api, "").await;
    let (mut asked, mut other) = (broker.raw(Role::Agent, "").await, broker.raw(Role::Agent, "").await);
    api.send("SUB _INBOX.api.> 1\r\n").await;
    api.flush().await;
    let answer = "PUB _INBOX.api.q 2\r\nhi\r\n";
    let refused = "-ERR 'Permissions Violation for Publish to \"_INBOX.api.q\"'\r\n";
    asked.send(answer).await;
    asked.expect(refused).await;
    asked.send("SUB sys.recent 1\r\n").await;
    asked.flush().await;
    api.send("PUB sys.recent _INBOX.api.q 2\r\n{}\r\n").await;
    asked.expect("MSG sys.recent 1 _INBOX.api.q 2\r\n{}\r\n").await;
    // Nobody makes another speak where neither may.
    for elsewhere in ["sys.registry", "_INBOX.store.q"] {
        api.send(format!("PUB sys.recent {elsewhere} 2\r\n{{}}\r\n")).await;
        asked.expect(&format!("MSG sys.recent 1 {elsewhere} 2\r\n{{}}\r\n")).await;
        asked.send(format!("PUB {elsewhere} 0\r\n\r\n")).await;
        asked.expect(&refused.replace("_INBOX.api.q", elsewhere)).await;
    }
    asked.send(answer.repeat(3)).await;
    api.expect(&"MSG _INBOX.api.q 1 2\r\nhi\r\n".repeat(3)).await;
    other.send(answer).await;
    other.expect(refused).await;
    asked.flush().await;
}

#[tokio::test]
async fn the_roles_are_kept() {
    let broker = Broker::start(config()).await;
    for role in Role::ALL {
        let mut raw = broker.raw(role, "").await;
        for pattern in [
            "o.k.logs.>",
            "o.>",
            "sys.hb.>",
            "sys.append.1",
            "sys.registry",
            "_INBOX.api.x",
            "_INBOX.agent.x",
            ">",
        ] {
            raw.send(format!("SUB {pattern} {pattern}\r\n")).await;
            if !role.allows_subscribe(pattern.as_bytes()) {
                raw.expect(&format!("-ERR 'Permissions Violation for Subscription to \"{pattern}\"'\r\n"))
                    .await;
            }
            raw.send(format!("UNSUB {pattern}\r\n")).await;
            raw.flush().await;
        }
        for subject in [
            LINE,
            "sys.hb.lhr.h",
            "sys.append.1",
            "sys.recent",
            "sys.query.s1",
            "sys.registry",
            "_INBOX.api.x",
            "x",
        ] {
            raw.send(format!("PUB {subject} 0\r\n\r\n")).await;
            if !role.allows_publish(subject.as_bytes()) {
                raw.expect(&format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")).await;
            }
            raw.flush().await;
        }
    }
    assert!(broker.stats.violations.load(Ordering::Relaxed) > 20);
}

#[tokio::test]
async fn a_subscription_ends_after_its_last_message() {
    let mut config = config();
    config.session.max_subscriptions = 2;
    let broker = Broker::start(config).await;
    let mut reader = broker.raw(Role::Api, "").await;
    let mut agent = broker.raw(Role::Agent, "").await;
    reader.send("SUB o.> 1\r\nSUB o.> 1\r\nUNSUB 1 2\r\n").await;
    reader.flush().await;
    agent.send(format!("PUB {LINE} 0\r\n\r\n").repeat(5)).await;
    agent.flush().await;
    reader.expect(&format!("MSG {LINE} 1 0\r\n\r\n").repeat(2)).await;
    reader.flush().await;
    // Ended ones leave room for others, again and again.
    for sid in 10..20 {
        reader.send(format!("SUB o.> {sid}\r\nUNSUB {sid} 1\r\n")).await;
        reader.flush().await;
        agent.send(format!("PUB {LINE} 0\r\n\r\n")).await;
        reader.expect(&format!("MSG {LINE} {sid} 0\r\n\r\n")).await;
    }
    // The max counts from the beginning: it may be reached already.
    reader.send("SUB o.> a\r\n").await;
    reader.flush().await;
    agent.send(format!("PUB {LINE} 0\r\n\r\n").repeat(3)).await;
    reader.expect(&format!("MSG {LINE} a 0\r\n\r\n").repeat(3)).await;
    reader.send("UNSUB a 3\r\n").await;
    reader.flush().await;
    agent.send(format!("PUB {LINE} 0\r\n\r\n")).await;
    agent.flush().await;
    reader.flush().await;
    reader.send("SUB o.> b\r\nSUB o.> c\r\nSUB o.> d\r\n").await;
    reader.expect("-ERR 'Permissions Violation for Subscription to \"o.>\"'\r\n").await;
    reader.send("UNSUB b\r\nSUB o.> d\r\n").await;
    reader.flush().await;
}

#[tokio::test]
async fn the_thousand_and_first_subscription_is_refused() {
    let broker = Broker::start(config()).await;
    let mut reader = broker.raw(Role::Api, "").await;
    for sid in 0..1000 {
        reader.send(format!("SUB o.a{sid} {sid}\r\n")).await;
    }
    reader.flush().await;
    reader.send("SUB o.z q 1000\r\n").await;
    reader.expect("-ERR 'Permissions Violation for Subscription to \"o.z\" using queue \"q\"'\r\n").await;
    reader.flush().await;
}

#[tokio::test]
async fn a_verbose_client_is_told_each_success() {
    let broker = Broker::start(config()).await;
    let mut raw = broker.greeted().await;
    raw.send(connect(Role::Registry, "").replace("\"verbose\":false,", "")).await;
    raw.expect("+OK\r\n").await;
    for (line, answer) in [
        ("SUB sys.registry.snapshot 1\r\n", "+OK\r\n"),
        ("PING\r\n", "PONG\r\n"),
        ("PUB sys.registry 0\r\n\r\n", "+OK\r\n"),
        ("PUB x 0\r\n\r\n", "-ERR 'Permissions Violation for Publish to \"x\"'\r\n"),
        ("SUB x 2\r\n", "-ERR 'Permissions Violation for Subscription to \"x\"'\r\n"),
        ("UNSUB 1\r\n", "+OK\r\n"),
    ] {
        raw.send(line).await;
        raw.expect(answer).await;
    }
    raw.send(connect(Role::Registry, "")).await;
    raw.send("UNSUB 1\r\n").await;
    raw.flush().await;
}

#[tokio::test]
async fn an_echo_can_be_declined() {
    let broker = Broker::start(config()).await;
    for (more, answer) in [("", "MSG sys.registry 1 2\r\nhi\r\n"), (",\"echo\":false", "")] {
        let mut raw = broker.raw(Role::Registry, more).await;
        raw.send("SUB sys.registry 1\r\nPUB sys.registry 2\r\nhi\r\n").await;
        raw.expect(answer).await;
        raw.flush().await;
    }
}

#[tokio::test]
async fn connections_are_bounded_and_given_back() {
    let mut config = config();
    config.session.max_connections = 2;
    let broker = Broker::start(config).await;
    let (first, mut second) = (broker.raw(Role::Api, "").await, broker.raw(Role::Api, "").await);
    let third = broker.greeted().await;
    assert_eq!(third.rest().await, "-ERR 'maximum connections exceeded'\r\n");
    drop(first);
    until(&broker.stats.connections, 1).await;
    broker.raw(Role::Api, "").await;
    // One who only closes its sending side is gone too.
    second.stream.shutdown().await.unwrap();
    until(&broker.stats.connections, 0).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_pings_is_cut() {
    let mut config = config();
    config.session.ping_interval = Duration::from_secs(1);
    let broker = Broker::start(config).await;
    let mut living = broker.raw(Role::Api, "").await;
    for _ in 0..5 {
        living.expect("PING\r\n").await;
        living.send("PONG\r\n").await;
    }
    let silent = broker.raw(Role::Api, "").await;
    assert_eq!(silent.rest().await, "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

#[tokio::test]
async fn a_slow_reader_is_cut_and_nobody_waits_for_it() {
    for (max_pending_bytes, stall) in
        [(256 * 1024, Duration::from_secs(3600)), (usize::MAX, Duration::from_millis(50))]
    {
        let mut config = config();
        (config.max_pending_bytes, config.session.stall) = (max_pending_bytes, stall);
        let broker = Broker::start(config).await;
        let slow = small_reader(&broker).await;
        let mut quick = broker.raw(Role::Api, "").await;
        quick.send(format!("SUB {LINE} 1\r\n")).await;
        quick.flush().await;
        let mut agent = broker.raw(Role::Agent, "").await;
        let burst = format!("PUB {LINE} 1000\r\n{}\r\n", "x".repeat(1000)).repeat(100);
        let received = format!("MSG {LINE} 1 1000\r\n{}\r\n", "x".repeat(1000)).repeat(100);
        soon(async {
            while broker.stats.slow_consumers.load(Ordering::Relaxed) == 0 {
                agent.send(&burst).await;
                quick.expect(&received).await;
            }
        })
        .await;
        // With the slow one gone nothing changes for the others.
        agent.send(&burst).await;
        quick.expect(&received).await;
        agent.flush().await;
        if stall > Duration::from_secs(60) {
            assert_whole_frames(&slow.rest().await);
        }
        until(&broker.stats.connections, 2).await;
        assert_eq!(broker.stats.slow_consumers.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_reader_that_waits_for_its_turn_is_not_taken_for_a_slow_one() {
    const COUNT: usize = 40_000;
    let mut config = config();
    // How long a turn takes is the machine's business.
    (config.max_pending_bytes, config.max_hold, config.stuck_after) = (1 << 20, PATIENCE, PATIENCE);
    let broker = Broker::start(config).await;
    let mut reader = broker.raw(Role::Api, "").await;
    reader.send("SUB o.> 1\r\n").await;
    reader.flush().await;
    let mut agent = broker.raw(Role::Agent, "").await;
    let publishing = tokio::spawn(async move {
        for _ in 0..COUNT / 100 {
            agent.send(format!("PUB {LINE} 1000\r\n{}\r\n", "x".repeat(1000)).repeat(100)).await;
        }
        agent
    });
    let received = format!("MSG {LINE} 1 1000\r\n{}\r\n", "x".repeat(1000)).repeat(100);
    for _ in 0..COUNT / 100 {
        reader.expect(&received).await;
    }
    drop(publishing.await.unwrap());
    assert_eq!(broker.stats.slow_consumers.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_pong_says_that_what_came_before_it_has_been_delivered() {
    const COUNT: usize = 6_000;
    let broker = Broker::start(config()).await;
    let mut reader = small_reader(&broker).await;
    let mut agent = broker.raw(Role::Agent, "").await;
    for _ in 0..COUNT {
        agent.send(format!("PUB {LINE} 1000\r\n{}\r\n", "x".repeat(1000))).await;
    }
    agent.flush().await;
    // How clients drain a subscription.
    reader.send("UNSUB 1\r\nPING\r\n").await;
    assert_eq!(reader_to_pong(&mut reader).await, COUNT);
    // The refusals keep their place too.
    reader.send("SUB x 1\r\nPING\r\nSUB y 1\r\nPING\r\n").await;
    for subject in ["x", "y"] {
        reader
            .expect(&format!("-ERR 'Permissions Violation for Subscription to \"{subject}\"'\r\nPONG\r\n"))
            .await;
    }
}

/// How many messages come before a PONG.
async fn reader_to_pong(reader: &mut Raw) -> usize {
    let mut before = 0;
    loop {
        let line = reader.line().await;
        if line == "PONG\r\n" {
            return before;
        }
        assert!(line.starts_with("MSG "), "{line}");
        reader.line().await;
        before += 1;
    }
}

#[tokio::test]
async fn at_the_end_everybody_is_given_what_waits_and_let_go() {
    const COUNT: usize = 6_000;
    let broker = Broker::start(config()).await;
    let (idle, greeted) = (broker.raw(Role::Api, "").await, broker.greeted().await);
    let reader = small_reader(&broker).await;
    let mut agent = broker.raw(Role::Agent, "").await;
    for _ in 0..COUNT {
        agent.send(format!("PUB {LINE} 1000\r\n{}\r\n", "x".repeat(1000))).await;
    }
    agent.flush().await;
    let (rest, _) = tokio::join!(reader.rest(), broker.stop());
    assert_eq!(rest, format!("MSG {LINE} 1 1000\r\n{}\r\n", "x".repeat(1000)).repeat(COUNT));
    for raw in [idle, greeted] {
        assert_eq!(raw.rest().await, "");
    }
}
