use std::time::Duration;

use line::event::Value;
use line::frame::Frame;
use line::{Event, Stream};
use proptest::prelude::*;

use crate::config::{Config, Policy};
use crate::double::{Double, Happening, MS};
use crate::kernel::{Death, Output, Signal};
use crate::{ExitStatus, run};

use Happening::{Exit, Listen, OomKill, Signal as Send, Write};

fn config() -> Config {
    Config::new("/s", vec!["app".into()])
}

fn missing() -> Config {
    Config::new("/s", vec!["missing".into()])
}

fn out(at_ms: i64, text: &str) -> (i64, Happening) {
    (at_ms * MS, Write(Output::Stdout, text.into()))
}

fn err(at_ms: i64, text: &str) -> (i64, Happening) {
    (at_ms * MS, Write(Output::Stderr, text.into()))
}

fn exit(at_ms: i64, code: i32) -> (i64, Happening) {
    (at_ms * MS, Exit(Death::Code(code)))
}

fn go(config: &Config, sys: &mut Double) -> u8 {
    let ExitStatus { code, .. } = run(config, sys).unwrap();
    code
}

/// When the first record with these bytes arrived, in nanoseconds.
fn arrival(sys: &Double, text: &str) -> i64 {
    sys.arrived.iter().find(|record| record.bytes == text.as_bytes()).map(|record| record.at).unwrap()
}

fn events(sys: &Double) -> Vec<String> {
    let events = sys.arrived.iter().filter(|record| record.stream == Stream::Init);
    events.map(|record| Event::read(&record.bytes).unwrap().kind.into_owned()).collect()
}

#[test]
fn the_order_of_a_life() {
    let mut sys = Double::new(vec![out(100, "hi\n"), exit(200, 3)]);
    assert_eq!(go(&config(), &mut sys), 3);
    assert_eq!(
        sys.steps(),
        [
            "prepare",
            "connect",
            "hello 1..1",
            "spawn app",
            "batch 1..2",
            "batch 2..3",
            "close stdout",
            "close stderr",
            "ping 4",
            "batch 3..4",
            "flush 4",
            "bye 4",
            "disconnect",
        ]
    );
    assert_eq!((sys.times("bye"), sys.times("disconnect")), (vec![202], vec![202]), "the agent takes 2 ms");
    assert_eq!(events(&sys), ["started", "exited"]);
    assert!(sys.said.is_empty());
}

#[test]
fn a_command_that_is_missing_is_told_and_flushed() {
    let mut sys = Double::new(Vec::new());
    assert_eq!(go(&missing(), &mut sys), 127);
    assert_eq!(events(&sys), ["exec_failed", "exited"]);
    assert_eq!(sys.steps().last(), Some(&"disconnect"));
    assert!(sys.said[0].starts_with("LI02: cannot run missing"));
}

#[test]
fn a_quiet_app_is_heard_at_once() {
    let mut sys = Double::new(vec![out(500, "a\n"), out(1500, "b\n"), exit(2000, 0)]);
    go(&config(), &mut sys);
    assert_eq!((arrival(&sys, "a"), arrival(&sys, "b")), (500 * MS, 1500 * MS));
}

#[test]
fn a_busy_app_is_read_in_steps() {
    let lines: Vec<_> = (0..1000).map(|at| out(100 + at, &format!("line {at}\n"))).collect();
    let mut sys = Double::new([lines, vec![exit(2000, 0)]].concat());
    go(&config(), &mut sys);
    let batches = sys.times("batch").len();
    assert!((100..300).contains(&batches), "{batches} batches for 1000 lines in a second");
}

#[test]
fn memory_that_a_flood_took_is_given_back() {
    let flood = ("x".repeat(99) + "\n").repeat(20_000);
    let mut sys = Double::new(vec![out(1000, &flood), exit(30_000, 0)]);
    sys.ack_ns = Some(500 * MS);
    go(&config(), &mut sys);
    assert_eq!(sys.times("give memory back"), [10_000], "once, after a heartbeat in which it was not needed");
}

#[test]
fn a_prompt_is_sent_after_a_second() {
    let mut sys = Double::new(vec![out(500, "name? "), exit(9000, 0)]);
    go(&config(), &mut sys);
    assert_eq!(arrival(&sys, "name? "), 1500 * MS);
}

