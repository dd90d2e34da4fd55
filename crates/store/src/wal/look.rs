//! Looking at the log's files without opening the log.

use super::format::{SegmentHeader, segment_number};
use super::scan::Found;
use crate::error::Error;
use disk::Disk;
use disk::salvage::{self, Content};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The segments' files with their content, in the order of their names, for those who only look.
pub(crate) fn contents(disk: &dyn Disk, dir: &Path) -> impl Iterator<Item = (PathBuf, io::Result<Content>)> {
    let names = disk.list(dir).unwrap_or_default();
    let paths = names.into_iter().filter(|name| segment_number(name).is_some()).map(|name| dir.join(name));
    paths.map(|path| {
        let content = salvage::read(disk, &path);
        (path, content)
    })
}

/// What stands in the log, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Lsns, with the pos that each begins at and the one after its last, rising; void ones too.
    pub(crate) records: Vec<(u64, u64, u64)>,
    /// Lsns that were refused: records of them need not be there.
    void: Vec<Range<u64>>,
}

impl Places {
    /// Whether all the records after that one are there, but for those that were refused.
    pub(crate) fn go_on_after(&self, lsn: u64) -> bool {
        let mut due = lsn + 1;
        let mut follows = |next: u64| {
            let is_next = is_void(&(due..next), &self.void);
            due = next + 1;
            is_next
        };
        !self.records.is_empty()
            && self.records.iter().filter(|(next, ..)| *next > lsn).all(|(next, ..)| follows(*next))
    }
}

/// Whether nobody was told of any of these lsns.
pub(super) fn is_void(lsns: &Range<u64>, void: &[Range<u64>]) -> bool {
    let mut at = lsns.start;
    while at < lsns.end {
        match void.iter().find(|void| void.contains(&at)) {
            Some(void) => at = void.end,
            None => return false,
        }
    }
    true
}

/// Looks what stands in the log.
///
/// # Errors
/// When this process lacks something that it needs to read a segment.
pub(crate) fn places(disk: &dyn Disk, dir: &Path) -> Result<Places, Error> {
    let mut places = Places::default();
    for (path, content) in contents(disk, dir) {
        let content = match content {
            Ok(content) => content,
            Err(error) if salvage::is_about_us(&error) => {
                return Err(Error::io("read", &path, error).or_exhausted());
            }
            Err(_) => continue,
        };
        places.void.extend(SegmentHeader::decode(&content.bytes).map(|header| header.void()));
        places.records.extend(super::scan::scan(&content.bytes).iter().filter_map(|found| match found {
            Found::Record(record, _) => {
                Some((record.lsn, record.base, record.base.saturating_add(u64::from(record.count))))
            }
            Found::Bad(_) => None,
        }));
    }
    places.records.sort_unstable();
    Ok(places)
}
