//! `logway tokens`, beside a running Logway and without one.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use logway_tests::{Up, wait_until};
use serde_json::Value;

/// A token of the running Logway; its output is the token and nothing else.
fn create(up: &Up, args: &[&str]) -> String {
    let (code, out, err) = up.output("tokens", &[&["create"], args].concat());
    assert!(code == 0 && out.starts_with("lw1_") && out.lines().count() == 1, "{args:?}: {code} {out}{err}");
    assert!(err.contains("to revoke it: logway tokens revoke "), "{err}");
    out.trim().to_owned()
}

fn inspect(up: &Up, token: &str) -> Value {
    let (code, out, err) = up.output("tokens", &["inspect", "-j", "--token", token]);
    assert!(code == 0 && err.is_empty(), "{err}");
    serde_json::from_str(&out).unwrap()
}

/// With its stdin being `input`: exit code, stdout, stderr.
fn with_stdin(up: &Up, args: &[&str], input: &str) -> (i32, String, String) {
    let mut process = up.run("tokens", args);
    process.write_stdin(input.as_bytes());
    let (status, out, err) = process.wait_with_output();
    (status.code().unwrap(), out, err)
}

#[test]
fn kinds_and_limits() {
    let up = Up::start(&[]);
    for (args, actions, app) in [
        (&["readonly", "personal"][..], &["read"][..], None),
        (&["ship", "personal", "--app", "web"], &["read", "ship"], Some("web")),
        (&["write", "personal"], &["write"], None),
        (&["admin", &up.org(), "--app", "my.app"], &["read", "write", "ship", "admin"], Some("my%2Eapp")),
    ] {
        let shown = inspect(&up, &create(&up, args));
        assert_eq!(shown["allows"]["actions"], serde_json::json!(actions), "{args:?}");
        assert_eq!(shown["allows"]["apps"][0].as_str(), app, "{args:?}");
        let named = (&shown["org"], &shown["slug"], &shown["verified"]);
        assert_eq!(named, (&Value::from(up.org()), &Value::from("personal"), &Value::from(true)), "{args:?}");
    }
    let dated = inspect(&up, &create(&up, &["readonly", "personal", "--expiry", "2126-12-31"]));
    assert_eq!(dated["allows"]["not_after_s"], 4_954_435_199_u64);
    let (_, text, _) = up.output("tokens", &["inspect", "--token", &create(&up, &["readonly", "personal"])]);
    assert!(text.contains("allows   read; for ever\n") && text.contains("standing good"), "{text}");
}

#[test]
fn a_token_is_narrowed_by_its_holder_from_anywhere_it_can_be_given() {
    let up = Up::start(&[]);
    let token = create(&up, &["readonly", "personal"]);
    let (code, narrow, err) =
        with_stdin(&up, &["attenuate", "--token", "-", "--app", "web"], &format!("Bearer {token}\n"));
    assert!(code == 0 && err.contains("it allows: read; apps web; for ever"), "{narrow}{err}");
    let narrow = narrow.trim();
    let shown = inspect(&up, narrow);
    assert!(shown["blocks"].as_array().unwrap().len() == 2 && shown["verified"] == true, "{shown}");
    // From the environment, and without any Logway.
    let dir = logway_tests::short_dir();
    let mut command = std::process::Command::new(logway_tests::logway());
    command.args(["tokens", "inspect", "--data"]).arg(dir.path().join("none")).env("LOGWAY_TOKEN", narrow);
    let (status, text, _) = logway_tests::Process::start("logway tokens", &mut command).wait_with_output();
    assert!(
        status.success() && text.contains("standing not verified: ") && text.contains("apps web"),
        "{text}"
    );
    assert!(!dir.path().join("none").exists(), "to look is to make nothing");
    for (args, wanted) in [
        (
            &["attenuate", "--token", narrow][..],
            "error[LR07]: the token is not narrowed: that narrows nothing",
        ),
        (&["attenuate", "--token", "lw1_x", "--app", "a"], "error[LR07]: the token is not narrowed"),
        (
            &["attenuate", "--token", narrow, "--only", "fly"],
            "error[LR07]: the token is not narrowed: 'fly' is no action",
        ),
        (
            &["attenuate", "--token", narrow, "--only", "write"],
            "error[LR07]: the token is not narrowed: nothing would be left of it",
        ),
        (
            &["attenuate", "--token", narrow, "--app", "api"],
            "error[LR07]: the token is not narrowed: nothing would be left of it",
        ),
        (
            &["attenuate", "--token", narrow, "--expiry", "2020-01-01"],
            "error: the token would have ended already",
        ),
        (&["attenuate", "--app", "web"], "error: there is no token"),
        (&["inspect", "--token", "secret"], "error[LR07]: the token cannot be read"),
        (&["create", "readonly", "nobody"], "error[LR05]: the token is not made: there is no org \"nobody\""),
        (&["create", "readonly", "personal", "--app", ""], "error[LA12]: the token is not made"),
        (&["create", "readonly", "personal", "--name", "a\tb"], "error[LR07]: the token is not made"),
        (&["create", "readonly", "personal", "--expiry", "0d"], "error: the token would have ended already"),
        (&["revoke", "no-token"], "error[LR07]: the token is not revoked"),
        (&["revoke", "0123456789"], "error: no token's id begins with 0123456789"),
        (&["list", "nobody"], "error[LR05]: the tokens cannot be listed"),
    ] {
        let (code, out, err) = up.output("tokens", args);
        let exit = if wanted.contains("LR05") || wanted.contains("begins") { 3 } else { 2 };
        assert!(code == exit && out.is_empty() && err.starts_with(wanted), "{args:?}: {code} {out}{err}");
        assert!(err.contains("\nhint: ") && !err.contains(&token), "{args:?}: {err}");
    }
}

