//! A running `logway up` with a data directory of its own, and the bus it uses.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::calibrate::Scratch;
use super::child::Running;
use super::http::Http;
use super::reader::{Outlet, Reader};
use super::table::Row;
use crate::parts;

/// Users of the nats-server, with what the agent and a reader may do on the bus.
const NATS_USERS: &str = r#"
authorization { users = [
  { user: agent, password: bench, permissions: {
      publish: { allow: ["o.*.logs.>", "sys.hb.>", "sys.append.>"] }
      subscribe: { allow: ["sys.recent", "sys.registry", "_INBOX.agent.>"] }
      allow_responses: { max: 10000, expires: "60s" } } }
  { user: api, password: bench, permissions: {
      publish: { allow: ["sys.query.>", "sys.recent"] }
      subscribe: { allow: ["o.>", "sys.hb.>", "sys.registry", "_INBOX.api.>"] } } }
] }
"#;

/// How long `/metrics` may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What carries the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bus {
    /// The broker inside `logway up`.
    Embedded,
    /// The nats-server that the tests use, in a process of its own.
    NatsServer,
}

/// `logway up`, serving. Dropped, everything is killed and removed.
pub(super) struct Stage {
    up: Running,
    /// Kept alive beside `up`.
    _nats: Option<Running>,
    logway: PathBuf,
    metrics: String,
    scratch: Scratch,
}

impl Stage {
    /// Starts it on `bus`; with `cpu`, bound to that processor.
    pub(super) fn start(bench: &Bench, bus: Bus, cpu: Option<&str>) -> Result<Self> {
        let scratch = Scratch::new("up")?;
        let data = scratch.path().join("d");
        let mut up = match cpu {
            Some(cpu) => {
                let mut bound = Command::new("taskset");
                bound.args(["-c", cpu]).arg(&bench.logway);
                bound
            }
            None => Command::new(&bench.logway),
        };
        up.arg("up").arg("--data").arg(&data).args(["--http-port", "0"]);
        let nats = match bus {
            Bus::Embedded => {
                up.args(["--nats-port", "0", "--proxy-port", "0"]);
                None
            }
            Bus::NatsServer => {
                let (nats, url) = nats_server(scratch.path(), &data)?;
                up.args(["--nats", &url]);
                Some(nats)
            }
        };
        let mut up = Running::start("logway up", &mut up, Stdio::null())?;
        let metrics = up.wait_for("where its HTTP is", |line| line.starts_with("http "))?;
        let metrics = metrics.split("//").nth(1).and_then(|url| url.split('/').next());
        let metrics = metrics.context("no address of its HTTP")?.to_owned();
        up.wait_for("ready", |line| line.trim() == "ready")?;
        Ok(Self { up, _nats: nats, logway: bench.logway.clone(), metrics, scratch })
    }

    /// Where its HTTP is: host and port.
    pub(super) fn address(&self) -> &str {
        &self.metrics
    }

    /// The process id of `logway up`.
    pub(super) fn pid(&self) -> u32 {
        self.up.pid()
    }

    /// A directory for files of the bench, and in it `d`, the data of `logway up`.
    pub(super) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// `logway COMMAND --data DIR`, to be given further arguments.
    pub(super) fn command(&self, command: &str) -> Command {
        let mut logway = Command::new(&self.logway);
        logway.arg(command).arg("--data").arg(self.dir().join("d"));
        logway
    }

    /// `logway logs ARGS...` with a reader at `outlet`. It is connected when this returns.
    pub(super) fn tail(&self, args: &[&str], outlet: Outlet) -> Result<Tail> {
        let (stdout, open) = outlet.open()?;
        let mut logs = self.command("logs");
        // Colours would stand within the times.
        logs.env("NO_COLOR", "1");
        let mut running = Running::start("logway logs", logs.args(args), stdout)?;
        // The command holds our end of the terminal: without it the reader would never see the end.
        drop(logs);
        let reader = Reader::start(open.source(&mut running)?);
        running.wait_for("that it is live", |line| line.contains("● live"))?;
        Ok(Tail { running, reader })
    }

