//! What the dashboard asks again and again, `/api/v1/apps`, `/api/v1/machines` and `/api/v1/doctor`, when there is much of everything.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use line::append::{Envelope, Run, Writer};
use line::{Address, Body, Boot, Clock, Entry, Event, Level, LevelSource, OrgId, Stream, Text, entry};

use super::Bench;
use super::http::Http;
use super::stage::{Bus, Stage};
use super::table::Row;

/// Apps, the Machines of each, and the boots of each Machine, all of the last hour.
const APPS: u64 = 200;
const MACHINES: u64 = 5;
const BOOTS: u64 = 2;
/// Lines of each boot: three million together.
const LINES: u64 = 1_500;
/// Lines of a boot that are appended together, as an agent does.
const AT_ONCE: u64 = 250;
/// How long to wait when the store has too much to do.
const BUSY: Duration = Duration::from_millis(50);
/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;
/// How often each is asked.
const TIMES: usize = 9;
/// How long the store may take for a request.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is asked for, and the bytes of its path.
const PATHS: [(&str, &str); 5] = [
    ("apps", "/api/v1/apps"),
    ("machines", "/api/v1/machines"),
    ("machines of one app", "/api/v1/machines?app=app-7"),
    ("doctor", "/api/v1/doctor"),
    ("doctor of one app", "/api/v1/doctor?app=app-7"),
];
/// An answer that takes longer is felt on a page that asks each five seconds. Milliseconds.
const BUDGET_MS: f64 = 300.0;

/// The time of each answer.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let runs = bench.repeat(|| {
        let stage = Stage::start(bench, Bus::Embedded, None)?;
        fill(&stage.dir().join("d"))?;
        let mut http = stage.http()?;
        let fresh = times(&mut http)?;
        http.form("/internal/force_flush", &[])?;
        Ok((fresh, times(&mut http)?))
    })?;
    let mut rows = Vec::new();
    for (at, (what, _)) in PATHS.iter().enumerate() {
        let fresh: Vec<f64> = runs.iter().map(|(fresh, _)| fresh[at]).collect();
        let parts: Vec<f64> = runs.iter().map(|(_, parts)| parts[at]).collect();
        rows.push(Row::new(format!("{what}, as the lines came"), &fresh, "ms").at_most(BUDGET_MS));
        rows.push(Row::new("  all lines in parts", &parts, "ms").at_most(BUDGET_MS));
    }
    Ok(rows)
}

/// The median time of each answer, milliseconds.
fn times(http: &mut Http) -> Result<Vec<f64>> {
    let mut medians = Vec::new();
    for (_, path) in PATHS {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let asked = Instant::now();
            let answer = http.get(path)?;
            took.push(asked.elapsed().as_secs_f64() * 1e3);
            ensure!(answer.windows(4).any(|part| part == b"app-"), "{path} has no apps");
        }
        took.sort_by(f64::total_cmp);
        medians.push(took[TIMES / 2]);
    }
    Ok(medians)
}

/// One boot, as it is written.
struct Life {
    key: String,
    boot: Boot,
    begin: i64,
    step: i64,
    next_seq: u64,
}

/// Has the store keep the lines of all boots, in the order of their times.
fn fill(data: &Path) -> Result<()> {
    let org: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("org"))?)?;
    let org = OrgId::new(org["id"].as_str().context("the org has no id")?)?;
    let mut agent = Agent::connect(data)?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let mut apps = (0..APPS).map(|app| lives(&org, app, now - HOUR)).collect::<Result<Vec<_>>>()?;
    for _ in 0..LINES / AT_ONCE * BOOTS {
        for lives in &mut apps {
            let mut body = Writer::with_capacity(64 << 10);
            for machine in lives.chunks_mut(usize::try_from(BOOTS)?) {
                // The boots of a Machine come one after another.
                if let Some(life) = machine.iter_mut().find(|life| life.next_seq <= LINES) {
                    life.say(&mut body)?;
                }
            }
            agent.append(&lives[0].key, body)?;
        }
    }
    Ok(())
}

