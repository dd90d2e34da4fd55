//! Three real nats-servers with the configuration of `deploy/nats`, its certificates and its roles, that can be killed and cut off.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::client::{Credentials, Options, ServerAddr};
use bus::roles::Role;
use bus::tls;
use tempfile::TempDir;

use crate::nats::NatsVersion;
use crate::network::Host;
use crate::process::Process;
use crate::{Up, parts, skip};

/// Nodes of a cluster.
const NODES: u8 = 3;

/// What the tests set otherwise than the deployment: dead links are noticed in some three seconds.
const HASTE: &str = "ping_interval: \"1s\"\n";

/// A cluster of three nodes, numbered from 1, and perhaps a leaf. Dropped, it is killed.
pub struct Cluster {
    version: NatsVersion,
    dir: TempDir,
    nodes: Vec<Node>,
}

/// One server.
struct Node {
    name: String,
    /// Where it runs; `None`: on this machine's loopback interface.
    host: Option<Host>,
    /// Where its clients find it.
    address: String,
    port: u16,
    configuration: &'static str,
    environment: Vec<(String, String)>,
    process: Process,
}

impl Cluster {
    /// Starts one of `version` on the loopback interface. `None`, after [`skip`] of the test `test`, when a part is missing.
    pub fn start(test: &str, version: NatsVersion) -> Option<Self> {
        Self::start_on(test, version, false)
    }

    /// The same with a host for each node, in a network where [`crate::network::is_own`] is true. [`Cluster::partition`] needs that.
    pub fn start_on_hosts(test: &str, version: NatsVersion) -> Option<Self> {
        Host::bridges();
        Self::start_on(test, version, true)
    }

    fn start_on(test: &str, version: NatsVersion, has_hosts: bool) -> Option<Self> {
        if parts::nats_server(version).is_none() {
            skip(test, &format!("no nats-server ({version:?}) is installed"));
            return None;
        }
        if Command::new("openssl").arg("version").output().is_err() {
            skip(test, "no openssl is installed");
            return None;
        }
        let dir = crate::short_dir();
        for name in ["common.conf", "node.conf", "node-2.9.conf", "leaf.conf", "roles.conf"] {
            let copied = fs::copy(deployed(name), dir.path().join(name));
            copied.unwrap_or_else(|error| panic!("copying deploy/nats/{name}: {error}"));
        }
        certificate(dir.path(), &["ca"]);
        certificate(dir.path(), &["client", "logway"]);
        let mut cluster = Self { version, dir, nodes: Vec::new() };
        let places: Vec<Place> = (1..=NODES).map(|number| Place::new(number, has_hosts)).collect();
        let list = |port: fn(&Place) -> u16| {
            let urls = places.iter().map(|place| format!("\"tls://{}:{}\"", place.among_nodes, port(place)));
            format!("[{}]", urls.collect::<Vec<_>>().join(", "))
        };
        let routes = list(|place| place.route_port);
        for place in places {
            let more = [
                ("ROUTE_LISTEN", format!("{}:{}", place.listen, place.route_port)),
                ("ROUTES", routes.clone()),
                ("LEAF_LISTEN", format!("{}:{}", place.listen, place.leaf_port)),
                ("LEAF_PASSWORD", "\"secret leaf\"".to_owned()),
            ];
            let configuration = match version {
                NatsVersion::Current => "node.conf",
                NatsVersion::Debian12 => "node-2.9.conf",
            };
            cluster.add(place, configuration, &more);
        }
        Some(cluster)
    }

    /// Starts a leaf node of the cluster, on the loopback interface, and gives its number.
    pub fn add_leaf(&mut self) -> usize {
        let leaf = |node: &Node| {
            let port = node.environment.iter().find(|(name, _)| name == "LOGWAY_LEAF_LISTEN");
            let (_, port) = port.and_then(|(_, listen)| listen.rsplit_once(':')).expect("each node has it");
            format!("\"tls://leaf:secret%20leaf@{}:{port}\"", node.address)
        };
        let urls: Vec<_> = self.nodes.iter().map(leaf).collect();
        let number = NODES + 1;
        let more = [("LEAF_URLS", format!("[{}]", urls.join(", ")))];
        self.add(Place::new(number, false), "leaf.conf", &more);
        usize::from(number)
    }

    fn add(&mut self, place: Place, configuration: &'static str, more: &[(&str, String)]) {
        let Place { name, host, address, among_nodes, listen, port, .. } = place;
        certificate(
            self.dir.path(),
            &["server", &name, &format!("DNS:{name},IP:{address},IP:{among_nodes}")],
        );
        let path = |end: &str| format!("\"{}\"", self.dir.path().join(format!("certs/{end}")).display());
        let common = [
            ("NODE", name.clone()),
            ("LISTEN", format!("{listen}:{port}")),
            ("MONITOR", "127.0.0.1:-1".to_owned()),
            ("TLS_CERT", path(&format!("{name}.pem"))),
            ("TLS_KEY", path(&format!("{name}.key"))),
            ("TLS_CA", path("ca.pem")),
        ];
        let passwords = Role::ALL.map(|role| {
            (format!("{}_PASSWORD", role.as_str().to_ascii_uppercase()), format!("\"{}\"", password(role)))
        });
        let settings = common.iter().chain(more).map(|(key, value)| ((*key).to_owned(), value.clone()));
        let environment: Vec<_> =
            settings.chain(passwords).map(|(key, value)| (format!("LOGWAY_{key}"), value)).collect();
        let process = launch(self.version, &self.dir, &name, host.as_ref(), configuration, &environment);
        self.nodes.push(Node { name, host, address, port, configuration, environment, process });
    }

