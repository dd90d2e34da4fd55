//! A network of the test's own, of namespaces and bridges, whose links can be cut in silence: no reset, no error, no bytes.
//!
//! The test runs again in a process that has a namespace to itself. Everything is made inside, so that nothing of the machine's network
//! is touched, no address can be taken, and the kernel clears away what is left when the last process in it ends.

use std::process::Command;

use crate::process::Process;
use crate::{DEADLINE, skip};

/// Set in the process that has the network.
const INSIDE: &str = "LOGWAY_TEST_NETWORK";

/// Whether this process has a network of its own. If not, the test `name` (with its modules, as `cluster::a_test`) is run in one that has,
/// and must pass there; or it is skipped, where namespaces cannot be made. The caller goes on when this is true and returns otherwise.
pub fn is_own(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        must("ip", &["link", "set", "lo", "up"]);
        return true;
    }
    let Some(mut unshare) = unshare() else {
        skip(name, "no network namespaces: run as root, and install iproute2 and util-linux");
        return false;
    };
    let test = std::env::current_exe().expect("finding this test's own file");
    unshare.arg(test).args(["--exact", "--nocapture", name]).env(INSIDE, "1");
    let mut process = Process::start(name, &mut unshare);
    // It waits for its events itself, and says which did not come.
    let status = process.wait_up_to(2 * DEADLINE);
    assert!(status.success() && process.stdout().all().contains("1 passed"), "{}", process.said());
    eprintln!("{}", process.stderr().all());
    false
}

/// The command that gives a process a network of its own: as root, else as root of a user namespace.
fn unshare() -> Option<Command> {
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let works = |way: &&&[&str]| {
        let mut bridge = Command::new("unshare");
        bridge.args(**way).args(["ip", "link", "add", "probe", "type", "bridge"]);
        bridge.output().is_ok_and(|output| output.status.success())
    };
    ways.iter().find(works).map(|way| {
        let mut unshare = Command::new("unshare");
        unshare.args(*way);
        unshare
    })
}

/// A host with two links: `10.1.0.N` to the clients, and `10.2.0.N` to the other hosts.
pub struct Host {
    number: u8,
    /// Keeps the namespace, whatever runs in it. It ends with this process, which holds its stdin.
    holder: Process,
}

impl Host {
    /// The two bridges, to which [`Host::new`] adds. The test's own process is on the clients' side. To be called once.
    pub fn bridges() {
        for bridge in ["clients", "hosts"] {
            must("ip", &["link", "add", bridge, "type", "bridge"]);
            must("ip", &["link", "set", bridge, "up"]);
        }
        must("ip", &["address", "add", "10.1.0.254/24", "dev", "clients"]);
    }

    /// The host of this number, from 1 to 253.
    pub fn new(number: u8) -> Self {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sh", "-c", "echo up; exec cat"]);
        let holder = Process::start("a namespace", &mut holder);
        holder.wait_for_stdout("that it is there", |line| line == "up");
        let host = Self { number, holder };
        host.must(&["link", "set", "lo", "up"]);
        for (inside, bridge, network) in [("to-clients", "clients", 1), ("to-hosts", "hosts", 2)] {
            let (outside, pid) = (format!("{bridge}-{number}"), host.holder.pid().to_string());
            let peer = ["type", "veth", "peer", "name", inside, "netns", &pid];
            must("ip", &[&["link", "add", &outside][..], &peer].concat());
            must("ip", &["link", "set", &outside, "master", bridge, "up"]);
            host.must(&["address", "add", &format!("10.{network}.0.{number}/24"), "dev", inside]);
            host.must(&["link", "set", inside, "up"]);
        }
        host
    }

    /// A command that runs `program` on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.pid())).arg(program);
        command
    }

    /// Takes it away from the other hosts: what they send each other from now on goes nowhere. Clients still reach it.
    pub fn cut(&self) {
        must("ip", &["link", "set", &format!("hosts-{}", self.number), "nomaster"]);
    }

    /// Brings it back.
    pub fn mend(&self) {
        must("ip", &["link", "set", &format!("hosts-{}", self.number), "master", "hosts"]);
    }

    fn must(&self, args: &[&str]) {
        run(self.command("ip").args(args));
    }
}

fn must(program: &str, args: &[&str]) {
    run(Command::new(program).args(args));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
