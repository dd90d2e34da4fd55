//! One run: readers on one of the two servers, a publisher, and what it took.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::calibrate::percentile;
use super::super::{Bench, usage};
use super::crowd::Crowd;
use super::load::{INNER_PATTERN, PATTERN, Pace, Publisher, Shape};
use super::place::{Place, Via};

/// Left out at the begin of each run.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a run is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) readers: usize,
    pub(super) payload_bytes: usize,
    pub(super) pace: Pace,
    /// One more subscribes and reads nothing.
    pub(super) stalled: bool,
}

/// What a run took.
#[derive(Debug)]
pub(super) struct Taken {
    /// Deliveries a second.
    pub(super) rate: f64,
    /// CPU for each delivery, in µs.
    pub(super) nats_micros: f64,
    /// The same of the front door.
    pub(super) door_micros: f64,
    /// p50 and p99 of the time from publishing to reading, in µs; zero where they were not taken.
    pub(super) ages: [f64; 2],
    /// What part of all was not given but is in gap records.
    pub(super) skipped_part: f64,
    /// Messages of the reader that misses most which are in no gap record.
    pub(super) lost: f64,
}

/// One moment.
struct Sample {
    when: Instant,
    delivered: u64,
    nats: Duration,
    door: Duration,
}

impl Sample {
    fn take(place: &Place, crowd: &Crowd) -> Result<Self> {
        let (when, delivered) = (Instant::now(), crowd.progress.delivered());
        let (nats, door) = (usage::cpu(place.nats_pid())?, usage::cpu(place.door_pid())?);
        Ok(Self { when, delivered, nats, door })
    }
}

/// Has `load.readers` hear from `via` for as long as a run takes.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn run(bench: &Bench, place: &Place, via: Via, load: Load) -> Result<Taken> {
    let (shape, login) = (Shape::new(load.payload_bytes)?, place.reader(via));
    let pattern = if via == Via::Door { PATTERN } else { INNER_PATTERN };
    let keeps_ages = matches!(load.pace, Pace::PerSecond(_));
    let crowd = Crowd::start(&login, pattern, load.readers, shape.clone(), keeps_ages)?;
    let stalled = if load.stalled { Some(login.connect(&format!("SUB {pattern} 1\r\n"))?) } else { None };
    let publisher = Publisher::start(&place.agent(), shape, load.pace, Arc::clone(&crowd.progress))?;
    thread::sleep(WARM_UP);
    let before = Sample::take(place, &crowd)?;
    thread::sleep(Duration::from_secs(bench.seconds));
    let after = Sample::take(place, &crowd)?;
    let sent = publisher.stop()?;
    drop(stalled);
    let progress = Arc::clone(&crowd.progress);
    let (mut ages, lost) = crowd.finish(sent)?;
    let count = (after.delivered - before.delivered) as f64;
    ensure!(count > 0.0, "nothing was delivered");
    let micros = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6 / count;
    Ok(Taken {
        rate: count / (after.when - before.when).as_secs_f64(),
        nats_micros: micros(before.nats, after.nats),
        door_micros: micros(before.door, after.door),
        ages: [50, 99].map(|percent| percentile(&mut ages, percent).as_secs_f64() * 1e6),
        skipped_part: progress.skipped() as f64 / (progress.skipped() + progress.delivered()) as f64,
        lost: lost as f64,
    })
}
