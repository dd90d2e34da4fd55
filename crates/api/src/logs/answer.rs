//! An answer: blocks that come one after another, and an end that says what was missing.

use std::task::{Context, Poll};
use std::time::Instant;

use query::{Block, Flow};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Failure;

/// Blocks that may wait for whoever reads the answer. The work stops while there are more.
const MAX_QUEUED: usize = 4;

/// What an answer gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Rows.
    Rows(Block),
    /// There is no more.
    End(End),
}

/// What is to be known at the end of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// What did not answer, in words: stores, or parts that were damaged. If there is any, the answer is not complete.
    pub missing: Vec<String>,
    /// Rows that were looked at.
    pub scanned_rows: u64,
    /// Bytes that were read for that.
    pub scanned_bytes: u64,
    /// Of a question to one store: its rows with a pos below were all looked at. A cursor goes on there. 0 for many stores.
    pub pos: u64,
}

/// The reader's side of an answer. Dropped, it ends the work.
#[derive(Debug)]
pub struct Answer {
    receiver: mpsc::Receiver<Result<Piece, Failure>>,
    is_over: bool,
}

/// The store's side of an answer. Any number of threads may have one. An answer whose sides are all dropped without an end
/// is [`Failure::Broken`].
#[derive(Debug, Clone)]
pub struct Answering {
    sender: mpsc::Sender<Result<Piece, Failure>>,
}

/// The two sides of an answer.
pub(super) fn channel() -> (Answering, Answer) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (Answering { sender }, Answer { receiver, is_over: false })
}

impl Answer {
    /// An answer, and the side on which it is given.
    pub fn begin() -> (Answering, Self) {
        channel()
    }

    /// One that is over before it began.
    pub fn failed(failure: Failure) -> Self {
        let (answering, answer) = channel();
        // There is room for one.
        let _ = answering.sender.try_send(Err(failure));
        answer
    }

    /// The next piece. After an end or a failure there is nothing more: `None`.
    pub async fn next(&mut self) -> Option<Result<Piece, Failure>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Failure>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(cx).map(|piece| {
            let piece = piece.unwrap_or(Err(Failure::Broken));
            self.is_over = !matches!(piece, Ok(Piece::Rows(_)));
            Some(piece)
        })
    }
}

impl Answering {
    /// Whether nobody reads the answer any more: the work can end.
    pub fn is_dropped(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until nobody reads the answer any more.
    pub async fn dropped(&self) {
        self.sender.closed().await;
    }

    /// Hands over rows, waiting while the reader is behind. [`Flow::Done`]: nobody reads.
    pub async fn rows(&self, block: Block) -> Flow {
        flow(self.sender.send(Ok(Piece::Rows(block))).await.is_ok())
    }

    /// The same from a thread outside the runtime, which it blocks, but not beyond `deadline`, so that whoever reads slowly holds nothing up for longer: [`Flow::Done`] then too, and
    /// `runtime` tells the time.
    pub fn rows_blocking_until(&self, block: Block, deadline: Instant, runtime: &Handle) -> Flow {
        // Nobody can wait for a place that is there.
        let Err(block) = self.try_rows(block) else { return flow(!self.is_dropped()) };
        let sent = async { tokio::time::timeout_at(deadline.into(), self.rows(block)).await };
        runtime.block_on(sent).unwrap_or(Flow::Done)
    }

    /// Waits until there is room, or nobody reads the answer any more.
    pub async fn room(&self) {
        // The place is given back: whoever hands over alone finds it.
        let _ = self.sender.reserve().await;
    }

    /// Hands over rows if there is room for them now. Gives them back if not.
    ///
    /// # Errors
    /// The rows.
    pub fn try_rows(&self, block: Block) -> Result<Flow, Block> {
        match self.sender.try_send(Ok(Piece::Rows(block))) {
            Ok(()) => Ok(Flow::More),
            Err(mpsc::error::TrySendError::Full(Ok(Piece::Rows(block)))) => Err(block),
            Err(_) => Ok(Flow::Done),
        }
    }

    /// The end: complete, with what is missing, or failed. What comes after it is not read.
    pub async fn end(self, end: Result<End, Failure>) {
        // Nobody reads: nobody has to know.
        let _ = self.sender.send(end.map(Piece::End)).await;
    }

    /// The same from a thread outside the runtime, which it blocks.
    pub fn end_blocking(self, end: Result<End, Failure>) {
        let _ = self.sender.blocking_send(end.map(Piece::End));
    }
}

const fn flow(is_read: bool) -> Flow {
    if is_read { Flow::More } else { Flow::Done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_has_one_end() {
        let (answering, mut answer) = Answer::begin();
        let other = answering.clone();
        assert_eq!(answering.rows(Block::new(2)).await, Flow::More);
        answering.end(Ok(End::default())).await;
        assert_eq!(answer.next().await, Some(Ok(Piece::Rows(Block::new(2)))));
        assert_eq!(answer.next().await, Some(Ok(Piece::End(End::default()))));
        assert_eq!(answer.next().await, None);
        drop(answer);
        assert!(other.is_dropped());
        assert_eq!(other.rows(Block::new(1)).await, Flow::Done);
    }

    #[tokio::test]
    async fn one_that_breaks_off_says_so() {
        let (answering, mut answer) = Answer::begin();
        drop(answering);
        assert_eq!(answer.next().await, Some(Err(Failure::Broken)));
        assert_eq!(answer.next().await, None);
        let busy = Failure::Away("x".into());
        assert_eq!(Answer::failed(busy.clone()).next().await, Some(Err(busy)));
    }

    #[tokio::test]
    async fn a_full_queue_gives_rows_back() {
        let (answering, _answer) = Answer::begin();
        for _ in 0..MAX_QUEUED {
            assert_eq!(answering.try_rows(Block::new(1)), Ok(Flow::More));
        }
        assert_eq!(answering.try_rows(Block::new(7)), Err(Block::new(7)));
    }
}
