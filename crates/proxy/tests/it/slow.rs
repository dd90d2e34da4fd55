//! Readers that are too slow: they are told what they missed, and nobody else notices.

use std::sync::Arc;

use bus::client::Client;
use line::json::{self, Encoder};
use line::{Body, Boot, Clock, Entry, GapReason, Level, LevelSource, Stream, Text};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::support::{Broker, Front, Raw, World, connect, soon};

const LINE: &str = "o.k3f9.logs.web.lhr.i1";

fn numbered(seq: u64) -> Vec<u8> {
    let address = line::subject::parse_inner(LINE).unwrap();
    let entry = Entry {
        time: 1_700_000_000_000_000_000 + i64::try_from(seq).unwrap(),
        seq,
        span: 1,
        stream: Stream::Stdout,
        level: Level::Info,
        level_source: LevelSource::Default,
        clock: Clock::Guest,
        body: Body::Line(Text::whole(vec![b'x'; 1000])),
    };
    let mut out = Vec::new();
    Encoder::new(&address, "h1").write(Boot::from_bits(7), &entry, &mut out);
    out
}

/// A subscriber with a small receive buffer, so that little is in flight.
async fn small_reader(front: &Front, token: &str, sub: &str) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut raw = Raw::over(soon(socket.connect(front.address)).await.unwrap());
    assert!(raw.line().await.starts_with("INFO "));
    raw.send(connect("acme", token)).await;
    raw.send(sub).await;
    raw.flush().await;
    raw
}

/// Publishes lines up to `count`, each with a permit: `in_step` begins with as many as may be ahead of who reads, and gets one more
/// for each line that was read. So who reads is never slow, on whatever machine.
fn publish(agent: Client, count: u64, in_step: &Arc<Semaphore>) -> JoinHandle<Client> {
    let in_step = Arc::clone(in_step);
    tokio::spawn(async move {
        for seq in 1..=count {
            in_step.acquire().await.unwrap().forget();
            agent.publish(LINE, None, &numbered(seq)).await.unwrap();
        }
        agent.flush().await.unwrap();
        agent
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_slow_reader_is_told_which_lines_it_was_not_given() {
    const COUNT: u64 = 30_000;
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start_with(&broker, &world, |config| config.limits.org.pending_bytes = 2 << 20).await;
    let token = world.token("k3f9");
    let mut slow = small_reader(&front, &token, "SUB logs.> 1\r\n").await;
    let mut good = front.client("acme", &token).await;
    good.send("SUB logs.> 1\r\n").await;
    good.flush().await;
    // Far less than the good one's queue holds.
    let in_step = Arc::new(Semaphore::new(500));
    let publishing = publish(broker.agent().await, COUNT, &in_step);
    for seq in 1..=COUNT {
        let (_, payload) = good.message().await;
        assert_eq!(json::decode(&payload).unwrap().entry.seq, seq);
        in_step.add_permits(1);
    }
    let agent = publishing.await.unwrap();
    // Now it reads, and goes on with what comes.
    let (mut next, mut lines, mut gaps, mut sent) = (1, 0, 0, false);
    while next <= COUNT + 1 {
        if next > COUNT && !sent {
            sent = true;
            agent.publish(LINE, None, &numbered(COUNT + 1)).await.unwrap();
        }
        let (head, payload) = slow.message().await;
        assert_eq!(head, "MSG logs.web.lhr.i1 1");
        let message = json::decode(&payload).unwrap();
        assert_eq!(message.entry.seq, next, "nothing is missing in silence");
        match message.entry.body {
            Body::Gap(gap) => {
                assert_eq!((gap.reason, message.boot), (GapReason::SlowReader, Some(Boot::from_bits(7))));
                gaps += 1;
            }
            _ => lines += 1,
        }
        next = message.entry.next_seq();
    }
    assert!(gaps > 0 && lines > 1000, "{gaps} gaps, {lines} lines");
    slow.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn where_no_gap_record_can_be_made_a_slow_reader_is_cut() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start_with(&broker, &world, |config| {
        config.limits.org.pending_bytes = 1 << 20;
    })
    .await;
    let token = world.token("k3f9");
    let queue = small_reader(&front, &token, "SUB logs.> q 1\r\n").await;
    let plain = small_reader(&front, &token, "SUB logs.> 1\r\n").await;
    let agent = broker.agent().await;
    for seq in 1..=20_000 {
        // The plain one could be told, were these lines of Logway.
        agent.publish(LINE, None, format!("{seq:01000}").as_bytes()).await.unwrap();
    }
    agent.flush().await.unwrap();
    for cut in [queue, plain] {
        let text = cut.rest().await;
        assert!(text.ends_with("\r\n") && !text.contains("-ERR"), "cut between two frames, without a word");
        assert!(text.len() > 100_000);
    }
}

/// Bytes that wait for all clients of a front door together.
fn pending_bytes(figures: &proxy::Figures) -> usize {
    let text = figures.text();
    let row = text.lines().find_map(|row| row.strip_prefix("logway_proxy_pending_bytes "));
    row.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn one_that_stands_still_costs_the_one_beside_it_nothing() {
    const BOUND: usize = 1 << 20;
    const ROUNDS: u64 = 40;
    const LINES: u64 = 500;
    for (sub, is_cut) in [("SUB logs.> 1\r\n", false), ("SUB logs.> q 1\r\n", true)] {
        let (broker, world) = (Broker::start().await, World::new());
        let mut figures = Arc::default();
        let front = Front::start_with(&broker, &world, |config| {
            config.limits.org.pending_bytes = BOUND;
            figures = Arc::clone(&config.figures);
        })
        .await;
        let token = world.token("k3f9");
        let stalled = small_reader(&front, &token, sub).await;
        let mut good = front.client("acme", &token).await;
        good.send("SUB logs.> 1\r\n").await;
        good.flush().await;
        // No line of a round is published before the last one of the round before was read, and the stalled one's queue and
        // sockets hold a few rounds of the forty.
        let in_step = Arc::new(Semaphore::new(0));
        let publishing = publish(broker.agent().await, ROUNDS * LINES, &in_step);
        for round in 0..ROUNDS {
            in_step.add_permits(usize::try_from(LINES).unwrap());
            for seq in round * LINES + 1..=(round + 1) * LINES {
                let (_, payload) = good.message().await;
                assert_eq!(json::decode(&payload).unwrap().entry.seq, seq, "{sub}");
            }
            // The PONG stands in line: nothing waits for it any more, so what waits is the other's, and that is bounded.
            good.flush().await;
            let pending = pending_bytes(&figures);
            assert!(pending <= BOUND, "{sub}: {pending} bytes wait after round {round}");
        }
        publishing.await.unwrap();
        // It was full: a plain one still has what fitted, one that shared is gone.
        let pending = pending_bytes(&figures);
        assert!(if is_cut { pending == 0 } else { pending > BOUND / 4 }, "{sub}: {pending}");
        drop(stalled);
    }
}
