//! `logway logs` over HTTP, against a server that says what it is told to: how it goes on after a disconnect, what it says, and
//! how it ends. What a real server says is in `cli_logs_web.rs`.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use logway_tests::http::Question;
use logway_tests::{HttpStandIn, Process, parts, write_refusal};
use rustix::process::Signal;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A line of instance `i` with its number, as an event.
fn line(seq: u64, text: &str) -> String {
    event(seq, &format!("{{\"seq\":{seq},\"stream\":\"stdout\",\"boot\":\"019a0c3f2b7c0001\"}}"), text)
}

fn event(seq: u64, logway: &str, text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(
        "id: c{seq}\ndata: {{\"event\":{{\"provider\":\"app\"}},\"fly\":{{\"app\":{{\"instance\":\"i\",\"name\":\"web\"}},\"region\":\"lhr\"}},\"host\":\"h\",\"log\":{{\"level\":\"info\"}},\"message\":{text},\"timestamp\":\"2026-11-22T10:00:00Z\",\"logway\":{logway}}}\n\n"
    )
}

fn state(name: &str, cursor: &str) -> String {
    format!("event: state\ndata: {{\"state\":\"{name}\",\"cursor\":\"{cursor}\"}}\n\n")
}

fn end(why: &str) -> String {
    format!("event: end\ndata: {{\"why\":\"{why}\",\"cursor\":\"c9\"}}\n\n")
}

/// Writes a head and these events, each in a chunk of its own.
fn write_events(stream: &mut TcpStream, events: &[String]) {
    let chunks: String = events.iter().map(|text| format!("{:x}\r\n{text}\r\n", text.len())).collect();
    // Who has hung up does not want it.
    let _ = stream.write_all(format!("{HEAD}{chunks}").as_bytes());
}

