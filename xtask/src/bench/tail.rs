//! Tails over HTTP: how old a line is when a reader of `/api/v1/apps/:app/logs/tail` has it, and what many of them on one app cost.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, poll};

use super::calibrate::percentile;
use super::pipeline::{Load, start_apps};
use super::produce;
use super::stage::{Bus, Stage};
use super::table::Row;
use super::{Bench, WARM_UP, usage};

/// Of so many tails the ages of lines are looked at; the others are read and no more, so that the readers leave the machine alone.
const WATCHED: usize = 10;
/// Threads that read.
const READERS: usize = 2;

/// Ages and CPU for one tail, at two loads, and for 500.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (tails, rate) in [(1, 100), (1, 1_000), (500, 1_000)] {
        let load = Load { apps: 1, rate, burst_ms: 0, seconds: bench.seconds };
        let mut runs = bench.repeat(|| run(bench, &load, tails))?;
        let word = if tails == 1 { "1 tail".to_owned() } else { format!("{tails} tails of one app") };
        for percent in [50, 99, 100] {
            let age = |taken: &mut Taken| percentile(&mut taken.ages, percent).as_secs_f64() * 1e3;
            let ages: Vec<_> = runs.iter_mut().map(age).collect();
            let name = if percent == 100 { "slowest".to_owned() } else { format!("p{percent}") };
            let row =
                Row::new(format!("{word}, {rate} lines/s: {name} from stdout to the reader"), &ages, "ms");
            // The promise is for a person's own tail.
            rows.push(if percent == 99 && tails == 1 { row.at_most(50.0) } else { row });
        }
        let cpu: Vec<_> = runs.iter().map(|taken| taken.cpu * 100.0).collect();
        rows.push(Row::new("  CPU of logway up", &cpu, "% of a core"));
        let each: Vec<_> = runs.iter().map(|taken| taken.cpu * 1e6 / taken.deliveries).collect();
        rows.push(Row::new("  of it per line and tail", &each, "µs"));
    }
    Ok(rows)
}

/// What a run took.
struct Taken {
    /// Of a core.
    cpu: f64,
    /// Lines a second to all tails together.
    deliveries: f64,
    ages: Vec<Duration>,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn run(bench: &Bench, load: &Load, tails: usize) -> Result<Taken> {
    let stage = Stage::start(bench, Bus::Embedded, None)?;
    let token = std::fs::read_to_string(stage.dir().join("d/token")).context("reading the token")?;
    let mut connections = Vec::new();
    for _ in 0..tails {
        connections.push(connect(stage.address(), token.trim())?);
    }
    let apps = start_apps(bench, &stage, load)?;
    let time = WARM_UP + Duration::from_secs(load.seconds);
    let mut shares: Vec<Vec<TcpStream>> = (0..READERS).map(|_| Vec::new()).collect();
    for (at, connection) in connections.into_iter().enumerate() {
        shares[at % READERS].push(connection);
    }
    let (ages, cpu, elapsed) = thread::scope(|scope| -> Result<_> {
        let read = |share| scope.spawn(move || read_all(share, WATCHED / READERS, time));
        let readers: Vec<_> = shares.into_iter().filter(|share| !share.is_empty()).map(read).collect();
        thread::sleep(WARM_UP);
        let (before, begun) = (usage::cpu(stage.pid())?, Instant::now());
        thread::sleep(Duration::from_secs(load.seconds));
        let cpu = usage::cpu(stage.pid())?.saturating_sub(before);
        let elapsed = begun.elapsed();
        let mut ages = Vec::new();
        for reader in readers {
            ages.extend(reader.join().unwrap_or_else(|_| anyhow::bail!("a reader panicked"))?);
        }
        Ok((ages, cpu, elapsed))
    })?;
    drop(apps);
    ensure!(!ages.is_empty(), "no line came");
    Ok(Taken {
        cpu: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        deliveries: load.rate as f64 * tails as f64,
        ages,
    })
}

/// A tail that has begun.
fn connect(address: &str, token: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /api/v1/apps/app-0/logs/tail?lines=0 HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).context("asking for a tail")?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while memchr::memmem::find(&head, b"\"live\"").is_none() {
        let count = stream.read(&mut buffer).context("reading the head of a tail")?;
        ensure!(count > 0, "a tail was closed: {}", String::from_utf8_lossy(&head));
        head.extend_from_slice(&buffer[..count]);
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Reads from all of them for `time`, and gives the ages of the lines that the first `watched` got after the warm-up.
fn read_all(mut streams: Vec<TcpStream>, watched: usize, time: Duration) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let (mut ages, mut buffer) = (Vec::new(), vec![0; 256 << 10]);
    let mut held: Vec<Vec<u8>> = streams.iter().map(|_| Vec::new()).collect();
    while begun.elapsed() < time {
        let ready: Vec<bool> = {
            let mut waits: Vec<_> = streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
            let patience = rustix::time::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            poll(&mut waits, Some(&patience)).context("waiting for lines")?;
            waits.iter().map(|wait| !wait.revents().is_empty()).collect()
        };
        let now = produce::monotonic();
        for (at, stream) in streams.iter_mut().enumerate().filter(|(at, _)| ready[*at]) {
            let count = match stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("a tail was closed"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).context("reading a tail"),
            };
            if at >= watched || begun.elapsed() < WARM_UP {
                continue;
            }
            held[at].extend_from_slice(&buffer[..count]);
            let whole = memchr::memrchr(b'\n', &held[at]).map_or(0, |end| end + 1);
            let lines = held[at].drain(..whole).collect::<Vec<_>>();
            let of_lines = lines.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"data: "));
            ages.extend(of_lines.filter_map(|line| produce::age(line, now)));
        }
    }
    Ok(ages)
}
