//! What becomes of numbers that a vanished init gave out: none is lost without a word, and lines that come after all win.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use line::Boot;
use line::frame::{BatchWriter, Frame, Hello, Ping, Policy, RecordFlags};

use agent::admin::Registration;

use crate::support::{
    Agent, Bus, Init, Tail, assert_covers, boot, gap, gaps, now_ns, registration, seqs, within,
};

fn soon(config: &mut agent::Config) {
    config.vanish_after = Duration::from_millis(50);
}

/// Writes all that an init has to say into the socket and closes it, before anybody reads: greeting, `texts` as lines from
/// seq 1 on, a ping with `next_seq`.
fn last_words(socket: &Path, boot: Boot, texts: &[String], next_seq: u64) {
    let (realtime, boottime) = (now_ns(), Init::boottime());
    let mut bytes = Vec::new();
    let hello = Hello {
        versions: (1, 1),
        boot,
        first_seq: 1,
        next_seq: 1,
        realtime,
        boottime,
        ring_bytes: 4 << 20,
        policy: Policy::Block,
        instance: "i1",
    };
    Frame::Hello(hello).write(&mut bytes).unwrap();
    let mut seq = 1;
    for some in texts.chunks(100) {
        let mut writer = BatchWriter::new(Vec::new(), seq, boottime);
        some.iter().for_each(|text| {
            writer.push(boottime, line::Stream::Stdout, RecordFlags::WHOLE, text.as_bytes());
        });
        seq = writer.next_seq();
        bytes.extend(writer.finish().unwrap());
    }
    Frame::Ping(Ping { next_seq, realtime, boottime }).write(&mut bytes).unwrap();
    let mut stream = UnixStream::connect(socket).unwrap();
    // The kernel takes it all at once, or this fails: nobody reads yet.
    stream.set_nonblocking(true).unwrap();
    stream.write_all(&bytes).unwrap();
}

