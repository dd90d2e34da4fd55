//! What a person sees of `logway search`, with a stand-in for the server.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use logway_tests::{HttpStandIn, Process, Pty, parts, short_dir, write_refusal, write_rows};

/// A line as a row.
fn row(seq: u32, text: &str) -> String {
    format!(
        r#"{{"_msg":"{text}","_stream":"{{app=\"web\"}}","_stream_id":"00","_time":"2026-11-22T10:00:{:02}.000000000Z","app":"web","boot":"019a0c3f2b7c0001","host":"h1","instance":"148e","level":"info","provider":"app","region":"lhr","seq":"{seq}","stream":"stdout"}}"#,
        seq % 60
    )
}

/// `logway COMMAND` of somebody who has a token for the server at `url`, and nothing else.
fn command(url: &str, args: &[&str]) -> Command {
    let mut logway = Command::new(parts::logway());
    let home = std::env::temp_dir().join("logway-tests-nobody");
    logway.args(args).env("LOGWAY_API", url).env("LOGWAY_TOKEN", "secret").env("XDG_CONFIG_HOME", &home);
    logway.env("XDG_DATA_HOME", &home).env_remove("LOGWAY_DATA").env_remove("LOGWAY_SERVER");
    logway
}

fn output(url: &str, args: &[&str]) -> (i32, String, String) {
    let (status, out, err) = Process::start("logway", &mut command(url, args)).wait_with_output();
    (status.code().expect("it ends by itself"), out, err)
}

#[test]
fn lines_are_shown_as_by_logs() {
    let server = HttpStandIn::with_rows(&[&row(1, "an error"), &row(2, "another error")]);
    let (code, out, err) = output(&server.url(), &["search", "error"]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (
            0,
            "2026-11-22T10:00:01Z app[web/148e] lhr [info] an error\n2026-11-22T10:00:02Z app[web/148e] lhr [info] another error\n",
            ""
        )
    );
    let question = server.questions().remove(0);
    assert!(question.head.to_ascii_lowercase().contains("authorization: bearer secret"), "{}", question.head);
    assert!(question.form.starts_with("query=error&start=") && question.form.ends_with("&limit=100"));

    let (code, out, _) = output(&server.url(), &["search", "error", "-a", "web", "-j", "-n", "5"]);
    assert_eq!((code, out), (0, format!("{}\n{}\n", row(1, "an error"), row(2, "another error"))));
    let form = server.questions().remove(1).form;
    assert!(form.contains("extra_stream_filters=%7B%22app%22%3A%22web%22%7D") && form.contains("limit=5"));
    let (code, out, _) = output(&server.url(), &["search", "-c", "error"]);
    assert_eq!((code, out.as_str()), (0, "2\n"));
    let (code, out, err) = output(&server.url(), &["search", "error", "-n", "1"]);
    assert!(code == 0 && out.lines().count() == 2, "a server that gives more is believed: {out}");
    assert!(err.is_empty(), "{err}");
}

