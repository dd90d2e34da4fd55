//! From pages to the whole: what comes is not believed before all of it has the digest that it came with.

use bus::sys::{MAX_SNAPSHOT_PAGE_BYTES, RegistryMark, SnapshotPage, SnapshotRequest};

use crate::{Digest, Error, Snapshot, State};

/// Times that a change may make a fetch begin again; then it waits for the next announcement.
const MAX_BEGINNINGS: usize = 16;

/// The pages so far. Never more than [`Snapshot::MAX_BYTES`], and no room is made before the bytes are there.
#[derive(Debug, Default)]
pub(super) struct Collect {
    /// Of which state, and how many bytes it has.
    of: Option<(RegistryMark, u64)>,
    bytes: Vec<u8>,
    beginnings: usize,
}

/// All pages of one state.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) mark: RegistryMark,
    bytes: Vec<u8>,
}

impl Collect {
    /// The request for the next page.
    pub(super) fn request(&self) -> Vec<u8> {
        let digest = self.of.as_ref().map(|(mark, _)| mark.digest.clone());
        let request = SnapshotRequest { digest, offset: self.bytes.len() as u64 };
        // All keys are strings, so that writing cannot fail.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    /// Takes a page, and gives the whole with the last one.
    ///
    /// # Errors
    /// [`Error::Page`] for one that does not fit what was asked for; `SnapshotSize`. What is there so far is of no use then.
    pub(super) fn take(&mut self, page: &[u8]) -> Result<Option<Whole>, Error> {
        if page.len() > MAX_SNAPSHOT_PAGE_BYTES {
            return Err(Error::Page("it is too long"));
        }
        let head_end = page.iter().position(|byte| *byte == b'\n').ok_or(Error::Page("it has no head"))?;
        let (head, bytes) = (&page[..head_end], &page[head_end + 1..]);
        let head: SnapshotPage =
            serde_json::from_slice(head).map_err(|_| Error::Page("its head cannot be read"))?;
        self.begin(&head)?;
        if head.offset != self.bytes.len() as u64 {
            return Err(Error::Page("it is not the one that was asked for"));
        }
        let len = head.offset.saturating_add(bytes.len() as u64);
        if bytes.is_empty() || len > head.total_bytes {
            return Err(Error::Page("it has not as many bytes as it says"));
        }
        self.bytes.extend_from_slice(bytes);
        if len < head.total_bytes {
            return Ok(None);
        }
        Ok(Some(Whole { mark: head.mark, bytes: std::mem::take(&mut self.bytes) }))
    }

    /// Begins with the state that the page is of, unless it is the one that the pages so far are of.
    fn begin(&mut self, head: &SnapshotPage) -> Result<(), Error> {
        match &self.of {
            Some((mark, total_bytes)) if *mark == head.mark => {
                let is_same = *total_bytes == head.total_bytes;
                return if is_same { Ok(()) } else { Err(Error::Page("its length has changed")) };
            }
            _ => {}
        }
        if head.total_bytes > Snapshot::MAX_BYTES as u64 {
            return Err(Error::SnapshotSize(usize::try_from(head.total_bytes).unwrap_or(usize::MAX)));
        }
        if self.beginnings >= MAX_BEGINNINGS {
            return Err(Error::Page("the state changes faster than it can be fetched"));
        }
        self.beginnings += 1;
        self.of = Some((head.mark.clone(), head.total_bytes));
        self.bytes.clear();
        Ok(())
    }
}

impl Whole {
    /// The state that it is of.
    ///
    /// # Errors
    /// [`Error::Page`] when it has not the digest or the version that it came with, and whatever reading a snapshot gives.
    pub(super) fn read(&self) -> Result<State, Error> {
        if Digest::of(&self.bytes).to_string() != self.mark.digest {
            return Err(Error::Page("the pages have another digest than they came with"));
        }
        let snapshot = Snapshot::from_json(&self.bytes)?;
        if snapshot.version() != self.mark.version {
            return Err(Error::Page("the pages have another version than they came with"));
        }
        State::from_snapshot(snapshot)
    }
}

#[cfg(test)]
mod tests;
