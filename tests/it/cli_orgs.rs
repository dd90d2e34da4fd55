//! `logway orgs`, beside a running Logway and without one.

use logway_tests::Up;
use rustix::process::Signal;

#[test]
fn orgs_are_made_renamed_listed_and_ended() {
    let mut up = Up::start(&[]);
    let (code, id, err) = up.output("orgs", &["create", "acme"]);
    assert!(code == 0 && id.trim().len() == 13 && err.contains("made the org acme"), "{id}{err}");
    let id = id.trim();
    let (code, renamed, err) = up.output("orgs", &["rename", "acme", "acme-corp"]);
    assert!(code == 0 && renamed.trim() == id && err.contains("acme-corp"), "{err}");
    let (_, list, _) = up.output("orgs", &["list"]);
    let rows: Vec<_> = list.lines().collect();
    let personal = up.org();
    assert!(rows.len() == 2 && rows[0].starts_with("personal ") && rows[0].contains(&personal), "{list}");
    assert!(
        rows[1].starts_with("acme-corp ") && rows[1].contains(id) && rows[1].contains("account 2"),
        "{list}"
    );
    let (_, json, _) = up.output("orgs", &["list", "-j"]);
    let json: Vec<serde_json::Value> = json.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert!(json[1]["id"] == id && json[1]["slug"] == "acme-corp" && json[1]["account"] == 2, "{json:?}");
    // All of it is there after a crash, and can be changed while nothing runs.
    up.process().kill();
    assert_eq!(up.output("orgs", &["list"]).1, list);
    let (code, _, err) = up.output("orgs", &["end", "acme-corp", "--yes"]);
    assert!(code == 0 && err.contains("has ended"), "{err}");
    let (_, again, _) = up.output("orgs", &["create", "acme-corp"]);
    assert_ne!(again.trim(), id);
    assert!(up.output("orgs", &["list"]).1.contains("account 3"));
}

#[test]
fn what_cannot_be_done_is_refused_with_a_hint() {
    let up = Up::start(&[]);
    for (args, code, wanted) in [
        (&["create", "personal"][..], 2, "error[LR06]: the org is not made: slug personal is taken"),
        (&["create", "No"], 2, "error[LR06]: the org is not made: slug \"No\" is not 1 to 63"),
        (&["rename", "nobody", "x"], 3, "error[LR05]: the org is not renamed: there is no org \"nobody\""),
        (&["end", "nobody", "--yes"], 3, "error[LR05]: the org is not ended: there is no org \"nobody\""),
        (&["end", "personal"], 2, "error: the org 'personal' is not ended without --yes"),
    ] {
        let (found, out, err) = up.output("orgs", args);
        assert!(found == code && out.is_empty() && err.starts_with(wanted), "{args:?}: {found} {out}{err}");
        assert!(err.contains("\nhint: "), "{args:?}: {err}");
    }
}

#[test]
fn an_install_from_before_the_registry_keeps_its_org() {
    let mut up = Up::start(&[]);
    let org = up.org();
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    up.process().signal(Signal::TERM);
    assert_eq!(up.process().wait().code(), Some(0));
    // As it was before: no registry, and no token.
    std::fs::remove_dir_all(up.data().join("registry")).unwrap();
    std::fs::remove_file(up.data().join("token")).unwrap();
    let (code, _, err) = up.output("orgs", &["list"]);
    assert!(code == 5 && err.starts_with("error[LA17]: ") && err.contains("hint: start it"), "{err}");
    let next = up.run("up", &["--nats-port", "0", "--proxy-port", "0", "--http-port", "0"]);
    next.wait_for_stderr("ready", |line| line == "ready");
    assert!(up.output("orgs", &["list"]).1.contains(&org));
    let (code, out, _) = up.output("logs", &["-n", "-a", "web"]);
    assert!(code == 0 && out.contains("] hello"), "{out}");
}

#[test]
fn a_registry_that_cannot_be_locked_or_reached_is_named() {
    let mut up = Up::start(&[]);
    std::fs::remove_file(up.data().join("registry/admin.sock")).unwrap();
    let (code, _, err) = up.output("orgs", &["list"]);
    assert!(code == 1 && err.starts_with("error[LA14]: ") && err.contains("is in use"), "{err}");
    up.process().kill();
    // A journal that is damaged is said, and what is left of it is shown.
    let journal = up.data().join("registry/journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[1100] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let (code, _, err) = up.output("orgs", &["list"]);
    assert!(code == 0 && err.starts_with("warning[LR01]: "), "{code} {err}");
}
