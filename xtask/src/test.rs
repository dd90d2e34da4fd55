//! `cargo xtask test`: all that must hold before a change is pushed. CI runs the same.

mod tally;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::Args;
use crate::{Outcome, dist, parts, sh, tidy};
use tally::Tally;

const HELP: &str = "\
Install the test parts, then check the format, lints and tidy, build, and run every test

Usage: cargo xtask test [--soak] [--no-parts] [FILTER...]

With FILTER only the tests whose name contains one of them run, and the checks before them are left out:
that is for the inner loop.

Options:
  --soak       run the fault tests at full length
  --no-parts   do not install test parts; what is not there already counts as skipped

Environment:
  LOGWAY_PARTS   where the test parts lie [default: ~/.cache/logway/parts]
  CI=true        a missing part and a skipped test are failures

Examples:
  cargo xtask test
  cargo xtask test --soak promise_3
  cargo xtask test kill_agent

The last line is 'N passed, N failed, N skipped'. A failed format check, lint or tidy run counts as one failed.
Exit codes: 0 nothing failed, 1 something did, 2 the command line is wrong
";

/// What the command line and the environment ask for.
struct Plan {
    root: PathBuf,
    target: PathBuf,
    parts: PathBuf,
    soak: bool,
    ci: bool,
    filters: Vec<String>,
}

/// Runs the steps in order; those that do not depend on each other all run, so that one run shows all faults.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let (soak, no_parts) = (args.flag("--soak"), args.flag("--no-parts"));
    let filters = args.rest()?;
    let root = sh::root()?;
    let target = sh::target_dir(&root)?;
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let plan = Plan { root, target, parts: parts::dir()?, soak, ci, filters };

    let mut tally = Tally::default();
    if !no_parts {
        for missing in parts::install(&plan.root, &plan.parts)? {
            eprintln!("\nMISSING TEST PART: {missing}\nThe tests that need it will be skipped.\n");
            if plan.ci {
                tally.fail_step(&format!("missing test part: {missing}"));
            }
        }
    }
    if plan.filters.is_empty() {
        checks(&plan.root, &mut tally)?;
    }
    match build(&plan) {
        Ok(init) => tests(&plan, &init, &mut tally)?,
        Err(error) => tally.fail_step(&format!("build: {error:#}")),
    }
    print!("{}", tally.report());
    Ok(if tally.good(plan.ci) { Outcome::Good } else { Outcome::Bad })
}

/// Format, lints and tidy.
fn checks(root: &Path, tally: &mut Tally) -> Result<()> {
    let fmt = sh::run(sh::cargo(root).args(["fmt", "--all", "--check"]))?;
    tally.step("cargo fmt: run 'cargo fmt --all'", fmt);
    let mut clippy = sh::cargo(root);
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    tally.step("cargo clippy", sh::run(&mut clippy)?);
    tally.step("cargo xtask tidy", tidy::check(root)?);
    Ok(())
}

/// Builds the binaries that the tests start. Gives the path of the static `logway-init`.
fn build(plan: &Plan) -> Result<PathBuf> {
    sh::must(sh::cargo(&plan.root).args(["build", "--workspace", "--bins", "--locked"]))?;
    dist::static_init(&plan.root, &plan.target)
}

/// Every test of every package, with the binaries and parts named in the environment.
fn tests(plan: &Plan, init: &Path, tally: &mut Tally) -> Result<()> {
    let skips = plan.target.join("skipped-tests");
    std::fs::write(&skips, "").with_context(|| format!("emptying {}", skips.display()))?;
    let mut test = sh::cargo(&plan.root);
    test.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    test.env("LOGWAY_BIN", plan.target.join("debug/logway")).env("LOGWAY_INIT", init);
    test.env("LOGWAY_PARTS", &plan.parts).env("LOGWAY_SKIPS", &skips);
    if plan.soak {
        test.env("LOGWAY_SOAK", "1");
    }
    if !plan.filters.is_empty() {
        test.arg("--").args(&plan.filters);
    }
    let good = sh::tee(&mut test, |line| tally.see(line))?;
    tally.skips(&std::fs::read_to_string(&skips).context("reading the list of skipped tests")?);
    tally.finish(good);
    Ok(())
}
