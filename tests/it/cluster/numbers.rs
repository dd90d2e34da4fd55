//! Lines with numbers, who writes them, and who reads them and notices what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::client::{Client, Delivery, Options};
use logway_tests::DEADLINE;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The subject of the lines, inside.
pub(crate) const LINES: &str = "o.k.logs.web.lhr.i";

/// Publishes 1, 2, 3 and so on, 500 a second, through whatever happens to its connection. Dropped, it stops.
pub(crate) struct Writer {
    last: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn start(options: Options) -> Self {
        let last = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&last);
        let task = tokio::spawn(async move {
            let client = Client::start(options);
            let mut tick = tokio::time::interval(Duration::from_millis(2));
            loop {
                tick.tick().await;
                let number = counter.load(Ordering::SeqCst) + 1;
                // A number that was refused at once went nowhere and is written again.
                while client.publish(LINES, None, number.to_string().as_bytes()).await.is_err() {
                    client.connected().await.unwrap();
                }
                counter.store(number, Ordering::SeqCst);
            }
        });
        Self { last, task }
    }

    /// The last number that went out.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a reader heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    numbers: BTreeSet<u64>,
    twice: u64,
    /// How often it was told that something may be missing.
    pub(crate) interruptions: u64,
}

impl Heard {
    /// Runs of numbers that are missing from `number` on, up to the last one that was heard.
    pub(crate) fn holes_from(&self, number: u64) -> Vec<(u64, u64)> {
        self.holes().into_iter().filter(|(_, to)| *to >= number).collect()
    }

    /// Runs of numbers that are missing between the first and the last one that were heard.
    pub(crate) fn holes(&self) -> Vec<(u64, u64)> {
        let pairs = self.numbers.iter().zip(self.numbers.iter().skip(1));
        pairs.filter(|(a, b)| **b > **a + 1).map(|(a, b)| (a + 1, b - 1)).collect()
    }
}

/// Reads numbers. Dropped, it stops.
pub(crate) struct Reader {
    name: String,
    heard: watch::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Reads `pattern` at the door that `options` lead to: a node, or a proxy that hands out what the nodes have.
    pub(crate) async fn start(options: Options, pattern: &str) -> Self {
        let name = options.servers[0].to_string();
        let client = Client::start(options);
        client.connected().await.unwrap();
        let mut lines = client.subscribe(pattern, None).await.unwrap();
        let (told, heard) = watch::channel(Heard::default());
        let task = tokio::spawn(async move {
            while let Some(delivery) = lines.next().await {
                match delivery {
                    Delivery::Message(message) => {
                        let number = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                        told.send_modify(|heard| heard.twice += u64::from(!heard.numbers.insert(number)));
                    }
                    Delivery::Interrupted { .. } => told.send_modify(|heard| heard.interruptions += 1),
                    other => panic!("{other:?}"),
                }
            }
        });
        Self { name, heard, task }
    }

    /// Waits until it has heard `number` or one behind it, and gives all that it heard.
    pub(crate) async fn reaches(&self, number: u64) -> Heard {
        let mut receiver = self.heard.clone();
        let is_there = |heard: &Heard| heard.numbers.last().is_some_and(|last| *last >= number);
        let heard = tokio::time::timeout(DEADLINE, receiver.wait_for(is_there))
            .await
            .map(|heard| heard.unwrap().clone());
        let heard =
            heard.unwrap_or_else(|_| panic!("{} never heard {number}: {:?}", self.name, self.heard()));
        assert_eq!(heard.twice, 0, "{}", self.name);
        heard
    }

    /// All that it heard so far.
    pub(crate) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
