//! Reads the app's stdout and stderr and puts their lines into the ring.
//!
//! An output that was quiet is read the moment it has a byte. One that is busy is read in steps of up to [`MAX_PAUSE_NS`], so that
//! a wake-up serves many lines; the pipe holds them meanwhile and the step ends before it is a quarter full.

use std::io::{self, ErrorKind};

use line::split::Splitter;

use crate::kernel::{Output, Sys};
use crate::ring::Ring;

/// The most that is read at a time, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// The longest pause between two reads of busy outputs, in nanoseconds. A line waits at most this long for being read.
const MAX_PAUSE_NS: i64 = 5_000_000;

/// Reads that follow each other within this time are of a busy app, in nanoseconds.
const BUSY_NS: i64 = 10_000_000;

/// How long a line without its end is held, in nanoseconds: a prompt must be seen.
const IDLE_NS: i64 = 1_000_000_000;

/// How long the other output waits for the rest of a long line, in nanoseconds: what comes of it at all comes at once.
const HOLD_NS: i64 = 5_000_000;

/// What the least room in the ring must be for the next read, in bytes, when nothing may be dropped.
const LEAST_READ_BYTES: usize = 4096;

/// The most bytes that a byte read becomes in a frame: an empty line is one byte, its record four and a bit.
const GROWTH: usize = 5;

/// The reader of both outputs.
#[derive(Debug)]
pub(crate) struct Capture {
    sides: [Side; 2],
    buffer: Vec<u8>,
    /// A quarter of what a pipe holds, in bytes.
    step_bytes: i64,
    last_read: i64,
    next_read: i64,
}

#[derive(Debug)]
struct Side {
    splitter: Splitter,
    is_open: bool,
    /// It was empty when it was last read.
    is_dry: bool,
    /// When it last had bytes.
    last_bytes: i64,
    /// When a line began to arrive in fragments.
    long_since: Option<i64>,
}

impl Side {
    fn new() -> Self {
        Self { splitter: Splitter::new(), is_open: true, is_dry: false, last_bytes: 0, long_since: None }
    }
}

impl Capture {
    /// A reader of pipes that hold `pipe_bytes` each.
    pub(crate) fn new(pipe_bytes: usize) -> Self {
        let step_bytes = i64::try_from((pipe_bytes / 4).clamp(1024, READ_BYTES)).unwrap_or(1024);
        Self {
            sides: [Side::new(), Side::new()],
            buffer: vec![0; READ_BYTES],
            step_bytes,
            last_read: 0,
            next_read: 0,
        }
    }

    /// Which outputs should wake init now. `room` is how many bytes the ring takes; `None`: any, it drops.
    pub(crate) fn interest(&self, now: i64, room: Option<usize>) -> [bool; 2] {
        let wanted = !self.is_paused(now) && self.most(room) > 0;
        [0, 1].map(|at| wanted && self.sides[at].is_open && !self.is_held(at, now))
    }

    /// Whether nothing is read now because more will have come soon.
    pub(crate) fn is_paused(&self, now: i64) -> bool {
        now < self.next_read
    }

    /// Whether the output waits for the rest of a long line on the other one.
    fn is_held(&self, at: usize, now: i64) -> bool {
        let (this, other) = (&self.sides[at], &self.sides[1 - at]);
        this.long_since.is_none()
            && other.is_open
            && other.long_since.is_some_and(|since| now < since + HOLD_NS)
    }

    /// The most that may be read now, in bytes.
    fn most(&self, room: Option<usize>) -> usize {
        match room.map_or(READ_BYTES, |room| room / GROWTH) {
            ..LEAST_READ_BYTES => 0,
            most => most.min(READ_BYTES),
        }
    }

