//! More parts than a process may have open files.

use crate::support::{DAY, DIR, Machine, NOON, Paused, World, config, lines, once};
use disk::fault::FaultDisk;
use disk::{Disk, File, Guard, SyncPoint};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Config, Engine};

/// A disk on which only so many files may be open.
#[derive(Clone, Debug)]
struct Narrow {
    disk: FaultDisk,
    most: usize,
    open: Arc<AtomicUsize>,
    highest: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Counted(Arc<dyn File>, Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Narrow {
    fn new(disk: &FaultDisk, most: usize) -> Self {
        Self { disk: disk.clone(), most, open: Arc::default(), highest: Arc::default() }
    }

    fn count(&self, open: impl FnOnce() -> io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        let now = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        let counted = |file| Arc::new(Counted(file, Arc::clone(&self.open))) as Arc<dyn File>;
        if now > self.most {
            self.open.fetch_sub(1, Ordering::SeqCst);
            // EMFILE.
            return Err(io::Error::from_raw_os_error(24));
        }
        self.highest.fetch_max(now, Ordering::SeqCst);
        open().map(counted).inspect_err(|_| {
            self.open.fetch_sub(1, Ordering::SeqCst);
        })
    }
}

impl File for Counted {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buf)
    }

    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        self.0.allocate(len_bytes)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn sync_data(&self, point: SyncPoint) -> io::Result<()> {
        self.0.sync_data(point)
    }
}

impl Disk for Narrow {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.count(|| self.disk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.count(|| self.disk.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }

    fn create_dir_all(&self, dir: &Path, mode: u32) -> io::Result<()> {
        self.disk.create_dir_all(dir, mode)
    }

    fn sync_dir(&self, dir: &Path, point: SyncPoint) -> io::Result<()> {
        self.disk.sync_dir(dir, point)
    }

    fn hold(&self, path: &Path) -> io::Result<Box<dyn Guard>> {
        self.disk.hold(path)
    }
}

fn web() -> Machine {
    Machine::new("o1", "web", "m1")
}

fn open(narrow: &Narrow, clock: &Paused, config: Config) -> World {
    let disk: Arc<dyn Disk> = Arc::new(narrow.clone());
    let (engine, report) = Engine::open(disk, Path::new(DIR), config, Arc::new(clock.clone())).unwrap();
    World { disk: narrow.disk.clone(), clock: clock.clone(), engine: Some(engine), report }
}

const PARTS: u64 = 1000;

/// A store with a thousand parts of one day.
fn stopped() -> FaultDisk {
    let world =
        World::on(FaultDisk::new(), &Paused::at(NOON), Config { reserve_bytes: 0, ..config() }).unwrap();
    for part in 0..PARTS {
        world.take(lines(&web(), 1 + part * 2..3 + part * 2, NOON));
        world.engine().flush_now().unwrap();
    }
    world.disk.copy()
}

#[test]
fn a_thousand_parts_are_read_and_merged_with_a_few_open_files() {
    let disk = stopped();
    // The bound may be too high, too: then the store finds out.
    for (open_parts, most) in [(8, 24), (128, 24)] {
        let (narrow, clock) = (Narrow::new(&disk.copy(), most), Paused::at(NOON));
        let world = open(&narrow, &clock, Config { open_parts, ..config() });
        assert_eq!((world.report.problems.len(), world.engine().stats().parts), (0, 1000));
        assert_eq!(once(&world.rows()).len(), 2000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(world.rows().len(), 2000));
            }
        });
        // Lines are taken as ever.
        world.take(lines(&web(), 3000..3010, NOON));
        let snapshot = world.engine().snapshot();
        clock.pass(2 * DAY);
        world.engine().flush_now().unwrap();
        world.engine().maintain().unwrap();
        assert_eq!((world.engine().stats().parts, world.report.parts), (1, 1000));
        assert_eq!(world.rows().len(), 2010);
        // Whoever looks from before still reads all of it.
        let frames =
            snapshot.parts.iter().flat_map(|part| (0..part.frames().len()).map(move |at| part.frame(at)));
        assert_eq!(frames.map(|frame| frame.unwrap().decode().unwrap().len()).sum::<usize>(), 2000);
        assert!(world.files("parts").len() > 1000);
        drop(snapshot);
        world.engine().maintain().unwrap();
        assert_eq!(world.files("parts").len(), 1);
        assert!(narrow.highest.load(Ordering::SeqCst) <= most);
        if open_parts == 8 {
            // A handful for the log and what is written, and one for each thread that reads.
            assert!(narrow.highest.load(Ordering::SeqCst) <= 8 + 8, "{narrow:?}");
        }
    }
}

#[test]
fn files_that_somebody_read_when_it_stopped_go_with_the_next_start() {
    let world = World::new();
    for part in 0..3u64 {
        world.take(lines(&web(), 1 + part * 2..3 + part * 2, NOON));
        world.engine().flush_now().unwrap();
    }
    let snapshot = world.engine().snapshot();
    world.engine().maintain().unwrap();
    assert_eq!((world.engine().stats().parts, world.files("parts").len()), (1, 4));
    let world = world.restart();
    drop(snapshot);
    assert_eq!((world.report.problems.len(), world.files("parts").len(), world.rows().len()), (0, 1, 6));
}