    /// The sum of all series of the counter `name` on `/metrics`.
    pub(super) fn counter(&self, name: &str) -> Result<u64> {
        Ok(sum(&self.metrics()?, name))
    }

    /// Lines that gap records stand for.
    pub(super) fn lost(&self) -> Result<Lost> {
        let metrics = self.metrics()?;
        let lines = sum(&metrics, LOST);
        let series = metrics.lines().filter(|line| line.starts_with(LOST) && !line.ends_with(" 0"));
        let reasons = series.filter_map(|line| line.split("reason=\"").nth(1)?.split('"').next());
        Ok(Lost { lines, reasons: reasons.map(str::to_owned).collect() })
    }

    /// A connection to search and inserts that may do everything.
    pub(super) fn http(&self) -> Result<Http> {
        let token = std::fs::read_to_string(self.dir().join("d/token")).context("reading the token")?;
        Http::connect(&self.metrics, Some(token.trim()))
    }

    fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(&self.metrics).context("connecting to the metrics")?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).context("reading the metrics")?;
        ensure!(reply.contains("# EOF"), "the metrics have no end");
        Ok(reply)
    }
}

/// The counter of lines that gap records stand for.
const LOST: &str = "logway_agent_gap_lines";

/// Lines that gap records stand for, and why.
#[derive(Debug, Default)]
pub(super) struct Lost {
    lines: u64,
    reasons: BTreeSet<String>,
}

impl Lost {
    /// The row of a table for several runs: none should be lost.
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn row<'a>(runs: impl Iterator<Item = &'a Self>) -> Row {
        let (mut lines, mut reasons) = (Vec::new(), BTreeSet::new());
        for run in runs {
            lines.push(run.lines as f64);
            reasons.extend(run.reasons.iter().map(String::as_str));
        }
        let reasons: String = reasons.iter().map(|reason| format!(": {reason}")).collect();
        Row::new(format!("  lines lost (in gap records{reasons})"), &lines, "lines").at_most(0.0)
    }
}

/// A running `logway logs` and what reads its output.
pub(super) struct Tail {
    running: Running,
    pub(super) reader: Reader,
}

impl Tail {
    /// The process id of `logway logs`.
    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }
}

/// The sum of the samples of the counter `name` in an OpenMetrics text.
fn sum(text: &str, name: &str) -> u64 {
    let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix("_total"));
    samples.filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A nats-server on a free port, with the credentials that `logway up` finds in `data`. Gives its address.
fn nats_server(dir: &Path, data: &Path) -> Result<(Running, String)> {
    let server = parts::dir()?.join("venv/bin/nats-server");
    ensure!(server.is_file(), "{} is not there: run 'cargo xtask test' once", server.display());
    let bus = data.join("bus");
    std::fs::create_dir_all(&bus).with_context(|| format!("making {}", bus.display()))?;
    for role in ["agent", "api"] {
        std::fs::write(bus.join(role), format!("{role}:bench\n")).context("writing a credential")?;
    }
    let conf = dir.join("nats.conf");
    // Port -1 is the server's word for a free one.
    std::fs::write(&conf, format!("listen: \"127.0.0.1:-1\"\n{NATS_USERS}")).context("writing nats.conf")?;
    let mut nats = Running::start("nats-server", Command::new(server).arg("-c").arg(&conf), Stdio::null())?;
    let words = "Listening for client connections on ";
    let line = nats.wait_for("its address", |line| line.contains(words))?;
    let address = line.split(words).nth(1).context("no address")?.trim().to_owned();
    nats.wait_for("that it is ready", |line| line.contains("Server is ready"))?;
    Ok((nats, format!("nats://{address}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up() {
        let text = "# TYPE lines counter\nlines_total{app=\"a b\"} 5\nlines_total{app=\"c\"} 7\nlines_text_total 9\n\
                    lines_created 3\nplain_total 2\n# EOF\n";
        assert_eq!(["lines", "plain", "none"].map(|name| sum(text, name)), [12, 2, 0]);
    }
}
