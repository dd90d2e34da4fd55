//! `logway run`: what the app's end, its name and its address become.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use logway_tests::{Up, lines};

#[test]
fn the_exit_code_is_the_app_s_own() {
    let up = Up::start(&[]);
    let dir = up.files();
    let plain = dir.join("not-executable");
    std::fs::write(&plain, "#!/bin/sh\n").expect("writing a script");
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o644)).expect("setting its mode");
    let plain = plain.to_str().expect("the path is text");
    for (command, wanted, code) in [
        (&["sh", "-c", "exit 0"][..], 0, None),
        (&["sh", "-c", "exit 3"], 3, None),
        (&["sh", "-c", "kill -TERM $$"], 143, None),
        (&["no-such-program-anywhere"], 127, Some("LI02")),
        (&[plain], 126, Some("LI03")),
    ] {
        let args = [&["--app", "web", "--"], command].concat();
        let (status, out, err) = up.run("run", &args).wait_with_output();
        assert!(status.code() == Some(wanted) && out.is_empty(), "{command:?}: {status} {out}{err}");
        assert!(code.is_none_or(|code| err.contains(code)), "{command:?}: {err}");
    }
}

#[test]
fn odd_names_are_taken_and_it_is_said_how_they_are_written() {
    let up = Up::start(&[]);
    for (app, written) in
        [("my.app", "my%2Eapp"), ("a b", "a%20b"), ("x\ny\u{1b}[31m", "x%0Ay%1B%5B31m"), (">", "%3E")]
    {
        let (status, _, err) = up.run("run", &["--app", app, "--", "echo", "hello"]).wait_with_output();
        assert!(status.success() && err.contains(written) && !err.contains('\u{1b}'), "{app:?}: {err}");
        // As typed, and as written.
        for name in [app, written] {
            let (status, out, err) = up.run("logs", &["-a", name, "-n", "-j"]).wait_with_output();
            assert!(status.success(), "{err}");
            assert!(
                lines::parse(&out).iter().all(|m| m.app == written) && out.contains("\"hello\""),
                "{out}"
            );
        }
    }
    for (app, why) in [("", "empty"), (&"x".repeat(64), "64 bytes")] {
        let (status, _, err) = up.run("run", &["--app", app, "--", "true"]).wait_with_output();
        assert!(status.code() == Some(2) && err.starts_with("error[LA12]: ") && err.contains(why), "{err}");
    }
}

#[test]
fn lines_are_those_of_the_org_that_was_named() {
    let up = Up::start(&[]);
    let (code, id, err) = up.output("orgs", &["create", "acme"]);
    assert_eq!(code, 0, "{err}");
    for (org, said) in [("acme", "by slug"), (id.trim(), "by id"), ("personal", "ours")] {
        let args = ["--org", org, "--app", "web", "--", "echo", said];
        let (status, _, err) = up.run("run", &args).wait_with_output();
        assert!(status.success(), "{org}: {err}");
    }
    for (org, wanted) in [("acme", &["by slug", "by id"][..]), ("personal", &["ours"])] {
        let (_, token, _) = up.output("tokens", &["create", "readonly", org]);
        // The front door hears of a new org a moment later.
        let (code, out, err) = logway_tests::wait_until("the token to let in", || {
            let said = up.output("logs", &["-a", "web", "-n", "-j", "--token", token.trim()]);
            (said.0 != 4).then_some(said)
        });
        let said = lines::parse(&out).into_iter().map(|message| message.message);
        let said: Vec<_> =
            said.filter(|text| ["by slug", "by id", "ours"].contains(&text.as_str())).collect();
        assert!(code == 0 && said == wanted, "{org}: {out}{err}");
    }
    let (code, out, err) = up.output("run", &["--org", "no\u{1b}body", "--app", "web", "--", "true"]);
    assert!(
        code == 3 && out.is_empty() && err.starts_with("error[LR05]: the app is not run"),
        "{code} {err}"
    );
    assert!(err.contains("hint: ") && !err.contains('\u{1b}'), "{err}");
}

#[test]
fn an_instance_of_another_org_is_refused() {
    let up = Up::start(&[]);
    let theirs =
        r#"{"register":{"org":"another0org","app":"web","region":"lhr","instance":"taken","uid":0}}"#;
    let mut socket =
        UnixStream::connect(up.data().join("agent/admin.sock")).expect("connecting to the agent");
    socket.write_all(format!("{theirs}\n").as_bytes()).expect("asking the agent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("reading the answer");
    assert!(answer.starts_with("{\"registered\":"), "{answer}");
    let (status, _, err) =
        up.run("run", &["--app", "web", "--instance", "taken", "--", "echo", "hello"]).wait_with_output();
    assert!(status.code() == Some(4) && err.starts_with("error[LA10]: ") && err.contains("hint: "), "{err}");
}

#[test]
fn the_region_is_that_of_up_unless_named() {
    let up = Up::start(&["--region", "ams"]);
    for (args, region) in [(&[][..], "ams"), (&["--region", "lhr"], "lhr")] {
        let args = [args, &["--app", region, "--", "echo", "hello"]].concat();
        assert!(up.run("run", &args).wait().success());
        let (_, out, _) = up.run("logs", &["-a", region, "-n", "-j"]).wait_with_output();
        let messages = lines::parse(&out);
        assert!(
            !messages.is_empty() && messages.iter().all(|m| m.region == region && m.instance.len() == 14),
            "{out}"
        );
    }
}
