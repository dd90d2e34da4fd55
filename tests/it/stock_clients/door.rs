//! Stock clients at front doors: that of `logway up`, and a `logway proxy` before real servers. The user is the org's slug, the
//! password a token, and subjects begin with `logs.`.

use logway_tests::{NatsVersion, Process, Up, wait_until};

use super::{Client, Login, SUBSCRIPTIONS};

/// The slug of the org that `up` makes.
pub(super) const SLUG: &str = "personal";

/// A front door, and the Logway whose lines are read there.
pub(super) enum Door {
    /// The one that `up` keeps.
    Own(Up),
    /// One by itself.
    Alone { up: Up, bus: String, process: Process, address: String },
}

impl Door {
    /// A `logway proxy` before the bus of `up`, on a free port.
    pub(super) fn alone(up: Up, bus: String) -> Self {
        let (process, address) = proxy(&up, &bus, "127.0.0.1:0");
        Self::Alone { up, bus, process, address }
    }

    pub(super) fn up(&self) -> &Up {
        match self {
            Self::Own(up) | Self::Alone { up, .. } => up,
        }
    }

    /// Kills it, as `kill -9` does, and starts it anew on the same port.
    fn restart(&mut self) {
        match self {
            Self::Own(up) => up.restart(),
            Self::Alone { up, bus, process, address } => {
                process.kill();
                (*process, *address) = proxy(up, bus, address);
            }
        }
    }

    /// A login there, with a new token for reading `pattern`.
    pub(super) fn login(&self, limits: &[&str], pattern: &'static str) -> Login {
        let address = match self {
            Self::Own(up) => up.address("proxy"),
            Self::Alone { address, .. } => address.clone(),
        };
        let password = token(self.up(), limits);
        let (url, user) = (format!("nats://{address}"), SLUG.to_owned());
        Login { url, user, password, pattern, prefix: String::new() }
    }
}

/// Starts a `logway proxy` and waits until it serves; gives its address too.
fn proxy(up: &Up, bus: &str, listen: &str) -> (Process, String) {
    let args = ["--nats", bus, "--listen", listen, "--http", "127.0.0.1:0", "--lame-duck", "0"];
    let process = up.run("proxy", &args);
    let row = process.wait_for_stderr("its address", |row| row.starts_with("clients "));
    process.wait_for_stderr("ready", |row| row == "ready");
    let address = row.rsplit('/').next().expect("an address").to_owned();
    (process, address)
}

/// A new token for reading, with these limits.
fn token(up: &Up, limits: &[&str]) -> String {
    let (code, out, err) = up.output("tokens", &[&["create", "readonly", SLUG], limits].concat());
    assert_eq!(code, 0, "{err}");
    out.trim().to_owned()
}

impl Client {
    /// Waits until both subscriptions are in force, after the client said `word`. Of async-nats nobody learns that the server has
    /// them, save by a line that comes: one of a region that bears the word's name.
    fn listens(&self, up: &Up, word: &str) {
        self.wait_for("that it listens", |line| line == word);
        let is_heard = |subscription: &str| {
            let (start, text) = (format!("{subscription} logs.web.{word}."), self.text());
            text.lines().any(|line| line.starts_with(&start))
        };
        if matches!(self, Self::Tasks(..)) {
            wait_until("a line", || {
                let knock = ["--app", "web", "--region", word, "--", "echo", "who is there"];
                assert!(up.run("run", &knock).wait().success());
                SUBSCRIPTIONS.into_iter().all(is_heard).then_some(())
            });
        }
    }
}

/// The client reads all lines of the org, and goes on by itself when the front door was killed and came back.
pub(super) fn clients_read_at_front_doors(test: &str, start: impl Fn(&Login) -> Client) {
    reads_through_a_restart(Door::Own(Up::start(&[])), &start);
    for version in NatsVersion::ALL {
        let Some((_server, up, url)) = Up::beside_nats_server(test, version) else { return };
        reads_through_a_restart(Door::alone(up, url), &start);
    }
}

fn reads_through_a_restart(mut door: Door, start: impl Fn(&Login) -> Client) {
    let login = door.login(&[], "logs.>");
    let client = start(&login);
    client.listens(door.up(), "subscribed");
    client.reads(door.up(), &login, "first");
    door.restart();
    client.listens(door.up(), "back");
    client.reads(door.up(), &login, "second");
}

/// With a token for one app the client is refused all lines, and a request, each with an error that names the subject. It stays
/// connected, and reads the app's lines.
pub(super) fn clients_stay_when_refused(start: impl Fn(&Login) -> Client) {
    let door = Door::Own(Up::start(&[]));
    let login = door.login(&["--app", "web"], "logs.web.>");
    let client = start(&login);
    for what in ["subscription to \"logs.>\"", "publish to \"some.service\""] {
        let wanted = format!("permissions violation for {what}");
        client
            .wait_for(&wanted, |line| line.starts_with("refused ") && line.to_lowercase().contains(&wanted));
    }
    client.listens(door.up(), "subscribed");
    client.reads(door.up(), &login, "web");
    let text = client.text();
    assert!(!text.lines().any(|line| line.starts_with("gone")), "{text}");
}