/// The boots of an app, Machine by Machine.
fn lives(org: &OrgId, app: u64, begin: i64) -> Result<Vec<Life>> {
    let step = HOUR / i64::try_from(BOOTS * LINES)?;
    let mut lives = Vec::new();
    for machine in 0..MACHINES {
        for boot in 0..BOOTS {
            let begin = begin + i64::try_from(boot * LINES)? * step;
            let started_ms = u64::try_from(begin / 1_000_000)?;
            let address =
                Address::new(org.clone(), &format!("app-{app}"), "lhr", &format!("148e{app:04}{machine}"))?;
            let boot = Boot::new(started_ms, u16::try_from(app * MACHINES + machine)?);
            lives.push(Life { key: address.key(), boot, begin, step, next_seq: 1 });
        }
    }
    Ok(lives)
}

impl Life {
    /// Appends its next lines.
    fn say(&mut self, body: &mut Writer) -> Result<()> {
        let (first_seq, mut bytes) = (self.next_seq, Vec::new());
        let mut entries = entry::Writer::new(first_seq, self.begin);
        for seq in first_seq..(first_seq + AT_ONCE).min(LINES + 1) {
            entries.push(&self.entry(seq)?, &mut bytes)?;
        }
        let run = Run { first_seq, base_time: self.begin, count: entries.count(), bytes: &bytes };
        body.machine(&self.key, "h1", self.boot, false, run)?;
        self.next_seq = entries.next_seq();
        Ok(())
    }

    fn entry(&self, seq: u64) -> Result<Entry<'static>> {
        let event = |kind: &'static str| Body::Event(Event::new(kind, Level::Info, kind).int("code", 0));
        let body = match seq {
            1 => event("started"),
            LINES => event("exited"),
            _ => {
                Body::Line(Text::whole(format!("GET /things/{seq} took {} ms", seq * 37 % 977).into_bytes()))
            }
        };
        let (stream, level) = match seq {
            1 | LINES => (Stream::Init, Level::Info),
            _ => (
                Stream::Stdout,
                [Level::Info, Level::Warn, Level::Error, Level::Debug][usize::try_from(seq % 4)?],
            ),
        };
        let time = self.begin + i64::try_from(seq)? * self.step;
        Ok(Entry {
            time,
            seq,
            span: 1,
            stream,
            level,
            level_source: LevelSource::Default,
            clock: Clock::Guest,
            body,
        })
    }
}

/// A connection to the bus with the login of an agent.
struct Agent(BufReader<TcpStream>);

impl Agent {
    fn connect(data: &Path) -> Result<Self> {
        let up: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("up.json"))?)?;
        let address =
            up["nats"].as_str().and_then(|url| url.rsplit('/').next()).context("up.json names no bus")?;
        let login = std::fs::read_to_string(data.join("bus/agent")).context("reading the agent's login")?;
        let (user, password) = login.trim().split_once(':').context("a login is user:password")?;
        let mut stream = TcpStream::connect(address).context("connecting to the bus")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\nSUB _INBOX.agent.bench 1\r\n"
        );
        stream.write_all(connect.as_bytes())?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Has the store keep a body of the app of this key.
    fn append(&mut self, key: &str, body: Writer) -> Result<()> {
        let (body, mut request) = (body.finish(), Vec::new());
        Envelope::of(&body, None).write(&mut request)?;
        let shard = line::shard::of_address(&Address::from_key(key)?);
        let head = format!("PUB sys.append.{shard} _INBOX.agent.bench {}\r\n", request.len());
        let asked = Instant::now();
        loop {
            for bytes in [head.as_bytes(), &request, b"\r\n"] {
                self.0.get_mut().write_all(bytes)?;
            }
            let answer = self.answer()?;
            if answer.starts_with("{\"acked\"") {
                return Ok(());
            }
            let is_busy = answer.starts_with("{\"busy\"") && asked.elapsed() < PATIENCE;
            ensure!(is_busy, "the store does not keep lines: {answer}");
            std::thread::sleep(BUSY);
        }
    }

    /// The payload of the next message.
    fn answer(&mut self) -> Result<String> {
        loop {
            let line = self.line()?;
            match line.split(' ').next() {
                Some("MSG") => return self.line(),
                Some("PING") => self.0.get_mut().write_all(b"PONG\r\n")?,
                Some("-ERR") => bail!("the bus says {line}"),
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the bus has closed the connection");
        Ok(line.trim_end().to_owned())
    }
}
