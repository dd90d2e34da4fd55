//! `logway demo`: the whole path at work, in front of you, with the sum at the end.

pub(crate) mod app;
mod host;
mod tally;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::time::{Instant, sleep_until, timeout};

use self::app::Kind;
use self::host::Host;
use self::tally::{Sum, Tally};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::logs::render::{Style, thousands};
use crate::output::{self, aside, done, notice};
use crate::signals::Signals;

/// How long the apps and the last lines may take to end.
const END_PATIENCE: Duration = Duration::from_secs(30);
/// How often the host side is killed.
const KILL_EVERY: Duration = Duration::from_secs(2);
/// The longest that a demo may be told to take.
const MAX_SECONDS: u64 = 24 * 3600;

/// The arguments of `logway demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End by itself after this time, as 10s or 2m [default: at Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = init::parse_time)]
    duration: Option<Duration>,
    /// Meanwhile kill the whole host side (agent and bus) with 'kill -9' every two seconds
    #[arg(long)]
    kill_agent: bool,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway demo                           until Ctrl-C
  logway demo --for 10s
  logway demo --for 10s --kill-agent    the sum must balance even so
  logway demo --for 10s >/dev/null      only what it says of itself

At the end it prints: produced N  delivered N  gaps N. Produced is what the apps counted
themselves, delivered what the tail wrote, by the id in each line, and gaps the lines that gap
records say are lost.
Ends with 0 only if produced = delivered + gaps.";

/// Shows it.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let dir = Scratch::make()?;
    aside(&format!("Logway starts in {} (agent and bus, on free ports) ...", dir.0.display()));
    let host = tokio::select! {
        host = Host::start(dir.0.join("data")) => host?,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    done(&format!("Logway runs: {}", host.address()));
    let mut demo = Demo::start(host, &dir.0).await?;
    let shown = demo.show(args, signals).await;
    let sum = match shown {
        Ok(()) => demo.finish().await?,
        Err(error) => return Err(error),
    };
    let kills = demo.host.kills();
    demo.host.stop().await?;
    drop(dir);
    conclude(sum, kills)
}

/// The parts of a running demo.
struct Demo {
    host: Host,
    apps: Vec<(Kind, Child, PathBuf)>,
    tail: Child,
    rows: tokio::io::Lines<BufReader<ChildStdout>>,
    out: output::Data,
    style: Style,
    tally: Tally,
}

impl Demo {
    /// Starts the tail, then the apps.
    async fn start(host: Host, dir: &Path) -> Result<Self> {
        let mut tail = host.logway("logs").args(["-j", "--lines", "1000"]).stdout(Stdio::piped()).spawn()?;
        let stdout = tail.stdout.take().context("the tail has no output")?;
        host::pass_on("logs", host::stderr_of(&mut tail)?);
        let mut apps = Vec::new();
        for kind in Kind::ALL {
            let count = dir.join(format!("{}.count", kind.name()));
            let mut command = host.logway("run");
            command.args(["--app", kind.name(), "--region", "demo", "--"]).arg(host.program());
            command.args(["demo-app", kind.name(), "--count-file"]).arg(&count);
            let mut child = command.spawn().with_context(|| format!("starting the app {}", kind.name()))?;
            host::pass_on(kind.name(), host::stderr_of(&mut child)?);
            apps.push((kind, child, count));
        }
        done("three apps run: plain (text), json (levels), trace (stack traces on stderr)");
        // What the apps write here is ours, and one line shows what happens to control sequences: so even in a pipe.
        let (for_terminal, has_colour) = (true, output::terminal().1);
        Ok(Self {
            host,
            apps,
            tail,
            rows: BufReader::new(stdout).lines(),
            out: output::Data::stdout(),
            style: Style { has_colour, for_terminal, with_app: true },
            tally: Tally::default(),
        })
    }

