//! Frames that several clients are given together: encoded once, and in each one's queue without a copy.

use std::collections::VecDeque;
use std::sync::Arc;

use super::outgoing::{Outbound, write_frame};

/// Buffers that are kept for further use.
const MAX_KEPT: usize = 8;
/// Largest buffer that is kept.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// Whole frames for one subscription id, shared.
#[derive(Debug, Clone)]
pub struct Block(Arc<Vec<u8>>);

impl std::ops::Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Makes blocks in the buffers of those that have been written to all.
#[derive(Debug, Default)]
pub struct BlockMaker {
    kept: VecDeque<Arc<Vec<u8>>>,
}

impl BlockMaker {
    /// The frames of `messages` for the subscription `sid` of a client that takes headers or not.
    pub fn make<'a>(
        &mut self,
        sid: &[u8],
        with_headers: bool,
        messages: impl Iterator<Item = Outbound<'a>>,
    ) -> Block {
        // The oldest one, if nobody has it any more.
        let mut buffer = match self.kept.front_mut().and_then(Arc::get_mut) {
            Some(buffer) => std::mem::take(buffer),
            None => Vec::new(),
        };
        if self.kept.len() >= MAX_KEPT || buffer.capacity() > 0 {
            self.kept.pop_front();
        }
        buffer.clear();
        for message in messages {
            write_frame(&mut buffer, sid, &message, with_headers);
        }
        let frames = Arc::new(buffer);
        if frames.capacity() <= MAX_KEPT_BYTES {
            self.kept.push_back(Arc::clone(&frames));
        }
        Block(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_all_have_written_it() {
        let mut maker = BlockMaker::default();
        let message =
            Outbound { subject: b"a", reply: None, headers: Some(b"NATS/1.0\r\n\r\n"), payload: b"xy" };
        let mut make =
            |sid: &[u8], with_headers| maker.make(sid, with_headers, [message, message].into_iter());
        let first = make(b"1", false);
        let second = make(b"22", true);
        assert_eq!(&first[..], b"MSG a 1 2\r\nxy\r\nMSG a 1 2\r\nxy\r\n");
        let with = b"HMSG a 22 12 14\r\nNATS/1.0\r\n\r\nxy\r\n";
        assert_eq!(&second[..], [&with[..], &with[..]].concat());
        let (begun, held) = (first.as_ptr(), second.clone());
        drop((first, second));
        assert_eq!(make(b"3", false).as_ptr(), begun);
        assert_ne!(make(b"4", false).as_ptr(), held.as_ptr(), "somebody still has it");
        assert_eq!(&held[..5], b"HMSG ");
    }

    #[test]
    fn no_more_buffers_are_kept_than_stated() {
        let mut maker = BlockMaker::default();
        let message = Outbound { subject: b"a", reply: None, headers: None, payload: &[b'x'; 1000] };
        let held: Vec<Block> = (0..20).map(|_| maker.make(b"1", false, [message].into_iter())).collect();
        assert_eq!((maker.kept.len(), held.len()), (MAX_KEPT, 20));
        drop(held);
        let large = vec![message; 500];
        drop(maker.make(b"1", false, large.into_iter()));
        assert!(maker.kept.iter().all(|kept| kept.capacity() <= MAX_KEPT_BYTES));
    }
}
