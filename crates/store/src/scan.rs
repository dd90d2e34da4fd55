//! Runs the filter of a query over what is stored, on as many threads as there are, and hands what matches to its pipes.
//!
//! | step | module |
//! |---|---|
//! | which frames of which parts can have a row that matches | [`prune`] |
//! | which columns of a frame are read, and only when they decide something | [`columns`] |
//! | what threads take frames from, and when they stop | [`queue`] |
//!
//! A frame or rows of the memtable belong to one org, and only those of the asker's org are ever looked at: no filter can
//! widen that.

mod columns;
mod newest;
mod prune;
mod queue;
mod unit;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use query::{Block, Column, Columns, Fields, Flow, Pipeline, Predicate, Rows, Worker};

use crate::part::Error;
use columns::UnitColumns;
pub(crate) use newest::Newest;
pub(crate) use prune::{ALL, Wanted, decide};
use queue::Queue;
pub(crate) use unit::Unit;

/// One question to some rows.
pub(crate) struct Scan<'a> {
    /// Which rows.
    pub(crate) predicate: &'a Predicate,
    /// Whose: told to the predicate; units of others must not be among those that are scanned.
    pub(crate) org: &'a str,
    /// Only rows whose pos is in it.
    pub(crate) pos: Range<u64>,
    /// Which fields the pipes want to see.
    pub(crate) fields: &'a Fields,
    /// So many of the newest rows are enough.
    pub(crate) newest: Option<&'a Newest>,
    /// What becomes of the rows.
    pub(crate) pipeline: &'a Pipeline,
    /// Where rows go that no pipe holds back. Called from several threads.
    pub(crate) out: &'a (dyn Fn(Block) -> Flow + Sync),
    /// Asked between frames: the search ends when it says so.
    pub(crate) is_over: &'a (dyn Fn() -> bool + Sync),
    /// How many threads, at least 1.
    pub(crate) threads: usize,
}

/// What was looked at.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Rows whose filter was decided.
    pub(crate) rows: AtomicU64,
    /// Bytes of columns that were read, as they are in memory.
    pub(crate) bytes: AtomicU64,
    /// Frames that were opened.
    pub(crate) frames: AtomicU64,
}

/// How a scan ended.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// The pipes' workers, with what they hold.
    pub(crate) workers: Vec<Worker>,
    /// It was told to stop: what the workers hold is not all.
    pub(crate) is_cut: bool,
    /// Frames that could not be read, and why; their rows are missing.
    pub(crate) damaged: Vec<(Unit, Error)>,
}

/// Most frames that a scan names as damaged.
const MAX_DAMAGED: usize = 100;

/// Scans `units`.
///
/// # Errors
/// What the pipes say, out of memory most of all. A frame that cannot be read is no error: it is said.
pub(crate) fn run(units: Vec<Unit>, scan: &Scan<'_>, figures: &Figures) -> Result<Scanned, query::Error> {
    let queue = Queue::new(units, scan.newest);
    let shared =
        Shared { scan, figures, queue: &queue, cut: AtomicBool::new(false), damaged: Mutex::default() };
    let threads = scan.threads.clamp(1, queue.len().max(1));
    let workers = if threads == 1 {
        vec![shared.work()]
    } else {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| shared.work())).collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).collect()
        })
    };
    // A thread that panicked took its frames with it.
    let is_whole = workers.len() == threads;
    let workers = workers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let is_cut = shared.cut.load(Ordering::Relaxed) || !is_whole;
    let damaged = shared.damaged.into_inner().unwrap_or_default();
    Ok(Scanned { workers, is_cut, damaged })
}

/// What the threads of a scan share.
struct Shared<'a> {
    scan: &'a Scan<'a>,
    figures: &'a Figures,
    queue: &'a Queue<'a>,
    cut: AtomicBool,
    damaged: Mutex<Vec<(Unit, Error)>>,
}

impl Shared<'_> {
    /// Takes frames until there are none.
    fn work(&self) -> Result<Worker, query::Error> {
        let mut worker = self.scan.pipeline.worker();
        // What regular expressions remember is not shared between threads.
        let predicate = self.scan.predicate.clone();
        while let Some(unit) = self.queue.next() {
            if (self.scan.is_over)() {
                self.cut.store(true, Ordering::Relaxed);
                self.queue.stop();
                break;
            }
            let flow = match self.look(&predicate, unit, &mut worker) {
                Ok(flow) => flow,
                Err(Failure::Pipe(error)) => {
                    self.queue.stop();
                    return Err(error);
                }
                Err(Failure::Unit(error)) => {
                    self.note(unit, error);
                    Flow::More
                }
            };
            if flow == Flow::Done {
                self.queue.stop();
            }
        }
        Ok(worker)
    }

    fn note(&self, unit: &Unit, error: Error) {
        if let Ok(mut damaged) = self.damaged.lock()
            && damaged.len() < MAX_DAMAGED
        {
            damaged.push((unit.clone(), error));
        }
    }

    /// Filters the rows of one frame, and gives those that are left to the pipes.
    fn look(&self, predicate: &Predicate, unit: &Unit, worker: &mut Worker) -> Result<Flow, Failure> {
        let mut columns = UnitColumns::open(unit, self.scan.org)?;
        let count = columns.count();
        self.figures.frames.fetch_add(1, Ordering::Relaxed);
        self.figures.rows.fetch_add(count as u64, Ordering::Relaxed);
        let found = self.find(predicate, &mut columns);
        self.figures.bytes.fetch_add(columns.read_bytes(), Ordering::Relaxed);
        let Some(block) = found? else { return Ok(Flow::More) };
        let mut wanted = Flow::More;
        let flow = worker.push(block, &mut |block| {
            if (self.scan.out)(block) == Flow::Done {
                wanted = Flow::Done;
            }
        });
        match flow.map_err(Failure::Pipe)? {
            Flow::Done => Ok(Flow::Done),
            Flow::More => Ok(wanted),
        }
    }

    /// The rows that the pipes are to see.
    fn find(&self, predicate: &Predicate, columns: &mut UnitColumns<'_>) -> Result<Option<Block>, Error> {
        let mut rows = Rows::all(columns.count());
        predicate.retain(columns, &mut rows)?;
        if self.scan.pos != ALL && !rows.is_empty() {
            let positions = columns.positions()?;
            rows.retain(|row| positions.get(row).is_some_and(|pos| self.scan.pos.contains(pos)));
        }
        if let Some(newest) = self.scan.newest.filter(|_| !rows.is_empty())
            && let Some(Column::Time(times)) = columns.column("_time")?.as_deref()
        {
            newest.keep(times, &mut rows);
        }
        if rows.is_empty() {
            Ok(None)
        } else {
            columns.block(&rows, self.scan.fields, self.scan.pos != ALL).map(Some)
        }
    }
}

/// Why a frame could not be worked on.
enum Failure {
    /// It cannot be read.
    Unit(Error),
    /// The pipes cannot take it.
    Pipe(query::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Unit(error)
    }
}
