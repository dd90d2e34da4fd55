//! A cluster of three real servers, as `deploy/nats` sets it up, whose nodes die, come back, and lose each other.

mod front;
mod numbers;

use std::process::Command;
use std::time::Duration;

use bus::client::Client;
use bus::roles::Role;
use bus::sys::{HEARTBEAT_PREFIX, HEARTBEAT_SECONDS};
use logway_tests::cluster::deployed;
use logway_tests::{Cluster, DEADLINE, NatsVersion, network, parts, skip};

use numbers::{Reader, Writer};

/// Where readers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// At a node, and at the other ones when it is lost.
    Nodes,
    /// At one node and no other.
    OneNode,
    /// At a front door of their own, which is at a node, and at the other ones when it is lost.
    Front,
}

async fn reader(cluster: &Cluster, door: Door, node: usize) -> Reader {
    let at_node = cluster.options(Role::Proxy, node);
    match door {
        Door::Nodes => Reader::start(at_node, "o.k.>").await,
        Door::OneNode => Reader::start(cluster.options_of(Role::Proxy, node), "o.k.>").await,
        Door::Front => Reader::start(front::start(at_node).await, "logs.>").await,
    }
}

/// A reader at each of the three nodes. Each has heard something: the routes are up.
async fn readers(cluster: &Cluster, door: Door, writer: &Writer) -> [Reader; 3] {
    let readers =
        [reader(cluster, door, 1).await, reader(cluster, door, 2).await, reader(cluster, door, 3).await];
    all_reach(&readers, writer.last() + 1).await;
    readers
}