#[test]
fn the_fragments_of_a_long_line_stay_together() {
    let half = "x".repeat(20_000);
    let mut sys = Double::new(vec![
        out(500, &half),
        err(501, "stderr\n"),
        out(503, &format!("{half}\n")),
        exit(900, 0),
    ]);
    go(&config(), &mut sys);
    let streams: Vec<_> = sys.arrived.iter().map(|record| record.stream).collect();
    let (o, e, i) = (Stream::Stdout, Stream::Stderr, Stream::Init);
    assert_eq!(streams, [i, o, o, o, e, i]);
}

/// The agent acknowledges no part of a record, init frees whole frames, the window and the ring have their ends: none of it
/// may make them wait for each other.
#[test]
fn a_long_line_passes_a_ring_of_any_size() {
    for ring_kib in (256..=1024).step_by(24) {
        for (policy, step_ms) in
            [(Policy::DropOldest, 0), (Policy::Block { limit: None }, 0), (Policy::Block { limit: None }, 15)]
        {
            let mut timetable = vec![out(500, &("x".repeat(99) + "\n").repeat(480))];
            timetable.extend((0..25).map(|at| out(501 + step_ms * at, &"x".repeat(16_384))));
            timetable.extend([out(3000, "\nlast\n"), exit(60_000, 0)]);
            let mut sys = Double::new(timetable);
            go(&Config { policy, ring_bytes: Some(ring_kib << 10), ..config() }, &mut sys);
            assert!(arrival(&sys, "last") <= 3200 * MS, "{ring_kib} KiB, {policy:?}, {step_ms} ms");
            assert!(sys.times("gap").is_empty() || policy == Policy::DropOldest);
        }
    }
}

#[test]
fn a_long_line_that_stands_still_holds_nobody_up() {
    let mut sys = Double::new(vec![out(500, &"x".repeat(20_000)), err(501, "stderr\n"), exit(5000, 0)]);
    go(&config(), &mut sys);
    assert!(arrival(&sys, "stderr") <= 521 * MS);
}

#[test]
fn a_stop_is_insisted_on() {
    let kill = Death::Signal { signal: Signal::KILL, core_dumped: false };
    for (signal, kill_signal, wanted) in [
        (Signal::INT, None, &[(1000, "SIGINT"), (6000, "SIGTERM"), (7000, "SIGKILL")][..]),
        (Signal::TERM, None, &[(1000, "SIGTERM"), (6000, "SIGKILL")]),
        (Signal::TERM, Some(Signal::QUIT), &[(1000, "SIGQUIT"), (6000, "SIGTERM"), (7000, "SIGKILL")]),
        (Signal::QUIT, None, &[(1000, "SIGQUIT")]),
    ] {
        let config = Config { kill_timeout: Duration::from_secs(5), kill_signal, ..config() };
        let mut sys = Double::new(vec![
            (1000 * MS, Send(signal)),
            (2000 * MS, Send(Signal::WINCH)),
            (9000 * MS, Exit(kill)),
        ]);
        assert_eq!(go(&config, &mut sys), 137);
        let kills: Vec<_> = sys.log.iter().filter(|(_, entry)| entry.starts_with("kill 100")).collect();
        let kills: Vec<_> =
            kills.iter().map(|(at, entry)| (*at, &entry[9..])).filter(|kill| kill.1 != "SIGWINCH").collect();
        assert_eq!(kills, wanted);
    }
}

#[test]
fn a_stop_after_the_end_is_noted_and_one_more_hurries() {
    let stop = |at_ms: i64| (at_ms * MS, Send(Signal::TERM));
    for (stops, bye_ms) in
        [(vec![stop(1100)], 2000), (vec![stop(1100), stop(1200)], 1200), (vec![stop(1000), stop(1000)], 1000)]
    {
        let count = stops.len();
        let mut sys = Double::new([vec![out(10, "last\n"), exit(1000, 3)], stops].concat());
        sys.ack_ns = Some(1000 * MS);
        assert_eq!(go(&config(), &mut sys), 3);
        assert_eq!(sys.times("bye"), [bye_ms]);
        assert_eq!(events(&sys), ["started", "exited"], "{count}: nothing is missing");
        assert_eq!(sys.said.is_empty(), count == 1, "{count}: {:?}", sys.said);
        let exited = sys.arrived.last().map(|record| Event::read(&record.bytes).unwrap()).unwrap();
        assert!(exited.fields.contains(&("requested_stop".into(), Value::Flag(false))), "{exited:?}");
    }
}

