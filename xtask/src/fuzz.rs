//! `cargo xtask fuzz`: runs a target of `fuzz/` with cargo-fuzz.

use anyhow::{Result, bail};

use crate::args::{Args, Usage};
use crate::{Outcome, sh};

const HELP: &str = "\
Run a fuzz target of fuzz/ with cargo-fuzz, or list the targets

Usage: cargo xtask fuzz [TARGET] [--seconds N]

Options:
  --seconds N   stop after N seconds without a finding [default: 60]

Examples:
  cargo xtask fuzz
  cargo xtask fuzz frame --seconds 600

Exit codes: 0 nothing found, 1 a finding or no cargo-fuzz, 2 the command line is wrong
";

/// Runs one target, or lists them all.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let seconds = args.option("--seconds")?.unwrap_or_else(|| "60".to_owned());
    if seconds.parse::<u32>().is_err() {
        return Err(Usage(format!("--seconds {seconds}: not a number of seconds")).into());
    }
    let mut wanted = args.rest()?;
    let root = sh::root()?;
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(root.join("fuzz/fuzz_targets"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        targets.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    targets.sort();
    let Some(target) = wanted.pop() else {
        println!("{}", targets.join("\n"));
        return Ok(Outcome::Good);
    };
    if !wanted.is_empty() || !targets.contains(&target) {
        return Err(Usage(format!("no fuzz target '{target}': there are {}", targets.join(", "))).into());
    }
    if sh::output(sh::cargo(&root).args(["fuzz", "--version"])).is_err() {
        bail!("cargo-fuzz is not installed: run 'cargo install cargo-fuzz'");
    }
    // The sanitizer flags are unstable; this lets the stable compiler take them.
    let mut fuzz = sh::cargo(&root);
    fuzz.env("RUSTC_BOOTSTRAP", "1").current_dir(root.join("fuzz"));
    fuzz.args(["fuzz", "run", &target, "--", "-timeout=10", &format!("-max_total_time={seconds}")]);
    Ok(if sh::run(&mut fuzz)? { Outcome::Good } else { Outcome::Bad })
}
