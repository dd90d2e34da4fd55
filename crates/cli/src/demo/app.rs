//! The sample apps of `logway demo`: `logway demo-app KIND`, which is hidden.
//!
//! Each writes about 150 lines a second until SIGTERM. Each line carries an id (`id=plain-17`, counted from 1), and after
//! each line the app writes into a file of its own how many there are, so that what it produced is known from itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::exit::Exit;

/// Time between two bursts of lines.
const PAUSE: Duration = Duration::from_millis(40);
/// Lines of one burst.
const BURST: u64 = 6;

/// What an app writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Plain text on stdout.
    Plain,
    /// JSON objects with levels on stdout.
    Json,
    /// Stack traces on stderr.
    Trace,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Json, Self::Trace];

    /// The app's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Trace => "trace",
        }
    }

    /// The `number`th line, counted from 1, without its newline.
    pub(crate) fn line(self, number: u64) -> String {
        let id = format!("id={}-{number}", self.name());
        match self {
            Self::Plain => match number % 40 {
                7 => format!("WARN slow query took {} ms {id}", 200 + number % 700),
                23 => format!("ERROR payment refused, will try again {id}"),
                _ => format!("GET /orders/{} 200 in {} ms {id}", number * 7 % 1000, 1 + number % 30),
            },
            Self::Json => {
                let (level, text) = match number % 20 {
                    3 => ("debug", "cache miss"),
                    9 => ("warn", "queue is long"),
                    17 => ("error", "upstream closed the connection"),
                    _ => ("info", "order shipped"),
                };
                format!(
                    "{{\"level\":\"{level}\",\"msg\":\"{text} {id}\",\"order\":{},\"ms\":{}}}",
                    number * 3,
                    number % 50
                )
            }
            Self::Trace => match number % 6 {
                1 => format!("java.lang.IllegalStateException: no stock for order {number} {id}"),
                5 => format!("Caused by: java.io.IOException: connection reset {id}"),
                0 => format!("\t... 12 more {id}"),
                depth => format!("\tat shop.Stock.reserve{depth}(Stock.java:{}) {id}", 40 + depth),
            },
        }
    }
}

/// The arguments of `logway demo-app`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    kind: Kind,
    /// Where to count the lines
    #[arg(long)]
    count_file: PathBuf,
}

/// Writes lines until SIGTERM.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let file = File::create(&args.count_file);
    let file = file.with_context(|| format!("making {}", args.count_file.display()))?;
    let mut end = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (begun, mut number) = (Instant::now(), 0);
    loop {
        tokio::select! {
            _ = end.recv() => break,
            _ = ticks.tick() => {}
        }
        for _ in 0..BURST {
            number += 1;
            write_line(args.kind, number)?;
            // After the line, so that no line is counted that was not written.
            file.write_all_at(format!("{number:<20}\n").as_bytes(), 0).context("counting a line")?;
        }
        if args.kind == Kind::Plain && number == BURST {
            // Control sequences of an app do nothing to your terminal; this one would change its title.
            number += 1;
            let title = format!("\u{1b}]0;owned\u{7} up since {:?} id=plain-{number}\n", begun.elapsed());
            io::stdout().write_all(title.as_bytes()).context("writing a line")?;
            file.write_all_at(format!("{number:<20}\n").as_bytes(), 0).context("counting a line")?;
        }
    }
    Ok(Exit::Ok)
}

fn write_line(kind: Kind, number: u64) -> Result<()> {
    let line = format!("{}\n", kind.line(number));
    let written = match kind {
        Kind::Plain | Kind::Json => io::stdout().write_all(line.as_bytes()),
        Kind::Trace => io::stderr().write_all(line.as_bytes()),
    };
    written.context("writing a line")
}

/// The id that `message` carries: the app's name and the line's number.
pub(crate) fn id_of(message: &str) -> Option<(&str, u64)> {
    let (_, rest) = message.rsplit_once("id=")?;
    let end = rest.find(['"', ' ']).unwrap_or(rest.len());
    let (app, number) = rest[..end].rsplit_once('-')?;
    Some((app, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_carries_its_id() {
        for kind in Kind::ALL {
            for number in 1..100 {
                let line = kind.line(number);
                assert_eq!(id_of(&line), Some((kind.name(), number)), "{line}");
                assert!(!line.contains('\n'));
            }
        }
        assert_eq!(id_of("\tat x.y id=trace-12"), Some(("trace", 12)));
        for none in ["", "hello", "id=", "id=web", "id=web-x"] {
            assert_eq!(id_of(none), None, "{none}");
        }
    }

    #[test]
    fn the_apps_write_at_all_levels() {
        let levels = |kind: Kind| {
            let mut levels: Vec<_> =
                (1..100).map(|n| line::level::infer(kind.line(n).as_bytes()).0).collect();
            levels.sort_unstable();
            levels.dedup();
            levels.len()
        };
        assert_eq!((levels(Kind::Plain), levels(Kind::Json)), (3, 4));
    }
}