/// Holds the connection until the reader hangs up.
fn hold(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

fn logs(server: &HttpStandIn, args: &[&str]) -> Process {
    let mut command = Command::new(parts::logway());
    let home = tempfile::tempdir().expect("making a home");
    command.args(["logs", "--api", &server.url(), "--token", "t"]).args(args).env("HOME", home.path());
    command.env_remove("XDG_CONFIG_HOME").env("LOGWAY_SERVER", "nats://127.0.0.1:1");
    Process::start("logway logs", &mut command)
}

fn tail(question: &Question) -> bool {
    question.path.starts_with("/api/v1/apps/web/logs/tail?")
}

#[test]
fn it_goes_on_where_it_was_cut_and_shows_each_line_once() {
    let asked = AtomicUsize::new(0);
    let server = HttpStandIn::start(move |question, stream| match asked.fetch_add(1, Ordering::SeqCst) {
        // The connection ends in the middle of an event.
        0 => write_events(
            stream,
            &[line(1, "one"), state("live", "c1"), line(2, "two"), "id: c3\ndata: {".into()],
        ),
        1 => write_refusal(stream, 503, "restarting"),
        _ if question.path.contains("resume=c2") => {
            write_events(stream, &[line(3, "three"), state("live", "c3")]);
            hold(stream);
        }
        _ => write_refusal(stream, 400, "where is the cursor?"),
    });
    let mut tail = logs(&server, &["-a", "web"]);
    tail.wait_for_stdout("the last line", |row| row.ends_with(" three"));
    tail.wait_for_stderr("that it goes on", |row| row.contains("● live again"));
    tail.signal(Signal::INT);
    let (status, out, err) = tail.wait_with_output();
    let texts: Vec<&str> = out.lines().filter_map(|row| row.rsplit(' ').next()).collect();
    assert_eq!((status.code(), texts), (Some(0), vec!["one", "two", "three"]), "{err}");
    for wanted in [
        "● live: app web",
        "◌ reconnecting: what is missed meanwhile will be fetched",
        "■ ended: interrupted",
    ] {
        assert!(err.contains(wanted), "{wanted}: {err}");
    }
    assert!(server.questions().iter().all(tail_is_asked_with_get), "{:?}", server.questions());
}

fn tail_is_asked_with_get(question: &Question) -> bool {
    tail(question)
        && question.head.starts_with("GET ")
        && question.head.to_ascii_lowercase().contains("text/event-stream")
}

#[test]
fn how_it_ends() {
    let ended =
        |code: &str| format!("event: end\ndata: {{\"why\":\"the token has ended\",\"code\":\"{code}\"}}\n\n");
    for (args, events, wanted, said) in [
        (&["-n"][..], vec![line(1, "x"), end("that is all")], 0, ""),
        (&[], vec![state("live", "c1"), ended("LR13")], 4, "error[LR13]"),
        (&[], vec![line(1, "x"), end("too slow")], 5, "■ ended: too slow\n"),
        (
            &["--until", "2100-01-01"],
            vec![line(1, "x"), end("until is reached")],
            0,
            "■ ended: until is reached\n",
        ),
        (&["-n"], vec![end("all")], 0, "no lines yet of app web"),
        (&["-n", "--grep", "x"], vec![end("all")], 0, "no lines of app web match"),
    ] {
        let server = HttpStandIn::start(move |question, stream| match tail(question) {
            true => {
                write_events(stream, &events);
                hold(stream);
            }
            false => write_refusal(stream, 404, ""),
        });
        let (status, _, err) = logs(&server, &[&["-a", "web"], args].concat()).wait_with_output();
        assert!(status.code() == Some(wanted) && err.contains(said), "{args:?} {status} {err}");
        assert!(!said.is_empty() || err.is_empty(), "{err}");
    }
    for (status, wanted) in [(401, 4), (403, 4), (400, 2)] {
        let server = HttpStandIn::start(move |_, stream| {
            write_refusal(stream, status, "{\"error\":\"no\",\"code\":\"LR13\"}")
        });
        let (ended, _, err) = logs(&server, &["-a", "web"]).wait_with_output();
        assert_eq!(ended.code(), Some(wanted), "{err}");
        assert!(err.contains("error[LR13]") && err.contains("hint: "), "{err}");
    }
}

#[test]
fn until_exit_gives_the_app_s_own_code() {
    let exited = |seq: u64, code: i64, signal: i64| {
        let event = format!("{{\"kind\":\"exited\",\"code\":{code},\"signal\":{signal}}}");
        event_of(seq, &event)
    };
    let started = |seq| event_of(seq, "{\"kind\":\"started\",\"pid\":7}");
    for (code, signal, wanted) in [(0, -1, 0), (3, -1, 3), (137, 9, 137)] {
        let events = vec![
            state("live", "c0"),
            line(3, "of an older start"),
            started(5),
            line(6, "last words"),
            exited(7, code, signal),
            line(8, "later"),
        ];
        let server = HttpStandIn::start(move |question, stream| match tail(question) {
            true => {
                write_events(stream, &events);
                hold(stream);
            }
            false => write_refusal(stream, 404, ""),
        });
        let (status, out, err) =
            logs(&server, &["-a", "web", "--until-exit", "-o", "raw", "--since", "2026-11-22"])
                .wait_with_output();
        assert_eq!((status.code(), out.as_str()), (Some(wanted), "last words\n"), "{err}");
    }
}

fn event_of(seq: u64, event: &str) -> String {
    let logway =
        format!("{{\"seq\":{seq},\"stream\":\"init\",\"boot\":\"019a0c3f2b7c0001\",\"event\":{event}}}");
    self::event(seq, &logway, "x")
}

#[test]
fn what_is_looked_for_is_one_filter() {
    let server = HttpStandIn::start(|_, stream| write_events(stream, &[end("all")]));
    let args = [
        "-a", "web", "-n", "--level", ">=warn", "--grep", "a \"b\"", "--field", "path=/x", "--query",
        "c or d",
    ];
    let (status, _, err) = logs(&server, &args).wait_with_output();
    assert!(status.success(), "{err}");
    let path = &server.questions()[0].path;
    let wanted = "query=%28level%3Ain%28warn%2C%20error%29%20_msg%3A*%22a%20%5C%22b%5C%22%22*%20%22path%22%3A%3D%22%2Fx%22%20%28c%20or%20d%0A%29%29%20or%20gap.reason%3A*";
    assert!(path.contains(wanted), "{path}");
}

#[test]
fn forms() {
    let json = r#"{"level":"warn","msg":"slow","took":"2s"}"#;
    let events = vec![line(1, "plain"), line(2, json), line(3, "Error: x"), line(4, "  at y"), end("all")];
    let server = HttpStandIn::start(move |_, stream| write_events(stream, &events));
    for (args, wanted) in [
        (&["-o", "raw"][..], vec!["plain", json, "Error: x", "  at y"]),
        (&["-o", "pretty"], vec!["[info] plain", "[info] slow took=2s", "[info] Error: x", "      at y"]),
        (
            &["-o", "pretty", "--no-join", "--fields", "level"],
            vec!["[info] plain", "[info] slow app.level=warn", "[info] Error: x", "[info]   at y"],
        ),
        (
            &["-o", "logfmt"],
            vec!["msg=plain", "msg=slow app.level=warn took=2s", "msg=\"Error: x\"", "msg=\"  at y\""],
        ),
        (&[], vec!["[info] plain", "\"took\":\"2s\"}", "[info] Error: x", "[info]   at y"]),
        (&["-j"], vec!["\"seq\":1,\"stream\":\"stdout\",\"boot\":\"019a0c3f2b7c0001\"}}"]),
    ] {
        let (status, out, err) = logs(&server, &[&["-a", "web", "-n"], args].concat()).wait_with_output();
        assert!(status.success() && err.is_empty(), "{err}");
        for (row, wanted) in out.lines().zip(&wanted) {
            assert!(row.ends_with(wanted), "{args:?}: {row:?} {wanted:?}");
        }
        assert_eq!(out.lines().count(), 4, "{out}");
    }
}

#[test]
fn a_name_that_is_a_slip() {
    let server = HttpStandIn::start(|question, stream| match question.path.as_str() {
        "/api/v1/apps" => {
            let body = r#"{"apps":[{"name":"web"},{"name":"db"}]}"#;
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(reply.as_bytes());
        }
        path if path.contains("follow=0") => write_events(stream, &[end("all")]),
        _ => {
            write_events(stream, &[state("live", "c1")]);
            hold(stream);
        }
    });
    let (_, _, err) = logs(&server, &["-a", "wbe", "-n"]).wait_with_output();
    assert!(err.contains("hint: no app wbe has written lines; is it web?"), "{err}");
    let tail = logs(&server, &["-a", "wbe"]);
    tail.wait_for_stderr("that there are none", |row| {
        row.contains("● live: connected, no logs yet of app wbe")
    });
    tail.wait_for_stderr("what it may be", |row| row.contains("is it web?"));
}

#[test]
fn what_does_not_go_together_is_said_at_once() {
    let seen = Mutex::new(Vec::new());
    let server = HttpStandIn::start(move |question, stream| {
        seen.lock().expect("no test panics here").push(question.path.clone());
        write_refusal(stream, 500, "");
    });
    for (args, wanted) in [
        (&["--context", "3"][..], "--context goes with"),
        (&["--query", "a | stats count()"], "has no pipes"),
        (&["--query", "a ("], "no filter in LogsQL"),
        (&["--since", "soon"], "is no time"),
        (&["--since", "1h", "--until", "2h"], "is not before"),
        (&["--fields", "a"], "--fields chooses"),
        (&["-a", ""], "--app cannot be used"),
        (&["--until-exit"], "--until-exit follows one Machine"),
        (&["--since", "2099-01-01"], "is yet to come"),
        (&["--previous"], "--previous is the start before"),
    ] {
        let (status, out, err) = logs(&server, args).wait_with_output();
        assert!(
            status.code() == Some(2) && err.contains(wanted) && out.is_empty(),
            "{args:?} {status} {err}"
        );
    }
    assert!(server.questions().is_empty(), "{:?}", server.questions());
}

#[test]
fn an_api_that_was_named_is_not_left_for_a_logway_that_nobody_named() {
    let server = HttpStandIn::start(|_, stream| write_refusal(stream, 404, "no"));
    let dir = logway_tests::short_dir();
    for (api, exit, wanted) in [
        ("http://127.0.0.1:1", 5, "cannot reach the HTTP API at http://127.0.0.1:1"),
        (server.url().as_str(), 3, "it answers 404"),
    ] {
        let mut command = Command::new(parts::logway());
        command.args(["logs", "--api", api, "--token", "t", "-n", "--data"]).arg(dir.path());
        let (status, out, err) = Process::start("logway logs", &mut command).wait_with_output();
        assert!(
            status.code() == Some(exit) && err.contains(wanted) && !err.contains("NATS") && out.is_empty(),
            "{api}: {status} {err}"
        );
    }
}

#[test]
fn without_an_api_lines_come_over_nats_and_that_is_said() {
    let server = HttpStandIn::start(|_, stream| write_refusal(stream, 404, "no"));
    // Nobody is there either, but that it was tried is said.
    let mut tail = logs(&server, &["-a", "web", "-n"]);
    tail.wait_for_stderr("that NATS is tried", |row| row.contains("note: reading over NATS: "));
    tail.signal(Signal::INT);
    tail.wait();
    let (status, _, err) = logs(&server, &["-a", "web", "--query", "x"]).wait_with_output();
    assert!(status.code() == Some(3) && err.contains("it answers 404"), "{status} {err}");
}
