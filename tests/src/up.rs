//! A running `logway up` with a data directory of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use bus::client::{Client, Options};
use bus::roles::{Role, nats_conf};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::{DEADLINE, NatsServer, NatsVersion, Web, parts};

/// `logway up` on free ports, which it keeps when it is restarted. Dropped, it is killed and its data are removed.
pub struct Up {
    dir: TempDir,
    binary: PathBuf,
    options: Vec<String>,
    process: Process,
}

impl Up {
    /// Starts it with `options` beside the data directory and the ports, and waits until it says `ready`.
    pub fn start(options: &[&str]) -> Self {
        Self::start_binary(&parts::logway(), options)
    }

    /// The same with a binary that is not the usual one.
    pub fn start_binary(binary: &Path, options: &[&str]) -> Self {
        Self::start_in(crate::short_dir(), binary, options)
    }

    fn start_in(dir: TempDir, binary: &Path, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = launch(binary, &dir.path().join("d"), &options, ["0", "0", "0"].map(str::to_owned));
        Self { dir, binary: binary.to_owned(), options, process }
    }

    /// Starts a nats-server of `version` with the role table, then Logway on it instead of on its own broker. The last part is
    /// the server's address. `None`, after [`parts::skip`] of the test `test`, when that release is not installed.
    pub fn beside_nats_server(test: &str, version: NatsVersion) -> Option<(NatsServer, Self, String)> {
        let roles = [
            (Role::Agent, "agent"),
            (Role::Proxy, "proxy"),
            (Role::Api, "api"),
            (Role::Registry, "registry"),
        ];
        let users: Vec<_> = roles.iter().map(|(role, name)| (*role, *name, "secret")).collect();
        let server = NatsServer::start(test, version, &nats_conf(&users))?;
        let url = server.url();
        let up = Self::on_servers(&url, |role| format!("{role}:secret"), &[], &[]);
        Some((server, up, url))
    }

    /// `logway up` with these options on the bus of another one, whose logins it has, and whose org.
    pub fn beside(&self, options: &[&str]) -> Self {
        let (dir, bus) = (crate::short_dir(), self.data().join("bus"));
        fs::create_dir_all(dir.path().join("d/bus")).expect("making the folder of credentials");
        for role in Role::ALL {
            let copied = fs::copy(bus.join(role.as_str()), dir.path().join("d/bus").join(role.as_str()));
            copied.expect("copying a credential");
        }
        fs::copy(self.data().join("org"), dir.path().join("d/org")).expect("copying the org");
        let url = format!("nats://{}", self.address("nats"));
        let options = [&["--nats", &url, "--no-registry"], options].concat();
        Self::start_in(dir, &parts::logway(), &options)
    }

    /// Logway on these servers, with a login for each role and further files, by name, in its folder of credentials, and with `options`.
    pub fn on_servers(
        urls: &str,
        login: impl Fn(Role) -> String,
        files: &[(&str, PathBuf)],
        options: &[&str],
    ) -> Self {
        let dir = crate::short_dir();
        let bus = dir.path().join("d/bus");
        fs::create_dir_all(&bus).expect("making the folder of credentials");
        for role in Role::ALL {
            fs::write(bus.join(role.as_str()), format!("{}\n", login(role))).expect("writing a credential");
        }
        for (name, from) in files {
            let copied = fs::copy(from, bus.join(name));
            copied.unwrap_or_else(|error| panic!("copying {}: {error}", from.display()));
        }
        Self::start_in(dir, &parts::logway(), &[&["--nats", urls], options].concat())
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("d")
    }

    /// A directory for the test's own files, removed with the data.
    pub fn files(&self) -> &Path {
        self.dir.path()
    }

    /// `logway COMMAND --data DIR`, to be given further arguments.
    pub fn command(&self, command: &str) -> Command {
        let mut logway = Command::new(&self.binary);
        logway.arg(command).arg("--data").arg(self.data());
        logway
    }

    /// Starts `logway COMMAND --data DIR ARGS...`.
    pub fn run(&self, command: &str, args: &[&str]) -> Process {
        Process::start(&format!("logway {command}"), self.command(command).args(args))
    }