#[test]
fn a_stop_ends_an_instance_whose_app_did_not_start() {
    let stop = |at_ms: i64| (at_ms * MS, Send(Signal::INT));
    // One bounds the wait by the time for a stop and five seconds, two end it.
    for (stops, end_ms) in [(vec![stop(1000)], 8000), (vec![stop(1000), stop(1500)], 1500)] {
        let mut sys = Double::new(stops);
        sys.listens = false;
        let (kill_timeout, flush_timeout) = (Duration::from_secs(2), Duration::from_secs(3600));
        assert_eq!(go(&Config { kill_timeout, flush_timeout, ..missing() }, &mut sys), 127);
        assert!((end_ms..end_ms + 2500).contains(&(sys.now / MS)), "{} ms", sys.now / MS);
    }
}

#[test]
fn lack_of_memory_is_what_the_kernel_counted_shortly_before_a_death_that_init_did_not_ask_for() {
    let killed = Death::Signal { signal: Signal::KILL, core_dumped: false };
    let term = |at_ms: i64| (at_ms * MS, Send(Signal::TERM));
    let oom = |at_ms: i64| (at_ms * MS, OomKill);
    let end = |death| (60_000 * MS, Exit(death));
    for (timetable, wanted) in [
        (vec![oom(59_990), end(killed)], true),
        (vec![oom(54_000), end(killed)], true),
        // Of somebody else, long before or after it.
        (vec![oom(30_000), end(killed)], false),
        (vec![end(killed), oom(60_001)], false),
        (vec![oom(59_990), end(Death::Code(137))], false),
        (vec![term(50_000), oom(54_999)], false),
        (vec![end(killed)], false),
    ] {
        let about = format!("{timetable:?}");
        let mut sys = Double::new(timetable);
        assert_eq!(go(&config(), &mut sys), 137);
        let exited = sys.arrived.last().map(|record| Event::read(&record.bytes).unwrap()).unwrap();
        assert!(exited.fields.contains(&("oom_killed".into(), Value::Flag(wanted))), "{about}: {exited:?}");
        assert_eq!(exited.get_text("code_name"), wanted.then_some("LI07"));
    }
}

#[test]
fn a_signal_before_the_start_reaches_the_app() {
    let mut sys = Double::new(vec![(0, Send(Signal::USR1)), exit(100, 0)]);
    go(&config(), &mut sys);
    let steps = sys.steps();
    let at = |what: &str| steps.iter().position(|step| *step == what).unwrap();
    assert!(at("spawn app") < at("kill 100 SIGUSR1"));
}

#[test]
fn an_absent_agent_is_tried_with_growing_waits_and_told_once() {
    let mut sys = Double::new(vec![out(10, "early\n"), (10_000 * MS, Listen(true)), exit(20_000, 0)]);
    sys.listens = false;
    go(&config(), &mut sys);
    let tries = sys.times("connect");
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, wanted) in waits.iter().zip([50, 100, 200, 400, 800, 1600, 2000, 2000]) {
        assert!((wanted * 3 / 4 - 1..=wanted * 5 / 4).contains(wait), "{waits:?}");
    }
    assert!(tries.len() < 14, "{tries:?}");
    assert_eq!(sys.said.len(), 2);
    assert!(sys.said[0].starts_with("LI08: cannot reach the agent at /s"));
    assert!(arrival(&sys, "early") > 10_000 * MS);
}

#[test]
fn an_agent_that_refuses_is_quoted_once_and_tried_every_five_seconds() {
    let mut sys = Double::new(vec![exit(21_000, 0)]);
    sys.refuses = Some("another client is connected");
    go(&config(), &mut sys);
    assert_eq!(sys.times("connect"), [0, 5000, 10_000, 15_000, 20_000, 25_000]);
    let quoted: Vec<_> = sys.said.iter().filter(|said| said.contains("LA06: another client")).collect();
    assert_eq!(quoted.len(), 1, "{:?}", sys.said);
}

