//! Reading: what becomes of the app's bytes.

use line::Stream;
use line::frame::RecordFlags;
use line::split::MAX_FRAGMENT_BYTES;

use crate::run::{Run, each};

#[test]
fn row_11_streams_stay_apart() {
    each("row_11", |binary| {
        let mut run = Run::shell(binary, "echo out; echo err >&2");
        run.finish();
        assert_eq!(run.agent.lines(Stream::Stdout), ["out"]);
        assert_eq!(run.agent.lines(Stream::Stderr), ["err"]);
    });
}

#[test]
fn row_12_no_newline_at_the_end() {
    each("row_12", |binary| {
        let mut run = Run::shell(binary, "printf abc");
        run.finish();
        let records = run.agent.of(Stream::Stdout);
        assert_eq!(records.len(), 1);
        assert_eq!((&records[0].bytes[..], records[0].flags), (&b"abc"[..], RecordFlags::OPEN));
        run.agent.exited();
    });
}

#[test]
fn row_13_empty_lines_are_lines() {
    each("row_13", |binary| {
        let mut run = Run::shell(binary, r"printf 'a\n\n\nb\n'");
        run.finish();
        assert_eq!(run.agent.lines(Stream::Stdout), ["a", "", "", "b"]);
    });
}

/// That the other output waits for them needs a clock that stands still: `the_fragments_of_a_long_line_stay_together`.
#[test]
fn row_14_a_long_line_comes_in_fragments() {
    each("row_14", |binary| {
        let script = "(i=0; while [ $i -lt 200 ]; do echo noise $i >&2; i=$((i+1)); done) & \
                      head -c 1048576 /dev/zero | tr '\\0' x; echo; wait";
        let mut run = Run::shell(binary, script);
        run.finish();
        let stdout = run.agent.of(Stream::Stdout);
        assert_eq!(stdout.len(), 64);
        assert!(stdout.iter().all(|record| record.bytes.len() == MAX_FRAGMENT_BYTES));
        let (first, last) = (RecordFlags::MORE, RecordFlags::CONTINUED);
        assert_eq!((stdout[0].flags, stdout[63].flags), (first, last));
        assert!(stdout[1..63].iter().all(|record| record.flags == first.with(last)));
        assert_eq!(run.agent.lines(Stream::Stderr).len(), 200);
    });
}

#[test]
fn row_15_a_prompt_is_seen() {
    each("row_15", |binary| {
        let mut run = Run::shell(binary, "printf 'name? '; sleep 30");
        run.agent.serve_until("prompt", |agent| !agent.of(Stream::Stdout).is_empty());
        assert!(run.agent.event("exited").is_none(), "it came with the end of the app only");
        assert_eq!(run.agent.of(Stream::Stdout)[0].flags, RecordFlags::OPEN);
    });
}

#[test]
fn row_16_random_bytes_come_through() {
    each("row_16", |binary| {
        let mut run = Run::shell(binary, "head -c 1048576 /dev/urandom > random; cat random");
        run.finish();
        assert!(run.agent.bytes(Stream::Stdout) == std::fs::read(run.dir().join("random")).unwrap());
    });
}

#[test]
fn row_17_control_characters_are_untouched() {
    each("row_17", |binary| {
        let mut run = Run::shell(binary, r"printf '\033[31mred\033[0m\n10%%\r20%%\r\nnul\000nul\n'");
        run.finish();
        assert_eq!(run.agent.lines(Stream::Stdout), ["\x1b[31mred\x1b[0m", "10%\r20%\r", "nul\0nul"]);
    });
}

#[test]
fn row_18_a_character_at_the_cut_stays_whole() {
    each("row_18", |binary| {
        let script = "printf x; i=0; while [ $i -lt 700 ]; do printf '%s' \
                      'äöüäöüäöüäöüäöüäöüäöüäöü'; i=$((i+1)); done; echo";
        let mut run = Run::shell(binary, script);
        run.finish();
        let records = run.agent.of(Stream::Stdout);
        assert!(records.len() > 1 && records.iter().all(|record| std::str::from_utf8(&record.bytes).is_ok()));
        let wanted = format!("x{}\n", "äöü".repeat(8 * 700));
        assert_eq!(run.agent.bytes(Stream::Stdout), wanted.as_bytes());
    });
}

#[test]
fn times_rise_with_the_numbers() {
    each("times", |binary| {
        let mut run = Run::shell(binary, "for i in 1 2 3 4 5; do echo $i; echo $i >&2; done");
        run.finish();
        assert!(run.agent.records.windows(2).all(|pair| pair[0].time <= pair[1].time));
        assert_eq!(run.agent.greetings.len(), 1);
    });
}
