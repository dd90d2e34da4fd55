//! What is said to bytes that are wrong or odd: one table for all that a client may send, and what each target answers, to the
//! byte. Where Logway and nats-server differ, the row says so.
//!
//! Each row is sent whole, cut in two at each of its bytes, and byte by byte: what is answered must not depend on it.

mod login;
mod publish;
mod row;
mod subscribe;
mod timed;
mod verbs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus::session::Settings;
use logway_tests::{DEADLINE, NatsVersion};
use row::{As, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::targets::{Target, patient};

const ROWS: [&[Row]; 4] = [login::ROWS, subscribe::ROWS, publish::ROWS, verbs::ROWS];

/// Connections at a time.
const AT_ONCE: usize = 64;
/// Up to this byte each is a place to cut; behind it [`FAR_CUTS`] are.
const NEAR_BYTES: usize = 200;
const FAR_CUTS: usize = 16;
/// Longest input that is also sent byte by byte.
const SHORT_BYTES: usize = 300;

/// One connection, from its greeting on.
struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    async fn greeted(target: &Target) -> Self {
        let stream = TcpStream::connect(target.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Self { stream, unread: Vec::new() };
        loop {
            if let Some(end) = wire.unread.iter().position(|byte| *byte == b'\n') {
                let greeting: Vec<u8> = wire.unread.drain(..=end).collect();
                assert!(greeting.starts_with(b"INFO {"), "{}", shown(&greeting));
                return wire;
            }
            assert!(wire.read().await, "no greeting");
        }
    }

    /// One that has logged in and been told so.
    async fn logged_in(target: &Target, keys: &str) -> Self {
        let mut wire = Self::greeted(target).await;
        let pedantic = if keys.contains("pedantic") { "" } else { "\"pedantic\":false," };
        let login = format!("CONNECT {{\"verbose\":false,{pedantic}{keys}}}\r\n");
        wire.send(&target.fill(&login, 0)).await;
        wire.flushed(b"").await.unwrap();
        wire
    }

    /// Sends bytes. That the other side may have heard enough already shows in what it says.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads some more. `false` at the end.
    async fn read(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.unread).await, Ok(count) if count > 0)
    }

    /// Checks that `said` and no more was said so far, and that the connection stays.
    async fn flushed(&mut self, said: &[u8]) -> Result<(), String> {
        // Twice: what was said beyond stands before the second PONG.
        for wanted in [&[said, b"PONG\r\n"].concat()[..], b"PONG\r\n"] {
            self.send(b"PING\r\n").await;
            while self.unread.len() < wanted.len() && wanted.starts_with(&self.unread) && self.read().await {}
            if !self.unread.starts_with(wanted) {
                return Err(format!("said {}\n      not  {}", shown(&self.unread), shown(wanted)));
            }
            self.unread.drain(..wanted.len());
        }
        Ok(())
    }

    /// Checks that `said` and no more is said before the connection is closed.
    async fn closed(mut self, said: &[u8]) -> Result<(), String> {
        while self.read().await {}
        let is_it = self.unread == said;
        is_it.then_some(()).ok_or_else(|| {
            format!("said {}\n      not  {} before it closed", shown(&self.unread), shown(said))
        })
    }
}

/// Bytes for a person.
fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(200)].escape_ascii().to_string();
    if bytes.len() > 200 { format!("{text}... ({} bytes)", bytes.len()) } else { text }
}

/// How an input goes over the wire.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    At(usize),
    EachByte,
}

impl Cut {
    /// All of them that an input of this length is worth.
    fn all(bytes: usize) -> Vec<Self> {
        let far = (NEAR_BYTES..bytes).step_by(bytes.saturating_sub(NEAR_BYTES).div_ceil(FAR_CUTS).max(1));
        let cuts = (1..bytes.min(NEAR_BYTES)).chain(far).map(Self::At);
        let each = (bytes <= SHORT_BYTES).then_some(Self::EachByte);
        [Self::Whole].into_iter().chain(cuts).chain(each).collect()
    }

    fn parts(self, input: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![input],
            Self::At(at) => vec![&input[..at], &input[at..]],
            Self::EachByte => input.chunks(1).collect(),
        }
    }
}

/// Plays a row against a target.
async fn play(target: &Target, row: &Row, cut: Cut, number: usize) -> Result<(), String> {
    let fill = |text: &str| target.fill(text, number);
    let mut listener = None;
    if let Some(heard) = row.heard_at(target.kind) {
        let mut wire = Wire::logged_in(target, "<reader>,\"headers\":true").await;
        wire.send(&fill("SUB <o>logs.<n>.> 1\r\n")).await;
        wire.flushed(b"").await?;
        listener = Some((wire, fill(heard)));
    }
    let mut wire = match row.who {
        As::Nobody => Wire::greeted(target).await,
        As::Reader(more) => Wire::logged_in(target, &format!("<reader>{more}")).await,
        As::Writer(more) => Wire::logged_in(target, &format!("<writer>{more}")).await,
    };
    for part in cut.parts(&fill(row.input)) {
        wire.send(part).await;
        // A target on this runtime reads what is there before this goes on.
        yield_now().await;
    }
    let answer = row.answer(target.kind);
    match answer.stays {
        true => wire.flushed(&fill(answer.said)).await?,
        false => wire.closed(&fill(answer.said)).await?,
    }
    if let Some((mut wire, heard)) = listener {
        wire.flushed(&heard).await.map_err(|why| format!("to who listens: {why}"))?;
    }
    Ok(())
}

/// Plays all rows, each cut in all ways or only whole, and shows all that went wrong.
async fn check(target: Target, is_cut: bool) {
    let (target, numbers, turns) = (Arc::new(target), AtomicUsize::new(1), Arc::new(Semaphore::new(AT_ONCE)));
    let mut plays = JoinSet::new();
    for row in ROWS.concat() {
        let cuts = if is_cut { Cut::all(target.fill(row.input, 1).len()) } else { vec![Cut::Whole] };
        for cut in cuts {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let (target, turns) = (Arc::clone(&target), Arc::clone(&turns));
            plays.spawn(async move {
                let _turn = turns.acquire().await;
                let played = timeout(DEADLINE, play(&target, &row, cut, number)).await;
                let why = played.unwrap_or_else(|_| Err("nothing more was said".to_owned())).err()?;
                Some(format!("row {}, {} ({cut:?}): {why}", row.number, row.name))
            });
        }
    }
    let wrong: Vec<String> = plays.join_all().await.into_iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{:?}, {} times:\n{}",
        target.kind,
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn no_row_is_missing() {
    // Byte by byte is how each row is sent, and what takes time stands apart.
    let elsewhere = [1, 65, 66, 67, 68];
    let numbers: BTreeSet<u8> = ROWS.concat().iter().map(|row| row.number).chain(elsewhere).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), (1..=70).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_broker_answers_as_the_table_says() {
    let mut config = patient();
    config.session.max_subscriptions = 50;
    check(Target::broker(config).await, true).await;
}

#[tokio::test]
async fn the_front_door_answers_as_the_table_says() {
    let settings = Settings { max_subscriptions: 50, ..patient().session };
    check(Target::proxy(settings).await, true).await;
}

#[tokio::test]
async fn nats_server_answers_as_the_table_says() {
    for version in NatsVersion::ALL {
        let name = "nats_server_answers_as_the_table_says";
        let Some(target) = Target::nats(name, version, DEADLINE, "max_subscriptions: 50") else { return };
        check(target, false).await;
    }
}
