//! Lines of every kind: long, binary, badly timed, too many.

use agent::admin::Registration;
use line::Stream::{Stderr, Stdout};
use line::split::Splitter;
use line::time::SECOND;

use crate::support::{
    Agent, Bus, Init, Tail, assert_covers, boot, gap, gaps, now_ns, registration, seqs, text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_mebibytes_in_a_line_are_cut_at_two_with_the_rest_counted() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    let mut fragments = Vec::new();
    let mut bytes = vec![b'x'; 10 << 20];
    bytes.extend_from_slice(b"\nshort\n");
    Splitter::new().push(&bytes, |flags, fragment| fragments.push((flags, fragment.to_vec())));
    let records: Vec<_> = fragments.iter().map(|(flags, text)| (Stdout, *flags, text.as_slice())).collect();
    init.records(1, &records).await;
    let lines = tail.take_until(|line| text(line) == "short").await;
    let kept: usize = lines.iter().map(|line| text(line).len()).sum();
    let cut: u64 = lines.iter().filter_map(|line| line["logway"]["truncated_bytes"].as_u64()).sum();
    assert_eq!((kept, cut), ((2 << 20) + 5, 8 << 20));
    assert_covers(&lines, 1, init.next_seq);
    init.flush().await;
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nul_and_bytes_that_are_no_text_arrive_marked() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&[&b"a\0b"[..], b"\xff\xfe", b"", b"\x1b[31mred\x1b[0m"]).await;
    let lines = tail.take(4).await;
    let texts: Vec<_> = lines.iter().map(text).collect();
    assert_eq!(texts, ["a\0b", "\u{fffd}\u{fffd}", "", "\u{1b}[31mred\u{1b}[0m"]);
    assert_eq!(lines[1]["logway"]["utf8"], "replaced");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_in_1970_is_marked_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::connect(&socket, boot(1)).await;
    init.clock_off = 1000 * SECOND - now_ns();
    init.hello(1).await;
    init.told().await;
    let before = now_ns();
    init.lines(&["early bird"]).await;
    init.ping().await;
    init.wait_for_pong().await;
    init.flush().await;
    let lines = tail.take(2).await;
    let (notices, app): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["logway"]["stream"] == "agent");
    assert_eq!(notices[0]["code"], "LA09");
    assert_ne!(notices[0]["logway"]["boot"], app[0]["logway"]["boot"]);
    assert_eq!((seqs(app[0]), app[0]["logway"]["clock"].as_str()), ((1, 1), Some("host")));
    let time = line::time::parse_rfc3339(app[0]["timestamp"].as_str().unwrap()).unwrap();
    assert!((before - SECOND..=now_ns()).contains(&time));
    agent.stop().await;
    // The notice is a boot of its own that has ended: it does not vanish.
    let soon = |config: &mut agent::Config| config.vanish_after = std::time::Duration::from_millis(50);
    let agent = Agent::start_with(dir.path(), bus.address, soon).await;
    let rest = tail.take_until(|line| !gap(line).is_empty()).await;
    assert_eq!(rest.last().unwrap()["logway"]["boot"], boot(1).to_string());
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_does_not_set_lines_back() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    for round in 0..5 {
        init.lines(&["a", "b", "c"]).await;
        init.clock_off = -600 * SECOND * round;
        init.ping().await;
        init.wait_for_pong().await;
    }
    let lines = tail.take(15).await;
    let times: Vec<_> = lines.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(lines.iter().all(|line| line["logway"]["clock"].is_null()));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_over_the_rate_are_one_gap_a_second_and_other_apps_go_free() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let limited = Registration { rate: Some(10), ..registration("k3f9", "loud", "i1") };
    let (loud, quiet) = (agent.register_as(limited).await, agent.register("k3f9", "quiet", "i2").await);
    let mut loud = Init::greet(&loud, boot(1)).await;
    let mut quiet = Init::greet(&quiet, boot(1)).await;
    let many: Vec<String> = (0..500).map(|i| format!("loud {i}")).collect();
    loud.lines(&many).await;
    quiet.lines(&many).await;
    loud.flush().await;
    quiet.flush().await;
    loud.bye().await;
    quiet.bye().await;
    let mut lines = Vec::new();
    let covered = |lines: &[serde_json::Value]| lines.iter().map(|line| seqs(line).1).sum::<u64>();
    while covered(&lines) < 1000 {
        lines.push(tail.next().await);
    }
    let (loud, quiet): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line["fly"]["app"]["name"] == "loud");
    assert!(gaps(&quiet).is_empty() && quiet.len() == 500);
    assert_covers(&loud, 1, 501);
    let limited = gaps(&loud);
    assert!(limited.iter().all(|(_, _, reason)| reason == "rate_limited"));
    assert!((1..=3).contains(&limited.len()), "{limited:?}");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_error_alone_is_no_error() {
    use line::frame::RecordFlags;
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.records(
        1,
        &[(Stderr, RecordFlags::WHOLE, b"fine"), (Stderr, RecordFlags::WHOLE, b"ERROR not fine")],
    )
    .await;
    let lines = tail.take(2).await;
    assert_eq!((&lines[0]["log"]["level"], &lines[1]["log"]["level"]), (&"info".into(), &"error".into()));
    assert_eq!(lines[0]["logway"]["stream"], "stderr");
    agent.stop().await;
    bus.stop().await;
}
