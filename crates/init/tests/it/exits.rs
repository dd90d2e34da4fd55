//! Signals and the end: codes, what the app leaves behind, who waits for whom.

use std::fs::File;
use std::time::Duration;

use line::{Level, Stream};

use crate::run::{Run, each, send_signal, signal_of, soak};

#[test]
fn row_20_the_last_lines_come_before_the_exit() {
    each("row_20", |binary| {
        for _ in 0..if soak() { 100 } else { 5 } {
            let mut run = Run::shell(binary, "seq 1 1000; exit 1");
            assert_eq!(run.finish().code(), Some(1));
            let lines = run.agent.lines(Stream::Stdout);
            assert_eq!((lines.len(), lines.last().map(String::as_str)), (1000, Some("1000")));
            assert_eq!(run.agent.exited().get_int("code"), Some(1));
        }
    });
}

#[test]
fn row_21_what_the_app_leaves_behind_is_ended() {
    each("row_21", |binary| {
        // One that listens to SIGTERM and says so, one that does not.
        let script = "(trap 'echo bye; exit' TERM; echo one; >one; while :; do sleep 0.05; done) & \
                      (trap '' TERM; echo two; >two; while :; do sleep 0.05; done) & \
                      while [ ! -e one ] || [ ! -e two ]; do sleep 0.02; done; echo main";
        let mut run = Run::shell(binary, script);
        assert_eq!(run.finish().code(), Some(0));
        let mut lines = run.agent.lines(Stream::Stdout);
        lines.sort();
        assert_eq!(lines, ["bye", "main", "one", "two"]);
        assert!(run.agent.event("still_writing").is_none());
        run.agent.exited();
    });
}

#[test]
fn row_21_a_stranger_that_holds_the_output_is_named() {
    each("row_21 stranger", |binary| {
        let mut run = Run::shell(binary, "echo ready; sleep 1000");
        let app = run.app_pid();
        run.agent.serve_until("line", |agent| agent.lines(Stream::Stdout) == ["ready"]);
        let held = File::options().write(true).open(format!("/proc/{app}/fd/1")).unwrap();
        send_signal(app, "TERM");
        assert_eq!(run.finish().code(), Some(143));
        drop(held);
        let own_pid = Some(i64::from(std::process::id()));
        let events = run.agent.events();
        let event =
            events.iter().find(|event| event.kind == "still_writing" && event.get_int("pid") == own_pid);
        let event = event.expect("this process is named");
        assert_eq!(event.get_text("code_name"), Some("LI05"));
        assert!(!event.get_text("comm").unwrap().is_empty());
    });
}

#[test]
fn row_24_codes_and_signals() {
    each("row_24", |binary| {
        for (script, code, signal, level) in [
            ("exit 0", 0, -1, Level::Info),
            ("exit 1", 1, -1, Level::Error),
            ("exit 42", 42, -1, Level::Error),
            ("exit 255", 255, -1, Level::Error),
            ("kill -TERM $$", 143, 15, Level::Error),
            ("kill -KILL $$", 137, 9, Level::Error),
            ("ulimit -c 0; kill -SEGV $$", 139, 11, Level::Error),
        ] {
            let mut run = Run::shell(binary, script);
            assert_eq!(run.finish().code(), Some(code), "{script}");
            let event = run.agent.exited();
            assert_eq!((event.get_int("code"), event.get_int("signal")), (Some(code.into()), Some(signal)));
            assert_eq!(event.level, level);
            let message = match signal {
                -1 => format!("Main child exited normally with code: {code}"),
                15 => "Main child exited with signal (with signal 'SIGTERM', core dumped? false)".into(),
                9 => "Main child exited with signal (with signal 'SIGKILL', core dumped? false)".into(),
                _ => "Main child exited with signal (with signal 'SIGSEGV', core dumped? false)".into(),
            };
            assert_eq!(event.message, message);
        }
    });
}

#[test]
fn row_24_init_can_end_by_the_same_signal() {
    each("row_24 raise", |binary| {
        let options = ["--signal-exit", "raise"];
        let mut run = Run::start(binary, &options, &["sh", "-c", "kill -KILL $$"]);
        assert_eq!(signal_of(run.finish()), Some(9));
        let mut run = Run::start(binary, &options, &["sh", "-c", "kill -USR1 $$"]);
        assert_eq!(signal_of(run.finish()), Some(10));
    });
}

