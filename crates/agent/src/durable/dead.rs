//! The dead-letter folder: requests that the store refused, as they were sent, for people to look into.
//!
//! One file each, `<time>-<shard>.lwa`, of the form that `docs/append-format.md` specifies. There is a bound; beyond it requests
//! are not kept, only counted, since those that came first say most about what is wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Disk, SyncPoint, TEMPORARY, make_dir, replace_file};
use line::time::rfc3339;

use crate::admin::DeadLetter;

/// The folder's name in the agent's directory.
const DIR: &str = "dead-letter";
/// Ending of its files.
const ENDING: &str = ".lwa";
/// Most files, whatever their size.
const MAX_FILES: usize = 1000;

/// What is in the folder.
#[derive(Debug, Default)]
struct State {
    /// By name, which is by time.
    letters: Vec<DeadLetter>,
    bytes: u64,
    not_kept: u64,
}

/// The folder. Cheap to clone: clones share it.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    max_bytes: u64,
    state: Arc<Mutex<State>>,
}

impl DeadLetters {
    /// The folder in the agent's directory, and what is in it. It is made when it is needed.
    pub(crate) fn open(disk: Arc<dyn Disk>, data_dir: &Path, max_bytes: u64) -> Self {
        let dir = data_dir.join(DIR);
        let mut state = State::default();
        for name in disk.list(&dir).unwrap_or_default() {
            if name.ends_with(ENDING) {
                let bytes = disk.open(&dir.join(&name)).and_then(|file| file.len()).unwrap_or(0);
                state.bytes += bytes;
                state.letters.push(DeadLetter { file: name, bytes });
            } else if name.ends_with(TEMPORARY) {
                // Half-written when the agent ended; the request is repeated.
                let _removed = disk.remove(&dir.join(&name));
            }
        }
        Self { disk, dir, max_bytes, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a refused request, durably. `false`: the folder is full, and it was counted only.
    ///
    /// # Errors
    /// From the disk; the request is not kept then.
    pub(crate) fn put(&self, shard: u8, message: &[u8], now_ns: i64) -> io::Result<bool> {
        let bytes = message.len() as u64;
        let mut state = self.state();
        if state.letters.len() >= MAX_FILES || state.bytes.saturating_add(bytes) > self.max_bytes {
            state.not_kept += 1;
            return Ok(false);
        }
        make_dir(&*self.disk, &self.dir)?;
        let mut time = now_ns;
        // Two within a nanosecond, or a clock that was set back.
        let file = loop {
            let name = format!("{}-{shard}{ENDING}", rfc3339(time).replace(':', ""));
            if !state.letters.iter().any(|letter| letter.file == name) {
                break name;
            }
            time = time.saturating_add(1);
        };
        let points = (SyncPoint::DeadLetter, SyncPoint::DeadLetterDir);
        replace_file(&*self.disk, &self.dir, &file, message, points)?;
        state.bytes += bytes;
        state.letters.push(DeadLetter { file, bytes });
        Ok(true)
    }

    /// What is in the folder, oldest first, and how many requests there was no room for since the start.
    pub(crate) fn list(&self) -> (Vec<DeadLetter>, u64) {
        let state = self.state();
        (state.letters.clone(), state.not_kept)
    }

    /// How many files there are.
    pub(crate) fn count(&self) -> usize {
        self.state().letters.len()
    }
}

#[cfg(test)]
mod tests {
    use disk::fault::FaultDisk;

    use super::*;

    const NOW: i64 = 1_764_151_200_000_000_000;

    fn open(disk: &FaultDisk, max_bytes: u64) -> DeadLetters {
        DeadLetters::open(Arc::new(disk.clone()), Path::new("/agent"), max_bytes)
    }

    /// A disk with the agent's directory.
    fn new_disk() -> FaultDisk {
        let disk = FaultDisk::new();
        make_dir(&disk, Path::new("/agent")).unwrap();
        disk
    }

    fn files(letters: &DeadLetters) -> Vec<(String, u64)> {
        letters.list().0.into_iter().map(|letter| (letter.file, letter.bytes)).collect()
    }

    #[test]
    fn what_was_put_survives_a_power_cut_and_is_found_again() {
        for seed in 0..50 {
            let disk = new_disk();
            let letters = open(&disk, 100);
            assert!(letters.put(7, b"one", NOW).unwrap() && letters.put(7, b"three", NOW).unwrap());
            let left = disk.power_cut(seed);
            let found = open(&left, 100);
            let wanted = [
                ("2025-11-26T100000.000000000Z-7.lwa".to_owned(), 3),
                ("2025-11-26T100000.000000001Z-7.lwa".to_owned(), 5),
            ];
            assert_eq!((files(&found), files(&letters)), (wanted.to_vec(), wanted.to_vec()), "seed {seed}");
            let path = Path::new("/agent").join(DIR).join(&wanted[1].0);
            let mut bytes = [0; 5];
            left.open(&path).unwrap().read_at(0, &mut bytes).unwrap();
            assert_eq!(&bytes, b"three");
        }
    }

    #[test]
    fn each_sync_is_needed() {
        for point in [SyncPoint::DeadLetter, SyncPoint::DeadLetterDir] {
            let is_lost = |seed| {
                let disk = new_disk();
                disk.ignore(point);
                assert!(open(&disk, 100).put(7, b"one", NOW).unwrap());
                let left = disk.power_cut(seed);
                let found = open(&left, 100);
                let mut bytes = [0; 3];
                let read = found.list().0.first().map(|letter| {
                    let path = Path::new("/agent").join(DIR).join(&letter.file);
                    left.open(&path).and_then(|file| file.read_at(0, &mut bytes))
                });
                read.is_none() || &bytes != b"one"
            };
            assert!((0..200).any(is_lost), "{point:?}");
        }
    }

    #[test]
    fn beyond_the_bound_they_are_counted() {
        let letters = open(&new_disk(), 5);
        assert!(letters.put(1, b"four", NOW).unwrap());
        assert!(!letters.put(1, b"four", NOW).unwrap());
        assert_eq!((letters.count(), letters.list().1), (1, 1));
    }
}