#[test]
fn tokens_are_listed_and_revoked_by_token_and_by_id() {
    let mut up = Up::start(&[]);
    let first = create(&up, &["readonly", "personal", "--name", "first"]);
    let second = create(&up, &["ship", "personal", "--name", "second"]);
    let (_, list, _) = up.output("tokens", &["list", "personal", "-j"]);
    let rows: Vec<Value> = list.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin of this machine", "first", "second"]);
    assert!(!list.contains("lw1_"), "tokens are kept nowhere");
    let id = rows[2]["id"].as_str().unwrap();
    let (code, out, err) = up.output("tokens", &["revoke", &first]);
    assert!(code == 0 && out.trim().len() == 64 && !err.contains("note: "), "{err}");
    let (code, out, _) = up.output("tokens", &["revoke", &id[..12].to_uppercase()]);
    assert!(code == 0 && out.trim() == id, "{out}");
    let (_, _, err) = up.output("tokens", &["revoke", &"ab".repeat(32)]);
    assert!(err.contains("note: no token of this id was made here"), "{err}");
    for token in [&first, &second] {
        let shown = inspect(&up, token);
        let refusal = shown["refusal"].as_str().unwrap();
        assert!(shown["verified"] == false && refusal.starts_with("the token was revoked"), "{shown}");
    }
    // It stays so after a crash, also for who looks while nothing runs.
    up.process().kill();
    let (_, list, _) = up.output("tokens", &["list"]);
    assert_eq!(list.matches(" revoked ").count(), 2, "{list}");
    assert_eq!(inspect(&up, &first)["verified"], false);
}

#[test]
fn the_token_of_the_machine_is_there_and_follows_the_keys() {
    let mut up = Up::start(&[]);
    let path = up.data().join("token");
    let token = || std::fs::read_to_string(&path).unwrap();
    let mode = |path: &str| std::fs::metadata(up.data().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("token"), mode("registry"), mode("registry/root-1.key")), (0o600, 0o700, 0o600));
    assert_eq!((mode("registry/admin.sock"), mode("registry/journal")), (0o600, 0o600));
    let first = token();
    let shown = inspect(&up, first.trim());
    assert_eq!((&shown["verified"], &shown["slug"]), (&Value::from(true), &Value::from("personal")));
    let (code, keys, err) = up.output("tokens", &["rotate", "--retire-after", "1h", "-j"]);
    let keys: Vec<Value> = keys.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert!(code == 0 && err.contains("a new key signs"), "{err}");
    let standing: Vec<_> = keys.iter().map(|key| (key["is_valid"] == true, key["signs"] == true)).collect();
    assert_eq!(standing, [(true, false), (true, true)]);
    wait_until("another token", || (token() != first).then_some(()));
    assert_eq!(
        (&inspect(&up, first.trim())["verified"], &inspect(&up, token().trim())["verified"]),
        (&Value::from(true), &Value::from(true))
    );
    assert!(!up.data().join("registry/root-1.key").exists());
    let (_, text, _) = up.output("tokens", &["keys"]);
    assert!(text.contains("good until ") && text.lines().last().unwrap().ends_with("  signs"), "{text}");
    let second = token();
    up.restart();
    assert_eq!(token(), second);
    // A stolen key is retired at once; whoever has a token of it is not let in any more.
    assert_eq!(up.output("tokens", &["rotate", "--retire-after", "0s"]).0, 0);
    wait_until("a third token", || (token() != second).then_some(()));
    let refusal = inspect(&up, second.trim())["refusal"].as_str().unwrap().to_owned();
    assert!(refusal.contains("is not valid at this time"), "{refusal}");
    // The commands on this machine go in with the one that is good, as soon as the front door has heard of its key.
    wait_until("to be let in", || {
        let (code, _, err) = up.output("logs", &["-n"]);
        (code == 0 && !err.contains("does not let us in")).then_some(())
    });
}

#[test]
fn after_a_crash_nobody_is_sent_the_token_of_the_machine() {
    let mut up = Up::start(&[]);
    let (door, bus) = (up.address("proxy"), up.address("nats"));
    up.process().kill();
    // Ports that are free may be anybody's.
    let strangers = [door, bus].map(|address| TcpListener::bind(address).unwrap());
    for args in [&["-n"][..], &["-n", "-a", "web"]] {
        let (code, out, err) = up.output("logs", args);
        assert!(code == 5 && out.is_empty() && err.starts_with("error[LA17]: "), "{code} {out}{err}");
    }
    for stranger in strangers {
        stranger.set_nonblocking(true).unwrap();
        assert!(stranger.accept().is_err(), "somebody has called");
    }
}