#[test]
fn a_silent_agent_is_left_after_three_heartbeats() {
    let mut sys = Double::new(vec![exit(40_000, 0)]);
    sys.pongs = false;
    sys.ack_ns = None;
    go(&config(), &mut sys);
    assert_eq!(sys.times("ping")[..2], [5000, 10_000]);
    assert_eq!(sys.times("disconnect")[0], 15_000);
    assert!((15_001..16_000).contains(&sys.times("connect")[1]));
}

#[test]
fn the_end_waits_for_the_agent_as_long_as_it_was_told() {
    for (timetable, what) in [
        (vec![out(10, "a\n"), out(20, "b\n"), exit(1000, 0)], "2 lines"),
        (vec![exit(1000, 0)], "the last events"),
    ] {
        let mut sys = Double::new(timetable);
        sys.ack_ns = None;
        go(&Config { flush_timeout: Duration::from_secs(3), ..config() }, &mut sys);
        assert_eq!(sys.times("bye"), [4000]);
        let wanted = format!("LI06: {what} were not confirmed by the agent at /s within 3000 ms");
        assert!(sys.said[0].starts_with(&wanted), "{:?}", sys.said);
    }
}

#[test]
fn what_was_not_asked_for_is_not_confirmed() {
    let mut flushed = Vec::new();
    Frame::Flushed { next_seq: u64::MAX }.write(&mut flushed).unwrap();
    for (said_ms, bye_ms) in [(500, 2000), (1500, 1500)] {
        let say = (said_ms * MS, Happening::Say(flushed.clone()));
        let mut sys = Double::new(vec![out(10, "last\n"), say, exit(1000, 0)]);
        sys.ack_ns = Some(1000 * MS);
        go(&config(), &mut sys);
        assert_eq!(sys.times("bye"), [bye_ms]);
    }
}

#[test]
fn an_agent_that_takes_no_more_is_told_how_much_is_missing() {
    let flood = "x".repeat(99) + "\n";
    for (welcomes, policy) in
        [(true, Policy::Block { limit: None }), (true, Policy::DropOldest), (false, Policy::DropOldest)]
    {
        let mut sys = Double::new(vec![out(10, &flood.repeat(10_000)), exit(1000, 0)]);
        (sys.ack_ns, sys.welcomes, sys.window_bytes) = (None, welcomes, Some(64 << 10));
        let flush_timeout = Duration::from_secs(1);
        go(&Config { policy, flush_timeout, ring_bytes: Some(256 * 1024), ..config() }, &mut sys);
        let pings: Vec<_> = sys.steps().into_iter().filter(|step| step.starts_with("ping")).collect();
        // Ten thousand lines and two events.
        assert_eq!(pings.last(), Some(&"ping 10003"), "{policy:?}, {:?}", sys.steps());
        assert!(sys.times("bye").is_empty(), "without a goodbye: {:?}", sys.steps());
    }
}

#[test]
fn frames_stay_whole_when_the_socket_takes_them_in_pieces() {
    for takes in [1, 11, 1000, 50_000] {
        let flood = |from: usize| (from..from + 500).map(|line| format!("{line} {}\n", "x".repeat(90)));
        let mut timetable: Vec<_> = (0..8)
            .map(|n| out(6000 * n + 10, &flood(500 * usize::try_from(n).unwrap()).collect::<String>()))
            .collect();
        timetable.push(exit(60_000, 0));
        let mut sys = Double::new(timetable);
        sys.takes = takes;
        go(&Config { ring_bytes: Some(256 * 1024), ..config() }, &mut sys);
        // 4000 lines and two events, in order, each once or in a gap; pings came between.
        let mut seqs: Vec<_> = sys.arrived.iter().map(|record| record.seq).collect();
        seqs.dedup();
        assert!(seqs.is_sorted() && seqs.last() == Some(&4002), "takes {takes}: {:?}", seqs.last());
        assert_eq!(seqs.len(), 4002, "takes {takes}");
        assert!(sys.times("ping").len() >= 10);
        assert_eq!(sys.times("bye").len(), 1);
    }
}

