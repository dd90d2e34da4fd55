//! Promise 7: one binary, no other service, for one machine; a real NATS cluster, if wanted, with no other difference.

use line::Stream;
use logway_tests::{NatsVersion, Up, lines, parts};

/// Runs an app and reads it back, whatever carries the lines.
fn the_path_works(up: &Up) {
    let script = "echo out; echo err >&2";
    let (status, _, err) = up.run("run", &["--app", "web", "--", "sh", "-c", script]).wait_with_output();
    assert!(status.success(), "{err}");
    let (status, out, err) = up.run("logs", &["-a", "web", "-n", "-j"]).wait_with_output();
    assert!(status.success(), "{err}");
    let messages = lines::parse(&out);
    for (stream, text) in [(Stream::Stdout, "out"), (Stream::Stderr, "err")] {
        assert!(messages.iter().any(|m| m.entry.stream == stream && m.message == text), "{out}");
    }
    lines::Coverage::of(&messages).assert_whole();
}

#[test]
fn promise_7_the_binary_alone() {
    // Copied away from its neighbours: it then is init too.
    let dir = logway_tests::short_dir();
    let alone = dir.path().join("logway");
    std::fs::copy(parts::logway(), &alone).expect("copying the binary");
    let up = Up::start_binary(&alone, &[]);
    the_path_works(&up);
}

#[test]
fn promise_7_a_real_nats_server_instead() {
    for version in NatsVersion::ALL {
        let test = "promise_7_a_real_nats_server_instead";
        let Some((_server, up, _)) = Up::beside_nats_server(test, version) else { return };
        the_path_works(&up);
    }
}
