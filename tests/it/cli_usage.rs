//! What a person sees who types something wrong, or asks for help.

use std::process::Command;

use logway_tests::{Process, Up, parts};

/// Runs `logway ARGS...` to its end: exit code, stdout, stderr.
fn logway(args: &[&str]) -> (i32, String, String) {
    let (status, out, err) =
        Process::start("logway", Command::new(parts::logway()).args(args)).wait_with_output();
    (status.code().expect("it ends by itself"), out, err)
}

#[test]
fn every_help_has_examples_and_the_first_one_the_exit_codes() {
    let (code, top, _) = logway(&["--help"]);
    assert!(code == 0 && top.contains("Exit codes:") && top.contains("Examples:"), "{top}");
    for command in [
        "up", "run", "logs", "search", "doctor", "export", "store", "tokens", "orgs", "login", "logout",
        "explain", "demo",
    ] {
        let (code, help, err) = logway(&[command, "--help"]);
        assert!(code == 0 && err.is_empty(), "{command}: {err}");
        assert!(help.contains("Examples:") && help.contains(&format!("  logway {command} ")), "{help}");
        assert!(top.contains(&format!("\n  {command} ")), "{top}");
    }
    assert!(!top.contains("demo-app") && !top.contains("\n  init"), "{top}");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_right() {
    for args in [
        &["--bogus"][..],
        &["fly"],
        &["up", "--bogus"],
        &["up", "--nats-port", "70000"],
        &["up", "--spool-quota", "much"],
        &["up", "--to-vector", "/no/scheme"],
        &["up", "--nats", "nats://h", "--nats-port", "1"],
        &["run", "--", "true"],
        &["run", "--app", "web", "--policy", "maybe", "--", "true"],
        &["up", "--no-registry"],
        &["logs", "--level", "loud"],
        &["logs", "-v"],
        &["logs", "--lines", "-1"],
        &["tokens", "create"],
        &["tokens", "create", "fly", "personal"],
        &["tokens", "create", "readonly"],
        &["tokens", "create", "readonly", "personal", "--expiry", "soon"],
        &["tokens", "attenuate", "--readonly", "--only", "read"],
        &["tokens", "rotate", "--retire-after", "soon"],
        &["orgs", "create"],
        &["orgs", "rename", "personal"],
        &["login", "--bogus"],
        &["search", "--limit", "0"],
        &["search", "--timeout", "soon"],
        &["search", "--since", "soon"],
        &["export"],
        &["export", "--resume"],
        &["store", "mend"],
        &["store", "assign", "second"],
        &["store", "assign", "second", "--all", "--half-of", "main"],
        &["store", "assign", "second", "--shards", "0-256"],
        &["store", "forget"],
        &["up", "--no-store", "--live-only"],
        &["demo", "--for", "soon"],
        &["explain"],
    ] {
        let (code, out, err) = logway(args);
        assert!(code == 2 && out.is_empty() && err.starts_with("error: "), "{args:?}: {code} {out}{err}");
    }
}

#[test]
fn a_value_that_means_nothing_is_refused_and_it_is_said_what_means_something() {
    let attenuate = &["tokens", "attenuate", "--token", "lw1_x"];
    for (args, wanted) in [
        (&["logs", "--field", "x"][..], "give name=value, name!=value, name~expression or name!~expression"),
        (&["logs", "--field", "k==v"], "an '=' too many"),
        (&["logs", "--field", "k~("], "no regular expression"),
        (&["logs", "--lines", "-1"], "a whole number from 0 to 1000000"),
        (&["logs", "--lines", "many"], "a whole number from 0 to 1000000"),
        (&["logs", "--grep", "x", "--context", "-1"], "a whole number from 0 to 1000"),
        (&["logs", "--fields", "a,,b", "-o", "pretty"], "a name is empty"),
        (&["logs", "web"], "\"web\" stands alone\nhint: name an app with -a"),
        (&["logs", "-s", "i1"], "--select takes no name"),
        (&["logs", "--token", ""], "it is empty"),
        (&["logs", "--token", "-"], "LOGWAY_TOKEN"),
        (&["logs", "--api", "ftp://x", "--token", "x"], "no address of the HTTP API"),
        (&["logs", "--api", "http://127.0.0.1:1", "--token", "x", "--ca", "/ca.pem"], "--ca is for TLS"),
        (&["logs", "--nats", "nats://h", "--api", "http://h"], "cannot be used with"),
        (&["logs", "--nats", "nats://h", "--token", "x"], "cannot be used with"),
        (&["logs", "--nats", "nats://h", "--query", "x"], "--query needs the HTTP API"),
        (&["search", "--limit", "-1"], "a whole number from 1 to 10000000"),
        (&["search", "--count", "--limit", "5"], "cannot be used with"),
        (&["search", "--timeout", "-1s"], "give it as 30s or 5m"),
        (&["search", "--since", "2099-01-01"], "is yet to come"),
        (&["export", "--since", "2099-01-01"], "is yet to come"),
        (&["doctor", "--since", "2099-01-01"], "is yet to come"),
        (&["doctor", "--since", ""], "is no time"),
        (&["tokens", "revoke", "1234"], "8 or more digits"),
        (&[&attenuate[..], &["--app", ""]].concat(), "the app name is empty"),
    ] {
        let (code, out, err) = logway(args);
        assert!(code == 2 && out.is_empty() && err.contains(wanted), "{args:?}: {code} {out}{err}");
    }
}

#[test]
fn explain_knows_codes_and_their_neighbours() {
    let (code, out, _) = logway(&["explain", "la02"]);
    assert!(code == 0 && out.starts_with("LA02: Machine vanished") && out.contains("What to do: "), "{out}");
    let (code, out, err) = logway(&["explain", "LA2"]);
    assert!(code == 3 && out.is_empty() && err.contains("hint: ") && err.contains("LA02"), "{err}");
    let (code, out, _) = logway(&["explain", "--all"]);
    assert!(code == 0 && line::codes::ALL.iter().all(|entry| out.contains(entry.code)), "{out}");
}

#[test]
fn without_a_running_logway_it_is_said_where_and_what_to_do() {
    let dir = logway_tests::short_dir();
    let data = dir.path().join("d");
    let data = data.to_str().expect("the path is text");
    for args in [&["run", "--data", data, "--app", "web", "--", "true"][..], &["logs", "--data", data, "-n"]]
    {
        let (code, out, err) = logway(args);
        assert!(code == 5 && out.is_empty(), "{args:?}: {code} {out}{err}");
        assert!(err.starts_with("error[LA17]: ") && err.contains("hint: start it with 'logway up"), "{err}");
    }
}

#[test]
fn what_is_left_of_a_killed_logway_is_not_taken_for_a_running_one() {
    let mut up = Up::start(&[]);
    up.process().kill();
    for (command, args) in [("run", &["--app", "web", "--", "true"][..]), ("logs", &["-n"])] {
        let (status, out, err) = up.run(command, args).wait_with_output();
        assert!(
            status.code() == Some(5) && out.is_empty() && err.contains("hint: "),
            "{command}: {out}{err}"
        );
    }
}

#[test]
fn an_empty_command_is_nothing_to_run() {
    for args in
        [&["run", "--app", "web"][..], &["run", "--app", "web", "--"], &["run", "--app", "web", "--", ""]]
    {
        let (code, _, err) = logway(args);
        assert!(
            code == 125 && err.starts_with("error[LI01]: ") && err.contains("hint: "),
            "{args:?}: {code} {err}"
        );
    }
}
