//! Readers that are too slow: they are told what they missed, and nobody else notices.

use line::json::{self, Encoder};
use line::{Body, Boot, Clock, Entry, GapReason, Level, LevelSource, Stream, Text};
use tokio::net::TcpSocket;

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
    let agent = broker.agent().await;
    let publishing = tokio::spawn(async move {
        for seq in 1..=COUNT {
            agent.publish(LINE, None, &numbered(seq)).await.unwrap();
        }
        agent.flush().await.unwrap();
        agent
    });
    for seq in 1..=COUNT {
        let (_, payload) = good.message().await;
        assert_eq!(json::decode(&payload).unwrap().entry.seq, seq);
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
