//! Frames of a part whose tables cannot be read. The head of each piece says how long it is, and a frame says itself whose rows it has.

use std::io;
use std::sync::Arc;

use disk::File;

use super::frame::Frame;
use super::head::{FILE_BYTES, FRAME, HEAD_BYTES, read_piece};

/// Bytes that are looked through at once for the next head: what disks give or refuse together.
const BLOCK_BYTES: u64 = 4096;
const HEAD: u64 = HEAD_BYTES as u64;

/// The frames whose headers can be read, in the order in which they stand in the file.
///
/// # Errors
/// When the file's length cannot be told.
pub(crate) fn frames(file: &Arc<dyn File>) -> io::Result<Vec<Frame>> {
    let len = file.len()?;
    let (mut found, mut at) = (Vec::new(), FILE_BYTES as u64);
    while at.saturating_add(HEAD) <= len {
        let mut head = [0; HEAD_BYTES];
        let is_read = file.read_at(at, &mut head).is_ok();
        let piece = read_piece(&head).filter(|(_, piece)| is_read && *piece <= len - at - HEAD);
        let Some((magic, piece)) = piece else {
            at = next_head(&**file, at + 1, len);
            continue;
        };
        if magic == FRAME {
            found.extend(Frame::open(file, at + HEAD, piece));
        }
        at += HEAD + piece;
    }
    Ok(found)
}

/// Where the next head begins, from `from` on; `len` if there is none.
fn next_head(file: &dyn File, from: u64, len: u64) -> u64 {
    let mut at = from;
    while at < len {
        let end = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
        // A head may lie over the edge.
        let bytes = read(file, at, end + HEAD - 1).or_else(|| read(file, at, end)).unwrap_or_default();
        let is_head = |window: &[u8]| {
            window.starts_with(b"LW") && window.first_chunk().is_some_and(|head| read_piece(head).is_some())
        };
        if let Some(place) = bytes.windows(HEAD_BYTES).position(is_head) {
            return at + place as u64;
        }
        at = end;
    }
    len
}

fn read(file: &dyn File, from: u64, to: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to - from).ok()?];
    let filled = file.read_at(from, &mut bytes).ok()?;
    bytes.truncate(filled);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::head::piece;
    use super::*;
    use disk::Disk;
    use disk::fault::FaultDisk;
    use std::path::Path;

    #[test]
    fn the_next_head_is_found_behind_what_cannot_be_read() {
        let path = Path::new("/part");
        for (at, bad, found) in [
            (9000, 100, 9000),
            (9000, 5000, 9000),
            // Over the edge of two blocks.
            (8185, 100, 8185),
            (17, 19_000, 17),
            (9000, 9003, 20_000),
        ] {
            let mut content = vec![b'L'; 20_000];
            content[at..at + HEAD_BYTES].copy_from_slice(&piece(FRAME, 10));
            let disk = FaultDisk::new();
            disk.put(path, &content);
            disk.spoil(path, bad..bad + 1).unwrap();
            let file = disk.open(path).unwrap();
            assert_eq!(next_head(&*file, 17, 20_000), found, "{at} {bad}");
            assert_eq!(frames(&file).unwrap().len(), 0, "what is no frame is left out");
        }
    }
}
