//! The server that is measured: a `logway up`, or a VictoriaLogs, with its data in a directory that outlives it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::calibrate::Scratch;
use super::super::child::Running;
use super::super::http::Http;
use super::super::usage;

/// How often it is looked whether a server has come to rest.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// CPU in that time below which it has.
const AT_REST: Duration = Duration::from_millis(9);
/// How long it may take to come to rest, and to start.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which program.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// `logway`.
    Logway(PathBuf),
    /// The peer, from the environment's `VICTORIA_LOGS_BIN`.
    VictoriaLogs(PathBuf),
}

/// A directory, and the server on it when it runs.
pub(super) struct Server {
    kind: Kind,
    scratch: Scratch,
    running: Option<Running>,
    address: String,
    /// The highest memory of those that ran, bytes.
    peak: u64,
}

impl Server {
    /// Starts it on an empty directory.
    pub(super) fn start(kind: Kind) -> Result<Self> {
        let scratch = Scratch::new("store")?;
        let mut server = Self { kind, scratch, running: None, address: String::new(), peak: 0 };
        server.resume()?;
        Ok(server)
    }

    /// Starts it again.
    pub(super) fn resume(&mut self) -> Result<()> {
        let data = self.data();
        let (running, address) = match &self.kind {
            Kind::Logway(binary) => {
                let mut up = Command::new(binary);
                up.arg("up").arg("--data").arg(&data);
                up.args(["--http-port", "0", "--nats-port", "0", "--proxy-port", "0"]);
                let mut up = Running::start("logway up", &mut up, Stdio::null())?;
                let line = up.wait_for("where its HTTP is", |line| line.starts_with("http "))?;
                let address = line.split("//").nth(1).and_then(|url| url.split('/').next());
                let address = address.context("no address of its HTTP")?.to_owned();
                up.wait_for("ready", |line| line.trim() == "ready")?;
                (up, address)
            }
            Kind::VictoriaLogs(binary) => {
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let address = format!("127.0.0.1:{port}");
                let mut peer = Command::new(binary);
                peer.arg(format!("-storageDataPath={}", data.display()));
                peer.arg(format!("-httpListenAddr={address}")).arg("-retentionPeriod=100d");
                (Running::start("VictoriaLogs", &mut peer, Stdio::null())?, address)
            }
        };
        (self.running, self.address) = (Some(running), address);
        let begun = Instant::now();
        while let Err(error) = self.http() {
            ensure!(begun.elapsed() < PATIENCE, "{error:#}");
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Ends it; its files stay.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.note_peak()?;
        match self.running.take() {
            Some(running) => running.end(),
            None => Ok(()),
        }
    }

    /// Has days that are over written anew. Logway does it while it does not run, VictoriaLogs while it runs.
    pub(super) fn pack(&mut self) -> Result<()> {
        match self.kind.clone() {
            Kind::Logway(binary) => {
                self.stop()?;
                let mut pack = Command::new(binary);
                let done = pack.args(["store", "pack", "--data"]).arg(self.data()).output()?;
                ensure!(done.status.success(), "pack failed: {}", String::from_utf8_lossy(&done.stderr));
                self.resume()
            }
            Kind::VictoriaLogs(_) => {
                self.http()?.post("/internal/force_merge", "text/plain", b"")?;
                self.settle()
            }
        }
    }

    /// Brings what was inserted to disk, and waits until nothing is done any more.
    pub(super) fn flush(&self) -> Result<()> {
        self.http()?.post("/internal/force_flush", "text/plain", b"")?;
        self.settle()
    }

    /// Waits until it does nothing.
    pub(super) fn settle(&self) -> Result<()> {
        let (begun, mut quiet, mut before) = (Instant::now(), 0, self.cpu()?);
        while quiet < 3 {
            ensure!(begun.elapsed() < PATIENCE, "the server does not come to rest");
            thread::sleep(LOOK_EVERY);
            let now = self.cpu()?;
            quiet = if now.saturating_sub(before) <= AT_REST { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// A connection that may do everything.
    pub(super) fn http(&self) -> Result<Http> {
        match &self.kind {
            Kind::Logway(_) => {
                let token =
                    std::fs::read_to_string(self.data().join("token")).context("reading the token")?;
                Http::connect(&self.address, Some(token.trim()))
            }
            Kind::VictoriaLogs(_) => Http::connect(&self.address, None),
        }
    }

    /// CPU since its start.
    pub(super) fn cpu(&self) -> Result<Duration> {
        usage::cpu(self.pid()?)
    }

    /// The highest memory since the first start, bytes.
    pub(super) fn peak_bytes(&mut self) -> Result<u64> {
        self.note_peak()?;
        Ok(self.peak)
    }

    fn note_peak(&mut self) -> Result<()> {
        if self.running.is_some() {
            self.peak = self.peak.max(usage::peak_bytes(self.pid()?)?);
        }
        Ok(())
    }

    fn pid(&self) -> Result<u32> {
        self.running.as_ref().map(Running::pid).context("the server does not run")
    }

    /// Bytes of the files in which rows rest: the log, which is used again and again, is not among them.
    pub(super) fn disk_bytes(&self) -> Result<u64> {
        match self.kind {
            Kind::Logway(_) => files_bytes(&self.data().join("store/parts")),
            Kind::VictoriaLogs(_) => files_bytes(&self.data()),
        }
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("d")
    }
}

/// Bytes of all files below `dir`.
fn files_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { files_bytes(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
