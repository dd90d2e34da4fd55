//! What a Machine's socket takes and what it refuses.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use agent::admin::Request;
use agent::spool::scan_segment;
use line::frame::{Frame, Hello, Ping, Policy, Welcome};
use tokio::time::timeout;

use crate::support::{Agent, Bus, Init, Tail, Told, boot, now_ns, text, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_init_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut first = Init::greet(&socket, boot(1)).await;
    let mut second = Init::connect(&socket, boot(2)).await;
    assert_eq!(second.told().await, Told::Refused("LA06".into()));
    assert_eq!(second.told().await, Told::Closed);
    first.lines(&["still here"]).await;
    assert_eq!(text(&tail.next().await), "still here");
    first.bye().await;
    // The place is free again.
    Init::greet(&socket, boot(3)).await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::connect(&socket, boot(1)).await;
    init.send_bytes(b"\0\xffLW half a frame of an earlier life").await;
    init.hello(1).await;
    assert_eq!(init.told().await, Told::Welcome { resume_seq: 0 });
    init.send_bytes(b"LWLWLW\x03").await;
    init.lines(&["after it"]).await;
    // A frame whose bits were flipped on the way is as if it never came.
    let mut torn = Vec::new();
    Frame::Flush { next_seq: 9 }.write(&mut torn).unwrap();
    torn[15] ^= 1;
    init.send_bytes(&torn).await;
    init.flush().await;
    assert_eq!(text(&tail.next().await), "after it");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_out_of_place_end_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), crate::support::nowhere().await).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let welcome = Frame::Welcome(Welcome { version: 1, resume_seq: 0, window_bytes: 0, heartbeat_ms: 0 });
    for frame in [&Frame::Flush { next_seq: 1 }, &welcome] {
        let mut init = Init::connect(&socket, boot(1)).await;
        init.send(frame).await;
        assert_eq!(init.told().await, Told::Refused("LA08".into()));
        assert_eq!(init.told().await, Told::Closed);
    }
    for frame in [&Frame::Ack { next_seq: 1 }, &welcome] {
        let mut init = Init::greet(&socket, boot(2)).await;
        init.send(frame).await;
        assert_eq!(init.told().await, Told::Refused("LA08".into()));
        assert_eq!(init.told().await, Told::Closed);
    }
    let mut init = Init::greet(&socket, boot(3)).await;
    init.hello(1).await;
    assert_eq!(init.told().await, Told::Refused("LA08".into()));
    let mut init = Init::connect(&socket, boot(4)).await;
    let hello = Hello {
        versions: (2, 9),
        boot: boot(4),
        first_seq: 1,
        next_seq: 1,
        realtime: now_ns(),
        boottime: 0,
        ring_bytes: 0,
        policy: Policy::Block,
        instance: "",
    };
    init.send(&Frame::Hello(hello)).await;
    assert_eq!(init.told().await, Told::Refused("LA08".into()));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), crate::support::nowhere().await).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.ping().await;
    assert!(matches!(init.told().await, Told::Pong(_)));
    agent.stop().await;
}

/// Says hello and then pings without a pause and without reading an answer, until the agent hangs up. `Some` is a way to have
/// the agent's answers fail too.
fn flood(socket: &Path, shut: Option<Shutdown>) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let hello = Hello {
        versions: (1, 1),
        boot: boot(1),
        first_seq: 1,
        next_seq: 1,
        realtime: now_ns(),
        boottime: Init::boottime(),
        ring_bytes: 4 << 20,
        policy: Policy::Block,
        instance: "",
    };
    let mut bytes = Vec::new();
    Frame::Hello(hello).write(&mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    bytes.clear();
    for _ in 0..1000 {
        let ping = Ping { next_seq: 1, realtime: now_ns(), boottime: Init::boottime() };
        Frame::Ping(ping).write(&mut bytes).unwrap();
    }
    if let Some(shut) = shut {
        stream.shutdown(shut).unwrap();
    }
    while stream.write_all(&bytes).is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_never_pauses_and_never_listens_can_be_deregistered() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), crate::support::nowhere().await).await;
    for shut in [None, Some(Shutdown::Read)] {
        let socket = agent.register("k3f9", "web", "i1").await;
        let path = socket.clone();
        let flooding = tokio::task::spawn_blocking(move || flood(&path, shut));
        agent.wait_for(|status| status.connected == 1).await;
        agent.call(Request::Deregister { org: "k3f9".into(), instance: "i1".into() }).await.unwrap();
        assert!(!socket.exists());
        within("the end of the flood", flooding).await.unwrap();
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_do_not_fill_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), crate::support::nowhere().await).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    for next_seq in 100..1100 {
        init.next_seq = next_seq;
        init.ping().await;
        init.wait_for_pong().await;
    }
    let spool = agent.spool_dir();
    agent.stop().await;
    let segments = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path());
    let ends = segments.filter_map(|path| Some(scan_segment(&std::fs::read(path).unwrap())?.end.0));
    // A note of each would take three times as much.
    assert!(ends.max().unwrap() < 32 << 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_says_hello_all_the_time_has_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), crate::support::nowhere().await).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut number = 0;
    loop {
        number += 1;
        assert!(number < 1000, "no greeting was held up");
        let mut init = Init::connect(&socket, boot(number)).await;
        init.next_seq = 100;
        init.hello(1).await;
        if timeout(Duration::from_millis(100), init.told()).await.is_err() {
            break;
        }
    }
    // That keeps nobody from ending it.
    agent.call(Request::Deregister { org: "k3f9".into(), instance: "i1".into() }).await.unwrap();
    agent.stop().await;
}
