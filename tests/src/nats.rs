//! A real nats-server, for the tests that must hold on one.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::parts;
use crate::process::Process;

/// The releases of nats-server that Logway is tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatsVersion {
    /// 2.15, the current one.
    Current,
    /// 2.9.10, which Debian 12 ships: the oldest one.
    Debian12,
}

impl NatsVersion {
    /// Both, oldest last.
    pub const ALL: [Self; 2] = [Self::Current, Self::Debian12];
}

/// A nats-server on a free port of the loopback interface, with a directory of its own. Dropped, it is killed.
pub struct NatsServer {
    version: NatsVersion,
    config: String,
    environment: Vec<(String, String)>,
    port: u16,
    dir: TempDir,
    process: Process,
}

impl NatsServer {
    /// Starts one of `version` with `config` in its configuration file, beside the address, and waits until it is
    /// ready. `None`, after [`parts::skip`] of the test `test`, when that release is not installed.
    pub fn start(test: &str, version: NatsVersion, config: &str) -> Option<Self> {
        Self::start_with(test, version, config, &[])
    }

    /// The same with variables in its environment, which a configuration can use.
    pub fn start_with(
        test: &str,
        version: NatsVersion,
        config: &str,
        environment: &[(String, String)],
    ) -> Option<Self> {
        if parts::nats_server(version).is_none() {
            parts::skip(test, &format!("no nats-server ({version:?}) is installed"));
            return None;
        }
        let dir = crate::short_dir();
        // Port -1 is the server's word for a free one.
        let (process, port) = launch(version, &dir, config, environment, "-1");
        let (config, environment) = (config.to_owned(), environment.to_vec());
        Some(Self { version, config, environment, port, dir, process })
    }

    /// The port it listens on; a restarted server keeps it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it, as `kill -9` does. The port stays free for [`NatsServer::restart`] unless somebody takes it.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it anew on the same port, and waits until it is ready.
    pub fn restart(&mut self) {
        self.process.kill();
        let port = self.port.to_string();
        (self.process, _) = launch(self.version, &self.dir, &self.config, &self.environment, &port);
    }

    /// The process, for what it prints and for signals.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// Starts a server and gives the port that it names.
fn launch(
    version: NatsVersion,
    dir: &TempDir,
    config: &str,
    environment: &[(String, String)],
    port: &str,
) -> (Process, u16) {
    let file = dir.path().join("nats.conf");
    fs::write(&file, format!("listen: \"127.0.0.1:{port}\"\n{config}\n")).expect("writing nats.conf");
    let server = parts::nats_server(version).expect("the part was there a moment ago");
    let process = Process::start(
        "nats-server",
        Command::new(server).arg("-c").arg(&file).envs(environment.iter().cloned()),
    );
    process.wait_for_stderr("that it is ready", |line| line.contains("Server is ready"));
    let words = "Listening for client connections on 127.0.0.1:";
    let line = process.wait_for_stderr("its port", |line| line.contains(words));
    let port = line.rsplit(':').next().and_then(|port| port.trim().parse().ok());
    (process, port.unwrap_or_else(|| panic!("no port in: {line}")))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpStream;

    use super::*;

    fn greeting(server: &NatsServer) -> String {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn both_releases_start_and_start_again() {
        for (version, number) in NatsVersion::ALL.into_iter().zip(["2.15.", "2.9.10"]) {
            let config = "authorization { user: u, password: p }";
            let Some(mut server) = NatsServer::start("both_releases_start", version, config) else { return };
            assert!(greeting(&server).contains(&format!("\"version\":\"{number}")), "{version:?}");
            assert!(greeting(&server).contains("\"auth_required\":true"), "{version:?}");
            let url = server.url();
            server.stop();
            assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
            server.restart();
            assert_eq!(server.url(), url);
            assert!(greeting(&server).starts_with("INFO "));
        }
    }
}
