//! What parts cost: reads lines as `{"_time":…,"_msg":…,"app":…,"region":…,"instance":…,"level":…}`, writes them as the store would, first as
//! they come, then as a closed day, and says bytes per line by section and CPU time per line.
//!
//! `parts FILE [LINES]`, with FILE of `corpus/expand.py --format victorialogs`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement: it prints, and stops when something is wrong"
)]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use disk::{Disk, File, RealDisk};
use line::time::parse_rfc3339;
use line::{Boot, Level, LevelSource, Name, OrgId};
use store::flatten::Flattened;
use store::part::{Floor, Lookup, Options, Part, PartWriter, Section, merge, tokens};
use store::rows::{Head, Kind, Rows, Source};

/// Lines that the store is given at once.
const BATCH: usize = 1000;

/// Bytes of text at which rows in memory become a part.
const FLUSH_BYTES: usize = 40 << 20;

#[derive(serde::Deserialize)]
struct Line {
    _time: String,
    _msg: String,
    app: String,
    region: String,
    instance: String,
    level: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: parts FILE [LINES]")?;
    let limit = args.next().map_or(Ok(usize::MAX), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let disk = RealDisk;
    let mut bench = Bench { seqs: HashMap::new(), pos: 0, open: BTreeMap::new(), fill: 0.0 };
    let (mut hot, mut files, mut batch) = (Vec::new(), 0, Vec::new());
    let (mut lines, mut write) = (0u64, 0.0);
    let mut flush = |bench: &mut Bench| -> Result<(), Box<dyn Error>> {
        let file = disk.create(&dir.path().join(format!("{files}.part")))?;
        files += 1;
        let begin = Cpu::now();
        let mut writer = PartWriter::new(file.clone(), Options::HOT)?;
        for rows in std::mem::take(&mut bench.open).values() {
            writer.push(&[rows], i64::MIN, i64::MAX)?;
        }
        writer.finish()?;
        write += begin.seconds();
        hot.push(Part::open(file)?);
        Ok(())
    };
    for line in BufReader::new(std::fs::File::open(path)?).lines().take(limit) {
        batch.push(serde_json::from_str::<Line>(&line?)?);
        if batch.len() == BATCH {
            lines += BATCH as u64;
            bench.add(std::mem::take(&mut batch));
            if bench.open.values().map(Rows::text_bytes).sum::<usize>() >= FLUSH_BYTES {
                flush(&mut bench)?;
            }
        }
    }
    flush(&mut bench)?;
    println!(
        "{lines} lines; into rows {:.0} ns a line, into parts {:.0} ns",
        per(bench.fill, lines),
        per(write, lines)
    );
    show("as they came", &hot, lines);

    let file = disk.create(&dir.path().join("closed.part"))?;
    let begin = Cpu::now();
    let parts: Vec<_> = hot.iter().collect();
    merge(&parts, &|_, _| Floor::NONE, Options::CLOSED, file.clone(), &|| true)?;
    println!("\nclosed in {:.0} ns a line", per(begin.seconds(), lines));
    let closed = [Part::open(file)?];
    show("closed", &closed, lines);

    let file: Arc<dyn File> = disk.create(&dir.path().join("copied.part"))?;
    let begin = Cpu::now();
    merge(&parts, &|_, _| Floor::NONE, Options::HOT, file, &|| true)?;
    println!("\nmerged without pressing anew in {:.0} ns a line", per(begin.seconds(), lines));
    let plain = Options { split: false, ..Options::CLOSED };
    for options in [plain, Options { level: 9, ..Options::CLOSED }, Options { split: false, ..Options::HOT }]
    {
        let file: Arc<dyn File> = disk.create(&dir.path().join("other.part"))?;
        let begin = Cpu::now();
        merge(
            &parts,
            &|_, _| Floor::NONE,
            Options { level: options.level.max(2), ..options },
            file.clone(),
            &|| true,
        )?;
        println!("\n{options:?} in {:.0} ns a line", per(begin.seconds(), lines));
        show("other", &[Part::open(file)?], lines);
    }
    Ok(())
}

/// CPU time of this process: other processes must not count.
struct Cpu(f64);

impl Cpu {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        Self(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    fn seconds(&self) -> f64 {
        Self::now().0 - self.0
    }
}

fn per(seconds: f64, lines: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a count of lines")]
    let lines = lines as f64;
    seconds * 1e9 / lines
}

struct Bench {
    seqs: HashMap<String, u64>,
    pos: u64,
    open: BTreeMap<(String, String), Rows>,
    fill: f64,
}

impl Bench {
    fn add(&mut self, mut batch: Vec<Line>) {
        batch.sort_by(|one, two| one.app.cmp(&two.app));
        let mut scratch = Flattened::new();
        let begin = Cpu::now();
        for line in batch {
            self.pos += 1;
            let seq = self.seqs.entry(line.instance.clone()).or_insert(0);
            *seq += 1;
            let rows = self.open.entry(("acme".to_owned(), line.app.clone())).or_insert_with(|| {
                Rows::new(OrgId::new("acme").unwrap(), Name::new("app", &line.app).unwrap())
            });
            let source = rows.source_ref(&Source {
                region: Name::new("region", &line.region).unwrap(),
                instance: Name::new("instance", &line.instance).unwrap(),
                host: "h1".into(),
                boot: Boot::from_bits(u64::from(line.instance.as_bytes()[0]) << 48 | 7),
            });
            let level = Level::from_word(&line.level).unwrap_or(Level::Info);
            let level_source = if level == Level::Info { LevelSource::Default } else { LevelSource::Text };
            let kind = Kind { level, level_source, ..Kind::PLAIN };
            let head =
                Head { time: parse_rfc3339(&line._time).unwrap(), pos: self.pos, seq: *seq, span: 1, kind };
            rows.push_import(source, &head, line._msg.as_bytes(), std::iter::empty(), &mut scratch);
        }
        self.fill += begin.seconds();
    }
}

fn show(name: &str, parts: &[Part], lines: u64) {
    #[allow(clippy::cast_precision_loss, reason = "sizes of files")]
    let a_line = |bytes: u64| bytes as f64 / lines as f64;
    let total: u64 = parts.iter().map(|part| part.summary().file_bytes).sum();
    let frames: u64 = parts.iter().map(|part| part.summary().frames).sum();
    println!("\n{name}: {} parts, {frames} frames, {:.2} bytes a line", parts.len(), a_line(total));
    for section in Section::ALL {
        let bytes: u64 = parts.iter().map(|part| part.summary().sizes[section as usize]).sum();
        println!("  {:14}{:7.3}", section.as_str(), a_line(bytes));
    }
    let read = |what: &str, read: &dyn Fn(&Part, usize)| {
        let begin = Cpu::now();
        parts.iter().for_each(|part| (0..part.frames().len()).for_each(|frame| read(part, frame)));
        println!("  read {what}: {:.1} ns a line", per(begin.seconds(), lines));
    };
    read("messages", &|part, frame| drop(part.frame(frame).unwrap().column("_msg").unwrap()));
    read("times", &|part, frame| drop(part.frame(frame).unwrap().times().unwrap()));
    read("levels", &|part, frame| drop(part.frame(frame).unwrap().column("level").unwrap()));
    read("everything", &|part, frame| drop(part.frame(frame).unwrap().decode().unwrap()));
    read("templates", &|part, frame| drop(part.frame(frame).unwrap().templates().unwrap()));
    for word in ["INFO", "deadbeef", "blk_904791815409399662"] {
        let needs = vec![vec![tokens::hash("_msg", word.as_bytes()).into_iter().collect()]];
        let begin = Cpu::now();
        let lookup = Lookup { needs, ..Lookup::default() };
        let found: usize = parts.iter().map(|part| part.candidates(&lookup).unwrap().len()).sum();
        println!("  {word}: {found} frames, found in {:.0} us", begin.seconds() * 1e6);
    }
}
