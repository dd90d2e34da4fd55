//! A disk in memory that loses power, fills up and lies: for the tests of every crate that keeps something.
//!
//! A power cut ([`FaultDisk::power_cut`]) leaves what a real disk may leave: of a file's writes that no later sync of that
//! file covered, each 512-byte sector keeps the content it had after some number of them; of a directory's entries that no
//! sync covered, any subset. A failed sync behaves as Linux does: the page cache still shows the data, but no later sync
//! brings it to the disk.

use crate::{Disk, File, Guard, SyncPoint};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod bad;
mod file;

use file::FaultFile;

const SECTOR_BYTES: usize = 512;

/// Kinds of call that can be made to fail, counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `write_at`, `allocate`, `set_len` and `create`.
    Write,
    /// `read_at`.
    Read,
    /// `open` and `list`.
    Open,
    /// `sync_data` and `sync_dir`.
    Sync,
    /// `rename` and `remove`.
    Entry,
}

/// A disk in memory. Clones share it; so do the files opened on it.
#[derive(Clone, Default)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: Vec<Inode>,
    /// What the running system sees.
    names: Names,
    /// What the disk holds.
    durable_names: Names,
    /// Changes of names not covered by a sync of their directory.
    pending_names: Vec<NameChange>,
    ignored: BTreeSet<SyncPoint>,
    calls: BTreeMap<Call, u64>,
    failures: BTreeMap<(Call, u64), io::ErrorKind>,
    space_bytes: Option<u64>,
    /// So many calls that change something are still done, then none is.
    calls_left: Option<u64>,
    /// Files that somebody has locked; a power cut lets go of them.
    locked: BTreeSet<PathBuf>,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf, Node),
    Remove(PathBuf),
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Add(path, _) | Self::Rename(_, path, _) | Self::Remove(path) => path.parent() == Some(dir),
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What the running system sees.
    cached: Vec<u8>,
    /// What the disk holds.
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// What the disk gives no more.
    bad: bad::Bad,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(len) => content.resize(*len, 0),
        }
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    /// What a power cut leaves: a length the file has had, and for each sector its content after some of the changes.
    fn survivor(&self, rng: &mut Rng) -> Vec<u8> {
        let mut snapshots = vec![self.durable.clone()];
        for change in &self.pending {
            let mut next = snapshots.last().cloned().unwrap_or_default();
            change.apply(&mut next);
            snapshots.push(next);
        }
        // Some cuts come right after a sync or right before one; most come between.
        let last = snapshots.len() - 1;
        let style = rng.u8(0..4);
        let pick = |rng: &mut Rng| match style {
            0 => 0,
            1 => last,
            _ => rng.usize(0..=last),
        };
        let len = snapshots[pick(rng)].len();
        let mut content = vec![0; len];
        for (index, sector) in content.chunks_mut(SECTOR_BYTES).enumerate() {
            let from = index * SECTOR_BYTES;
            let source = &snapshots[pick(rng)];
            let end = source.len().min(from + sector.len());
            if from < end {
                sector[..end - from].copy_from_slice(&source[from..end]);
            }
        }
        content
    }
}