    /// Shows lines until the time is over or Ctrl-C.
    async fn show(&mut self, args: &Args, mut signals: Signals) -> Result<()> {
        let begun = Instant::now();
        let end = begun + args.duration.unwrap_or(Duration::from_secs(MAX_SECONDS));
        let mut kill_at = begun + KILL_EVERY;
        match args.duration {
            Some(time) => done(&format!("their lines, for {} seconds:\n", time.as_secs())),
            None => done("their lines, until Ctrl-C:\n"),
        }
        loop {
            tokio::select! {
                row = self.rows.next_line() => self.row(row.context("reading from the tail")?)?,
                () = sleep_until(end) => return Ok(()),
                _ = signals.next() => return Ok(()),
                () = sleep_until(kill_at), if args.kill_agent => {
                    aside("    kill -9 of agent and bus ...");
                    self.host.kill_and_start().await?;
                    kill_at = Instant::now() + KILL_EVERY;
                }
                ended = self.host.ended() => return Err(ended),
            }
        }
    }

    /// Counts and shows one row of the tail.
    fn row(&mut self, row: Option<String>) -> Result<()> {
        let row = row.context("the tail ended by itself")?;
        let message =
            line::json::decode(row.as_bytes()).with_context(|| format!("the tail wrote {row:?}"))?;
        self.tally.add(&message);
        let mut text = String::new();
        self.style.write(&message, message.entry.span, &mut text);
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Tells the apps to end, waits for them and for their last lines, and sums up.
    async fn finish(&mut self) -> Result<Sum> {
        aside("\n    the apps are told to end; waiting for their last lines ...");
        for (_, child, _) in &self.apps {
            host::terminate(child);
        }
        let until = Instant::now() + END_PATIENCE;
        while self.tally.ended() < self.apps.len() {
            tokio::select! {
                row = self.rows.next_line() => self.row(row.context("reading from the tail")?)?,
                () = sleep_until(until) => {
                    notice("warning: the last lines of an app did not come in time");
                    break;
                }
            }
        }
        let mut produced = 0;
        for (kind, child, count) in &mut self.apps {
            let status = timeout(END_PATIENCE, child.wait()).await;
            let status = status.with_context(|| format!("the app {} does not end", kind.name()))??;
            if !status.success() {
                notice(&format!("warning: the app {} ended with {status}", kind.name()));
            }
            let text =
                std::fs::read_to_string(&*count).with_context(|| format!("reading {}", count.display()))?;
            produced +=
                text.trim().parse::<u64>().with_context(|| format!("{}: {text:?}", count.display()))?;
        }
        host::terminate(&self.tail);
        while let Ok(Ok(Some(row))) = timeout(END_PATIENCE, self.rows.next_line()).await {
            self.row(Some(row))?;
        }
        Ok(self.tally.sum(produced))
    }
}

/// A directory of this demo alone, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let name: String = crate::data::random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("logway-demo-{name}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("making {}; TMPDIR names another place", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Prints the sum and what to try next.
fn conclude(sum: Sum, kills: u32) -> Result<Exit> {
    let mut out = output::Data::stdout();
    writeln!(out, "\nproduced {}  delivered {}  gaps {}", sum.produced, sum.delivered, sum.gaps)?;
    out.flush()?;
    if sum.twice > 0 {
        notice(&format!("{} lines were delivered twice", sum.twice));
    }
    if sum.unexplained > 0 {
        notice(&format!("{} lines are missing and nobody on the way said so", sum.unexplained));
    }
    if !sum.is_even() {
        let what = "the sum does not balance: produced is not delivered + gaps, each line once";
        return Fail::new(Exit::Failure, what)
            .hint("please report this, with the output of 'logway demo' and this machine's kernel")
            .err();
    }
    let killed = match kills {
        0 => String::new(),
        1 => ", although agent and bus were killed once".to_owned(),
        kills => format!(", although agent and bus were killed {kills} times"),
    };
    match sum.gaps {
        0 => notice(&format!("All {} lines came, each once{killed}.", thousands(sum.delivered))),
        gaps => {
            notice(&format!("Each line came once or is accounted for as lost ({}){killed}.", thousands(gaps)))
        }
    }
    aside(
        "\nTry next:\n  logway demo --for 10s --kill-agent         the same under 'kill -9'\n  logway up                                  for real; then, in another terminal:\n  logway run --app web -- ./your-server      run your app\n  logway logs -a web                         read it",
    );
    Ok(Exit::Ok)
}
