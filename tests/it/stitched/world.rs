//! The parts, each of which can be killed by itself, and apps that number their lines.

use std::time::{Duration, Instant};

use bus::roles::{Role, nats_conf};
use logway_tests::{DEADLINE, NatsServer, NatsVersion, Process, Tailing, Up, Web, wait_until};

/// The app whose lines are read.
pub(super) const APP: &str = "numbers";

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Bus,
    Http,
    Store,
    Host,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::Bus, Self::Http, Self::Store, Self::Host];
}

/// All of them.
pub(super) struct World {
    bus: NatsServer,
    http: Up,
    store: Up,
    host: Up,
}

impl World {
    /// Starts them. `None` when there is no nats-server.
    pub(super) fn start(test: &str) -> Option<Self> {
        let users = Role::ALL.map(|role| (role, role.as_str(), "secret"));
        let bus = NatsServer::start(test, NatsVersion::Current, &nats_conf(&users))?;
        let login = |role: Role| format!("{role}:secret");
        let http = Up::on_servers(&bus.url(), login, &[], &["--no-store", "--host", "front"]);
        let store = http.beside(&["--store", "main", "--host", "store"]);
        let host = http.beside(&["--no-store", "--host", "host"]);
        let world = Self { bus, http, store, host };
        let web = world.web();
        wait_until("the store to be there", || {
            (web.ask("/select/logsql/stats_query", &[("query", "* | stats count() n")]).status == 200)
                .then_some(())
        });
        Some(world)
    }

    pub(super) fn web(&self) -> Web {
        self.http.web()
    }

    /// Starts an instance of the app.
    pub(super) fn app(&self, instance: &str, args: &[&str], script: &str) -> Process {
        let begin = ["--app", APP, "--instance", instance];
        self.host.run("run", &[&begin, args, &["--", "sh", "-c", script]].concat())
    }

    /// Kills these parts, and starts them anew after `pause`.
    pub(super) fn restart(&mut self, parts: &[Part], pause: Duration) {
        for part in parts {
            match part {
                Part::Bus => self.bus.stop(),
                Part::Http => drop(self.http.process().kill()),
                Part::Store => drop(self.store.process().kill()),
                Part::Host => drop(self.host.process().kill()),
            }
        }
        // How long it is away is what is random here; nothing is waited for.
        std::thread::sleep(pause);
        // Whoever starts waits for the bus and for the registry.
        for part in Part::ALL.iter().filter(|part| parts.contains(part)) {
            match part {
                Part::Bus => self.bus.restart(),
                Part::Http => self.http.restart(),
                Part::Store => self.store.restart(),
                Part::Host => self.host.restart(),
            }
        }
    }
}

/// Waits until nothing is wrong with what each client got, and says what is if that takes too long.
pub(super) fn must_be_whole(web: &Web, tails: &[Tailing], instances: usize) {
    // What was given while a store was away others get in the same order, whether they were told or not.
    let in_order = !tails.iter().any(|tail| tail.has().states.contains("store-away"));
    tails.iter().for_each(|tail| one_must_be_whole(web, tail, instances, in_order));
}

fn one_must_be_whole(web: &Web, tailing: &Tailing, instances: usize, in_order: bool) {
    let begun = Instant::now();
    loop {
        let (faults, has_all) = {
            let has = tailing.has();
            (
                has.faults(instances, in_order),
                has.records.iter().filter(|got| got.is_exit).count() == instances,
            )
        };
        if has_all && faults.is_empty() {
            return;
        }
        let has = tailing.has();
        assert!(
            begun.elapsed() < DEADLINE,
            "{}: {faults:?}, {} records, {} connections, {:?}; stored: {}",
            tailing.name(),
            has.records.len(),
            has.connections,
            has.states,
            web.query("* | stats by (instance, boot) count() rows, max(seq) last").text()
        );
        drop(has);
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
