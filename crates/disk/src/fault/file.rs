//! The files of the disk in memory.

use super::{Call, Change, FaultDisk, Inode};
use crate::{File, SyncPoint};
use std::fmt;
use std::io;

/// A file by its number, whatever it is called by now.
pub(super) struct FaultFile {
    pub(super) disk: FaultDisk,
    pub(super) id: usize,
}

impl fmt::Debug for FaultFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultFile").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A length or offset, which in a test always fits.
fn small(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl File for FaultFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = small(offset)?;
        let mut state = self.disk.lock();
        if state.is_dead() {
            return state.enter(Call::Write);
        }
        let room = state.reserve(self.id, offset + bytes.len());
        if let Err(error) = state.enter(Call::Write).and(room) {
            // A failed write may have written a part.
            let part = bytes[..bytes.len() / 2].to_vec();
            if offset + part.len() <= state.files[self.id].cached.len() {
                state.files[self.id].change(Change::Write(offset, part));
            }
            return Err(error);
        }
        state.files[self.id].change(Change::Write(offset, bytes.to_vec()));
        Ok(())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let offset = small(offset)?;
        let mut state = self.disk.lock();
        state.enter(Call::Read)?;
        state.files[self.id].bad.read(offset..offset.saturating_add(buf.len()))?;
        let rest = state.files[self.id].cached.get(offset..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        let len = small(len_bytes)?;
        let mut state = self.disk.lock();
        state.enter(Call::Write)?;
        state.reserve(self.id, len)?;
        if state.files[self.id].cached.len() < len {
            state.files[self.id].change(Change::Length(len));
        }
        Ok(())
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let len = small(len_bytes)?;
        let mut state = self.disk.lock();
        state.enter(Call::Write)?;
        state.files[self.id].change(Change::Length(len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.id].cached.len() as u64)
    }

    fn sync_data(&self, point: SyncPoint) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.is_dead() {
            return state.enter(Call::Sync);
        }
        if let Err(error) = state.enter(Call::Sync) {
            // The pages are marked clean: no later sync will write them.
            state.files[self.id].pending.clear();
            return Err(error);
        }
        if state.ignored.contains(&point) {
            return Ok(());
        }
        let Inode { durable, pending, .. } = &mut state.files[self.id];
        for change in pending.drain(..) {
            change.apply(durable);
        }
        Ok(())
    }
}
