//! Many lines: a healthy agent, one that stands still, and what each policy makes of it.

use std::time::Duration;

use line::Stream;

use crate::run::{Run, each, soak};

/// Prints lines of 100 bytes, newline included, that begin with their number.
const LINES: &str = "seq -f '%08.0f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 1";

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(&bytes[..8]).unwrap().parse().unwrap()
}

#[test]
fn row_19_a_million_lines_in_order() {
    each("row_19", |binary| {
        let count: u64 = if soak() { 1_000_000 } else { 200_000 };
        let mut run = Run::start(binary, &["--policy", "block"], &["sh", "-c", &format!("{LINES} {count}")]);
        assert_eq!(run.finish().code(), Some(0));
        let lines = run.agent.of(Stream::Stdout);
        assert_eq!(lines.len() as u64, count);
        assert!(
            (1..).zip(&lines).all(|(wanted, line)| number(&line.bytes) == wanted && line.bytes.len() == 99)
        );
        assert!(run.agent.gaps.is_empty());
    });
}

#[test]
fn row_34_an_agent_that_stands_still_never_blocks_the_app() {
    each("row_34", |binary| {
        let count: u64 = if soak() { 500_000 } else { 100_000 };
        let script =
            format!("{LINES} {count}; echo done >&2; echo > done; while [ ! -e go ]; do sleep 0.02; done");
        let mut run = Run::start(binary, &["--ring", "1M"], &["sh", "-c", &script]);
        // The app starts, then the agent stands still while the app writes ten rings and more.
        run.app_pid();
        let done = run.dir().join("done");
        run.until("end of the app's writing", || done.exists());
        if soak() {
            // Longer than the silence after which an agent counts as dead.
            std::thread::park_timeout(Duration::from_secs(60));
        }
        // Without the pages of the program's file, which is large when it is `logway init`.
        let resident_kb = run.status_kb("RssAnon");
        assert!(resident_kb <= 1024 + 4096, "{resident_kb} KiB");
        std::fs::write(run.dir().join("go"), "").unwrap();
        assert_eq!(run.finish().code(), Some(0));
        let got = run.agent.of(Stream::Stdout);
        let lost: u64 = run.agent.gaps.iter().map(|gap| gap.count).sum();
        let lost_bytes: u64 = run.agent.gaps.iter().map(|gap| gap.bytes).sum();
        assert_eq!((got.len() as u64 + lost, lost_bytes), (count, lost * 99));
        assert!(lost > 0, "the ring was never full");
        assert_eq!(number(&got.last().unwrap().bytes), count, "the last lines matter most");
        assert_eq!(run.agent.lines(Stream::Stderr), ["done"]);
    });
}

#[test]
fn row_35_with_block_nothing_is_lost() {
    each("row_35", |binary| {
        let count = 100_000;
        let script = format!("{LINES} {count}; echo > done");
        let mut run = Run::start(binary, &["--ring", "1M", "--policy", "block"], &["sh", "-c", &script]);
        run.app_pid();
        // The app is stopped by the full pipe: it waits in write.
        run.until("app that waits", || run.waits_in_write());
        assert!(!run.dir().join("done").exists());
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.of(Stream::Stdout).len(), count);
        assert!(run.agent.gaps.is_empty());
    });
}

#[test]
fn row_35_a_bounded_block_drops_in_the_end() {
    each("row_35 bounded", |binary| {
        let count: u64 = 100_000;
        let script = format!("{LINES} {count}; echo > done");
        let options = ["--ring", "1M", "--policy", "block:200ms"];
        let mut run = Run::start(binary, &options, &["sh", "-c", &script]);
        run.app_pid();
        let done = run.dir().join("done");
        run.until("end of the app's writing", || done.exists());
        assert_eq!(run.finish().code(), Some(0));
        let lost: u64 = run.agent.gaps.iter().map(|gap| gap.count).sum();
        assert!(lost > 0);
        assert_eq!(run.agent.of(Stream::Stdout).len() as u64 + lost, count);
    });
}

#[test]
fn a_long_line_passes_a_small_ring() {
    each("long line", |binary| {
        for options in [&["--ring", "256K"][..], &["--ring", "512K", "--policy", "block"]] {
            let script = "seq 1 2000; head -c 400000 /dev/zero | tr '\\0' x; echo; echo after; \
                          while [ ! -e go ]; do sleep 0.02; done";
            let mut run = Run::start(binary, options, &["sh", "-c", script]);
            run.agent.serve_until("line after", |agent| {
                agent.records.last().is_some_and(|record| record.bytes == b"after")
            });
            std::fs::write(run.dir().join("go"), "").unwrap();
            assert_eq!(run.finish().code(), Some(0));
            assert!(run.agent.gaps.is_empty() || !options.contains(&"block"));
        }
    });
}

#[test]
fn a_small_window_is_kept_and_all_lines_come() {
    each("window", |binary| {
        let options = ["--policy", "block", "--ring", "1M"];
        let mut run = Run::start(binary, &options, &["sh", "-c", &format!("{LINES} 20000")]);
        run.agent.manners.window_bytes = Some(1);
        assert_eq!(run.finish().code(), Some(0));
        assert_eq!(run.agent.of(Stream::Stdout).len(), 20_000);
    });
}