async fn all_reach(readers: impl IntoIterator<Item = &Reader>, number: u64) {
    for reader in readers {
        reader.reaches(number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_come_back_after_each_node_was_killed_and_started_again() {
    for version in NatsVersion::ALL {
        let name = "readers_come_back_after_each_node_was_killed_and_started_again";
        let Some(cluster) = Cluster::start(name, version) else { return };
        killed_one_by_one(cluster, Door::Nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_front_doors_are_told_that_a_node_was_killed_and_go_on() {
    for version in NatsVersion::ALL {
        let name = "clients_of_front_doors_are_told_that_a_node_was_killed_and_go_on";
        let Some(cluster) = Cluster::start(name, version) else { return };
        killed_one_by_one(cluster, Door::Front).await;
    }
}

async fn killed_one_by_one(mut cluster: Cluster, door: Door) {
    let writer = Writer::start(cluster.options(Role::Agent, 3));
    let readers = readers(&cluster, door, &writer).await;
    for node in 1..=3 {
        cluster.kill(node);
        // Everybody goes on, those who were at this node at another one. A number that died with the node, also on its way to
        // others, shows as a hole.
        all_reach(&readers, writer.last() + 100).await;
        cluster.restart(node);
        // It takes part again: who comes to it hears what is written elsewhere.
        let newcomer = reader(&cluster, Door::OneNode, node).await;
        newcomer.reaches(writer.last() + 10).await;
    }
    // Each reader's own node was killed. A front door says so within a second of having another one.
    for reader in &readers {
        let told = async {
            while reader.heard().interruptions == 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(DEADLINE, told).await.is_ok(), "{door:?}");
    }
}

#[test]
fn a_partition_is_silent_and_shows_by_the_numbers() {
    let name = "cluster::a_partition_is_silent_and_shows_by_the_numbers";
    on_hosts(name, NatsVersion::Current, parted);
}

#[test]
fn a_partition_of_the_oldest_release_shows_too() {
    on_hosts("cluster::a_partition_of_the_oldest_release_shows_too", NatsVersion::Debian12, parted);
}

#[test]
fn a_front_door_leaves_a_node_that_hears_nothing() {
    let name = "cluster::a_front_door_leaves_a_node_that_hears_nothing";
    on_hosts(name, NatsVersion::Current, deaf);
}

/// Plays with a cluster whose nodes have a host each, in a network of its own.
fn on_hosts<F: Future<Output = ()>>(name: &str, version: NatsVersion, play: impl FnOnce(Cluster) -> F) {
    if !network::is_own(name) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(cluster) = Cluster::start_on_hosts(name, version) {
        runtime.block_on(play(cluster));
    }
}

/// The node answers the front door's pings all the time. It is the heartbeats that it misses.
async fn deaf(cluster: Cluster) {
    let writer = Writer::start(cluster.options_of(Role::Agent, 1));
    let reader = reader(&cluster, Door::Front, 3).await;
    let mut agents = Vec::new();
    for (host, node) in [("h1", 1), ("h2", 1), ("h3", 2)] {
        let client = Client::start(cluster.options_of(Role::Agent, node));
        client.connected().await.unwrap();
        agents.push((client, format!("{HEARTBEAT_PREFIX}lhr.{host}")));
    }
    let beating = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
        loop {
            tick.tick().await;
            for (client, subject) in &agents {
                client.publish(subject, None, b"{}").await.unwrap();
            }
        }
    });
    // Two rounds of heartbeats, at 500 numbers a second.
    reader.reaches(writer.last() + 500 * (HEARTBEAT_SECONDS + 1)).await;
    cluster.partition(3);
    let parted_at = writer.last();
    // The writer goes on, and so does the reader, without help, and at the same connection.
    let heard = reader.reaches(parted_at + 5000).await;
    assert!(!heard.holes_from(parted_at).is_empty(), "what was written until then is not there");
    assert_eq!(heard.interruptions, 0);
    beating.abort();
}

async fn parted(cluster: Cluster) {
    let writer = Writer::start(cluster.options_of(Role::Agent, 1));
    let readers = readers(&cluster, Door::OneNode, &writer).await;
    // The nodes dial each other, and close what they have twice, for a second.
    all_reach(&readers, writer.last() + 1000).await;
    let [first, second, third] = &readers;
    let parted_at = writer.last();
    cluster.partition(3);
    // Until the connections are given up, the system keeps what is on the way, and a partition costs time alone. The third hears nothing any
    // more and gives up first. Three seconds later it has given up the last connection, and so has a current release at the other end. An
    // old one sends on into the void as long as TCP does, since whoever sends asks for no sign of life.
    cluster.wait_for_log(3, "Stale Connection");
    all_reach([first, second], writer.last() + 1500).await;
    let heard = third.heard();
    assert_eq!((heard.holes_from(parted_at), heard.interruptions), (Vec::new(), 0), "nothing tells it");
    cluster.heal(3);
    let healed_at = writer.last();
    let heard = third.reaches(healed_at + 1).await;
    let missing: u64 = heard.holes_from(parted_at).iter().map(|(from, to)| to - from + 1).sum();
    assert!(missing >= 1000, "{:?}, parted at {parted_at}, healed at {healed_at}", heard.holes());
    assert_eq!(heard.interruptions, 0, "its own connection never broke");
    for reader in [first, second] {
        let heard = reader.reaches(writer.last() + 1).await;
        assert_eq!((heard.holes_from(parted_at), heard.interruptions), (Vec::new(), 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaf_hears_the_cluster_and_the_cluster_a_leaf() {
    for version in NatsVersion::ALL {
        let name = "a_leaf_hears_the_cluster_and_the_cluster_a_leaf";
        let Some(mut cluster) = Cluster::start(name, version) else { return };
        let leaf = cluster.add_leaf();
        for (from, to) in [(leaf, 2), (1, leaf)] {
            let writer = Writer::start(cluster.options_of(Role::Agent, from));
            reader(&cluster, Door::OneNode, to).await.reaches(writer.last() + 10).await;
        }
    }
}

/// The agent spools what it cannot hand on, and `logway logs` fetches what it missed: nothing is lost with a node.
#[test]
fn logway_on_a_cluster_shows_each_line_though_its_node_is_killed() {
    for version in NatsVersion::ALL {
        let name = "logway_on_a_cluster_shows_each_line_though_its_node_is_killed";
        let Some(mut cluster) = Cluster::start(name, version) else { return };
        let up = cluster.up(2);
        let logs = up.run("logs", &["--app", "web", "-j"]);
        let pipe = up.files().join("pipe");
        let script =
            "mkfifo $0; echo said 0; while read word && [ $word != end ]; do echo said $word; done <> $0";
        let mut app = up.run("run", &["--app", "web", "--", "sh", "-c", script, pipe.to_str().unwrap()]);
        let is_said = |word: u8| {
            logs.wait_for_stdout("the line", |line| line.contains(&format!("said {word}\"")));
        };
        is_said(0);
        for (number, killed) in [(1, None), (2, Some(2)), (3, Some(3))] {
            if let Some(node) = killed {
                cluster.kill(node);
            }
            std::fs::write(&pipe, format!("{number}\n")).unwrap();
            is_said(number);
            if let Some(node) = killed {
                cluster.restart(node);
            }
        }
        std::fs::write(&pipe, "end\n").unwrap();
        assert!(app.wait().success());
    }
}

/// What stands in the folder for an operator to copy is what the servers take, to the last word.
#[test]
fn both_releases_take_the_files_as_they_are() {
    let name = "both_releases_take_the_files_as_they_are";
    let dir = logway_tests::short_dir();
    let certs = |args: &[&str]| {
        let output = Command::new(deployed("certs.sh")).arg(dir.path()).args(args).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    if Command::new("openssl").arg("version").output().is_err() {
        return skip(name, "no openssl is installed");
    }
    assert_eq!(certs(&["ca"]), (true, String::new()));
    assert_eq!(certs(&["server", "node", "DNS:node"]), (true, String::new()));
    for (args, wanted) in [
        (&["server", "node", "DNS:node"][..], "exists"),
        (&["server", "other"], "the names that it is dialled by"),
        (&["server", "other", "no such list"], "is the list of names right?"),
        (&["client", "../x"], "the name becomes a file"),
        (&["boss"], "is not ca, server or client"),
    ] {
        let (is_made, said) = certs(args);
        assert!(!is_made && said.contains(wanted), "{args:?}: {said}");
    }
    let path = |end: &str| format!("\"{}\"", dir.path().join(end).display());
    for (version, files) in [
        (NatsVersion::Current, ["node.conf", "leaf.conf"]),
        (NatsVersion::Debian12, ["node-2.9.conf", "leaf.conf"]),
    ] {
        let Some(server) = parts::nats_server(version) else {
            return skip(name, &format!("no nats-server ({version:?}) is installed"));
        };
        for file in files {
            let variables = deployed(if file.starts_with("leaf") { "leaf.env" } else { "node.env" });
            let script = "set -a; . \"$1\"; LOGWAY_TLS_CERT=$2 LOGWAY_TLS_KEY=$3 LOGWAY_TLS_CA=$4; exec \"$5\" -t -c \"$6\"";
            let mut shell = Command::new("sh");
            shell.args(["-c", script, "sh"]).arg(variables);
            shell.args([path("node.pem"), path("node.key"), path("ca.pem")]);
            let output = shell.arg(&server).arg(deployed(file)).output().unwrap();
            assert!(
                output.status.success(),
                "{file}, {version:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}
