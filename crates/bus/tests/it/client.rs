//! Our client: what it says of the connection, what it keeps, and what it gives up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::Error;
use bus::client::{Client, Delivery, Message, Options, Status, Subscription};
use bus::roles::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Broker, config, options, soon};

const LINE: &str = "o.k.logs.web.lhr.i";

async fn status_where(client: &Client, is_wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = client.status();
    let found = soon(status.wait_for(|s| is_wanted(s))).await.unwrap();
    found.clone()
}

async fn client(broker: &Broker, role: Role) -> Client {
    let client = Client::start(broker.options(role));
    soon(client.connected()).await.unwrap();
    client
}

async fn message(subscription: &mut Subscription) -> Message {
    match soon(subscription.next()).await {
        Some(Delivery::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_come_as_they_were_sent() {
    let broker = Broker::start(config()).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut lines = soon(api.subscribe("o.>", Some(""))).await.unwrap();
    let mut batch = Client::batch();
    batch.push(LINE, b"one");
    batch.push_with(LINE, |out| out.extend_from_slice(b"two\r\nlines"));
    assert!(!batch.is_empty() && batch.len_bytes() > 60);
    soon(agent.send(batch)).await.unwrap().await.unwrap();
    soon(agent.publish(LINE, Some("a.reply"), b"")).await.unwrap();
    soon(agent.flush()).await.unwrap();
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(message(&mut lines).await);
    }
    let payloads: Vec<_> = texts.iter().map(|m| m.payload.as_ref()).collect();
    assert_eq!(payloads, [&b"one"[..], b"two\r\nlines", b""]);
    assert_eq!(texts[2].reply.as_deref(), Some(&b"a.reply"[..]));
    assert!(lines.try_next().is_none());
    for bad in ["", "a b", "a..b"] {
        assert!(matches!(api.subscribe(bad, None).await, Err(Error::Subject(_))), "{bad}");
        assert!(matches!(agent.publish(bad, None, b"").await, Err(Error::Subject(_))), "{bad}");
    }
    assert!(matches!(agent.publish("o.*", None, b"").await, Err(Error::Subject(_))));
}

#[tokio::test]
async fn a_restart_of_the_broker_is_an_interruption() {
    let broker = Broker::start(config()).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    soon(agent.publish(LINE, None, b"before")).await.unwrap();
    soon(agent.flush()).await.unwrap();
    let address = broker.stop().await;
    status_where(&agent, |s| matches!(s, Status::Connecting { .. })).await;
    assert!(matches!(agent.publish(LINE, None, b"lost").await, Err(Error::Disconnected)));
    assert!(matches!(agent.send(Client::batch()).await, Err(Error::Disconnected)));
    assert!(matches!(agent.flush().await, Err(Error::Disconnected)));
    assert!(matches!(agent.request_many("sys.recent", b"").await, Err(Error::Disconnected)));
    // A subscription made meanwhile begins with the connection.
    status_where(&api, |s| matches!(s, Status::Connecting { .. })).await;
    let mut late = soon(api.subscribe("o.k.>", None)).await.unwrap();
    let broker = Broker::start_at(config(), address).await;
    for who in [&api, &agent] {
        let status = status_where(who, |s| matches!(s, Status::Connected { .. })).await;
        assert!(matches!(status, Status::Connected { epoch: 2, max_payload: 1_048_576, .. }), "{status:?}");
    }
    soon(api.flush()).await.unwrap();
    soon(agent.publish(LINE, None, b"after")).await.unwrap();
    assert_eq!(message(&mut lines).await.payload, "before");
    for subscription in [&mut lines, &mut late] {
        assert_eq!(soon(subscription.next()).await, Some(Delivery::Interrupted { epoch: 2 }));
        assert_eq!(message(subscription).await.payload, "after");
    }
    drop(broker);
}

#[tokio::test]
async fn each_interruption_is_said_to_who_took_the_one_before() {
    let mut broker = Broker::start(config()).await;
    let api = client(&broker, Role::Api).await;
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    let mut unread = soon(api.subscribe("o.k.>", None)).await.unwrap();
    for epoch in [2, 3] {
        let address = broker.stop().await;
        broker = Broker::start_at(config(), address).await;
        assert_eq!(soon(lines.next()).await, Some(Delivery::Interrupted { epoch }));
    }
    // Who took none is told once.
    assert_eq!(unread.try_next(), Some(Delivery::Interrupted { epoch: 2 }));
    assert_eq!(unread.try_next(), None);
}

#[tokio::test]
async fn a_receipt_says_when_nobody_knows() {
    // A server that lets us in and then answers nothing.
    let (listener, address) = listen().await;
    let agent = Client::start(options(address, Role::Agent));
    let mut stream = let_in(&listener).await;
    soon(agent.connected()).await.unwrap();
    let mut batch = Client::batch();
    batch.push(LINE, b"x");
    let receipt = soon(agent.send(batch)).await.unwrap();
    read_until(&mut stream, b"PING\r\n").await;
    drop(stream);
    assert!(matches!(soon(receipt).await, Err(Error::Disconnected)));
}

/// A server that lets `client` in.
/// A proxy's login may not publish on the subject of a line. What was refused of a batch is told by its own receipt, however late
/// that is looked at.
#[tokio::test]
async fn a_receipt_tells_which_batch_was_refused() {
    let broker = Broker::start(config()).await;
    let proxy = client(&broker, Role::Proxy).await;
    let mut receipts = Vec::new();
    for subject in ["sys.recent", LINE, "sys.recent", LINE] {
        let mut batch = Client::batch();
        batch.push(subject, b"x");
        receipts.push(soon(proxy.send(batch)).await.unwrap());
    }
    soon(proxy.flush()).await.unwrap();
    let mut refused = Vec::new();
    for receipt in receipts {
        refused.push(receipt.await.unwrap());
    }
    assert_eq!(refused, [0, 1, 1, 2]);
}

async fn let_in(listener: &TcpListener) -> TcpStream {
    let mut stream = soon(listener.accept()).await.unwrap().0;
    stream.write_all(b"INFO {}\r\n").await.unwrap();
    read_until(&mut stream, b"PING\r\n").await;
    stream.write_all(b"PONG\r\n").await.unwrap();
    stream
}

#[tokio::test]
async fn a_server_that_asks_and_takes_no_answer_is_left() {
    let (listener, address) = listen().await;
    let agent = Client::start(options(address, Role::Agent));
    let mut stream = let_in(&listener).await;
    let pings = b"PING\r\n".repeat(1000);
    let flood = async {
        // Until the other side has gone.
        while stream.write_all(&pings).await.is_ok() {}
    };
    let left = status_where(&agent, |s| format!("{s:?}").contains("takes nothing"));
    tokio::select! { biased; _ = left => {}, () = soon(flood) => {} }
    status_where(&agent, |s| format!("{s:?}").contains("takes nothing")).await;
}

async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        assert!(soon(stream.read_buf(&mut read)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_refused_subscription_and_a_refused_message() {
    let broker = Broker::start(config()).await;
    let agent = client(&broker, Role::Agent).await;
    for (pattern, queue) in [("o.>", None), ("o.>", Some("q")), ("a\"b\\c", None)] {
        let mut lines = soon(agent.subscribe(pattern, queue)).await.unwrap();
        let denied = soon(lines.next()).await;
        assert!(
            matches!(&denied, Some(Delivery::Denied { reason }) if reason.contains("Subscription")),
            "{denied:?}"
        );
        assert_eq!(soon(lines.next()).await, None);
    }
    soon(agent.publish("sys.recent", None, b"")).await.unwrap();
    soon(agent.flush()).await.unwrap();
    assert_eq!(agent.violations(), 1);
    assert!(matches!(*agent.status().borrow(), Status::Connected { epoch: 1, .. }));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_tries_again() {
    let mut strict = config();
    strict.users.retain(|user| user.role != Role::Api);
    let broker = Broker::start(strict).await;
    let api = Client::start(broker.options(Role::Api));
    let refused = status_where(&api, |s| matches!(s, Status::Refused { .. })).await;
    let text = format!("{refused:?}");
    assert!(text.contains("Authorization Violation") && !text.contains("secret"), "{text}");
    // Refused again for the same reason is no news.
    let mut status = api.status();
    status.mark_unchanged();
    let news = tokio::time::timeout(Duration::from_secs(12), status.changed()).await;
    assert!(news.is_err() && broker.stats.refused_logins.load(Ordering::Relaxed) >= 2);
    let address = broker.stop().await;
    let _broker = Broker::start_at(config(), address).await;
    soon(api.connected()).await.unwrap();
}

#[tokio::test]
async fn a_request_with_many_answers_or_none() {
    let broker = Broker::start(config()).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut answers = soon(api.request_many("sys.recent", b"{}")).await.unwrap();
    assert_eq!(soon(answers.next()).await, Some(Delivery::NoResponders));
    let mut requests = soon(agent.subscribe("sys.recent", None)).await.unwrap();
    let mut answers = soon(api.request_many("sys.recent", b"{}")).await.unwrap();
    let reply = String::from_utf8(message(&mut requests).await.reply.unwrap().to_vec()).unwrap();
    assert!(reply.starts_with("_INBOX.api."));
    for text in ["1", "2", "3"] {
        soon(agent.publish(&reply, None, text.as_bytes())).await.unwrap();
    }
    for text in ["1", "2", "3"] {
        assert_eq!(message(&mut answers).await.payload, text);
    }
}

#[tokio::test]
async fn a_reader_that_comes_late_misses_nothing_in_silence() {
    const COUNT: usize = 60_000;
    let mut config = config();
    config.max_pending_bytes = 64 * 1024;
    let broker = Broker::start(config).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    for first in (0..COUNT).step_by(100) {
        let mut batch = Client::batch();
        (first..first + 100).for_each(|n| batch.push(LINE, format!("{n:0>400}").as_bytes()));
        soon(agent.send(batch)).await.unwrap().await.unwrap();
    }
    // Nobody has read so far: the broker had to cut us. What came before is whole, and then the loss shows.
    assert!(broker.stats.slow_consumers.load(Ordering::Relaxed) > 0);
    let mut wanted = 0;
    loop {
        match soon(lines.next()).await.unwrap() {
            Delivery::Message(message) => {
                let number: usize = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                assert_eq!(number, wanted, "a hole that nobody saw");
                wanted += 1;
            }
            Delivery::Interrupted { epoch } => break assert!(epoch > 1 && wanted > 0 && wanted < COUNT),
            other => panic!("{other:?}"),
        }
    }
    soon(api.flush()).await.unwrap();
    soon(agent.publish(LINE, None, b"end")).await.unwrap();
    while message(&mut lines).await.payload != "end" {}
}

#[tokio::test]
async fn a_reader_that_is_only_slow_gets_all() {
    const COUNT: usize = 20_000;
    let mut config = config();
    config.max_pending_bytes = usize::MAX;
    let broker = Broker::start(config).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    let mut batch = Client::batch();
    (0..COUNT).for_each(|n| batch.push(LINE, format!("{n:0>400}").as_bytes()));
    soon(agent.send(batch)).await.unwrap().await.unwrap();
    for wanted in 0..COUNT {
        let number: usize = std::str::from_utf8(&message(&mut lines).await.payload).unwrap().parse().unwrap();
        assert_eq!(number, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_nobody_reads_does_not_keep_the_others_from_coming_back() {
    let mut config = config();
    config.max_pending_bytes = usize::MAX;
    let broker = Broker::start(config.clone()).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let _unread = soon(api.subscribe("o.k.>", None)).await.unwrap();
    let mut beats = soon(api.subscribe("sys.hb.>", None)).await.unwrap();
    let mut batch = Client::batch();
    (0..5000).for_each(|_| batch.push(LINE, b"x"));
    soon(agent.send(batch)).await.unwrap().await.unwrap();
    let address = broker.stop().await;
    let _broker = Broker::start_at(config, address).await;
    assert_eq!(soon(beats.next()).await, Some(Delivery::Interrupted { epoch: 2 }));
    soon(agent.connected()).await.unwrap();
    status_where(&agent, |s| matches!(s, Status::Connected { epoch: 2, .. })).await;
    soon(api.flush()).await.unwrap();
    soon(agent.publish("sys.hb.lhr.h", None, b"beat")).await.unwrap();
    assert_eq!(message(&mut beats).await.payload, "beat");
    soon(api.close()).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_none() {
    for (greeting, wanted) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not speak NATS"),
        (b"+OK\r\n", "not a NATS server"),
        (b"INFO nonsense\r\n", "no JSON"),
        (b"INFO {\"tls_required\":true}\r\n", "requires TLS"),
        (b"INFO {}\r\n-ERR 'maximum connections exceeded'\r\n", "maximum connections exceeded"),
        (b"", "closed the connection"),
    ] {
        let (listener, address) = listen().await;
        let api = Client::start(options(address, Role::Api));
        let (mut stream, _) = soon(listener.accept()).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        stream.shutdown().await.unwrap();
        let says = |s: &Status| format!("{s:?}").contains(wanted);
        let status = status_where(&api, says).await;
        let is_final = matches!(status, Status::Refused { .. });
        assert_eq!(is_final, wanted == "requires TLS", "{status:?}");
    }
    // Nobody listens at all; later somebody does.
    let (listener, address) = listen().await;
    drop(listener);
    let api = Client::start(options(address, Role::Api));
    status_where(&api, |s| matches!(s, Status::Connecting { attempts: 2.., last_error: Some(_) })).await;
    let _broker = Broker::start_at(config(), address).await;
    soon(api.connected()).await.unwrap();
}

#[tokio::test]
async fn the_next_server_is_tried() {
    let (listener, address) = listen().await;
    drop(listener);
    let broker = Broker::start(config()).await;
    let mut both = options(address, Role::Api);
    both.servers.extend(broker.options(Role::Api).servers);
    let api = Client::start(both);
    soon(api.connected()).await.unwrap();
}

#[tokio::test]
async fn who_wants_another_server_gets_the_next_one() {
    let brokers = [Broker::start(config()).await, Broker::start(config()).await];
    let addresses = brokers.each_ref().map(|broker| broker.options(Role::Api).servers[0].clone());
    let api = Client::start(Options { servers: addresses.to_vec(), ..brokers[0].options(Role::Api) });
    api.reconnect_elsewhere();
    soon(api.connected()).await.unwrap();
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    for epoch in 1..5 {
        let wanted = addresses[usize::from(epoch % 2 == 0)].to_string();
        let status =
            status_where(&api, |s| matches!(s, Status::Connected { epoch: e, .. } if *e == epoch)).await;
        assert!(
            matches!(&status, Status::Connected { server, .. } if *server == wanted),
            "{epoch}: {status:?}"
        );
        api.reconnect_elsewhere();
        assert_eq!(soon(lines.next()).await, Some(Delivery::Interrupted { epoch: epoch + 1 }));
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_again_and_again_is_not_called_without_a_pause() {
    let (listener, address) = listen().await;
    let api = Client::start(options(address, Role::Api));
    for _ in 0..4 {
        drop(let_in(&listener).await);
    }
    let status = status_where(&api, |s| matches!(s, Status::Connecting { attempts: 3.., .. })).await;
    assert!(matches!(status, Status::Connecting { .. }));
}

#[tokio::test]
async fn a_closed_client_is_gone() {
    let broker = Broker::start(config()).await;
    let api = client(&broker, Role::Api).await;
    let other = api.clone();
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    soon(api.close()).await;
    assert_eq!(soon(lines.next()).await, None);
    assert!(matches!(soon(other.connected()).await, Err(Error::Closed)));
    assert!(matches!(other.publish("sys.recent", None, b"").await, Err(Error::Disconnected)));
    wait_for_connections(&broker, 0).await;
    // The same for one whose handles were only dropped, and for one that never got through.
    let api = client(&broker, Role::Api).await;
    let lines = soon(api.subscribe("o.>", None)).await.unwrap();
    drop(api);
    wait_for_connections(&broker, 1).await;
    drop(lines);
    wait_for_connections(&broker, 0).await;
    let (_listener, address) = listen().await;
    let api = Client::start(options(address, Role::Api));
    let mut lines = soon(api.subscribe("o.>", None)).await.unwrap();
    soon(api.close()).await;
    assert_eq!(tokio::time::timeout(Duration::from_secs(4), lines.next()).await, Ok(None));
}

async fn wait_for_connections(broker: &Broker, count: u64) {
    soon(async {
        while broker.stats.connections.load(Ordering::Relaxed) != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_subscription_ends() {
    let broker = Broker::start(config()).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    drop(soon(api.subscribe("o.>", None)).await.unwrap());
    soon(api.flush()).await.unwrap();
    soon(agent.publish(LINE, None, b"x")).await.unwrap();
    soon(agent.flush()).await.unwrap();
    assert_eq!(broker.stats.out_messages.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_server_does_not_take_is_not_sent() {
    let mut config = config();
    config.session.limits.payload_bytes = 100;
    let broker = Broker::start(config).await;
    let agent = client(&broker, Role::Agent).await;
    let (long, fits) = ([b'x'; 101], [b'x'; 100]);
    let (mut pushed, mut written) = (Client::batch(), Client::batch());
    pushed.push(LINE, &long);
    pushed.push(LINE, b"short");
    written.push_with(LINE, |out| out.extend_from_slice(&long));
    let errors = [
        agent.publish(LINE, None, &long).await.err(),
        agent.send(pushed).await.err(),
        agent.send(written).await.err(),
        agent.request_many(LINE, &long).await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(Error::TooLong { bytes: 101, max_bytes: 100 })), "{error:?}");
    }
    soon(agent.publish(LINE, None, &fits)).await.unwrap();
    soon(agent.flush()).await.unwrap();
    assert_eq!(broker.stats.in_messages.load(Ordering::Relaxed), 1);
    assert!(matches!(*agent.status().borrow(), Status::Connected { epoch: 1, .. }));
}

#[tokio::test]
async fn a_server_may_change_what_it_takes() {
    let (listener, address) = listen().await;
    let agent = Client::start(options(address, Role::Agent));
    let mut stream = soon(listener.accept()).await.unwrap().0;
    stream.write_all(b"INFO {}\r\n").await.unwrap();
    read_until(&mut stream, b"PING\r\n").await;
    stream.write_all(b"PONG\r\nINFO {\"max_payload\":3}\r\n").await.unwrap();
    status_where(&agent, |s| matches!(s, Status::Connected { max_payload: 3, epoch: 1, .. })).await;
    let refused = agent.publish(LINE, None, b"long").await;
    assert!(matches!(refused, Err(Error::TooLong { bytes: 4, max_bytes: 3 })), "{refused:?}");
    // News of something else change nothing of it.
    stream.write_all(b"INFO {\"ldm\":true}\r\nINFO {\"max_payload\":5}\r\n").await.unwrap();
    let mut sizes = Vec::new();
    let mut status = agent.status();
    while sizes.last() != Some(&5) {
        let now = status.borrow_and_update().clone();
        if let Status::Connected { max_payload, .. } = now {
            sizes.push(max_payload);
        }
        if sizes.last() != Some(&5) {
            soon(status.changed()).await.unwrap();
        }
    }
    assert!(sizes.iter().all(|size| [3, 5].contains(size)), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn to_close_a_client_takes_no_reader() {
    let mut config = config();
    config.max_pending_bytes = usize::MAX;
    let broker = Broker::start(config).await;
    let (api, agent) = (client(&broker, Role::Api).await, client(&broker, Role::Agent).await);
    let mut unread = soon(api.subscribe("o.>", None)).await.unwrap();
    let mut batch = Client::batch();
    (0..10_000).for_each(|_| batch.push(LINE, b"x"));
    soon(agent.send(batch)).await.unwrap().await.unwrap();
    let flushed = tokio::time::timeout(Duration::from_secs(1), api.flush()).await;
    assert!(flushed.is_err(), "there was room for all of them");
    soon(api.publish("sys.recent", None, b"{}")).await.unwrap();
    let begun = tokio::time::Instant::now();
    soon(api.close()).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "it gave up");
    assert_eq!(broker.stats.in_messages.load(Ordering::Relaxed), 10_001);
    // What it has it still gives.
    assert_eq!(message(&mut unread).await.payload, "x");
    while soon(unread.next()).await.is_some() {}
}
