//! The static `logway-init` alone, with this program as the host agent: it speaks the frame protocol and does nothing else.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use line::frame::{Frame, Parsed, Welcome, parse};

use super::calibrate::{Scratch, megabytes};
use super::child::Running;
use super::table::Row;
use super::{Bench, usage};

/// Lines that the app has to write while memory is looked at: more than it gets to.
const MANY_LINES: u64 = 50_000_000;

/// What init may take beside its ring when that is full.
const BESIDE_RING_MB: f64 = 4.0;

/// For how long memory is looked at while nobody acknowledges.
const FILLING: Duration = Duration::from_millis(1500);

/// CPU for 1 GB of lines, memory with an empty and a full ring, size.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let size =
        std::fs::metadata(&bench.init).with_context(|| format!("reading {}", bench.init.display()))?.len();
    // An app that does not buffer, and one that does.
    let each = bench.repeat(|| flow(bench, 3_000_000, 1))?;
    let blocks = bench.repeat(|| flow(bench, 10_000_000, 640))?;
    let full = bench.repeat(|| full_ring(bench))?;
    let ring = full.first().map_or(0.0, |one| one.ring_mb);
    let column = |flows: &[Flow], pick: fn(&Flow) -> f64| flows.iter().map(pick).collect::<Vec<_>>();
    let full: Vec<_> = full.iter().map(|one| one.resident_mb).collect();
    let mut rows = Vec::new();
    for (flows, how) in [(&each, "a write each"), (&blocks, "written in blocks of 64 KB")] {
        let cpu = column(flows, |one| one.cpu_seconds_per_gigabyte);
        rows.push(Row::new(format!("CPU for 1 GB of 100-byte lines, {how}"), &cpu, "CPU-s").at_most(1.4));
        let rate = column(flows, |one| one.lines_per_second);
        rows.push(Row::new("  flow meanwhile, flat out", &rate, "lines/s"));
    }
    rows.extend([
        Row::new("memory, idle", &column(&each, |one| one.idle_mb), "MB").at_most(3.0),
        Row::new(format!("memory, ring of {ring:.1} MB full, host away"), &full, "MB")
            .at_most(ring + BESIDE_RING_MB),
        Row::new("size of the static binary", &[megabytes(usize::try_from(size)?)], "MB").at_most(1.6),
    ]);
    Ok(rows)
}

struct Flow {
    cpu_seconds_per_gigabyte: f64,
    lines_per_second: f64,
    idle_mb: f64,
}

struct FullRing {
    resident_mb: f64,
    ring_mb: f64,
}

/// `all` lines through, `per_write` in each write of the app, each batch acknowledged at once.
fn flow(bench: &Bench, all: u64, per_write: u64) -> Result<Flow> {
    let scratch = Scratch::new("flow")?;
    let mut stage = Stage::start(bench, scratch.path(), "block", all, per_write)?;
    let idle_mb = resident_mb(stage.pid())?;
    let before = usage::cpu(stage.pid())?;
    let begun = Instant::now();
    stage.open_gate();
    let pid = stage.pid();
    let (mut lines, mut cpu) = (0, Duration::ZERO);
    // The goodbye comes after the last line; init still lives then, because it waits for our answer.
    stage.agent.serve(true, |count| {
        lines += count;
        if lines >= all && cpu.is_zero() {
            cpu = usage::cpu(pid).unwrap_or_default();
        }
        true
    })?;
    ensure!(lines >= all && !cpu.is_zero(), "{lines} records came, not {all}");
    let spent = cpu.saturating_sub(before).as_secs_f64();
    let gigabytes = count(all) * 100.0 / 1e9;
    let lines_per_second = count(all) / begun.elapsed().as_secs_f64();
    Ok(Flow { cpu_seconds_per_gigabyte: spent / gigabytes, lines_per_second, idle_mb })
}

