//! The host side of the demo: `logway up` as a child, killed and started again on the same data and ports.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::data::{Data, Running};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::aside;

/// How long the start may take.
const START: Duration = Duration::from_secs(30);
/// How long the end may take.
const END: Duration = Duration::from_secs(15);

/// A running `logway up`.
pub(crate) struct Host {
    program: PathBuf,
    data: PathBuf,
    running: Running,
    child: Child,
    kills: u32,
}

impl Host {
    /// Starts it on `data` and free ports, and waits until it is ready.
    pub(crate) async fn start(data: PathBuf) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program's own file")?;
        let child = launch(&program, &data, ["0", "0", "0"]).await?;
        let running =
            Data::new(Some(&data))?.running()?.context("'logway up' is ready but did not say where")?;
        Ok(Self { program, data, running, child, kills: 0 })
    }

    /// This program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where it serves, for people.
    pub(crate) fn address(&self) -> String {
        format!("bus {}, metrics {}/metrics", self.running.nats, self.running.http)
    }

    /// How often it was killed.
    pub(crate) const fn kills(&self) -> u32 {
        self.kills
    }

    /// A command of this program on the same data, apart from the terminal's Ctrl-C, and killed when it is dropped.
    pub(crate) fn logway(&self, name: &str) -> Command {
        command(&self.program, &self.data, name)
    }

    /// Kills it with `kill -9`, and starts it again.
    pub(crate) async fn kill_and_start(&mut self) -> Result<()> {
        self.child.kill().await.context("killing 'logway up'")?;
        self.kills += 1;
        let port = |url: &str| url.rsplit(':').next().unwrap_or_default().to_owned();
        let door = self.running.proxy.as_deref().map_or_else(|| "0".to_owned(), port);
        let (nats, http) = (port(&self.running.nats), port(&self.running.http));
        self.child = launch(&self.program, &self.data, [&nats, &door, &http]).await?;
        Ok(())
    }

    /// Waits for its end, which should not come by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("'logway up' ended by itself: {status}"),
            Err(error) => anyhow::Error::new(error).context("waiting for 'logway up'"),
        }
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        terminate(&self.child);
        let ended = timeout(END, self.child.wait()).await;
        let status = ended.context("'logway up' does not end")?.context("waiting for 'logway up'")?;
        anyhow::ensure!(status.success(), "'logway up' ended with {status}");
        Ok(())
    }
}

fn command(program: &Path, data: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(name).arg("--data").arg(data).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts `logway up` and waits until it says `ready`. What it says on stderr is passed on when it fails.
async fn launch(program: &Path, data: &Path, [nats, door, http]: [&str; 3]) -> Result<Child> {
    let mut command = command(program, data, "up");
    command.args(["--region", "demo", "--nats-port", nats, "--proxy-port", door, "--http-port", http]);
    let mut child = command.spawn().context("starting 'logway up'")?;
    let mut rows = stderr_of(&mut child)?;
    let mut said = String::new();
    let ready = timeout(START, async {
        while let Some(row) = rows.next_line().await? {
            if row == "ready" {
                return Ok::<bool, std::io::Error>(true);
            }
            said.push_str(&format!("\n  {row}"));
        }
        Ok(false)
    });
    if !matches!(ready.await, Ok(Ok(true))) {
        return Fail::new(Exit::Failure, "'logway up' does not start").why(said).err();
    }
    pass_on("up", rows);
    Ok(child)
}

/// What children say of the demo's own doing, and what its last lines say better.
const EXPECTED: [&str; 6] = [
    "■ ended",
    "● live: ",
    "terminated: ",
    "logway-init: LI08",
    "logway-init: connected to the agent",
    "logway-init: the agent",
];

/// Passes on what a child says on stderr, if it is news to the person. A pipe that nobody reads would block the child.
pub(crate) fn pass_on(who: &'static str, mut rows: Lines<BufReader<ChildStderr>>) {
    tokio::spawn(async move {
        while let Ok(Some(row)) = rows.next_line().await {
            if !EXPECTED.iter().any(|begin| row.starts_with(begin)) {
                aside(&format!("    {who}: {row}"));
            }
        }
    });
}

/// The rows of a child's stderr.
pub(crate) fn stderr_of(child: &mut Child) -> Result<Lines<BufReader<ChildStderr>>> {
    let stderr = child.stderr.take().context("a child has no stderr")?;
    Ok(BufReader::new(stderr).lines())
}

/// Asks a child to end.
pub(crate) fn terminate(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        // It may have ended, which is as well.
        let _ = kill_process(id, Signal::TERM);
    }
}
