//! Promise 3: an acknowledged line survives `kill -9` of any process. (Power cuts are played in the agent's own tests,
//! where the disk can be made to forget.)

use std::time::Duration;

use line::Stream;
use logway_tests::{Up, lines, soak};
use rustix::process::Signal;

/// Writes numbered lines, 50 at a time with a breath between, until it is told to end.
const NUMBERS: &str = "trap 'exit 0' TERM; i=0; while :; do j=0; while [ $j -lt 50 ]; do i=$((i+1)); j=$((j+1)); echo n $i; done; sleep 0.01; done";

/// Kills the agent `kills` times at random moments while an app writes, and gives what is then in the spool.
fn survive(kills: u32, policy: &str) -> Vec<line::json::Message> {
    let mut up = Up::start(&[]);
    let mut app = up.run("run", &["--app", "numbers", "--policy", policy, "--", "sh", "-c", NUMBERS]);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(20 + (random >> 33) % 300));
        up.restart();
    }
    app.signal(Signal::TERM);
    let (status, _, err) = app.wait_with_output();
    assert!(status.success(), "{err}");
    let org = up.org();
    lines::spooled(&up.address("nats"), &up.data().join("bus/api"), &org)
}

fn numbers(messages: &[line::json::Message]) -> Vec<u64> {
    let of_app = messages.iter().filter(|m| m.entry.stream == Stream::Stdout);
    of_app.filter_map(|m| m.message.strip_prefix("n ")?.parse().ok()).collect()
}

#[test]
fn promise_3_lossless_through_kills_of_the_agent() {
    let messages = survive(if soak() { 50 } else { 8 }, "block");
    let (_, lost) = lines::Coverage::of(&messages).assert_whole();
    assert_eq!(lost, 0, "policy block loses nothing");
    let numbers = numbers(&messages);
    assert!(numbers.len() > 100);
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "each number once and in order");
}

#[test]
fn promise_3_each_seq_is_a_line_or_a_gap() {
    let messages = survive(if soak() { 50 } else { 4 }, "drop-oldest");
    lines::Coverage::of(&messages).assert_whole();
    let numbers = numbers(&messages);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "none twice, in order");
}