    /// How a client connects in this role: to node `first`, and when it is lost to the others in turn.
    pub fn options(&self, role: Role, first: usize) -> Options {
        let mut servers: Vec<_> = (1..=usize::from(NODES)).map(|number| self.server(number)).collect();
        servers.rotate_left(first - 1);
        Options { servers, ..self.options_of(role, first) }
    }

    /// How a client connects in this role to node `number`, or the leaf of that number, alone.
    pub fn options_of(&self, role: Role, number: usize) -> Options {
        let certs = self.dir.path().join("certs");
        let identity =
            tls::Identity { certificate: &certs.join("logway.pem"), key: &certs.join("logway.key") };
        let tls = tls::Client::load(&certs.join("ca.pem"), Some(identity)).expect("certs.sh made these");
        Options {
            servers: vec![self.server(number)],
            name: format!("test {role}"),
            credentials: Some(Credentials { user: role.to_string(), password: password(role) }),
            inbox_prefix: role.inbox_prefix(),
            tls: Some(tls),
        }
    }

    fn server(&self, number: usize) -> ServerAddr {
        let node = &self.nodes[number - 1];
        ServerAddr { host: node.address.clone(), port: node.port, is_tls: true, credentials: None }
    }

    /// `logway up` on all nodes, node `first` before the others.
    pub fn up(&self, first: usize) -> Up {
        let urls: Vec<_> = self.options(Role::Agent, first).servers.iter().map(ToString::to_string).collect();
        let certs = self.dir.path().join("certs");
        let files = [("ca.pem", "ca.pem"), ("client.pem", "logway.pem"), ("client.key", "logway.key")];
        let files = files.map(|(name, from)| (name, certs.join(from)));
        Up::on_servers(&urls.join(","), |role| format!("{role}:{}", password(role)), &files, &[])
    }

    /// Kills a node, as `kill -9` does.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number - 1].process.kill();
    }

    /// Starts a node that was killed anew, at its old place, and waits until it is ready.
    pub fn restart(&mut self, number: usize) {
        let node = &mut self.nodes[number - 1];
        node.process.kill();
        let Node { name, host, configuration, environment, .. } = node;
        node.process = launch(self.version, &self.dir, name, host.as_ref(), configuration, environment);
    }

    /// Cuts a node off from the others, in silence. Its clients still reach it.
    pub fn partition(&self, number: usize) {
        self.host(number).cut();
    }

    /// Ends a partition.
    pub fn heal(&self, number: usize) {
        self.host(number).mend();
    }

    /// Waits for a line with these words in a node's log, past or to come.
    pub fn wait_for_log(&self, number: usize, words: &str) {
        self.nodes[number - 1].process.wait_for_stderr(words, |line| line.contains(words));
    }

    fn host(&self, number: usize) -> &Host {
        let host = self.nodes[number - 1].host.as_ref();
        host.expect("only a cluster on hosts of its own can be parted: Cluster::start_on_hosts")
    }
}

/// Where a node is to run, and on which ports.
struct Place {
    name: String,
    host: Option<Host>,
    /// For its clients.
    address: String,
    /// For the other nodes.
    among_nodes: String,
    listen: String,
    port: u16,
    route_port: u16,
    leaf_port: u16,
}

impl Place {
    fn new(number: u8, has_host: bool) -> Self {
        let (host, address, among_nodes, listen) = if has_host {
            let (address, among_nodes) = (format!("10.1.0.{number}"), format!("10.2.0.{number}"));
            (Some(Host::new(number)), address, among_nodes, "0.0.0.0".to_owned())
        } else {
            let address = own_loopback().to_string();
            (None, address.clone(), address.clone(), address)
        };
        let name = format!("node{number}");
        // Not the usual ones, which a server of this machine may have on all addresses.
        let (port, route_port, leaf_port) = (14222, 16222, 17422);
        Self { name, host, address, among_nodes, listen, port, route_port, leaf_port }
    }
}

/// An address of the loopback interface that no other server of this run of tests has.
///
/// The others must know a node's ports before it runs, and it keeps them while it is killed. On 127.0.0.1 another server or a client could
/// be given one of them in between.
fn own_loopback() -> Ipv4Addr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let nth = u8::try_from(nth).ok().filter(|nth| *nth < 200).expect("a run starts some ten servers");
    Ipv4Addr::new(127, 50 + nth, high, low)
}

fn password(role: Role) -> String {
    format!("secret {role}")
}

/// A file of the deployment.
pub fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nats").join(name)
}

/// Has the deployment's script make a certificate in `certs` of the folder.
fn certificate(dir: &Path, args: &[&str]) {
    let output = Command::new(deployed("certs.sh")).arg(dir.join("certs")).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("starting certs.sh: {error}"));
    assert!(output.status.success(), "certs.sh {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn launch(
    version: NatsVersion,
    dir: &TempDir,
    name: &str,
    host: Option<&Host>,
    configuration: &str,
    environment: &[(String, String)],
) -> Process {
    let file = dir.path().join(format!("{name}.conf"));
    fs::write(&file, format!("include \"{configuration}\"\n{HASTE}"))
        .expect("writing a node's configuration");
    let server = parts::nats_server(version).expect("the part was there a moment ago");
    let mut command = host.map_or_else(|| Command::new(&server), |host| host.command(&server));
    let process = Process::start(name, command.arg("-c").arg(&file).envs(environment.iter().cloned()));
    process.wait_for_stderr("that it is ready", |line| line.contains("Server is ready"));
    process
}
