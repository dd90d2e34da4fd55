//! `logway store`: which store keeps what, and what to do with the files of a store that does not run.

mod shards;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use disk::{Disk, RealDisk};
use serde_json::json;
use store::Problem;
use store::inspect::{self, Loss, Packed, Repaired, Salvaged, Survey};
use store::part::Section;

use crate::data::{Data, DataArg};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::logs::neutral;
use crate::logs::render::thousands;
use crate::output::notice;

/// The arguments of `logway store`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// JSON instead of text
    #[arg(short, long, global = true)]
    json: bool,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say which store keeps the lines of which shards, and which of them answer
    #[command(after_help = LIST)]
    List,
    /// Give shards to a store: it keeps what comes from now on
    #[command(after_help = ASSIGN)]
    Assign(shards::Assign),
    /// Look for lines no more in a store that had shards once
    #[command(after_help = FORGET)]
    Forget(shards::Forget),
    /// Read every byte and compare it with its checksum; changes nothing
    #[command(after_help = CHECK)]
    Check,
    /// Set damaged files aside, and save from them what is whole
    #[command(after_help = REPAIR)]
    Repair,
    /// Write days that are over as small as can be, now instead of two hours after their last change
    #[command(after_help = PACK)]
    Pack,
    /// Say what is there, by day and by what takes the room
    #[command(after_help = STATS)]
    Stats,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway store list                      which store keeps which shards?
  logway store assign second --half-of main   'second' keeps half of what comes from now on
  logway store check                     is every byte as it was written?
  logway store repair --data ./data      sets aside what is not, and saves what is whole
  logway store pack                      makes finished days small at once
  logway store stats -j                  sizes, as JSON

'list', 'assign' and 'forget' go to the registry, beside a running 'logway up' or without one.
The others look after the files of one store, DIR/store. It must not be in use: stop 'logway up'
first. A start does by itself all that 'repair' does but for damage inside of parts, which only
reading every byte finds.

Exit codes: 0 done, sound, or repaired without a loss; 6 something is damaged or lost, and it is
said what; 5 the store is in use, or there is no registry; 3 there is no such store.";

const LIST: &str = "\
Examples:
  logway store list
  logway store list -j                   one compact JSON object a line

An app belongs to one of 256 shards, by its org and name, and a shard to one store. 'answers' and
'silent' say whether a store is on the bus now; '-' that nobody could be asked.";
const ASSIGN: &str = "\
Examples:
  logway store assign second --half-of main     two stores with the same load
  logway store assign new --all-of old          'old' gets nothing more, and is still searched
  logway store assign main --shards 0-63,200

Lines that are stored stay where they are and are found there, for as long as that store runs.
A batch that is on its way while its shard moves may be kept by both stores.

Exit codes: 0 done, or nothing to do; 2 there is nothing to give; 3 no such store answers, or it
has no shards; 4 the registry belongs to another user; 5 nothing runs to be asked.";
const FORGET: &str = "\
Examples:
  logway store forget old

For a store whose lines have reached their age, or which is gone for good: while it is known, each
search asks it, and says that it is missing if it does not answer.

Exit codes: 0 done; 1 it still has shards; 3 there is no such store.";

const CHECK: &str = "Examples:\n  logway store check --data ./data";
const REPAIR: &str = "Examples:\n  logway store repair --data ./data";
const PACK: &str =
    "Examples:\n  logway store pack --data ./data      before a copy of the store goes elsewhere";
const STATS: &str = "Examples:\n  logway store stats --data ./data";

const DAY_BYTES: usize = 10;

/// Does it.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let data = args.data.dir()?;
    let files = Files { dir: data.store(), disk: Arc::new(RealDisk), json: args.json, data: &data };
    match &args.action {
        Action::List => shards::list(&data, args.json, out),
        Action::Assign(assign) => shards::assign(&data, assign, args.json, out),
        Action::Forget(forget) => shards::forget(&data, forget),
        Action::Check => files.check(out),
        Action::Repair => files.repair(out),
        Action::Pack => files.pack(out),
        Action::Stats => files.stats(out),
    }
}

/// The files of a store.
struct Files<'a> {
    data: &'a Data,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    json: bool,
}

