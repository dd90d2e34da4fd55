//! Stock NATS clients, unchanged, get lines in the shape that flyctl decodes: from the embedded broker, also after it was
//! killed and started again, from real servers, and at front doors. One file for each client; what they must do stands here and
//! in [`door`].
//!
//! A client logs in with user and password and subscribes to a pattern twice, plainly and as the only member of a queue
//! group. It prints `subscribed` when the server has both subscriptions, `back` when it has them again after a reconnect of
//! the client's own, and for each message `all` or `queue`, the subject and the payload.

mod async_nats;
mod door;
mod guide;
mod nats_js;
mod nats_py;
mod played;

use std::process::Command;

use logway_tests::process::Printed;
use logway_tests::{NatsVersion, Process, Up};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The words of the clients for their two subscriptions.
const SUBSCRIPTIONS: [&str; 2] = ["all", "queue"];

/// Where the apps run whose lines are compared.
const REGION: &str = "lhr";

/// Where to connect, as whom, and what to read.
struct Login {
    url: String,
    user: String,
    password: String,
    /// What it subscribes to.
    pattern: &'static str,
    /// What stands before `logs.` in the subjects that it sees.
    prefix: String,
}

impl Login {
    /// On the bus, with the credential of the proxy, which may read all lines.
    fn to(up: &Up, url: String) -> Self {
        let login = std::fs::read_to_string(up.data().join("bus/proxy")).expect("reading the credential");
        let (user, password) = login.trim().split_once(':').expect("user:password");
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { url, user, password, pattern: "o.*.logs.>", prefix: format!("o.{}.", up.org()) }
    }

    /// Whether it leads to a front door, where a client may ask nobody anything.
    fn is_at_door(&self) -> bool {
        self.prefix.is_empty()
    }
}

/// A client that runs until it is dropped.
enum Client {
    /// A process, and what it prints.
    Program(Process),
    /// Tasks of this process, and what they print.
    Tasks(Printed, #[expect(dead_code, reason = "dropped, it ends the tasks")] Runtime),
}

impl Client {
    /// Starts `command` with the address, the user, the password and the pattern as its last arguments.
    fn program(name: &str, command: &mut Command, login: &Login) -> Self {
        let Login { url, user, password, pattern, .. } = login;
        Self::Program(Process::start(name, command.args([url, user, password, *pattern])))
    }

    /// Everything it printed so far.
    fn text(&self) -> String {
        match self {
            Self::Program(process) => process.stdout().text(),
            Self::Tasks(printed, _) => printed.text(),
        }
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&str) -> bool) {
        match self {
            Self::Program(process) => drop(process.wait_for_stdout(what, is_it)),
            Self::Tasks(printed, _) => {
                assert!(printed.find(is_it).is_some(), "async-nats did not print {what}\n{}", printed.text());
            }
        }
    }

    /// What `subscription` got of `app`, up to the app's end: a row for each line that the app itself wrote, sorted.
    fn rows(&self, login: &Login, subscription: &str, app: &str) -> Vec<String> {
        let log_of = |line: &str| {
            let (subject, payload) = line.strip_prefix(subscription)?.strip_prefix(' ')?.split_once(' ')?;
            let log: Value = serde_json::from_str(payload).unwrap_or_else(|why| panic!("{why}: {payload}"));
            let is_it = text(&log, "/fly/app/name") == app && text(&log, "/fly/region") == REGION;
            is_it.then(|| (subject.to_owned(), log))
        };
        let is_end = |log: &Value| log.pointer("/logway/event/kind").is_some_and(|kind| kind == "exited");
        self.wait_for("the app's end", |line| log_of(line).is_some_and(|(_, log)| is_end(&log)));
        let printed = self.text();
        let logs = printed.lines().filter_map(log_of).take_while(|(_, log)| !is_end(log));
        let rows = logs.filter_map(|(subject, log)| {
            row(&login.prefix, &subject, &log).strip_prefix("app|").map(str::to_owned)
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    }

    /// Runs `app` and has both subscriptions get its lines, each once.
    fn reads(&self, up: &Up, login: &Login, app: &str) {
        let script = "echo hello; echo ERROR: broken >&2";
        let run = ["--app", app, "--region", REGION, "--", "sh", "-c", script];
        assert!(up.run("run", &run).wait().success());
        for subscription in SUBSCRIPTIONS {
            let wanted = ["error|ERROR: broken", "info|hello"].map(|row| format!("{app}|{REGION}|{row}"));
            assert_eq!(self.rows(login, subscription, app), wanted, "{subscription}");
        }
    }
}

/// Decodes as flyctl's Go struct does: these fields, all text, and a time that RFC 3339 allows; unknown fields are passed over.
/// The subject is `prefix` and what the line says of itself.
fn row(prefix: &str, subject: &str, log: &Value) -> String {
    let [app, region, instance] =
        ["/fly/app/name", "/fly/region", "/fly/app/instance"].map(|path| text(log, path));
    assert_eq!(subject, format!("{prefix}logs.{app}.{region}.{instance}"));
    let time = text(log, "/timestamp").replace(|letter: char| letter.is_ascii_digit(), "0");
    let (seconds, fraction) =
        time.strip_suffix('Z').and_then(|time| time.split_at_checked(19)).expect("a time");
    assert_eq!(seconds, "0000-00-00T00:00:00");
    assert!(fraction.is_empty() || fraction.len() <= 10 && fraction.starts_with(".0"), "{fraction}");
    assert!(!text(log, "/host").is_empty() && !instance.is_empty());
    ["/event/provider", "/fly/app/name", "/fly/region", "/log/level", "/message"]
        .map(|path| text(log, path))
        .join("|")
}

fn text<'a>(log: &'a Value, path: &str) -> &'a str {
    log.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {path} in {log}"))
}

fn reads_from_the_embedded_broker(start: impl Fn(&Login) -> Client) {
    let mut up = Up::start(&[]);
    let url = format!("nats://{}", up.address("nats"));
    let login = Login::to(&up, url);
    let client = start(&login);
    client.wait_for("that it listens", |line| line == "subscribed");
    client.reads(&up, &login, "first");
    up.restart();
    client.wait_for("that it listens again", |line| line == "back");
    client.reads(&up, &login, "second");
}

fn reads_from_real_servers(test: &str, start: impl Fn(&Login) -> Client) {
    for version in NatsVersion::ALL {
        let Some((_server, up, url)) = Up::beside_nats_server(test, version) else { return };
        let login = Login::to(&up, url);
        let client = start(&login);
        client.wait_for("that it listens", |line| line == "subscribed");
        client.reads(&up, &login, "web");
    }
}