#[test]
fn row_25_signals_go_on_exactly_once() {
    each("row_25", |binary| {
        let script = "for s in TERM INT HUP QUIT USR1 USR2 WINCH CHLD; do trap \"echo $s\" $s; done; \
                      trap 'exit 3' ALRM; echo ready; while :; do sleep 0.02; done";
        let mut run = Run::start(binary, &["--kill-timeout", "1h"], &["sh", "-c", script]);
        let mut wanted = vec!["ready".to_owned()];
        run.agent.serve_until("line", |agent| !agent.of(Stream::Stdout).is_empty());
        for name in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"] {
            run.signal("CHLD");
            run.signal(name);
            wanted.push(name.to_owned());
            let heard =
                |lines: Vec<String>| lines.into_iter().filter(|line| line != "CHLD").collect::<Vec<_>>();
            run.agent.serve_until(name, |agent| heard(agent.lines(Stream::Stdout)).len() >= wanted.len());
            assert_eq!(heard(run.agent.lines(Stream::Stdout)), wanted);
        }
        let app = run.app_pid();
        send_signal(app, "ALRM");
        assert_eq!(run.finish().code(), Some(3));
        let sent = run.agent.events().iter().filter(|event| event.kind == "signal_sent").count();
        assert_eq!(sent, 7, "one event for each signal, none for CHLD");
    });
}

#[test]
fn row_27_an_app_that_does_not_listen_is_told_again_and_killed() {
    each("row_27", |binary| {
        for (signal, options, sent) in [
            ("INT", &["--kill-timeout", "300ms"][..], &["SIGINT", "SIGTERM", "SIGKILL"][..]),
            ("TERM", &["--kill-timeout", "300ms"], &["SIGTERM", "SIGKILL"]),
            (
                "TERM",
                &["--kill-timeout", "300ms", "--kill-signal", "USR1"],
                &["SIGUSR1", "SIGTERM", "SIGKILL"],
            ),
        ] {
            let script = "trap '' TERM INT USR1; echo ready; while :; do sleep 0.05; done";
            let mut run = Run::start(binary, options, &["sh", "-c", script]);
            run.agent.serve_until("line", |agent| !agent.of(Stream::Stdout).is_empty());
            run.signal(signal);
            assert_eq!(run.finish().code(), Some(137));
            let events = run.agent.events();
            let told: Vec<_> = events.iter().filter_map(|event| event.get_text("signal")).collect();
            assert_eq!(told, sent);
            let flag = |name| {
                run.agent.exited().fields.iter().any(|f| f.0 == name && f.1 == line::event::Value::Flag(true))
            };
            assert!(flag("requested_stop") && !flag("oom_killed"));
            assert_eq!(run.agent.exited().level, Level::Warn);
        }
    });
}

#[test]
fn row_31_a_plain_kill_is_no_lack_of_memory() {
    each("row_31", |binary| {
        let mut run = Run::shell(binary, "sleep 1000");
        let app = run.app_pid();
        send_signal(app, "KILL");
        assert_eq!(run.finish().code(), Some(137));
        let event = run.agent.exited();
        let wanted = line::event::Value::Flag(false);
        assert!(event.fields.iter().any(|(name, value)| name == "oom_killed" && *value == wanted));
        assert_eq!(event.get_text("code_name"), None);
    });
}

#[test]
fn a_daemon_is_found_and_ended() {
    each("daemon", |binary| {
        let script = "setsid sh -c '(echo daemon; >up; while :; do sleep 0.05; done) & exit 0'; \
                      while [ ! -e up ]; do sleep 0.02; done; exit 7";
        let mut run = Run::shell(binary, script);
        assert_eq!(run.finish().code(), Some(7));
        assert_eq!(run.agent.lines(Stream::Stdout), ["daemon"]);
    });
}

#[test]
fn an_agent_that_never_confirms_is_waited_for_and_then_named() {
    each("unconfirmed", |binary| {
        let mut run =
            Run::start(binary, &["--flush-timeout", "300ms"], &["sh", "-c", "echo 1; echo 2; exit 4"]);
        run.agent.manners.acks = false;
        run.agent.manners.flushes = false;
        run.agent.serve_until("goodbye", |agent| agent.bye.is_some());
        assert_eq!(run.wait().code(), Some(4));
        let said = run.stderr();
        assert!(said.contains("LI06: 2 lines were not confirmed"), "{said}");
    });
}

#[test]
fn a_second_request_to_stop_does_not_wait_for_the_agent() {
    each("hurried", |binary| {
        let script = "trap '' TERM; echo > over; exit 5";
        let mut run = Run::alone(binary, &["--flush-timeout", "1h"], &["sh", "-c", script]);
        let over = run.dir().join("over");
        run.until("app that ends", || over.exists());
        // Sent until init has come as far as to wait for the agent.
        while run.ended_within(Duration::from_millis(20)).is_none() {
            run.signal("TERM");
        }
        assert_eq!(run.wait().code(), Some(5));
        assert!(run.stderr().contains("LI06"));
    });
}