    /// Reads each output that is `ready` once.
    pub(crate) fn read(
        &mut self,
        sys: &mut impl Sys,
        ring: &mut Ring,
        ready: [bool; 2],
        room: impl Fn(&Ring) -> Option<usize>,
    ) -> io::Result<()> {
        let mut bytes = 0;
        for (at, output) in (0..).zip(Output::ALL) {
            let most = self.most(room(ring));
            if ready[at] && self.sides[at].is_open && most > 0 {
                bytes += self.read_one(sys, ring, output, most)?;
            }
        }
        if bytes > 0 {
            self.pace(sys.boottime(), i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    fn read_one(
        &mut self,
        sys: &mut impl Sys,
        ring: &mut Ring,
        output: Output,
        most: usize,
    ) -> io::Result<usize> {
        let (side, buffer) = (&mut self.sides[output as usize], &mut self.buffer[..most]);
        let len = match sys.read(output, buffer) {
            Ok(0) => {
                self.end(sys, ring, output);
                return Ok(0);
            }
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                side.is_dry = true;
                return Ok(0);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error),
        };
        let now = sys.boottime();
        (side.is_dry, side.last_bytes) = (false, now);
        let stream = output.stream();
        side.splitter.push(&buffer[..len], |flags, text| ring.push(now, stream, flags, text));
        side.long_since = side.splitter.is_continued().then(|| side.long_since.unwrap_or(now));
        Ok(len)
    }

    /// Sets when to read next, after `bytes` were read at `now`.
    fn pace(&mut self, now: i64, bytes: i64) {
        let since = now - self.last_read;
        self.last_read = now;
        // At this rate, how long until another step is full.
        let pause = if since < BUSY_NS && bytes < self.step_bytes {
            (since.saturating_mul(self.step_bytes) / bytes).min(MAX_PAUSE_NS)
        } else {
            0
        };
        self.next_read = now + pause;
    }

    /// Ends an output: what is held of its last line goes out.
    fn end(&mut self, sys: &mut impl Sys, ring: &mut Ring, output: Output) {
        self.flush_one(ring, output, sys.boottime());
        self.sides[output as usize].is_open = false;
        sys.close(output);
    }

    /// Sends the lines whose end has not come for a second. Time in which nothing is read, for lack of `room`, does not count.
    pub(crate) fn tick(&mut self, ring: &mut Ring, now: i64, room: Option<usize>) {
        let is_blocked = self.most(room) == 0;
        for (at, output) in (0..).zip(Output::ALL) {
            if is_blocked {
                self.sides[at].last_bytes = now;
            }
            let side: &Side = &self.sides[at];
            if side.splitter.is_open() && now >= side.last_bytes + IDLE_NS {
                self.flush_one(ring, output, now);
            }
        }
    }

    /// When there is something to do though no byte comes.
    pub(crate) fn deadline(&self, now: i64) -> i64 {
        let mut deadline = if self.next_read > now { self.next_read } else { i64::MAX };
        for side in &self.sides {
            if side.splitter.is_open() {
                deadline = deadline.min(side.last_bytes + IDLE_NS);
            }
            if let Some(since) = side.long_since.filter(|since| now < since + HOLD_NS) {
                deadline = deadline.min(since + HOLD_NS);
            }
        }
        deadline
    }

    fn flush_one(&mut self, ring: &mut Ring, output: Output, now: i64) {
        let side = &mut self.sides[output as usize];
        side.splitter.flush(|flags, text| ring.push(now, output.stream(), flags, text));
        side.long_since = None;
    }

    /// Sends what is held of unfinished lines.
    pub(crate) fn flush(&mut self, ring: &mut Ring, now: i64) {
        Output::ALL.into_iter().for_each(|output| self.flush_one(ring, output, now));
    }

    /// Makes the next look at whether the outputs are dry a new one.
    pub(crate) fn expect_bytes(&mut self) {
        self.sides.iter_mut().for_each(|side| side.is_dry = false);
    }

    /// Whether a ring with `room` bytes left takes too little for a read.
    pub(crate) fn is_blocked(&self, room: usize) -> bool {
        !self.is_over() && self.most(Some(room)) == 0
    }

    /// Whether every output has ended or was empty when it was last read.
    pub(crate) fn is_dry(&self) -> bool {
        self.sides.iter().all(|side| side.is_dry || !side.is_open)
    }

    /// Whether every output has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.sides.iter().all(|side| !side.is_open)
    }
}
