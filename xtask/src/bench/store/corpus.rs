//! The rows that are inserted: JSON lines of a file, or made here, with times of the last days.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::super::lines::{Lines, Text};

/// Nanoseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000_000;
/// Bytes of a body, nearly.
const BODY_BYTES: usize = 2 << 20;
/// Apps of the rows that are made here, and Machines of each.
const APPS: u64 = 16;
const MACHINES: u64 = 3;
/// Log time between two rows that are made here: 50 a second.
const STEP: i64 = 20_000_000;
/// What stands before a row's day.
const BEFORE_DAY: [&[u8]; 2] = [b"\"_time\": \"", b"\"_time\":\""];
/// What stands before a row's app.
const BEFORE_APP: [&[u8]; 2] = [b"\"app\": \"", b"\"app\":\""];
/// Characters of a day.
const DAY_CHARS: usize = 10;

/// What is inserted.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Plan {
    /// JSON lines as `expand.py --format victorialogs --rate 50` writes them, oldest first; else rows are made here.
    pub(in super::super) rows: Option<PathBuf>,
    /// How many of them.
    pub(in super::super) lines: u64,
    /// How often, each time a day later.
    pub(in super::super) times: u64,
    /// Apps are made this many times as many, each that much smaller; 1 leaves them as they are.
    pub(in super::super) split: u64,
}

impl Plan {
    /// How many rows there are in all.
    pub(super) const fn total(&self) -> u64 {
        self.lines * self.times
    }

    /// The first moment of the first day of the rows, when it is `now`: all of them lie in days that are over.
    pub(super) fn begin(&self, now: i64) -> i64 {
        let days = i64::try_from(self.times).unwrap_or(1) + 1;
        now.div_euclid(DAY) * DAY - days * DAY
    }

    /// Gives all rows to `send` in bodies of about 2 MB, with the time of the first row at `begin` for the first pass.
    pub(super) fn bodies(&self, begin: i64, mut send: impl FnMut(Vec<u8>) -> Result<()>) -> Result<()> {
        for pass in 0..self.times {
            let begin = begin + i64::try_from(pass)? * DAY;
            let mut body = Vec::with_capacity(BODY_BYTES + 64 * 1024);
            let mut source = Source::open(self, begin, pass)?;
            for number in 0..self.lines {
                source.next_into(number, &mut body)?;
                if self.split > 1 {
                    split_app(number % self.split, &mut body);
                }
                if body.len() >= BODY_BYTES {
                    let next = Vec::with_capacity(body.capacity());
                    send(std::mem::replace(&mut body, next))?;
                }
            }
            if !body.is_empty() {
                send(body)?;
            }
        }
        Ok(())
    }
}

/// Where rows come from.
enum Source {
    File { file: BufReader<File>, begin: i64, first_day: Option<i64>, days: HashMap<Vec<u8>, String> },
    Made { lines: Lines, begin: i64 },
}

impl Source {
    fn open(plan: &Plan, begin: i64, pass: u64) -> Result<Self> {
        let Some(path) = &plan.rows else {
            return Ok(Self::Made { lines: Lines::new(pass + 1, None)?, begin });
        };
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(Self::File { file, begin, first_day: None, days: HashMap::new() })
    }

    /// Appends the row `number` and a newline.
    fn next_into(&mut self, number: u64, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Made { lines, begin } => made(lines, *begin, number, out),
            Self::File { file, begin, first_day, days } => {
                let start = out.len();
                ensure!(file.read_until(b'\n', out)? > 0, "the file of rows has only {number}: see --lines");
                let day = start + after(&out[start..], BEFORE_DAY).context("a row without _time")?;
                let day = day..day + DAY_CHARS;
                let text = out.get(day.clone()).context("a row with half a _time")?.to_vec();
                if !days.contains_key(&text) {
                    let midnight = format!("{}T00:00:00Z", String::from_utf8_lossy(&text));
                    let parsed = line::time::parse_rfc3339(&midnight).context("a row's day")?;
                    let shifted = *begin + (parsed - *first_day.get_or_insert(parsed));
                    days.insert(text.clone(), line::time::rfc3339(shifted));
                }
                if let Some(new) = days.get(&text) {
                    out[day].copy_from_slice(&new.as_bytes()[..DAY_CHARS]);
                }
                Ok(())
            }
        }
    }
}