// On one thread the agent does nothing while the test writes and closes.
#[tokio::test]
async fn an_init_that_closed_before_it_was_read_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start_with(dir.path(), bus.address, soon).await;
    for (instance, count, padding) in [("i1", 10, 1), ("i2", 1000, 100)] {
        let socket = agent.register("k3f9", "web", instance).await;
        let texts: Vec<_> = (1..=count).map(|seq| format!("{seq} {}", "x".repeat(padding))).collect();
        last_words(&socket, boot(1), &texts, 5000);
        let lines = tail.take_until(|line| !gap(line).is_empty()).await;
        assert_covers(&lines, 1, 5000);
        assert_eq!(gaps(&lines), [(count + 1, 4999 - count, "vanished".to_owned())]);
        let times: Vec<_> = lines.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_said_of_its_numbers_outlives_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let (first, second) =
        (agent.register("k3f9", "web", "i1").await, agent.register("k3f9", "web", "i2").await);
    let mut init = Init::greet(&first, boot(1)).await;
    init.lines(&["one", "two"]).await;
    init.next_seq = 100;
    init.ping().await;
    init.wait_for_pong().await;
    // Of this one not a single line came.
    let (silent, _) = Init::greet_again(&second, boot(1), 1, 40).await;
    drop((init, silent));
    tail.take(2).await;
    agent.stop().await;
    let agent = Agent::start_with(dir.path(), bus.address, soon).await;
    let mut vanished = gaps(&tail.take(2).await);
    vanished.sort();
    assert_eq!(vanished, [(1, 39, "vanished".to_owned()), (3, 97, "vanished".to_owned())]);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_come_after_all_take_the_place_of_the_gap() {
    for restart in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::start().await;
        let mut tail = Tail::start(&bus, "o.k3f9.>").await;
        let mut agent = Agent::start_with(dir.path(), bus.address, soon).await;
        let socket = agent.register("k3f9", "web", "i1").await;
        let mut init = Init::greet(&socket, boot(1)).await;
        init.lines(&["line 1", "line 2", "line 3"]).await;
        init.next_seq = 9;
        init.ping().await;
        init.wait_for_pong().await;
        drop(init);
        let vanished = tail.take_until(|line| !gap(line).is_empty()).await;
        assert_eq!(gaps(&vanished), [(4, 5, "vanished".to_owned())]);
        if restart {
            agent.stop().await;
            agent = Agent::start_with(dir.path(), bus.address, soon).await;
        }
        let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 4, 13).await;
        assert_eq!(resume_seq, 4);
        init.next_seq = 4;
        // Of what the gap stood for, two were dropped meanwhile; a line in fragments goes on beyond it.
        init.lines(&["line 4", "line 5"]).await;
        init.gap(6, 2).await;
        let fragments = [RecordFlags::MORE, RecordFlags::CONTINUED];
        init.records(8, &fragments.map(|flags| (line::Stream::Stdout, flags, &b"half"[..]))).await;
        init.lines(&["line 10", "line 11", "line 12"]).await;
        init.flush().await;
        // It comes again, with all that it ever had: nothing is taken twice.
        drop(init);
        let (mut init, _) = Init::greet_again(&socket, boot(1), 4, 13).await;
        init.next_seq = 4;
        init.lines(&["line 4", "line 5"]).await;
        init.next_seq = 13;
        init.lines(&["line 13"]).await;
        init.bye().await;
        let mut lines = vanished;
        lines.extend(tail.take_until(|line| line["message"] == "line 13").await);
        if restart {
            // What went out and was not noted as out goes out again; the id tells.
            lines.sort_by_key(|line| (seqs(line), gap(line).to_owned()));
            lines.dedup();
        }
        let (gaps, texts): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| !gap(line).is_empty());
        assert_eq!(gaps.iter().map(seqs).collect::<Vec<_>>(), [(4, 5)], "{gaps:?}");
        let mut texts: Vec<_> = texts
            .iter()
            .map(|line| (seqs(line), line["message"].as_str().unwrap(), line["timestamp"].as_str().unwrap()))
            .collect();
        texts.sort_unstable();
        let found: Vec<_> = texts.iter().map(|(seqs, text, _)| (*seqs, *text)).collect();
        let whole = |seq, text| ((seq, 1), text);
        let mut wanted = vec![whole(1, "line 1"), whole(2, "line 2"), whole(3, "line 3")];
        wanted.extend([whole(4, "line 4"), whole(5, "line 5"), ((8, 2), "halfhalf")]);
        wanted.extend([whole(10, "line 10"), whole(11, "line 11"), whole(12, "line 12")]);
        wanted.push(whole(13, "line 13"));
        assert_eq!(found, wanted);
        assert!(texts.is_sorted_by(|a, b| a.2 < b.2), "times rise: {texts:?}");
        agent.stop().await;
        bus.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ephemeral_machine_that_was_away_for_long_comes_back() {
    for restart in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::start().await;
        let mut tail = Tail::start(&bus, "o.k3f9.>").await;
        let mut agent = Agent::start_with(dir.path(), bus.address, soon).await;
        let ephemeral = Registration { ephemeral: true, ..registration("k3f9", "web", "i1") };
        let socket = agent.register_as(ephemeral).await;
        let mut init = Init::greet(&socket, boot(1)).await;
        init.lines(&["one"]).await;
        init.flush().await;
        drop(init);
        let vanished = tail.take_until(|line| !gap(line).is_empty()).await;
        assert_eq!(gaps(&vanished), [(2, 1, "vanished".to_owned())]);
        if restart {
            agent.stop().await;
            agent = Agent::start_with(dir.path(), bus.address, soon).await;
        }
        let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 2, 2).await;
        assert_eq!(resume_seq, 2);
        init.lines(&["two", "three"]).await;
        init.bye().await;
        let lines = tail.take_until(|line| line["message"] == "three").await;
        let lines: Vec<_> = lines.iter().filter(|line| gap(line).is_empty() && seqs(line).0 > 1).collect();
        assert_eq!(lines.iter().map(|line| seqs(line)).collect::<Vec<_>>(), [(2, 1), (3, 1)]);
        within("the end of the registration", async {
            while socket.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        agent.stop().await;
        bus.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_registration_changes_the_rate_of_a_connected_machine() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let with_rate = |rate| Registration { rate, ..registration("k3f9", "web", "i1") };
    let socket = agent.register_as(with_rate(Some(0))).await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["over"]).await;
    init.flush().await;
    assert_eq!(gaps(&tail.take(1).await), [(1, 1, "rate_limited".to_owned())]);
    assert_eq!(agent.register_as(with_rate(None)).await, socket);
    init.lines(&["free"]).await;
    assert_eq!(tail.next().await["message"], "free");
    agent.stop().await;
    bus.stop().await;
}
