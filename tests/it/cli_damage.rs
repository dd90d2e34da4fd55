//! A registry whose journal was damaged while it was stopped: `logway up` starts, says so, and serves those it still knows.

use std::fs;
use std::process::Command;

use logway_tests::{Process, Up, parts};

/// What happened to the journal.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// The end of the last record is missing, as after a power cut.
    Torn,
    /// A bit is another one in the record that made the org `umbrella`.
    Flipped,
    /// Nothing is left from the record on that made the org `umbrella`.
    Short,
}

impl Damage {
    fn strike(self, journal: &mut Vec<u8>) {
        let name = b"umbrella";
        let at = journal.windows(name.len()).position(|bytes| bytes == name).expect("umbrella has a record");
        match self {
            Self::Torn => journal.truncate(journal.len() - 5),
            Self::Flipped => journal[at] ^= 1,
            Self::Short => journal.truncate(at),
        }
    }
}

/// How a login at the front door of `up` ends: 0 or 4.
fn log_in(up: &Up, org: &str, token: &str) -> Option<i32> {
    let url = format!("nats://{}", up.address("proxy"));
    let args = ["login", "--server", &url, "--org", org, "--token", token];
    let mut command = Command::new(parts::logway());
    command.args(args).env("HOME", up.files()).env("XDG_CONFIG_HOME", up.files().join("config"));
    let (status, _, err) = Process::start("logway login", &mut command).wait_with_output();
    assert!(!err.contains("not checked"), "{err}");
    status.code()
}

#[test]
fn a_damaged_registry_serves_those_it_knows() {
    for (damage, acme, umbrella) in [(Damage::Torn, 0, 0), (Damage::Flipped, 0, 4), (Damage::Short, 0, 4)] {
        let mut up = Up::start(&[]);
        let tokens = ["acme", "umbrella"].map(|org| {
            assert_eq!(up.output("orgs", &["create", org]).0, 0);
            let (code, token, err) = up.output("tokens", &["create", "readonly", org]);
            assert_eq!(code, 0, "{err}");
            token.trim().to_owned()
        });
        up.restart_after(|data| {
            let path = data.join("registry/journal");
            let mut journal = fs::read(&path).unwrap();
            damage.strike(&mut journal);
            fs::write(&path, journal).unwrap();
        });
        let said = up.running().stderr().text();
        assert!(said.contains("LR01") && said.contains("damaged"), "{damage:?}: {said}");
        let found = [("acme", acme), ("umbrella", umbrella)].map(|(org, code)| (org, Some(code)));
        for ((org, code), token) in found.into_iter().zip(&tokens) {
            assert_eq!(log_in(&up, org, token), code, "{damage:?}: {org}");
        }
        // The org of this machine, its token and its lines.
        assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
        let (code, out, err) = up.output("logs", &["-n", "-a", "web"]);
        assert!(code == 0 && out.lines().any(|row| row.ends_with("] hello")), "{damage:?}: {out}{err}");
        assert!(!err.contains("reading beside it"), "{damage:?}: {err}");
        // What is missing is made again, and the next start has nothing to say.
        if umbrella != 0 {
            assert_eq!(up.output("orgs", &["create", "umbrella"]).0, 0, "{damage:?}");
        }
        up.restart();
        let said = up.running().stderr().text();
        assert!(!said.contains("LR01"), "{damage:?}: {said}");
    }
}
