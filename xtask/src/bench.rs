//! `cargo xtask bench`: what a line costs, measured on the real binaries, as a table.

mod calibrate;
mod child;
mod init;
mod pipeline;
mod produce;
mod table;
mod usage;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::{Args, Usage};
use crate::{Outcome, dist, sh};
use table::Row;

const HELP: &str = "\
Measure what a line costs, on the release binaries, and print a table

Usage: cargo xtask bench [NAME...] [--seconds N] [--no-build] [--record]

Benches (all of them without NAME; the calibration always runs first):
  init       CPU per GB of 100-byte lines, memory idle and full, size of the static logway-init
  host       CPU per line of the agent from socket to a real nats-server, spool on, 16 apps
  latency    from an app's write to `logway logs`, at 10, 1,000 and 20,000 lines/s
  pipeline   CPU per line of all of `logway up`, at 100, 1,000 and 50,000 lines/s, 16 apps, one tail

Options:
  --seconds N   measure each point for N seconds [default: 10]
  --no-build    measure the binaries that are there
  --record      write the table into docs/performance.md, with the day and this machine's calibration

Only Logway's processes are counted: not the producer, not the terminal, not nats-server.

Examples:
  cargo xtask bench
  cargo xtask bench init --seconds 3
  cargo xtask bench --record

Exit codes: 0 measured (whether or not a budget is met), 1 something could not be measured, 2 the command line is wrong
";

/// The page that `--record` writes, and the marks between which the table stands.
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- cargo xtask bench --record writes from here -->";
const END: &str = "<!-- to here -->";

/// What a bench needs to know.
pub(crate) struct Bench {
    /// The release `logway`.
    logway: PathBuf,
    /// The static `logway-init`.
    init: PathBuf,
    /// How long one point is measured.
    seconds: u64,
}

/// A bench by its name.
type Named = (&'static str, fn(&Bench) -> Result<Vec<Row>>);

/// In the order in which a line travels.
const BENCHES: [Named; 4] = [
    ("init", init::measure),
    ("host", pipeline::host),
    ("latency", pipeline::latency),
    ("pipeline", pipeline::whole),
];

/// Builds, calibrates, measures, prints.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let (record, no_build) = (args.flag("--record"), args.flag("--no-build"));
    let seconds = args.option("--seconds")?.unwrap_or_else(|| "10".to_owned());
    let seconds =
        seconds.parse().map_err(|_| Usage(format!("--seconds {seconds}: not a number of seconds")))?;
    let wanted = args.rest()?;
    if let Some(name) = wanted.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        return Err(Usage(format!("no bench '{name}' (see 'cargo xtask bench --help')")).into());
    }
    let root = sh::root()?;
    let bench = prepare(&root, seconds, !no_build)?;
    let mut text = calibrate::machine()?;
    text.push_str(&table::render(&calibrate::measure()?));
    println!("{text}");
    let (mut rows, mut failed) = (Vec::new(), false);
    for (name, measure) in
        BENCHES.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name))
    {
        eprintln!("bench {name}");
        match measure(&bench) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("bench {name} failed: {error:#}");
                failed = true;
            }
        }
    }
    let rows = table::render(&rows);
    println!("{rows}");
    if record && !failed {
        write_page(&root, &format!("{text}\n{rows}"))?;
    }
    Ok(if failed { Outcome::Bad } else { Outcome::Good })
}

/// The producer's side of a bench, started by the benches themselves as a child of `logway-init` or `logway run`.
pub(crate) fn produce(args: Args) -> Result<Outcome> {
    produce::main(args)
}

fn prepare(root: &Path, seconds: u64, build: bool) -> Result<Bench> {
    let target = sh::target_dir(root)?;
    let init = if build {
        sh::must(sh::cargo(root).args([
            "build",
            "--release",
            "--locked",
            "-p",
            "logway",
            "--bin",
            "logway",
        ]))?;
        dist::static_init(root, &target)?
    } else {
        dist::init_path(&target)?
    };
    Ok(Bench { logway: target.join("release/logway"), init, seconds })
}

/// Puts `text` between the marks of the page; makes the page, or the marks at its end, when they are not there.
fn write_page(root: &Path, text: &str) -> Result<()> {
    let path = root.join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap_or_else(|_| "# Performance\n".to_owned());
    std::fs::write(&path, between_marks(&page, text)).with_context(|| format!("writing {PAGE}"))?;
    println!("recorded in {PAGE}");
    Ok(())
}

fn between_marks(page: &str, text: &str) -> String {
    let text = text.trim();
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}\n\n{text}\n\n{}", &page[..begin + BEGIN.len()], &page[end..])
        }
        _ => format!("{}\n\n{BEGIN}\n\n{text}\n\n{END}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_what_people_wrote() {
        let first = between_marks("# Performance\n\nWords.\n", "| a |");
        assert_eq!(first, format!("# Performance\n\nWords.\n\n{BEGIN}\n\n| a |\n\n{END}\n"));
        let second = between_marks(&(first + "\nMore words.\n"), "| b |\n");
        assert_eq!(second, format!("# Performance\n\nWords.\n\n{BEGIN}\n\n| b |\n\n{END}\n\nMore words.\n"));
    }
}