impl State {
    /// Counts a call, and fails it if that was ordered.
    fn enter(&mut self, call: Call) -> io::Result<()> {
        if !matches!(call, Call::Read | Call::Open)
            && let Some(left) = &mut self.calls_left
        {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        }
        let count = self.calls.entry(call).or_default();
        *count += 1;
        match self.failures.remove(&(call, *count)) {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// Whether the disk is gone: it stays as it is.
    fn is_dead(&self) -> bool {
        self.calls_left == Some(0)
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    /// Fails when a file of `len` bytes would not fit.
    fn reserve(&self, id: usize, len: usize) -> io::Result<()> {
        let Some(space_bytes) = self.space_bytes else { return Ok(()) };
        let others = self.names.values().filter_map(|node| match node {
            Node::File(other) if *other != id => Some(self.files[*other].cached.len()),
            _ => None,
        });
        let used = others.sum::<usize>() + len.max(self.files[id].cached.len());
        if used as u64 > space_bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("FaultDisk").field("names", &state.names).finish_non_exhaustive()
    }
}

impl FaultDisk {
    /// An empty disk with a durable root directory.
    #[must_use]
    pub fn new() -> Self {
        let disk = Self::default();
        let mut state = disk.lock();
        state.names.insert(PathBuf::from("/"), Node::Dir);
        state.durable_names.insert(PathBuf::from("/"), Node::Dir);
        drop(state);
        disk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left after a power cut now. This disk stays as it is, so that many cuts of one moment can be tried.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let state = self.lock();
        let files: Vec<Inode> = state
            .files
            .iter()
            .map(|file| {
                let content = file.survivor(&mut rng);
                let bad = file.bad.clone();
                Inode { cached: content.clone(), durable: content, pending: Vec::new(), bad }
            })
            .collect();
        let mut names = state.durable_names.clone();
        let kept = rng.usize(0..=state.pending_names.len());
        let in_order = rng.bool();
        for (index, change) in state.pending_names.iter().enumerate() {
            if if in_order { index < kept } else { rng.bool() } {
                change.apply(&mut names);
            }
        }
        drop_orphans(&mut names);
        let next = State { files, names: names.clone(), durable_names: names, ..State::default() };
        Self { state: Arc::new(Mutex::new(next)) }
    }

    /// From now on, syncs from this call site do nothing and report success.
    pub fn ignore(&self, point: SyncPoint) {
        self.lock().ignored.insert(point);
    }

    /// Makes the `nth` call of this kind from now (1 = the next one) fail with an error of this kind.
    pub fn fail_nth(&self, call: Call, nth: u64, kind: io::ErrorKind) {
        let mut state = self.lock();
        let now = state.calls.get(&call).copied().unwrap_or_default();
        state.failures.insert((call, now + nth), kind);
    }

    /// Lets so many calls that write, sync, rename or remove still be done; all others fail and change nothing. What a
    /// power cut leaves is then what it leaves at that moment.
    pub fn die_after(&self, calls: u64) {
        self.lock().calls_left = Some(calls);
    }

    /// How many calls of this kind there were.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.lock().calls.get(&call).copied().unwrap_or_default()
    }

    /// Bounds the sum of all file lengths; above it, calls fail with `StorageFull`. `None`: no bound.
    pub fn set_space(&self, space_bytes: Option<u64>) {
        self.lock().space_bytes = space_bytes;
    }

    /// Inverts one bit of a file, on the disk and in the cache.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `InvalidInput` when it is shorter.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.file(path)?;
        let file = &mut state.files[id];
        let cell = file.cached.get_mut(byte).ok_or(io::ErrorKind::InvalidInput)?;
        *cell ^= 1 << (bit % 8);
        if let Some(cell) = file.durable.get_mut(byte) {
            *cell ^= 1 << (bit % 8);
        }
        Ok(())
    }

    /// Replaces or makes a file, durably.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut state = self.lock();
        let (cached, durable) = (content.to_vec(), content.to_vec());
        state.files.push(Inode { cached, durable, ..Inode::default() });
        let node = Node::File(state.files.len() - 1);
        state.names.insert(path.to_path_buf(), node);
        state.durable_names.insert(path.to_path_buf(), node);
    }

    /// Content of a file as the running system sees it.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.lock();
        Ok(state.files[state.file(path)?].cached.clone())
    }

    /// Removes a file, durably.
    pub fn vanish(&self, path: &Path) {
        let mut state = self.lock();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// An independent copy of everything, without orders to fail.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.lock();
        let next = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            ignored: state.ignored.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(next)) }
    }
}

/// Drops the names whose directory did not survive.
fn drop_orphans(names: &mut Names) {
    let dirs: BTreeSet<PathBuf> =
        names.iter().filter(|(_, node)| **node == Node::Dir).map(|(path, _)| path.clone()).collect();
    names.retain(|path, _| path.ancestors().skip(1).all(|dir| dirs.contains(dir)));
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        state.enter(Call::Write)?;
        if path.parent().is_none_or(|dir| state.names.get(dir) != Some(&Node::Dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = match state.file(path) {
            Ok(id) => {
                state.files[id].change(Change::Length(0));
                id
            }
            Err(_) => {
                state.files.push(Inode::default());
                let id = state.files.len() - 1;
                state.change_name(NameChange::Add(path.to_path_buf(), Node::File(id)));
                id
            }
        };
        Ok(Arc::new(FaultFile { disk: self.clone(), id }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        state.enter(Call::Open)?;
        let id = state.file(path)?;
        state.files[id].bad.open()?;
        Ok(Arc::new(FaultFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.enter(Call::Entry)?;
        let node = Node::File(state.file(from)?);
        state.change_name(NameChange::Rename(from.to_path_buf(), to.to_path_buf(), node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.enter(Call::Entry)?;
        state.file(path)?;
        state.change_name(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.enter(Call::Open)?;
        match state.names.get(dir) {
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.lock().names.contains_key(path)
    }

    fn create_dir_all(&self, dir: &Path, _mode: u32) -> io::Result<()> {
        let mut state = self.lock();
        let missing: Vec<_> = dir.ancestors().filter(|dir| !state.names.contains_key(*dir)).collect();
        for dir in missing.into_iter().rev() {
            state.change_name(NameChange::Add(dir.to_path_buf(), Node::Dir));
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path, point: SyncPoint) -> io::Result<()> {
        let mut state = self.lock();
        state.enter(Call::Sync)?;
        if state.ignored.contains(&point) {
            return Ok(());
        }
        let pending = std::mem::take(&mut state.pending_names);
        let (now, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(|change| change.is_in(dir));
        state.pending_names = later;
        for change in now {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }
    fn hold(&self, path: &Path) -> io::Result<Box<dyn Guard>> {
        if !self.lock().locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultGuard { disk: self.clone(), path: path.to_path_buf() }))
    }
}

#[derive(Debug)]
struct FaultGuard {
    disk: FaultDisk,
    path: PathBuf,
}

impl Guard for FaultGuard {}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.disk.lock().locked.remove(&self.path);
    }
}
