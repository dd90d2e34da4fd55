//! `logway logs` over HTTP with a real `logway up`: filters, what stands around, an earlier start, the end of an app, and somebody
//! at a terminal.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use logway_tests::{Process, Seat, Up, lines, wait_until};
use rustix::process::Signal;

/// Runs an app's script to its end, and waits until the store has all of it.
fn run(up: &Up, app: &str, instance: &str, script: &str) {
    let args = ["--app", app, "-i", instance, "-r", "lhr", "--", "sh", "-c", script];
    up.run("run", &args).wait();
    let (web, ended) = (up.web(), format!("logway.event.kind:exited instance:={instance}"));
    wait_until("the end of the app in the store", || (web.count(&ended) > 0).then_some(()));
}

fn raw(up: &Up, args: &[&str]) -> Vec<String> {
    let (code, out, err) = up.output("logs", &[&["-n", "-o", "raw"], args].concat());
    assert_eq!(code, 0, "{err}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn filters_of_all_kinds_choose_what_is_stored() {
    let up = Up::start(&[]);
    let script = r#"for i in 1 2 3 4 5 6 7 8 9; do echo "{\"msg\":\"step $i\",\"n\":$i,\"path\":\"/p$i\"}"; done; echo plain; echo ERROR: bad"#;
    run(&up, "web", "i1", script);
    let texts = |args: &[&str]| raw(&up, &[&["-a", "web"], args].concat()).join("\n");
    assert_eq!(texts(&["--grep", "plain"]), "plain");
    assert_eq!(texts(&["--field", "path=/p3"]), r#"{"msg":"step 3","n":3,"path":"/p3"}"#);
    assert_eq!(texts(&["--query", "n:>8 or bad"]).lines().count(), 2);
    assert_eq!(texts(&["--query", "n:*", "--grep", "step", "--lines", "3"]).lines().count(), 3);
    assert_eq!(texts(&["--level", ">=warn"]), "ERROR: bad");
    assert_eq!(texts(&["--level", "error", "--context", "1"]), "plain\nERROR: bad");
    assert_eq!(texts(&["--grep", "step 5", "-C", "2"]).lines().count(), 5);
    assert_eq!(texts(&["--since", "1h"]).lines().count(), 11);
    assert_eq!(texts(&["--until", "1h"]), "");
    assert_eq!(texts(&["-r", "ams"]), "");
    let (_, out, _) =
        up.output("logs", &["-a", "web", "-n", "--query", "n:in(2, 8)", "-C", "1", "-o", "plain"]);
    let numbers: Vec<_> =
        out.lines().map(|row| row.rsplit("step ").next().map_or("", |rest| &rest[..1])).collect();
    assert_eq!(numbers, ["1", "2", "3", "-", "7", "8", "9"], "{out}");
}

#[test]
fn what_was_before_the_newest_start() {
    let up = Up::start(&[]);
    let (code, _, err) = up.output("logs", &["-a", "web", "--previous"]);
    assert!(code == 3 && err.contains("no start of app web before"), "{code} {err}");
    run(&up, "web", "i1", "echo first");
    run(&up, "web", "i2", "echo second");
    assert_eq!(raw(&up, &["-a", "web", "--previous"]), ["first"]);
    assert_eq!(raw(&up, &["-a", "web", "--previous", "--grep", "second"]).len(), 0);
}

#[test]
fn until_exit_shows_all_and_ends_as_the_app_did() {
    let up = Up::start(&[]);
    for (script, wanted) in [("echo a; exit 7", 7), ("echo a; kill -9 $$", 137), ("echo a", 0)] {
        let mut waits = up.run("logs", &["-a", "web", "--until-exit", "-o", "raw"]);
        waits.wait_for_stderr("that it is live", |line| line.contains("● live"));
        up.run("run", &["--app", "web", "--", "sh", "-c", script]).wait();
        let (status, out, err) = waits.wait_with_output();
        assert_eq!((status.code(), out.as_str()), (Some(wanted), "a\n"), "{script} {err}");
    }
    // A Machine that has ended already.
    run(&up, "web", "i9", "echo b; exit 3");
    let (code, out, err) = up.output("logs", &["-i", "i9", "--until-exit", "-o", "raw"]);
    assert_eq!((code, out.as_str()), (3, "b\n"), "{err}");
}

#[test]
fn a_tail_goes_on_over_a_restart_of_the_server_and_where_another_ended() {
    let mut up = Up::start(&[]);
    let fifo = up.files().join("words");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("starting mkfifo").success());
    let mut tail = up.run("logs", &["-a", "web", "-j"]);
    tail.wait_for_stderr("that it is live", |line| line.contains("● live"));
    let script = format!("while read word; do echo got $word; done < {}", fifo.display());
    let _app = up.run("run", &["--app", "web", "--policy", "block", "--", "sh", "-c", &script]);
    let mut words = OpenOptions::new().write(true).open(&fifo).expect("opening the pipe");
    words.write_all(b"one\n").expect("writing a word");
    tail.wait_for_stdout("the first word", |row| row.contains("got one"));
    up.restart();
    words.write_all(b"two\n").expect("writing a word");
    tail.wait_for_stdout("what came over the restart", |row| row.contains("got two"));
    tail.signal(Signal::INT);
    let (status, out, err) = tail.wait_with_output();
    let messages = lines::parse(&out);
    let texts: Vec<&str> =
        messages.iter().map(|m| m.message.as_str()).filter(|text| text.starts_with("got")).collect();
    assert_eq!((status.code(), texts), (Some(0), vec!["got one", "got two"]), "{err}");
    let (_, cursor) = err.rsplit_once("--resume ").expect("it says how to go on");
    words.write_all(b"three\n").expect("writing a word");
    let tail = up.run("logs", &["-a", "web", "-o", "raw", "--resume", cursor.trim()]);
    tail.wait_for_stdout("what came meanwhile", |row| row == "got three");
    assert_eq!(tail.stdout().text(), "got three\n");
}

/// `logway logs` at a terminal.
fn sit(up: &Up, args: &[&str]) -> Seat {
    let mut command = up.command("logs");
    Seat::start(command.args(args).env("TERM", "xterm").env_remove("NO_COLOR"))
}

#[test]
fn at_a_terminal() {
    let up = Up::start(&[]);
    let script =
        r#"echo '{"msg":"took 12ms","user":"a b"}'; echo 'Error: x'; echo '  at y'; printf '\033[2J\n'"#;
    run(&up, "web", "i1", script);
    run(&up, "db", "i2", "echo of db");
    // No app is named: it is asked for.
    let mut seat = sit(&up, &[]);
    seat.shown().find(|line| line.contains("  web ")).expect("web is in the list");
    seat.type_in("web\n");
    seat.shown().find(|line| line.contains("● live: app web")).expect("it is live");
    seat.signal(Signal::WINCH);
    seat.signal(Signal::INT);
    let (status, shown) = seat.wait();
    assert_eq!(status.code(), Some(0), "{shown}");
    for wanted in [
        "took \u{1b}[36m12ms\u{1b}[0m \u{1b}[2muser=\u{1b}[0m\"a b\"",
        "Error: x\r\n      at y\r\n",
        "\\x1b[2J",
        "■ ended: interrupted",
    ] {
        assert!(shown.contains(wanted), "{wanted:?}: {shown:?}");
    }
    assert!(!shown.contains("of db"), "{shown}");
    // A Machine from the list, by its number.
    let mut seat = sit(&up, &["-a", "db", "-s", "-n"]);
    seat.shown().find(|line| line.contains("1  i2")).expect("the Machine is in the list");
    seat.type_in("9\n1\n");
    let (status, shown) = seat.wait();
    assert!(
        status.code() == Some(0) && shown.contains("of db") && shown.contains("a number from 1 to 1"),
        "{shown}"
    );
    // Ctrl-C while it asks.
    let seat = sit(&up, &["-s"]);
    seat.shown().find(|line| line.contains("Which app?")).expect("it asks");
    seat.signal(Signal::INT);
    assert_eq!(seat.wait().0.code(), Some(130));
}

#[test]
fn who_cannot_be_asked_is_told_what_there_is() {
    let up = Up::start(&[]);
    run(&up, "web", "i1", "echo x");
    let mut command = up.command("logs");
    // A session of its own has no terminal.
    let mut setsid = Command::new("setsid");
    setsid.arg("--wait").arg(command.get_program()).args(command.args(["-a", "web", "-s"]).get_args());
    let (status, _, err) = Process::start("logway logs", &mut setsid).wait_with_output();
    assert!(
        status.code() == Some(2) && err.contains("name the Machine with -m; there are i1"),
        "{status} {err}"
    );
    let toml = up.files().join("fly.toml");
    std::fs::write(&toml, "app = \"web\"\n").expect("writing a file");
    assert_eq!(raw(&up, &["-c", toml.to_str().expect("a path is text")]), ["x"]);
}
