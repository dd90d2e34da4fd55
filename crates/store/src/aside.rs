//! Where damaged files are put, for people to look at.

use disk::{Disk, SyncPoint, read_file};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The folder for damaged files.
#[derive(Debug)]
pub(crate) struct Aside<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
}

/// The folder's name.
pub(crate) const NAME: &str = "damaged";
/// Files that are kept; beyond, none is added: bytes that nobody looks at must not fill the disk.
const MAX_FILES: usize = 1000;
/// Most bytes of a piece that is copied.
const MAX_COPY_BYTES: usize = 64 << 20;

impl<'a> Aside<'a> {
    /// The folder `damaged` in the store's directory; it is made when it is needed.
    pub(crate) fn new(disk: &'a dyn Disk, store: &Path) -> Self {
        Self { disk, dir: store.join(NAME) }
    }

    /// Moves a file there. What cannot be moved stays where it is, and is found again by the next start.
    pub(crate) fn put(&self, path: &Path) -> Option<PathBuf> {
        let target = self.free_name(path.file_name()?.to_str()?)?;
        self.disk.rename(path, &target).ok()?;
        Some(target)
    }

    /// Moves a file of the log there, with a note of what it held. If the folder is full, the file stays where it was, under a name that
    /// no start reads.
    pub(crate) fn put_log(&self, path: &Path, note: &str) -> io::Result<PathBuf> {
        let target = match self.put(path) {
            Some(target) => target,
            None => {
                let target = beside(path, ".damaged");
                self.disk.rename(path, &target)?;
                target
            }
        };
        // The note helps people; without it the file is there all the same.
        let noted =
            self.disk.create(&beside(&target, ".txt")).and_then(|file| file.write_at(0, note.as_bytes()));
        let _told = noted.and_then(|()| self.disk.sync_dir(&self.dir, SyncPoint::StoreLogDir));
        Ok(target)
    }

    /// How many files lie there.
    pub(crate) fn count(&self) -> usize {
        self.disk
            .list(&self.dir)
            .map_or(0, |names| names.iter().filter(|name| !name.ends_with(".txt")).count())
    }

    /// Copies a part of a file there.
    pub(crate) fn copy(&self, path: &Path, range: Range<usize>) -> Option<PathBuf> {
        let content = read_file(self.disk, path, usize::MAX).ok()?;
        let bytes = content.get(range.clone())?;
        let name = path.file_name()?.to_str()?;
        let target = self.free_name(&format!("{name}.at-{}", range.start))?;
        let file = self.disk.create(&target).ok()?;
        file.write_at(0, &bytes[..bytes.len().min(MAX_COPY_BYTES)]).ok()?;
        Some(target)
    }

    fn free_name(&self, name: &str) -> Option<PathBuf> {
        disk::make_dir(self.disk, &self.dir).ok()?;
        let names = self.disk.list(&self.dir).ok()?;
        if names.len() >= MAX_FILES {
            return None;
        }
        let free = |number: &usize| !names.contains(&numbered(name, *number));
        Some(self.dir.join(numbered(name, (0..=names.len()).find(free)?)))
    }
}

fn numbered(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}.{number}") }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