impl Files<'_> {
    fn failed(&self, error: store::Error) -> anyhow::Error {
        failure(self.data, &self.dir, &error)
    }

    fn print(
        &self,
        out: &mut dyn Write,
        json: impl FnOnce() -> serde_json::Value,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        if self.json {
            writeln!(out, "{}", json())?;
        } else {
            out.write_all(text().as_bytes())?;
        }
        Ok(())
    }

    fn check(&self, out: &mut dyn Write) -> Result<Exit> {
        let survey = inspect::check(&self.disk, &self.dir).map_err(|error| self.failed(error))?;
        self.print(out, || survey_json(&survey), || defects(&survey))?;
        Ok(sound(&survey))
    }

    fn stats(&self, out: &mut dyn Write) -> Result<Exit> {
        let survey = inspect::stats(&self.disk, &self.dir).map_err(|error| self.failed(error))?;
        self.print(out, || survey_json(&survey), || table(&survey) + &problems(&survey))?;
        Ok(sound(&survey))
    }

    /// That there is a store: what writes opens it, and that would make one.
    fn must_be(&self) -> Result<()> {
        inspect::stats(&self.disk, &self.dir).map(drop).map_err(|error| self.failed(error))
    }

    fn pack(&self, out: &mut dyn Write) -> Result<Exit> {
        self.must_be()?;
        let clock = Arc::new(store::SystemClock::new());
        let packed = inspect::pack(&self.disk, &self.dir, store::Config::default(), clock);
        let packed = packed.map_err(|error| self.failed(error))?;
        self.print(out, || packed_json(&packed), || packings(&packed))?;
        Ok(if packed.report.is_lossy() { Exit::Partial } else { Exit::Ok })
    }

    fn repair(&self, out: &mut dyn Write) -> Result<Exit> {
        self.must_be()?;
        let clock = Arc::new(store::SystemClock::new());
        let repaired = inspect::repair(&self.disk, &self.dir, store::Config::default(), clock);
        let repaired = repaired.map_err(|error| self.failed(error))?;
        self.print(out, || repaired_json(&repaired), || repairs(&repaired))?;
        Ok(if lost(&repaired) { Exit::Partial } else { Exit::Ok })
    }
}

/// Why the store cannot be looked at.
fn failure(data: &Data, dir: &Path, error: &store::Error) -> anyhow::Error {
    let shown = shown(dir);
    match error {
        store::Error::InUse(_) => {
            let who = data.running().ok().flatten().map_or(String::new(), |up| format!(" (pid {})", up.pid));
            Fail::new(Exit::Disconnected, format!("the store in {shown} is in use"))
                .code("LS01")
                .hint(format!("stop 'logway up'{who} first: its files are its own while it runs"))
        }
        store::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Fail::new(Exit::NotFound, format!("there is no store in {shown}"))
                .hint("name the data directory of 'logway up' with --data")
        }
        error => Fail::new(Exit::Failure, format!("the store in {shown} cannot be read"))
            .why(error)
            .hint("look at the disk, and at who may read the files"),
    }
    .into()
}

const fn sound(survey: &Survey) -> Exit {
    if survey.defects.is_empty() { Exit::Ok } else { Exit::Partial }
}

/// What a check says.
fn defects(survey: &Survey) -> String {
    let (parts, rows) =
        survey.days.values().fold((0, 0), |(parts, rows), day| (parts + day.parts, rows + day.rows));
    let whole = if survey.defects.is_empty() { "sound: " } else { "" };
    let (parts, rows, batches) = (thousands(parts as u64), thousands(rows), thousands(survey.log_batches));
    let head = format!("{whole}{parts} parts with {rows} rows, {batches} batches in the log\n");
    head + &problems(survey)
}

fn problems(survey: &Survey) -> String {
    let mut out = String::new();
    for defect in &survey.defects {
        let loss = if defect.is_loss { "  lines may be lost" } else { "" };
        let (path, what) = (path(&defect.path), neutral::plain(&defect.what));
        out.push_str(&format!("{path}: {what}{loss}\n"));
    }
    if survey.set_aside > 0 {
        out.push_str(&format!("{} files lie in 'damaged', set aside earlier\n", survey.set_aside));
    }
    out
}

/// A path as JSON has it; what is not UTF-8 in it is replaced.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn path(path: &Path) -> String {
    neutral::plain(&path.display().to_string())
}

