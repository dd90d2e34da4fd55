//! The page of an app's lines in a browser: first line, latency, frames, memory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::stage::{Bus, Stage};
use super::table::Row;
use crate::{parts, sh};

/// Lines that the page has followed when its memory is looked at.
const LINES: u64 = 1_000_000;

/// What the browser measured, as the script prints it.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let packages = parts::dir()?.join("browser/node_modules");
    ensure!(packages.is_dir(), "{} is not there: 'cargo xtask test' installs it", packages.display());
    let found: Vec<serde_json::Value> = bench.repeat(|| run(bench, &packages))?;
    let of = |path: &str, scale: f64| -> Vec<f64> {
        found.iter().filter_map(|run| run.pointer(path)?.as_f64()).map(|value| value * scale).collect()
    };
    let first: Vec<f64> = found
        .iter()
        .filter_map(|run| run["first"].as_array())
        .flatten()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    let megabyte = 1.0 / f64::from(1 << 20);
    Ok(vec![
        Row::new("from opening an app's page to its first line on the screen", &first, "ms"),
        Row::new("from stdout to the page, 100 lines/s, p50", &of("/slow/ages/p50", 1.0), "ms"),
        Row::new("  p99", &of("/slow/ages/p99", 1.0), "ms"),
        Row::new("from stdout to the page, 1,000 lines/s, p50", &of("/fast/ages/p50", 1.0), "ms"),
        Row::new("  p99", &of("/fast/ages/p99", 1.0), "ms"),
        Row::new("time between frames while 2,000 lines/s come, p50", &of("/faster/frames/p50", 1.0), "ms"),
        Row::new("  p99", &of("/faster/frames/p99", 1.0), "ms"),
        Row::new("memory of the page's scripts behind 100,000 lines", &of("/memory/few", megabyte), "MiB"),
        Row::new("  behind 1,000,000 more", &of("/memory/all", megabyte), "MiB"),
    ])
}

fn run(bench: &Bench, packages: &Path) -> Result<serde_json::Value> {
    let stage = Stage::start(bench, Bus::Embedded, None)?;
    let token = std::fs::read_to_string(stage.dir().join("d/token")).context("reading the token")?;
    let data = stage.dir().join("d");
    let produce = [
        bench.logway.display().to_string(),
        "run".into(),
        "--data".into(),
        data.display().to_string(),
        "--app".into(),
        "{app}".into(),
        "--".into(),
        std::env::current_exe().context("finding this program's own file")?.display().to_string(),
        "bench-produce".into(),
        "--lines".into(),
        "{lines}".into(),
        "--rate".into(),
        "{rate}".into(),
        "--burst-ms".into(),
        "10".into(),
    ];
    let mut node = Command::new("node");
    node.arg(bench.root.join("dashboard/tests/measure.cjs")).env("NODE_PATH", packages);
    node.env("LOGWAY_URL", format!("http://{}", stage.address())).env("LOGWAY_TOKEN", token.trim());
    node.env("LOGWAY_PRODUCE", serde_json::to_string(&produce)?).env("LOGWAY_LINES", LINES.to_string());
    let text = sh::output(&mut node)?;
    serde_json::from_str(text.trim()).with_context(|| format!("the script printed {text}"))
}