/// A row of our own: an app's rows are as many as its number is small, as in life.
fn made(lines: &mut Lines, begin: i64, number: u64, out: &mut Vec<u8>) -> Result<()> {
    let mut message = Vec::new();
    lines.next_into(&mut message);
    let drawn = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let app = (drawn % APPS).min((drawn >> 8) % APPS);
    let time = line::time::rfc3339(begin + i64::try_from(number)? * STEP);
    let level = ["info", "warn", "error", "debug"][usize::try_from((drawn >> 20) % 4)?];
    let message = serde_json::to_string(&String::from_utf8_lossy(&message))?;
    let machine = (drawn >> 16) % MACHINES;
    writeln!(
        Text(out),
        "{{\"_time\":\"{time}\",\"_msg\":{message},\"app\":\"app-{app}\",\"region\":\"lhr\",\
         \"instance\":\"148e{app:04}{machine}\",\"level\":\"{level}\"}}"
    )?;
    Ok(())
}

/// Where what stands behind one of `marks` begins.
fn after(row: &[u8], marks: [&[u8]; 2]) -> Option<usize> {
    marks.iter().find_map(|mark| Some(memchr::memmem::find(row, mark)? + mark.len()))
}

/// Gives the app of the last row of `body` the number `piece`.
fn split_app(piece: u64, body: &mut Vec<u8>) {
    let start = memchr::memrchr(b'\n', &body[..body.len().saturating_sub(1)]).map_or(0, |end| end + 1);
    let row = body.split_off(start);
    let end = after(&row, BEFORE_APP)
        .and_then(|begin| Some(begin + row[begin..].iter().position(|byte| *byte == b'"')?));
    let end = end.unwrap_or(0);
    body.extend_from_slice(&row[..end]);
    if end > 0 {
        // Writing to bytes cannot fail.
        let _ = write!(Text(body), "-{piece}");
    }
    body.extend_from_slice(&row[end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(plan: &Plan, begin: i64) -> Vec<serde_json::Value> {
        let mut text = Vec::new();
        plan.bodies(begin, |body| {
            text.extend(body);
            Ok(())
        })
        .unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn rows_of_a_file_move_by_whole_days() {
        let path = std::env::temp_dir().join(format!("lwb-rows-{}", std::process::id()));
        let text = "{\"_time\": \"2026-11-01T00:00:01Z\", \"_msg\": \"a\", \"app\": \"w\"}\n\
                    {\"_time\": \"2026-11-02T10:00:00Z\", \"_msg\": \"b\", \"app\": \"w\"}\n";
        std::fs::write(&path, text).unwrap();
        let mut plan = Plan { rows: Some(path.clone()), lines: 2, times: 2, split: 2 };
        let rows = all(&plan, 10 * DAY);
        let times: Vec<_> = rows.iter().map(|row| row["_time"].as_str().unwrap()).collect();
        assert_eq!(
            times,
            ["1970-01-11T00:00:01Z", "1970-01-12T10:00:00Z", "1970-01-12T00:00:01Z", "1970-01-13T10:00:00Z"]
        );
        let apps: Vec<_> = rows.iter().map(|row| row["app"].as_str().unwrap()).collect();
        assert_eq!(apps, ["w-0", "w-1", "w-0", "w-1"]);
        plan.lines = 3;
        assert!(plan.bodies(0, |_| Ok(())).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn rows_made_here_are_in_order_and_of_all_apps() {
        let plan = Plan { rows: None, lines: 20_000, times: 1, split: 1 };
        let rows = all(&plan, plan.begin(20 * DAY + 5));
        assert_eq!((rows.len(), plan.total()), (20_000, 20_000));
        assert_eq!(rows[0]["_time"], "1970-01-19T00:00:00.000000000Z");
        let apps: std::collections::BTreeSet<_> = rows.iter().map(|row| row["app"].to_string()).collect();
        assert_eq!(apps.len(), 16);
        assert!(
            rows.windows(2).all(|two| two[0]["_time"].as_str() <= two[1]["_time"].as_str()) || rows.len() > 1
        );
    }
}
