//! `logway logs` in pipes: what is data, what is notice, and how it ends.

use std::io::Write;
use std::process::Command;

use logway_tests::{Process, Up, lines, parts};
use rustix::process::Signal;

/// An app `web` that wrote these lines and ended.
fn up_with(script: &str) -> Up {
    let up = Up::start(&[]);
    let (status, _, err) = up
        .run("run", &["--app", "web", "-i", "i1", "-r", "lhr", "--", "sh", "-c", script])
        .wait_with_output();
    assert!(status.success(), "{err}");
    // The store has a line some milliseconds later, on a machine with much to do more.
    let web = up.web();
    logway_tests::wait_until("the end of the app in the store", || {
        (web.count("logway.event.kind:exited") > 0).then_some(())
    });
    up
}

fn logs(up: &Up, args: &[&str]) -> (i32, String, String) {
    let (status, out, err) = up.run("logs", args).wait_with_output();
    (status.code().expect("it ends by itself"), out, err)
}

#[test]
fn text_has_flyctl_s_layout() {
    let up = up_with("echo hello; echo 'ERROR: broken' >&2; printf '\\033[31mred\\033]0;t\\007\\n'");
    let (code, out, err) = logs(&up, &["-a", "web", "-n"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for end in [
        "Z app[i1] lhr [info] hello",
        "Z app[i1] lhr [error] ERROR: broken",
        // In a pipe the bytes stay as they are.
        "Z app[i1] lhr [info] \u{1b}[31mred\u{1b}]0;t\u{7}",
    ] {
        let time = "2026-11-22T10:00:00";
        assert!(
            out.lines().any(|row| row.len() == time.len() + end.len() && row.ends_with(end)),
            "{end:?}: {out}"
        );
    }
    assert!(out.lines().any(|row| row.contains(" runner[i1] lhr [")), "{out}");
    let (_, out, _) = logs(&up, &["-n"]);
    assert!(out.contains(" app[web/i1] lhr [info] hello"), "{out}");
    // Colours by force: then it is for a terminal in the end, and nothing but colours gets through.
    let mut command = up.command("logs");
    command.args(["-a", "web", "-n"]).env("CLICOLOR_FORCE", "1");
    let (_, out, _) = Process::start("logway logs", &mut command).wait_with_output();
    assert!(out.contains("\u{1b}[31mred\\x1b]0;t\\x07\u{1b}[0m"), "{out:?}");
}

#[test]
fn a_hundred_thousand_recent_lines_come_page_by_page() {
    let up = up_with("seq 1 120000");
    let (code, out, err) = logs(&up, &["-a", "web", "-n", "--lines", "100000"]);
    // A slow machine's store may not give so many in time: then the agents do.
    let is_quiet = err.is_empty() || err.starts_with("note: recent lines come from the agents alone: ");
    assert!(code == 0 && is_quiet, "{code} {err}");
    let numbers =
        out.lines().filter_map(|row| row.split_once("Z app[i1] lhr [info] ")?.1.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.collect();
    // A few of the lines are init's.
    assert!((99_990..=100_000).contains(&numbers.len()), "{}", numbers.len());
    let first = 120_001 - u32::try_from(numbers.len()).unwrap();
    assert!(numbers.iter().copied().eq(first..=120_000), "the newest, each once and in order");
}

#[test]
fn json_is_one_compact_object_a_line() {
    let up = up_with("echo '{\"a\": 1}'; echo two");
    let (code, out, err) = logs(&up, &["-a", "web", "-n", "-j", "--lines", "10"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for row in out.lines() {
        let value: serde_json::Value = serde_json::from_str(row).expect("each row is an object");
        assert!(row.starts_with("{\"event\":{") && row.len() == value.to_string().len(), "compact: {row}");
        let logway = &value["logway"];
        assert!(
            logway["boot"].is_string() && logway["seq"].is_u64() && logway["stream"].is_string(),
            "{row}"
        );
    }
    assert!(out.lines().count() >= 3, "{out}");
}

#[test]
fn filters_choose_and_lines_counts_what_is_left() {
    let up =
        up_with("for i in 1 2 3 4 5; do echo info $i; echo WARN: warned $i; echo ERROR: failed $i; done");
    let texts = |args: &[&str]| {
        let (code, out, err) = logs(&up, &[&["-a", "web", "-n"], args].concat());
        assert!(code == 0, "{err}");
        let text = |row: &str| {
            row.split_once("] ").and_then(|(_, rest)| rest.split_once("] ")).map(|(_, t)| t.to_owned())
        };
        out.lines().filter(|row| row.contains(" app[")).filter_map(text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&["--grep", "failed", "--lines", "2"]), ["ERROR: failed 4", "ERROR: failed 5"]);
    assert_eq!(texts(&["--level", "warn"]).len(), 5);
    assert_eq!(texts(&["--level", ">=warn"]).len(), 10);
    assert_eq!(texts(&["--grep", "FAILED"]).len(), 0);
    assert_eq!(texts(&["--grep", "FAILED", "--ignore-case"]).len(), 5);
    assert_eq!(texts(&["--grep", "o 3", "--lines", "1"]), ["info 3"]);
    assert!(texts(&["--grep", "ed", "-v"]).iter().all(|text| text.starts_with("info")));
    assert_eq!(texts(&["-r", "ams"]).len() + texts(&["-i", "i2"]).len(), 0);
}

#[test]
fn no_lines_yet_is_no_error() {
    let up = Up::start(&[]);
    let (code, out, err) = logs(&up, &["-a", "nobody", "-n"]);
    assert!(code == 0 && out.is_empty() && err.contains("no lines yet of app nobody"), "{code} {out}{err}");
    let mut tail = up.run("logs", &["-a", "nobody"]);
    tail.wait_for_stderr("that it is live", |line| {
        line.contains("● live: connected, no logs yet of app nobody")
    });
    tail.signal(Signal::INT);
    let (status, out, err) = tail.wait_with_output();
    assert!(status.code() == Some(0) && out.is_empty() && err.contains("■ ended"), "{status} {out}{err}");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let up = up_with(
        "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo a line that fills a pipe sooner or later $i; done",
    );
    let script = r#"{ "$0" logs --data "$1" -a web -n --lines 2000; echo "code $?" >&2; } | head -n 1"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(parts::logway()).arg(up.data());
    let (status, out, err) = Process::start("sh", &mut command).wait_with_output();
    assert!(status.success());
    assert_eq!((out.lines().count(), err.as_str()), (1, "code 0\n"), "{out}{err}");
    let mut command = Command::new("sh");
    command.args(["-c", r#"{ "$0" --help; echo "code $?" >&2; } | true"#]).arg(parts::logway());
    let (_, _, err) = Process::start("sh", &mut command).wait_with_output();
    assert_eq!(err, "code 0\n");
}

#[test]
fn a_live_tail_writes_each_line_when_it_comes() {
    let up = Up::start(&[]);
    let tail = up.run("logs", &["-a", "web"]);
    tail.wait_for_stderr("that it is live", |line| line.contains("live"));
    let fifo = up.files().join("words");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("starting mkfifo").success());
    let script = format!("while read word; do echo got $word; done < {}", fifo.display());
    let mut app = up.run("run", &["--app", "web", "--", "sh", "-c", &script]);
    let mut words = std::fs::OpenOptions::new().write(true).open(&fifo).expect("opening the pipe");
    for word in ["one", "two", "three"] {
        words.write_all(format!("{word}\n").as_bytes()).expect("writing a word");
        tail.wait_for_stdout(word, |row| row.ends_with(&format!("got {word}")));
    }
    drop(words);
    assert!(app.wait().success());
}

#[test]
fn a_tail_under_a_flood_misses_nothing_and_shows_nothing_twice() {
    let up = Up::start(&[]);
    let tail = up.run("logs", &["-a", "web", "-j"]);
    tail.wait_for_stderr("that it is live", |line| line.contains("live"));
    let mut app = up.run("run", &["--app", "web", "--policy", "block", "--", "seq", "1", "40000"]);
    assert!(app.wait().success());
    tail.wait_for_stdout("the exit event", |row| row.contains("\"kind\":\"exited\""));
    for text in [tail.stdout().text(), logs(&up, &["-a", "web", "-n", "-j", "--lines", "100000"]).1] {
        let messages = lines::parse(&text);
        assert_eq!(lines::Coverage::of(&messages).assert_whole().1, 0, "none is lost");
        let numbers = messages.iter().filter_map(|message| message.message.parse::<u64>().ok());
        assert!(numbers.eq(1..=40_000), "each once and in order");
    }
}

#[test]
fn a_tail_that_stood_still_fetches_what_it_missed() {
    // The front door goes on with a gap record, which is fetched.
    stand_still(&Up::start(&[]), &[], |_| {});
    // The bus itself lets go of a reader that takes nothing.
    let up = Up::start(&[]);
    let login = std::fs::read_to_string(up.data().join("bus/api")).expect("reading a credential");
    let url = format!("nats://{}@{}", login.trim(), up.address("nats"));
    stand_still(&up, &["--nats", &url], |up| {
        up.wait_for_stderr("that it was cut", |line| line.contains("cut a bus client"));
    });
}

/// One of two tails stands still while more is written than waits for anybody.
fn stand_still(up: &Up, options: &[&str], then: impl Fn(&logway_tests::Process)) {
    const COUNT: u64 = 62_000;
    let tail = || up.run("logs", &[&["-a", "web", "-j"], options].concat());
    let tails = [tail(), tail()];
    for tail in &tails {
        tail.wait_for_stderr("that it is live", |line| line.contains("live"));
    }
    tails[0].signal(Signal::STOP);
    let script = format!("seq -f %0900g 1 {COUNT}");
    let mut app = up.run("run", &["--app", "web", "--policy", "block", "--", "sh", "-c", &script]);
    assert!(app.wait().success());
    tails[1].wait_for_stdout("the exit event", |row| row.contains("\"kind\":\"exited\""));
    then(up.running());
    tails[0].signal(Signal::CONT);
    tails[0].wait_for_stdout("the exit event", |row| row.contains("\"kind\":\"exited\""));
    for tail in &tails {
        let messages = lines::parse(&tail.stdout().text());
        assert_eq!(lines::Coverage::of(&messages).assert_whole().1, 0, "none is lost");
        let numbers = messages.iter().filter_map(|message| message.message.parse::<u64>().ok());
        assert!(numbers.eq(1..=COUNT), "each once and in order");
    }
}