#[test]
fn more_than_is_shown_is_said() {
    let rows: Vec<String> = (0..100).map(|seq| row(seq, "x")).collect();
    let server = HttpStandIn::start(move |question, stream| match question.form.contains("matched") {
        true => write_rows(stream, &[r#"{"matched":"12345"}"#.to_owned()]),
        false => write_rows(stream, &rows),
    });
    let (code, out, err) = output(&server.url(), &["search"]);
    assert_eq!((code, out.lines().count()), (0, 100));
    assert_eq!(err, "the newest 100 of 12,345 lines; --limit shows more\n");
}

#[test]
fn rows_of_pipes_are_name_and_value() {
    let server = HttpStandIn::with_rows(&[r#"{"app":"web","n":"12"}"#, r#"{"app":"a b","n":"3"}"#]);
    let (code, out, err) = output(&server.url(), &["search", "* | stats by (app) count() n"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "app=web n=12\napp=\"a b\" n=3\n", ""));
    assert!(!server.questions()[0].form.contains("limit="), "what is counted is not cut");
}

#[test]
fn nothing_found_is_1_and_trouble_is_another_number() {
    let server = HttpStandIn::with_rows(&[]);
    let (code, out, err) = output(&server.url(), &["search", "nothing", "-a", "web", "--since", "2h"]);
    assert!(
        code == 1 && out.is_empty() && err.contains("nothing found since 2h of app web"),
        "{code} {out}{err}"
    );
    let (code, out, _) = output(&server.url(), &["search", "-c", "nothing"]);
    assert_eq!((code, out.as_str()), (1, "0\n"));

    let text = "LQ01: a pipe is missing (at byte 4)\n  a | \n      ^\n";
    for (status, text, wanted, hint) in [
        (400, text, 2, "a pipe is missing (at byte 4)\n  a | \n      ^\n"),
        (401, "", 4, "error[LR13]: "),
        (403, "the token is for app api", 4, "the token is for app api"),
        (404, "", 3, "has no search"),
        (503, "the query was ended after 30.0 s: narrow it", 124, "--timeout"),
        (500, "oops", 5, "answers 500: oops"),
    ] {
        let server = HttpStandIn::start(move |_, stream| write_refusal(stream, status, text));
        let (code, out, err) = output(&server.url(), &["search", "a | "]);
        assert!(code == wanted && out.is_empty() && err.contains(hint), "{status}: {code} {out}{err}");
    }
    let (code, _, err) = output("http://127.0.0.1:1", &["search", "a"]);
    assert!(code == 5 && err.contains("cannot reach the HTTP API at http://127.0.0.1:1"), "{err}");
    for args in [
        &["search", "--since", "soon"][..],
        &["search", "--since", "1h", "--until", "2h"],
        &["search", "-a", ""],
    ] {
        let (code, out, err) = output("http://127.0.0.1:1", args);
        assert!(code == 2 && out.is_empty() && err.starts_with("error"), "{args:?}: {code} {err}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_shown_and_is_no_success() {
    let row = row(1, "x");
    let server = HttpStandIn::start(move |_, stream| {
        let chunk = format!("{:x}\r\n{row}\n\r\n", row.len() + 1);
        let _ = stream
            .write_all(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").as_bytes());
    });
    let (code, out, err) = output(&server.url(), &["search"]);
    assert!(code == 6 && out.lines().count() == 1 && err.contains("not all of it"), "{code} {out}{err}");
    let (code, out, _) = output(&server.url(), &["search", "-c"]);
    assert!(code == 6 && out.is_empty(), "{code} {out}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let rows: Vec<String> = (0..50_000).map(|seq| row(seq, "a line that fills the pipe")).collect();
    let server = HttpStandIn::start(move |_, stream| write_rows(stream, &rows));
    let mut child = command(&server.url(), &["search", "-n", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting logway");
    let mut first = [0; 10];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("it prints");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn ctrl_c_ends_the_search_on_the_server_too() {
    let (hung_up, has_hung_up) = mpsc::sync_channel(1);
    let server = HttpStandIn::start(move |_, stream| {
        let mut rest = Vec::new();
        // It does not answer, and hears when the other one leaves.
        let _ = stream.read_to_end(&mut rest);
        let _ = hung_up.send(());
    });
    let mut process = Process::start("logway", &mut command(&server.url(), &["search", "x"]));
    logway_tests::wait_until("the question", || server.questions().pop());
    process.signal(rustix::process::Signal::INT);
    has_hung_up.recv_timeout(logway_tests::DEADLINE).expect("the connection ends");
    let (status, out, err) = process.wait_with_output();
    assert!(status.code() == Some(130) && out.is_empty() && err.is_empty(), "{status} {out}{err}");
}

#[test]
fn on_a_terminal_there_are_marks_a_table_and_bars() {
    let lines = [row(1, "an error \\u001b]0;title\\u0007")];
    let server = HttpStandIn::start(move |question, stream| match question.path.as_str() {
        "/select/logsql/hits" => {
            let now = "2020-11-22T10:00:00Z";
            let body =
                format!(r#"{{"hits":[{{"fields":{{}},"timestamps":["{now}"],"values":[1],"total":1}}]}}"#);
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(reply.as_bytes());
        }
        _ if question.form.contains("stats") => {
            write_rows(
                stream,
                &[r#"{"app":"web","n":"1"}"#.to_owned(), r#"{"app":"longer","n":"22"}"#.to_owned()],
            );
        }
        _ => write_rows(stream, &lines),
    });
    let args = ["search", "error", "--since", "2020-11-22", "--until", "2020-11-22"];
    let shown = Pty::run(command(&server.url(), &args).env_remove("NO_COLOR").env("TERM", "xterm"));
    assert!(shown.contains("an \u{1b}[1;31merror\u{1b}[0m \\x1b]0;title\\x07"), "{shown:?}");
    assert!(shown.contains('█') && shown.contains("1 line"), "{shown:?}");
    for (plain, args) in
        [("NO_COLOR", &args[..]), ("X", &["search", "error", "--no-color", "--since", "2020-11-22"])]
    {
        let shown = Pty::run(command(&server.url(), args).env(plain, "1").env("TERM", "xterm"));
        assert!(shown.contains("an error \\x1b]0;") && !shown.contains("\u{1b}[1;31m"), "{shown:?}");
    }
    let shown =
        Pty::run(command(&server.url(), &["search", "* | stats by (app) count() n"]).env("TERM", "xterm"));
    assert!(shown.contains("app     n\r\nweb     1\r\nlonger  22\r\n"), "{shown:?}");
}

#[test]
fn an_export_goes_on_after_kill_9_with_neither_hole_nor_double() {
    let dir = short_dir();
    let path = dir.path().join("out.ndjson");
    let file = path.to_str().expect("the path is text").to_owned();
    // More than there are questions: nobody reads them all.
    let (ask, asked) = mpsc::sync_channel(100_000);
    let ask = std::sync::Mutex::new(ask);
    // One line a second; each window of time is answered with what is in it.
    let server = HttpStandIn::start(move |question, stream| {
        let _ = ask.lock().expect("no panic here").send(());
        let bound = |name: &str| {
            let value = question.form.split('&').find_map(|pair| pair.strip_prefix(name)).expect("a bound");
            line::time::parse_rfc3339(&value.replace("%3A", ":")).expect("a time")
        };
        let (from, to) = (bound("start="), bound("end="));
        let first = (from + 999_999_999) / 1_000_000_000;
        let last = (to + 999_999_999) / 1_000_000_000;
        if question.form.contains("matched") {
            return write_rows(stream, &[format!(r#"{{"matched":"{}"}}"#, last - first)]);
        }
        let row = |second| format!(r#"{{"_time":"{}"}}"#, line::time::rfc3339(second * 1_000_000_000));
        write_rows(stream, &(first..last).map(row).collect::<Vec<_>>());
    });
    let args = ["export", "--since", "2020-11-22", "--until", "2020-11-22", "--out", &file, "--resume"];
    for round in 0..5 {
        let mut process = Process::start("logway", &mut command(&server.url(), &args));
        for _ in 0..=round {
            let _ = asked.recv_timeout(logway_tests::DEADLINE);
        }
        process.kill();
    }
    let (code, out, err) = output(&server.url(), &args);
    if code != 0 {
        // One of the rounds may have come to the end before it was killed.
        assert!(err.contains("nothing to resume"), "{code} {out}{err}");
    }
    let text = std::fs::read_to_string(&path).expect("reading the export");
    assert_eq!(text.lines().count(), 86_400);
    let times: Vec<&str> = text.lines().collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "in order, and each once");
}
