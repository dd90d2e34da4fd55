//! Promise 4: a tail that reconnects goes on where it stopped: no line twice, none missing.

use line::Stream;
use logway_tests::{Up, lines};
use rustix::process::Signal;

const NUMBERS: &str = "trap 'exit 0' TERM; i=0; while :; do j=0; while [ $j -lt 20 ]; do i=$((i+1)); j=$((j+1)); echo n $i; done; sleep 0.01; done";

#[test]
fn promise_4_a_tail_through_restarts_of_agent_and_bus() {
    let mut up = Up::start(&[]);
    let tail = up.run("logs", &["-a", "numbers", "-j"]);
    tail.wait_for_stderr("that it is live", |line| line.contains("live"));
    let mut app = up.run("run", &["--app", "numbers", "--policy", "block", "--", "sh", "-c", NUMBERS]);
    for round in 1..=3 {
        tail.stdout().wait_for_lines(round * 300);
        up.restart();
    }
    tail.stdout().wait_for_lines(1200);
    app.signal(Signal::TERM);
    assert!(app.wait().success());
    tail.wait_for_stdout("the exit event", |line| line.contains("\"kind\":\"exited\""));
    let messages = lines::parse(&tail.stdout().text());
    let (_, lost) = lines::Coverage::of(&messages).assert_whole();
    assert_eq!(lost, 0);
    let of_app = messages.iter().filter(|m| m.entry.stream == Stream::Stdout);
    let numbers: Vec<u64> = of_app.filter_map(|m| m.message.strip_prefix("n ")?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "each number once and in order");
}
