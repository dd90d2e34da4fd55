//! The servers: a nats-server with the roles that `deploy/nats/` states, and a front door before it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::super::Bench;
use super::super::calibrate::Scratch;
use super::super::child::Running;
use super::client::Login;
use crate::parts;

/// Password of every role.
const PASSWORD: &str = "bench";

/// Roles that the file names.
const ROLES: [&str; 5] = ["AGENT", "PROXY", "API", "STORE", "REGISTRY"];

/// What one hears from: nats-server itself, or the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// As the role that hears all orgs.
    NatsServer,
    /// As an org with a token.
    Door,
}

/// Both servers. Dropped, they are killed.
pub(super) struct Place {
    nats: Running,
    nats_address: SocketAddr,
    door: Running,
    door_address: SocketAddr,
    tokens: Vec<String>,
    _scratch: Scratch,
}

impl Place {
    /// Starts them; the front door knows `tokens` tokens.
    pub(super) fn start(bench: &Bench, tokens: usize) -> Result<Self> {
        let scratch = Scratch::new("proxy")?;
        let (nats, nats_address) = nats_server(&bench.root, scratch.path())?;
        let mut door = Command::new(&bench.door);
        door.arg(format!("nats://proxy:{PASSWORD}@{nats_address}")).arg(tokens.to_string());
        let mut door = Running::start("the front door", &mut door, Stdio::null())?;
        let listening = door.wait_for("its address", |line| line.starts_with("listening "))?;
        let door_address = word(&listening)?.parse().context("the front door's address")?;
        door.wait_for("ready", |line| line == "ready")?;
        let tokens = door.seen().filter_map(|line| line.strip_prefix("token ")).map(str::to_owned).collect();
        Ok(Self { nats, nats_address, door, door_address, tokens, _scratch: scratch })
    }

    /// How to log in as one who reads.
    pub(super) fn reader(&self, via: Via) -> Login {
        match via {
            Via::NatsServer => Login::new(self.nats_address, "proxy", PASSWORD),
            Via::Door => self.with_token(0),
        }
    }

    /// How to log in at the front door with the token of this number.
    pub(super) fn with_token(&self, number: usize) -> Login {
        let token = self.tokens.get(number).map_or("", String::as_str);
        Login::new(self.door_address, "bench", token)
    }

    /// How to log in as one who publishes, at nats-server.
    pub(super) fn agent(&self) -> Login {
        Login::new(self.nats_address, "agent", PASSWORD)
    }

    /// Process of the front door.
    pub(super) fn door_pid(&self) -> u32 {
        self.door.pid()
    }

    /// Process of nats-server.
    pub(super) fn nats_pid(&self) -> u32 {
        self.nats.pid()
    }
}

/// A nats-server on a free port, and its address.
fn nats_server(root: &Path, dir: &Path) -> Result<(Running, SocketAddr)> {
    let server = parts::dir()?.join("venv/bin/nats-server");
    ensure!(server.is_file(), "{} is not there: run 'cargo xtask test' once", server.display());
    let conf = configure(root, dir)?;
    let mut command = Command::new(server);
    command.arg("-c").arg(&conf);
    for role in ROLES {
        command.env(format!("LOGWAY_{role}_PASSWORD"), format!("\"{PASSWORD}\""));
    }
    let mut nats = Running::start("nats-server", &mut command, Stdio::null())?;
    let words = "Listening for client connections on ";
    let line = nats.wait_for("its address", |line| line.contains(words))?;
    let address = line.split(words).nth(1).context("no address")?.trim().parse().context("its address")?;
    nats.wait_for("that it is ready", |line| line.contains("Server is ready"))?;
    Ok((nats, address))
}

/// Its configuration: the one of `deploy/nats/`, on a free port.
fn configure(root: &Path, dir: &Path) -> Result<PathBuf> {
    let roles = root.join("deploy/nats/roles.conf");
    std::fs::copy(&roles, dir.join("roles.conf")).with_context(|| format!("copying {}", roles.display()))?;
    let conf = dir.join("nats.conf");
    // Port -1 is the server's word for a free one.
    let text = "listen: \"127.0.0.1:-1\"\nmax_connections: 100000\ninclude \"roles.conf\"\n";
    std::fs::write(&conf, text).context("writing nats.conf")?;
    Ok(conf)
}

fn word(line: &str) -> Result<&str> {
    line.split(' ').nth(1).context("a word is missing")
}
