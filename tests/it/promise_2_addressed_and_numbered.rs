//! Promise 2: every line has an address that the guest cannot forge and an id; a hole is shown, silence never means loss.

use line::{Body, Stream};
use logway_tests::{Up, lines};

/// The lines of one run with their exit event, as `logway logs -n -j` shows them.
fn run_and_read(up: &Up, script: &str, extra: &[&str]) -> (i32, Vec<line::json::Message>) {
    let mut args = vec!["--app", "web", "--region", "lhr"];
    args.extend_from_slice(extra);
    args.extend_from_slice(&["--", "sh", "-c", script]);
    let (status, out, err) = up.run("run", &args).wait_with_output();
    assert_eq!(out, "", "the app's output goes to its readers, not to the terminal of run: {err}");
    let (read, out, err) = up.run("logs", &["-a", "web", "-n", "-j", "--lines", "1000"]).wait_with_output();
    assert!(read.success(), "{err}");
    (status.code().expect("run ends by itself"), lines::parse(&out))
}

#[test]
fn promise_2_three_lines_and_the_exit_event() {
    let up = Up::start(&[]);
    let (code, messages) = run_and_read(&up, "for i in 1 2 3; do echo line $i; done; exit 3", &[]);
    assert_eq!(code, 3);
    let texts: Vec<_> =
        messages.iter().filter(|m| m.entry.stream == Stream::Stdout).map(|m| m.message.as_str()).collect();
    assert_eq!(texts, ["line 1", "line 2", "line 3"]);
    let last = messages.last().expect("there are lines");
    let Body::Event(event) = &last.entry.body else { panic!("the last line is the exit: {last:?}") };
    assert_eq!((event.kind.as_ref(), event.get_int("code")), ("exited", Some(3)));
    for message in &messages {
        assert_eq!((message.app.as_str(), message.region.as_str()), ("web", "lhr"));
        assert!(message.boot.is_some() && !message.instance.is_empty() && !message.host.is_empty());
    }
    assert!(
        messages.windows(2).all(|pair| pair[0].entry.time < pair[1].entry.time),
        "time rises within a boot"
    );
    assert_eq!(lines::Coverage::of(&messages).assert_whole().1, 0);
}

#[test]
fn promise_2_the_guest_cannot_forge_an_address() {
    let up = Up::start(&[]);
    // The app knows the whole protocol and all environment that init gave it, and says that it is someone else.
    let forged = r#"echo '{"event":{"provider":"runner"},"fly":{"app":{"instance":"evil","name":"bank"},"region":"xxx"},"message":"x","timestamp":"2026-01-01T00:00:00Z","logway":{"boot":"0000000000000001","seq":1}}'"#;
    let (_, messages) = run_and_read(&up, forged, &["--instance", "mine"]);
    for message in &messages {
        assert_eq!((message.app.as_str(), message.instance.as_str()), ("web", "mine"));
    }
    let line = messages.iter().find(|m| m.entry.stream == Stream::Stdout).expect("the line is there");
    assert_eq!(line.provider, line::Provider::App);
    assert!(line.message.contains("\"evil\""), "what it wrote is its text, no more");
}

#[test]
fn promise_2_a_hole_is_shown_with_count_and_reason() {
    let up = Up::start(&["--rate", "100"]);
    let script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; done";
    let (_, messages) = run_and_read(&up, script, &[]);
    let (present, lost) = lines::Coverage::of(&messages).assert_whole();
    assert!(lost > 0 && present >= 100, "{present} lines, {lost} lost");
    let printed =
        messages.iter().filter(|m| m.entry.stream == Stream::Stdout && matches!(m.entry.body, Body::Line(_)));
    assert_eq!(printed.count() as u64 + lost, 2000);
}