/// The host stops reading while the app writes many rings full: the most memory that init then has.
fn full_ring(bench: &Bench) -> Result<FullRing> {
    let scratch = Scratch::new("full")?;
    let mut stage = Stage::start(bench, scratch.path(), "drop-oldest", MANY_LINES, 640)?;
    stage.open_gate();
    let ring_mb = megabytes(usize::try_from(stage.agent.ring_bytes)?);
    let (begun, mut most) = (Instant::now(), 0.0_f64);
    while begun.elapsed() < FILLING {
        most = most.max(resident_mb(stage.pid())?);
        std::thread::sleep(Duration::from_millis(5));
    }
    ensure!(most > ring_mb, "the ring of {ring_mb} MB was not filled: init has {most} MB");
    Ok(FullRing { resident_mb: most, ring_mb })
}

fn resident_mb(pid: u32) -> Result<f64> {
    Ok(megabytes(usize::try_from(usage::resident_bytes(pid)?)?))
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(lines: u64) -> f64 {
    lines as f64
}

/// Init with a producer that waits at a gate, connected to us.
struct Stage {
    running: Running,
    agent: Agent,
    gate: Option<File>,
}

impl Stage {
    fn start(bench: &Bench, dir: &Path, policy: &str, lines: u64, per_write: u64) -> Result<Self> {
        let (socket, gate) = (dir.join("s"), dir.join("gate"));
        let listener =
            UnixListener::bind(&socket).with_context(|| format!("listening on {}", socket.display()))?;
        make_gate(&gate)?;
        let mut init = Command::new(&bench.init);
        init.arg("--socket").arg(&socket).args(["--instance", "bench", "--policy", policy, "--"]);
        let (lines, per_write) = (lines.to_string(), per_write.to_string());
        init.args(producer(&gate)?).args(["--lines", &lines, "--plain", &per_write]);
        let running = Running::start("logway-init", &mut init, Stdio::null())?;
        let (stream, _) = listener.accept().context("waiting for init to connect")?;
        let agent = Agent::greet(stream)?;
        // Opens when the producer has opened its end: it runs, and init is idle.
        let gate = File::options().write(true).open(&gate).context("opening the gate")?;
        Ok(Self { running, agent, gate: Some(gate) })
    }

    fn open_gate(&mut self) {
        self.gate = None;
    }

    fn pid(&self) -> u32 {
        self.running.pid()
    }
}

/// A named pipe at which a producer waits until the bench closes its end.
pub(super) fn make_gate(path: &Path) -> Result<()> {
    crate::sh::output(Command::new("mkfifo").arg(path)).map(drop)
}

/// The command of a producer that waits at `gate`.
pub(super) fn producer(gate: &Path) -> Result<Vec<PathBuf>> {
    let this = std::env::current_exe().context("finding this program's own file")?;
    Ok(vec![this, "bench-produce".into(), "--gate".into(), gate.to_owned()])
}

/// The agent's side of a connection.
struct Agent {
    stream: UnixStream,
    buffer: Vec<u8>,
    ring_bytes: u32,
}

impl Agent {
    /// Reads the greeting and answers it.
    fn greet(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut agent = Self { stream, buffer: Vec::new(), ring_bytes: 0 };
        agent.serve(false, |_| false)?;
        ensure!(agent.ring_bytes > 0, "init did not greet");
        Ok(agent)
    }

    /// Answers what init says until it says goodbye or `go_on`, told how many records came, is false. Records are
    /// acknowledged when `ack`.
    fn serve(&mut self, ack: bool, mut go_on: impl FnMut(u64) -> bool) -> Result<()> {
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let read = self.stream.read(&mut chunk).context("reading from init")?;
            if read == 0 {
                return Ok(());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            let (mut at, mut answer, mut records, mut ended) = (0, Vec::new(), 0, false);
            loop {
                let (frame, used) = match parse(&self.buffer[at..]) {
                    Parsed::Incomplete { .. } => break,
                    Parsed::Frame { frame, used } => (frame, used),
                    Parsed::Unknown { used, .. } => {
                        at += used;
                        continue;
                    }
                    Parsed::Garbage { why, .. } => anyhow::bail!("init sent what is no frame: {why}"),
                };
                let greeted = respond(&frame, ack, &mut answer)?;
                self.ring_bytes = greeted.unwrap_or(self.ring_bytes);
                if let Frame::Batch(batch) = &frame {
                    records += u64::from(batch.count());
                }
                ended |= matches!(frame, Frame::Bye(_));
                at += used;
            }
            self.buffer.drain(..at);
            let more = go_on(records);
            // Init may be gone after its goodbye.
            let sent = self.stream.write_all(&answer);
            if ended || !more {
                return Ok(());
            }
            sent.context("answering init")?;
        }
    }
}

/// Appends the answer to `frame`; gives the size of the ring when it was a greeting.
fn respond(frame: &Frame<'_>, ack: bool, answer: &mut Vec<u8>) -> Result<Option<u32>> {
    let reply = match frame {
        Frame::Hello(hello) => {
            let welcome =
                Welcome { version: 1, resume_seq: 0, window_bytes: hello.ring_bytes, heartbeat_ms: 5000 };
            Frame::Welcome(welcome).write(answer)?;
            return Ok(Some(hello.ring_bytes));
        }
        Frame::Batch(batch) if ack => Frame::Ack { next_seq: batch.next_seq() },
        Frame::Ping(ping) => Frame::Pong { boottime: ping.boottime },
        Frame::Flush { next_seq } => Frame::Flushed { next_seq: *next_seq },
        _ => return Ok(None),
    };
    reply.write(answer)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use line::frame::{BatchWriter, Bye, Hello, Policy, RecordFlags};
    use line::{Boot, Stream};

    use super::*;

    fn greeting() -> Vec<u8> {
        let hello = Hello {
            versions: (1, 1),
            boot: Boot::new(1_795_341_600_000, 7),
            first_seq: 1,
            next_seq: 1,
            realtime: 5,
            boottime: 6,
            ring_bytes: 1 << 20,
            policy: Policy::Block,
            instance: "bench",
        };
        bytes_of(&Frame::Hello(hello))
    }

    fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        frame.write(&mut out).unwrap();
        out
    }

    fn batch(base_seq: u64, lines: u32) -> Vec<u8> {
        let mut writer = BatchWriter::new(Vec::new(), base_seq, 0);
        (0..lines).for_each(|_| writer.push(0, Stream::Stdout, RecordFlags::WHOLE, b"line"));
        writer.finish().unwrap()
    }

    /// What the agent answers to `sent` after the greeting, and how many records it counted.
    fn answers(ack: bool, sent: &[Vec<u8>]) -> (Vec<u8>, u64) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&greeting()).unwrap();
        let mut agent = Agent::greet(theirs).unwrap();
        ours.write_all(&sent.concat()).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let mut records = 0;
        let more = |count| {
            records += count;
            true
        };
        agent.serve(ack, more).unwrap();
        drop(agent);
        let mut all = Vec::new();
        ours.read_to_end(&mut all).unwrap();
        (all, records)
    }

    #[test]
    fn the_agent_answers_as_the_real_one() {
        let welcome = Welcome { version: 1, resume_seq: 0, window_bytes: 1 << 20, heartbeat_ms: 5000 };
        let sent = [batch(1, 3), batch(4, 2), bytes_of(&Frame::Flush { next_seq: 6 })];
        let expected = |frames: &[Frame<'_>]| frames.iter().flat_map(bytes_of).collect::<Vec<_>>();
        let flushed = Frame::Flushed { next_seq: 6 };
        let acked = [
            Frame::Welcome(welcome),
            Frame::Ack { next_seq: 4 },
            Frame::Ack { next_seq: 6 },
            flushed.clone(),
        ];
        assert_eq!(answers(true, &sent), (expected(&acked), 5));
        assert_eq!(answers(false, &sent), (expected(&[Frame::Welcome(welcome), flushed]), 5));
    }

    #[test]
    fn a_goodbye_ends_it_and_garbage_is_an_error() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&greeting()).unwrap();
        let mut agent = Agent::greet(theirs).unwrap();
        ours.write_all(&bytes_of(&Frame::Bye(Bye { next_seq: 1 }))).unwrap();
        agent.serve(true, |_| true).unwrap();
        ours.write_all(b"no frame at all").unwrap();
        assert!(agent.serve(true, |_| true).unwrap_err().to_string().contains("no frame"));
    }
}
