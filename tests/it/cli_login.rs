//! `logway login`, and reading through a front door.

use std::process::Command;

use access::{Keyring, Scope, SigningKey, Tokens};
use line::OrgId;
use logway_tests::{NatsServer, NatsVersion, Process, parts, short_dir};

/// The stand-in for a front door: a server that knows one org and one token.
struct Door {
    server: NatsServer,
    token: String,
    home: tempfile::TempDir,
}

const ORG: &str = "k3f9";

impl Door {
    fn start(test: &str) -> Option<Self> {
        let ring = Keyring::default().with_signing_key(SigningKey::generate(1));
        let token = ring.mint(&OrgId::new(ORG).unwrap(), &Scope::ALL).unwrap();
        let user = |user: &str, password: &str| format!("{{ user: \"{user}\", password: \"{password}\" }}");
        let users = [user(ORG, &token), user("acme", &token), user("writer", "w")].join(", ");
        let config = format!("authorization {{ users = [ {users} ] }}");
        let server = NatsServer::start(test, NatsVersion::Current, &config)?;
        Some(Self { server, token, home: short_dir() })
    }

    /// `logway ARGS...` of a person whose home is empty but for what they did before.
    fn logway(&self, args: &[&str]) -> Process {
        self.logway_with(args, &[])
    }

    fn logway_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new(parts::logway());
        command.args(args).env("HOME", self.home.path()).env("XDG_DATA_HOME", self.home.path().join("data"));
        command.env("XDG_CONFIG_HOME", self.home.path().join("config")).envs(variables.iter().copied());
        Process::start("logway", &mut command)
    }

    fn output(&self, args: &[&str]) -> (i32, String, String) {
        let (status, out, err) = self.logway(args).wait_with_output();
        (status.code().unwrap(), out, err)
    }

    fn publish(&self, subject: &str, payload: &str) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.server.port())).unwrap();
        let text = format!(
            "CONNECT {{\"verbose\":false,\"user\":\"writer\",\"pass\":\"w\"}}\r\nPUB {subject} {}\r\n{payload}\r\nPING\r\n",
            payload.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"PONG\r\n") {
            let mut bytes = [0; 512];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&bytes[..count]);
        }
    }
}

/// A line as the agent writes it.
fn line(text: &str) -> String {
    serde_json::json!({
        "event": { "provider": "app" },
        "fly": { "app": { "instance": "i1", "name": "web" }, "region": "lhr" },
        "host": "h1", "log": { "level": "info" }, "message": text,
        "timestamp": "2026-11-22T10:00:00.123456789Z",
        "logway": { "boot": "019a000000000001", "seq": 1, "span": 1, "stream": "stdout" },
    })
    .to_string()
}

#[test]
fn a_login_is_checked_kept_used_and_forgotten() {
    let Some(door) = Door::start("a_login_is_checked_kept_used_and_forgotten") else { return };
    let url = door.server.url();
    let mut login = door.logway(&["login", "--server", &url, "--org", "acme", "--token", "-"]);
    login.write_stdin(format!("{}\n", door.token).as_bytes());
    let (status, out, err) = login.wait_with_output();
    assert!(status.success() && out.is_empty(), "{err}");
    assert!(err.contains(&format!("logged in to acme at {url}: everything; for ever")), "{err}");
    let file = door.home.path().join("config/logway/context.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let context: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&context["server"], &context["org"], &context["token"]),
        (&url.into(), &"acme".into(), &door.token.clone().into())
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, err) = door.output(&["logout"]);
    assert!(code == 0 && err.contains("logged out") && !file.exists(), "{err}");
    let (code, _, err) = door.output(&["logout"]);
    assert!(code == 0 && err.contains("there was no login"), "{err}");
}

#[test]
fn lines_come_through_a_front_door() {
    let Some(door) = Door::start("lines_come_through_a_front_door") else { return };
    let url = door.server.url();
    let by_flags = door.logway(&["logs", "--server", &url, "--token", &door.token, "-a", "web"]);
    let by_environment =
        door.logway_with(&["logs", "-j"], &[("LOGWAY_SERVER", &url), ("LOGWAY_TOKEN", &door.token)]);
    for tail in [&by_flags, &by_environment] {
        tail.wait_for_stderr("that it is live", |row| row.contains("● live"));
    }
    door.publish("logs.web.lhr.i1", &line("hello"));
    by_flags.wait_for_stdout("the line", |row| row.ends_with("app[i1] lhr [info] hello"));
    by_environment.wait_for_stdout("the line", |row| row == line("hello"));
    by_flags.signal(rustix::process::Signal::INT);
    let mut by_flags = by_flags;
    assert_eq!(by_flags.wait().code(), Some(0));
}

#[test]
fn what_does_not_let_in_is_not_kept() {
    let Some(door) = Door::start("what_does_not_let_in_is_not_kept") else { return };
    let url = door.server.url();
    let token = door.token.as_str();
    let stranger = Keyring::default().with_signing_key(SigningKey::generate(1));
    let other = stranger.mint(&OrgId::new(ORG).unwrap(), &Scope::ALL).unwrap();
    for (args, code, wanted) in [
        (&["login", "--server", &url, "--token", &other][..], 4, "error[LR13]: "),
        (&["login", "--server", &url, "--org", "nobody", "--token", token], 4, "error[LR13]: "),
        (&["login", "--server", &url, "--token", "secret"], 2, "error[LR07]: the token cannot be read"),
        (&["login", "--server", &url], 2, "error: there is no token"),
        (
            &["login", "--server", "http://far", "--token", token],
            2,
            "error: the front door has no usable address",
        ),
        (&["logs", "--server", &url], 2, "error: there is no token for nats://127.0.0.1:"),
        (&["logs", "--server", &url, "--token", &other], 4, "error[LR13]: "),
        (&["logs", "--server", &url, "--token", token, "-n"], 2, "error: a front door has no recent lines"),
    ] {
        let (found, out, err) = door.output(args);
        assert!(found == code && out.is_empty() && err.starts_with(wanted), "{args:?}: {found} {out}{err}");
        assert!(err.contains("\nhint: ") && !err.contains(&other), "{args:?}: {err}");
        assert!(!door.home.path().join("config/logway/context.json").exists(), "{args:?}");
    }
    // One that is away is believed to come back.
    let (code, _, err) = door.output(&["login", "--server", "nats://127.0.0.1:1", "--token", token]);
    assert!(code == 0 && err.contains("logged in to k3f9") && err.contains("it does not answer"), "{err}");
}