#[test]
fn with_block_a_dead_agent_stops_the_reading_and_with_a_limit_not_for_ever() {
    let flood = "x".repeat(99) + "\n";
    let flood = flood.repeat(10_000);
    for (limit, dropped) in [(None, false), (Some(Duration::from_secs(2)), true)] {
        let timetable = vec![out(10, &flood), (30_000 * MS, Listen(true)), exit(40_000, 0)];
        let mut sys = Double::new(timetable);
        sys.listens = false;
        let config = Config { policy: Policy::Block { limit }, ring_bytes: Some(256 * 1024), ..config() };
        go(&config, &mut sys);
        assert_eq!(!sys.times("gap").is_empty(), dropped, "{limit:?}");
        let lines = sys.arrived.iter().filter(|record| record.stream == Stream::Stdout).count();
        assert_eq!(lines == 10_000, !dropped, "{limit:?}: {lines}");
    }
}

#[test]
fn with_block_the_end_waits_for_an_agent_that_was_away_or_stood_still() {
    let flood = ("x".repeat(99) + "\n").repeat(10_000);
    let stop = |at_ms: i64| (at_ms * MS, Send(Signal::TERM));
    for away in [Listen as fn(bool) -> Happening, Happening::Read] {
        for (timetable, is_lossless, ms) in [
            (vec![(33_000 * MS, away(true))], true, 33_000..36_000),
            (vec![], false, 35_000..46_000),
            // Nobody waits for long who hurries.
            (vec![stop(30_100), stop(31_000)], false, 31_000..32_000),
        ] {
            // A full ring, and an agent that was never there or is connected and takes no more.
            let begin = vec![(19_900 * MS, away(false)), out(20_000, &flood), exit(30_000, 0)];
            let mut sys = Double::new([begin, timetable].concat());
            sys.listens = matches!(away(false), Happening::Read(_));
            let policy = Policy::Block { limit: None };
            go(&Config { policy, ring_bytes: Some(256 * 1024), ..config() }, &mut sys);
            assert!(ms.contains(&(sys.now / MS)), "{} ms, {:?}", sys.now / MS, away(true));
            let lines = sys.arrived.iter().filter(|record| record.stream == Stream::Stdout).count();
            assert_eq!(lines == 10_000, is_lossless, "{lines}, {:?}", away(true));
            assert!(!is_lossless || sys.times("gap").is_empty());
        }
    }
}

#[test]
fn after_a_bounded_wait_a_living_agent_is_waited_for_again() {
    let flood = ("x".repeat(99) + "\n").repeat(10_000);
    let timetable = vec![
        out(10, &flood),
        (20_000 * MS, Listen(true)),
        out(30_000, &flood),
        (60_000 * MS, Exit(Death::Code(0))),
    ];
    let mut sys = Double::new(timetable);
    (sys.listens, sys.ack_ns) = (false, Some(100 * MS));
    let policy = Policy::Block { limit: Some(Duration::from_secs(2)) };
    go(&Config { policy, ring_bytes: Some(256 * 1024), ..config() }, &mut sys);
    assert_eq!(sys.times("gap").len(), 1);
    let late =
        sys.arrived.iter().filter(|record| record.at >= 30_000 * MS && record.stream == Stream::Stdout);
    assert_eq!(late.count(), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Init's share of the first promise, under a clock that stands still but for waiting.
    #[test]
    fn promise_1_init_holds_no_line_for_more_than_twenty_milliseconds(
        gaps_us in proptest::collection::vec(0i64..30_000, 1..300),
        ack_ms in 0i64..100,
        long in any::<bool>(),
    ) {
        let mut at = 100 * MS;
        let mut timetable = Vec::new();
        for (index, gap_us) in gaps_us.iter().enumerate() {
            at += gap_us * 1000;
            let output = Output::ALL[index % 2];
            timetable.push((at, Write(output, format!("{at}\n").into_bytes())));
            if long && index % 50 == 7 {
                timetable.push((at, Write(output, vec![b'x'; 17_000])));
            }
        }
        timetable.push((at + 3000 * MS, Exit(Death::Code(0))));
        let mut sys = Double::new(timetable);
        sys.ack_ns = Some(ack_ms * MS);
        go(&config(), &mut sys);
        let mut seen = 0;
        for record in &sys.arrived {
            let text = String::from_utf8_lossy(&record.bytes);
            if let Ok(written) = text.parse::<i64>() {
                prop_assert!(record.at - written <= 20 * MS, "held for {} ns", record.at - written);
                seen += 1;
            }
        }
        prop_assert!(long || seen == gaps_us.len());
    }
}
