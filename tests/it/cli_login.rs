//! `logway login`, and reading through a front door.

use std::path::Path;
use std::process::Command;

use access::{Keyring, Scope, SigningKey, Tokens};
use line::OrgId;
use logway_tests::{NatsServer, NatsVersion, Process, Up, parts, short_dir};

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
        let users = [user(ORG, &token), user("acme", &token)].join(", ");
        let config = format!("authorization {{ users = [ {users} ] }}");
        let server = NatsServer::start(test, NatsVersion::Current, &config)?;
        Some(Self { server, token, home: short_dir() })
    }

    /// `logway ARGS...` of a person whose home is empty but for what they did before.
    fn logway(&self, args: &[&str]) -> Process {
        elsewhere(self.home.path(), args, &[])
    }

    fn output(&self, args: &[&str]) -> (i32, String, String) {
        let (status, out, err) = self.logway(args).wait_with_output();
        (status.code().unwrap(), out, err)
    }
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

/// A real front door with these options before a running Logway, and its address.
fn front_door(options: &[&str]) -> (Up, Process, String) {
    let up = Up::start(&[]);
    let bus = format!("nats://{}", up.address("nats"));
    let listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--lame-duck", "0"];
    let proxy = up.run("proxy", &[&["--nats", &bus], &listen[..], options].concat());
    let row = proxy.wait_for_stderr("its address", |row| row.starts_with("clients "));
    proxy.wait_for_stderr("ready", |row| row == "ready");
    let url = row.split_whitespace().last().unwrap().to_owned();
    (up, proxy, url)
}