    /// Runs `logway COMMAND --data DIR ARGS...` to its end: exit code, stdout, stderr.
    pub fn output(&self, command: &str, args: &[&str]) -> (i32, String, String) {
        let (status, out, err) = self.run(command, args).wait_with_output();
        (status.code().expect("it ends by itself"), out, err)
    }

    /// Where it serves `what` (`nats`, `proxy` or `http`): `127.0.0.1:PORT`.
    pub fn address(&self, what: &str) -> String {
        let context = read_json(&self.data().join("up.json"));
        let url = context[what].as_str().unwrap_or_else(|| panic!("up.json names no {what}: {context}"));
        url.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// How a client gets on its bus with the credential of `role`.
    pub fn login(&self, role: Role) -> Options {
        let path = self.data().join("bus").join(role.as_str());
        let login = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        Options {
            servers: vec![self.address("nats").parse().expect("up.json has an address")],
            name: "test".to_owned(),
            credentials: Some(login.parse().expect("a credential is user:password")),
            inbox_prefix: role.inbox_prefix(),
            tls: None,
        }
    }

    /// A client on its bus with the credential of `role`, connected.
    pub async fn client(&self, role: Role) -> Client {
        let client = Client::start(self.login(role));
        let connected = tokio::time::timeout(DEADLINE, client.connected()).await;
        connected.expect("no connection to the bus in time").expect("the client is open");
        client
    }

    /// The id of the org `personal`.
    pub fn org(&self) -> String {
        read_json(&self.data().join("org"))["id"].as_str().expect("the org has an id").to_owned()
    }

    /// A client of its HTTP face that may do everything in the org `personal`.
    pub fn web(&self) -> Web {
        let token = fs::read_to_string(self.data().join("token")).expect("reading the token");
        let web = Web::new(&self.address("http"), &token);
        // It lets in who has a token when it has heard the registry.
        crate::wait_until("the HTTP face to let in", || (web.query("*").status == 200).then_some(()));
        web
    }

    /// Makes an org, and gives its id.
    pub fn make_org(&self, slug: &str) -> String {
        let (code, id, err) = self.output("orgs", &["create", slug]);
        assert_eq!(code, 0, "{err}");
        id.trim().to_owned()
    }

    /// Makes a token: `logway tokens create ARGS...`. Each front hears of a new org a moment later.
    pub fn make_token(&self, args: &[&str]) -> String {
        let (code, token, err) = self.output("tokens", &[&["create"], args].concat());
        assert_eq!(code, 0, "{err}");
        token.trim().to_owned()
    }

    /// What it says on `/metrics`.
    pub fn metrics(&self) -> String {
        self.get("/metrics")
    }

    /// The body of `GET path`, whatever the status.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address("http")).expect("connecting to the HTTP port");
        stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("asking over HTTP");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("reading over HTTP");
        reply.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
    }

    /// Kills it, as `kill -9` does, and starts it anew on the same data and ports.
    pub fn restart(&mut self) {
        self.restart_after(|_| {});
    }

    /// The same, and in between `happens` to its data directory what it may.
    pub fn restart_after(&mut self, happens: impl FnOnce(&Path)) {
        let ports = ["nats", "http", "proxy"].map(|what| {
            let address = self.address(what);
            address.rsplit(':').next().unwrap_or("0").to_owned()
        });
        self.process.kill();
        happens(&self.data());
        self.process = launch(&self.binary, &self.data(), &self.options, ports);
    }

    /// The process, for what it prints and for signals.
    pub const fn running(&self) -> &Process {
        &self.process
    }

    /// The process, for what it prints, for signals and for its end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("reading {}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}: {text}", path.display()))
}

fn launch(binary: &Path, data: &Path, options: &[String], [nats, http, proxy]: [String; 3]) -> Process {
    let mut command = Command::new(binary);
    command
        .arg("up")
        .arg("--data")
        .arg(data)
        .args(["--http-port", &http, "--proxy-port", &proxy])
        .args(options);
    // A bus from elsewhere has its own port.
    if !options.iter().any(|option| option == "--nats") {
        command.args(["--nats-port", &nats]);
    }
    let process = Process::start("logway up", &mut command);
    process.wait_for_stderr("ready", |line| line.split_whitespace().any(|word| word == "ready"));
    process
}
