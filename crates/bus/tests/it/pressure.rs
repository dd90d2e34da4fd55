//! Fast publishers and readers that are slower: who waits for whom, and who is cut.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::codec::{ClientReader, ServerOp};
use bus::roles::Role;
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::task::{JoinHandle, yield_now};

use crate::support::{Broker, PATIENCE, Raw, config, small_reader, soon};

const LINE: &str = "o.k.logs.web.lhr.i";

/// Publishes `count` messages of `bytes` as fast as the broker takes them.
async fn publish(broker: &Broker, count: usize, bytes: usize) -> JoinHandle<Raw> {
    let mut agent = broker.raw(Role::Agent, "").await;
    tokio::spawn(async move {
        let burst = format!("PUB {LINE} {bytes}\r\n{}\r\n", "x".repeat(bytes)).repeat(100);
        for _ in 0..count / 100 {
            agent.send(&burst).await;
        }
        agent.flush().await;
        agent
    })
}

/// What a reader gets of such messages: so much of it, and nothing but them.
struct Stream {
    message_bytes: usize,
    pattern: Vec<u8>,
    read: usize,
    wanted: usize,
}

impl Stream {
    fn new(count: usize, bytes: usize) -> Self {
        let message = format!("MSG {LINE} 1 {bytes}\r\n{}\r\n", "x".repeat(bytes));
        let pattern = message.repeat((64 << 10) / message.len() + 2).into_bytes();
        Self { message_bytes: message.len(), pattern, read: 0, wanted: message.len() * count }
    }

    /// Reads until `count` more bytes have come, or all.
    async fn take(&mut self, reader: &mut Raw, count: usize) {
        let (mut bytes, end) = (vec![0; 64 << 10], self.wanted.min(self.read.saturating_add(count)));
        while self.read < end {
            let count = soon(reader.stream.read(&mut bytes)).await.unwrap();
            assert!(count > 0, "cut after {} of {} bytes", self.read, self.wanted);
            let from = self.read % self.message_bytes;
            assert!(bytes[..count] == self.pattern[from..from + count], "wrong bytes after {}", self.read);
            self.read += count;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_publisher_at_full_speed_loses_nothing_to_a_reader_that_reads() {
    const COUNT: usize = 1_000_000;
    let mut config = config();
    (config.max_pending_bytes, config.max_hold, config.stuck_after) = (8 << 20, PATIENCE, PATIENCE);
    let broker = Broker::start(config).await;
    let mut reader = broker.raw(Role::Api, "").await;
    reader.send("SUB o.> 1\r\n").await;
    reader.flush().await;
    let (publishing, mut stream) = (publish(&broker, COUNT, 8).await, Stream::new(COUNT, 8));
    // It reads, but not before the publisher is held up, and then only what is more than the part of its queue from which on
    // publishers wait: it is always behind.
    while !publishing.is_finished() {
        let held_up = broker.stats.held_up.load(Ordering::Relaxed);
        let sent = usize::try_from(broker.stats.in_messages.load(Ordering::Relaxed)).unwrap();
        if held_up > 0 && sent * stream.message_bytes > stream.read + (4 << 20) {
            stream.take(&mut reader, 64 << 10).await;
        }
        yield_now().await;
    }
    stream.take(&mut reader, usize::MAX).await;
    assert!(broker.stats.held_up.load(Ordering::Relaxed) > 0, "nobody was in a hurry");
    assert_eq!(broker.stats.slow_consumers.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn one_that_does_not_read_is_cut_and_its_neighbour_gets_all() {
    const COUNT: usize = 60_000;
    let mut config = config();
    let stuck_after = Duration::from_secs(3);
    (config.max_pending_bytes, config.max_hold, config.stuck_after) = (8 << 20, PATIENCE, stuck_after);
    let broker = Broker::start(config).await;
    let stalled = small_reader(&broker).await;
    let mut reader = broker.raw(Role::Api, "").await;
    reader.send("SUB o.> 1\r\n").await;
    reader.flush().await;
    let publishing = publish(&broker, COUNT, 1000).await;
    Stream::new(COUNT, 1000).take(&mut reader, usize::MAX).await;
    publishing.await.unwrap();
    assert_eq!(broker.stats.slow_consumers.load(Ordering::Relaxed), 1);
    reader.flush().await;
    assert_whole_frames(&stalled.rest().await);
}

/// What a cut reader got ends with a whole frame.
pub(crate) fn assert_whole_frames(text: &str) {
    let (mut buffer, mut codec, mut count) = (BytesMut::from(text), ClientReader::default(), 0);
    while let Some(op) = codec.next(&mut buffer).unwrap() {
        assert!(matches!(op, ServerOp::Msg(_)), "{op:?}");
        count += 1;
    }
    assert!(buffer.is_empty() && count > 0, "{count} messages, then {} bytes", buffer.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn one_that_does_not_read_is_not_waited_for_again_and_again() {
    let mut config = config();
    (config.max_pending_bytes, config.max_hold) = (8 << 20, PATIENCE);
    config.stuck_after = Duration::from_millis(100);
    let broker = Broker::start(config).await;
    let stalled = small_reader(&broker).await;
    // Who waited for it each time would never come to the end of this.
    soon(publish(&broker, 40_000, 1000).await).await.unwrap();
    assert_eq!(broker.stats.slow_consumers.load(Ordering::Relaxed), 1);
    assert!(broker.stats.held_up.load(Ordering::Relaxed) > 0);
    drop(stalled);
}