/// `logway ARGS...` somewhere else, with nothing but what is in the environment.
fn elsewhere(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Process {
    Process::start("logway", &mut logway(home, args, variables))
}

fn logway(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(parts::logway());
    command.args(args).env("HOME", home).env("XDG_CONFIG_HOME", home.join("config"));
    command.envs(variables.iter().copied());
    command
}

#[test]
fn lines_come_through_a_front_door_until_the_token_is_revoked() {
    let (up, _proxy, url) = front_door(&[]);
    let home = short_dir();
    let echo = |text: &str| assert!(up.run("run", &["--app", "web", "--", "echo", text]).wait().success());
    echo("before");
    let (_, whole, _) = up.output("tokens", &["create", "readonly", "personal"]);
    let (_, narrow, _) = up.output("tokens", &["attenuate", "--token", whole.trim(), "--app", "web"]);
    let variables = [("LOGWAY_SERVER", url.as_str()), ("LOGWAY_TOKEN", narrow.trim())];
    let tail = elsewhere(home.path(), &["logs", "-a", "web"], &variables);
    tail.wait_for_stdout("what was before", |row| row.ends_with("] before"));
    tail.wait_for_stderr("that it is live", |row| row.contains("● live"));
    echo("after");
    tail.wait_for_stdout("what comes", |row| row.ends_with("] after"));
    let mut recent =
        elsewhere(home.path(), &["logs", "-a", "web", "-n", "--server", &url, "--token", whole.trim()], &[]);
    let (status, out, err) = recent.wait_with_output();
    assert!(status.success() && out.lines().any(|row| row.ends_with("] before")), "{out}{err}");
    // Lines of all apps are more than the narrow one allows, and nothing is shown in part.
    let mut all = elsewhere(home.path(), &["logs"], &variables);
    let (status, out, err) = all.wait_with_output();
    assert!(
        status.code() == Some(4) && out.is_empty() && err.contains("error[LR13]: the token does not allow"),
        "{err}"
    );
    // With the whole one goes what was made of it.
    assert_eq!(up.output("tokens", &["revoke", whole.trim()]).0, 0);
    let mut tail = tail;
    let (status, out, err) = tail.wait_with_output();
    assert!(
        status.code() == Some(4) && err.contains("error[LR13]: the front door does not let this token in"),
        "{err}"
    );
    assert_eq!(out.matches("] before").count(), 1, "{out}");
    let (status, _, err) = elsewhere(home.path(), &["logs", "-a", "web"], &variables).wait_with_output();
    assert!(status.code() == Some(4) && err.starts_with("error[LR13]: "), "{err}");
}

#[test]
fn a_login_at_a_real_front_door_is_what_commands_use() {
    let (up, _proxy, url) = front_door(&[]);
    let home = short_dir();
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    let token = std::fs::read_to_string(up.data().join("token")).unwrap();
    let mut login =
        elsewhere(home.path(), &["login", "--server", &url, "--org", "personal", "--token", "-"], &[]);
    login.write_stdin(token.as_bytes());
    let (status, _, err) = login.wait_with_output();
    assert!(
        status.success() && err.contains("logged in to personal") && !err.contains("not checked"),
        "{err}"
    );
    // A home without a data directory, and a root without one elsewhere, has nothing but the login.
    if !Path::new("/var/lib/logway/up.json").exists() {
        let (status, out, err) = elsewhere(home.path(), &["logs", "-n", "-a", "web"], &[]).wait_with_output();
        assert!(status.success() && out.lines().any(|row| row.ends_with("] hello")), "{out}{err}");
    }
    // Another org's slug does not let in, with whatever token.
    assert_eq!(up.output("orgs", &["create", "acme"]).0, 0);
    let mut login =
        elsewhere(home.path(), &["login", "--server", &url, "--org", "acme", "--token", token.trim()], &[]);
    let (status, _, err) = login.wait_with_output();
    assert!(status.code() == Some(4) && err.starts_with("error[LR13]: "), "{err}");
}

/// A file that the tests of the bus have, too.
fn cert(name: &str) -> String {
    format!("{}/../crates/bus/tests/certs/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_front_door_with_tls_is_read_by_who_trusts_its_ca() {
    let (up, _proxy, plain) = front_door(&["--cert", &cert("server.pem"), "--key", &cert("server.key")]);
    let url = plain.replace("nats://", "tls://");
    let home = short_dir();
    let echo = |text: &str| assert!(up.run("run", &["--app", "web", "--", "echo", text]).wait().success());
    echo("before");
    let token = std::fs::read_to_string(up.data().join("token")).unwrap();
    let variables = [("LOGWAY_TOKEN", token.trim())];
    let (ca, other, none) = (cert("ca.pem"), cert("other-ca.pem"), cert("none.pem"));
    let file = home.path().join("config/logway/context.json");
    for (args, code, wanted) in [
        (&["--server", &url][..], 2, "error[LB04]: tls://127.0.0.1:"),
        (&["--server", &plain], 4, "error[LB04]: nats://127.0.0.1:"),
        (&["--server", &url, "--ca", &other], 4, "error[LB06]: tls://127.0.0.1:"),
        (&["--server", &url, "--ca", &none], 2, "error: the CA of the front door cannot be used: "),
        (
            &["--server", &url, "--ca", &cert("server.key")],
            2,
            "error: the CA of the front door cannot be used: ",
        ),
    ] {
        for command in [&["login"][..], &["logs", "-n", "-a", "web"]] {
            let (status, out, err) =
                elsewhere(home.path(), &[command, args].concat(), &variables).wait_with_output();
            assert!(
                status.code() == Some(code) && out.is_empty(),
                "{command:?} {args:?}: {status} {out}{err}"
            );
            assert!(err.starts_with(wanted) && err.contains("\nhint: "), "{command:?} {args:?}: {err}");
            assert!(!file.exists(), "{args:?}");
        }
    }
    // By the environment alone, live.
    let environment = [("LOGWAY_SERVER", &*url), ("LOGWAY_TOKEN", token.trim()), ("LOGWAY_CA", &*ca)];
    let tail = elsewhere(home.path(), &["logs", "-a", "web"], &environment);
    tail.wait_for_stdout("what was before", |row| row.ends_with("] before"));
    tail.wait_for_stderr("that it is live", |row| row.contains("● live"));
    echo("after");
    tail.wait_for_stdout("what comes", |row| row.ends_with("] after"));
    // By a login, whose file is kept by a path that is good everywhere.
    let dir = Path::new(&ca).parent().unwrap().canonicalize().unwrap();
    let mut login = logway(home.path(), &["login", "--server", &url, "--ca", "ca.pem"], &variables);
    let (status, _, err) = Process::start("logway", login.current_dir(&dir)).wait_with_output();
    assert!(status.success() && err.contains("logged in to") && !err.contains("not checked"), "{err}");
    let context: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(context["ca"], dir.join("ca.pem").to_str().unwrap());
    let (status, out, err) =
        elsewhere(home.path(), &["logs", "-n", "-a", "web", "--server", &url], &[]).wait_with_output();
    assert!(status.success() && out.lines().any(|row| row.ends_with("] after")), "{out}{err}");
}

#[test]
fn a_front_door_says_which_certificate_it_cannot_use() {
    let dir = short_dir();
    let (server, key, other) = (cert("server.pem"), cert("server.key"), cert("client.key"));
    let bus = ["--nats", "nats://proxy:p@127.0.0.1:1", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    for (args, wanted) in [
        (["--cert", &*server, "--key", &*other], "error: the certificates for clients cannot be used: "),
        (
            ["--cert", &*cert("none.pem"), "--key", &*key],
            "error: the certificates for clients cannot be used: ",
        ),
        (["--nats-ca", &*key, "--lame-duck", "0"], "error: the certificates for the bus cannot be used: "),
    ] {
        let args = [&["proxy"], &bus[..], &args].concat();
        let (status, out, err) = elsewhere(dir.path(), &args, &[]).wait_with_output();
        assert!(status.code() == Some(2) && out.is_empty() && err.starts_with(wanted), "{args:?}: {err}");
        assert!(err.contains(".pem") || err.contains(".key"), "{err}");
    }
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
    ] {
        let (found, out, err) = door.output(args);
        assert!(found == code && out.is_empty() && err.starts_with(wanted), "{args:?}: {found} {out}{err}");
        assert!(err.contains("\nhint: ") && !err.contains(&other), "{args:?}: {err}");
        assert!(!door.home.path().join("config/logway/context.json").exists(), "{args:?}");
    }
    // One that is away is believed to come back.
    let (code, _, err) = door.output(&["login", "--server", "nats://127.0.0.1:1", "--token", token]);
    assert!(
        code == 0 && err.contains("logged in to k3f9") && err.contains("no front door answers there"),
        "{err}"
    );
}