/// What there is, by day and by section.
fn table(survey: &Survey) -> String {
    let mut out = format!(
        "{:<10}  {:>6}  {:>6}  {:>14}  {:>10}  {:>10}\n",
        "day", "parts", "closed", "rows", "size", "bytes/row"
    );
    let (mut rows, mut bytes) = (0, 0);
    for (start, day) in &survey.days {
        let name = line::time::rfc3339(*start);
        let name = name.get(..DAY_BYTES).unwrap_or(&name);
        let (count, size, each) = (thousands(day.rows), mib(day.bytes), per_row(day.bytes, day.rows));
        out.push_str(&format!(
            "{name}  {:>6}  {:>6}  {count:>14}  {size:>10}  {each:>10}\n",
            day.parts, day.closed
        ));
        (rows, bytes) = (rows + day.rows, bytes + day.bytes);
    }
    let (count, size, each) = (thousands(rows), mib(bytes), per_row(bytes, rows));
    out.push_str(&format!("{:<10}  {:>6}  {:>6}  {count:>14}  {size:>10}  {each:>10}\n\n", "all", "", ""));
    out.push_str(&format!("{:<10}  {:>10}  {:>10}\n", "section", "size", "bytes/row"));
    for (section, size) in Section::ALL.into_iter().zip(survey.sizes) {
        out.push_str(&format!("{:<10}  {:>10}  {:>10}\n", section.as_str(), mib(size), per_row(size, rows)));
    }
    let (log, batches) = (mib(survey.log_bytes), thousands(survey.log_batches));
    out.push_str(&format!(
        "\nlog: {log}, {batches} batches not in parts; {} boots remembered\n",
        thousands(survey.boots as u64)
    ));
    out
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn per_row(bytes: u64, rows: u64) -> String {
    if rows == 0 { "-".to_owned() } else { format!("{:.2}", bytes as f64 / rows as f64) }
}

fn survey_json(survey: &Survey) -> serde_json::Value {
    let days: Vec<_> = survey
        .days
        .iter()
        .map(|(start, day)| {
            let name = line::time::rfc3339(*start);
            let name = name.get(..DAY_BYTES).unwrap_or(&name);
            json!({ "day": name, "parts": day.parts, "closed": day.closed, "rows": day.rows, "bytes": day.bytes })
        })
        .collect();
    let sections: serde_json::Map<_, _> = Section::ALL
        .into_iter()
        .zip(survey.sizes)
        .map(|(section, size)| (section.as_str().to_owned(), json!(size)))
        .collect();
    let defects: Vec<_> = survey
        .defects
        .iter()
        .map(|defect| json!({ "path": shown(&defect.path), "what": defect.what, "loss": defect.is_loss }))
        .collect();
    json!({
        "sound": survey.is_sound(), "defects": defects, "days": days, "sections": sections,
        "log_bytes": survey.log_bytes, "log_batches": survey.log_batches, "boots": survey.boots,
        "set_aside": survey.set_aside,
    })
}

/// Whether rows are gone for good.
fn lost(repaired: &Repaired) -> bool {
    repaired.report.is_lossy() || repaired.parts.iter().any(|part| part.lost > 0)
}

/// What a repair did.
fn repairs(repaired: &Repaired) -> String {
    let mut out = String::new();
    for (file, problem) in &repaired.report.problems {
        out.push_str(&format!("{}: {}\n", path(file), problem));
    }
    for part in &repaired.parts {
        let (kept, gone) = (thousands(part.saved), thousands(part.lost));
        out.push_str(&format!(
            "{}: {kept} rows saved, {gone} lost; it lies in 'damaged' now\n",
            path(&part.path)
        ));
        for loss in &part.losses {
            let (rows, from, to) =
                (thousands(loss.rows), line::time::rfc3339(loss.from), line::time::rfc3339(loss.to));
            out.push_str(&format!("  lost: {rows} rows of {}/{} from {from} to {to}\n", loss.org, loss.app));
        }
    }
    if out.is_empty() {
        out.push_str("sound: there was nothing to repair\n");
    } else if lost(repaired) {
        notice("note: lines are lost; what was set aside lies in 'damaged'");
    }
    out
}

fn problem_json((file, problem): &(PathBuf, Problem)) -> serde_json::Value {
    json!({ "path": shown(file), "what": problem.to_string() })
}

fn repaired_json(repaired: &Repaired) -> serde_json::Value {
    let loss = |loss: &Loss| {
        let (from, to) = (line::time::rfc3339(loss.from), line::time::rfc3339(loss.to));
        json!({ "org": loss.org, "app": loss.app, "from": from, "to": to, "rows": loss.rows })
    };
    let part = |part: &Salvaged| {
        let losses: Vec<_> = part.losses.iter().map(loss).collect();
        json!({ "path": shown(&part.path), "saved_rows": part.saved, "lost_rows": part.lost, "lost": losses })
    };
    json!({
        "lossy": lost(repaired),
        "problems": repaired.report.problems.iter().map(problem_json).collect::<Vec<_>>(),
        "parts": repaired.parts.iter().map(part).collect::<Vec<_>>(),
    })
}

/// What packing did.
fn packings(packed: &Packed) -> String {
    let found = packed.report.problems.iter();
    let mut out: String = found.map(|(file, problem)| format!("{}: {problem}\n", path(file))).collect();
    let (before, after) = (mib(packed.before), mib(packed.after));
    out.push_str(&format!("{} days written anew, {before} became {after}\n", thousands(packed.rewrites)));
    out
}

fn packed_json(packed: &Packed) -> serde_json::Value {
    json!({
        "lossy": packed.report.is_lossy(),
        "problems": packed.report.problems.iter().map(problem_json).collect::<Vec<_>>(),
        "days": packed.rewrites, "bytes_before": packed.before, "bytes_after": packed.after,
    })
}

#[cfg(test)]
mod tests;
