//! The sequence: every number is a line or a gap, none twice.

use std::time::Duration;

use line::frame::{BatchWriter, RecordFlags};

use crate::support::{
    Agent, Bus, Init, Tail, Told, assert_covers, boot, gap, gaps, nowhere, seqs, text, within,
};

fn numbered(from: u64, count: u64) -> Vec<String> {
    (from..from + count).map(|seq| format!("line {seq}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_is_spooled_once() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&numbered(1, 10)).await;
    init.flush().await;
    drop(init);
    let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 4, 11).await;
    assert_eq!(resume_seq, 11);
    // It sends all that it holds, nevertheless.
    init.next_seq = 4;
    init.lines(&numbered(4, 9)).await;
    init.flush().await;
    init.bye().await;
    let lines = tail.take(12).await;
    assert_covers(&lines, 1, 13);
    let (recent, _) =
        tail.recent(&bus::sys::RecentRequest { org: "k3f9".into(), ..Default::default() }).await;
    assert_eq!(recent, lines);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holes_and_gaps_are_stated() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&numbered(1, 2)).await;
    init.gap(3, 5).await;
    init.next_seq = 10;
    init.lines(&["ten"]).await;
    init.next_seq = 12;
    init.bye().await;
    let lines = tail.take(6).await;
    let wanted = [(3, 5, "ring_full"), (8, 2, "sequence_hole"), (11, 1, "sequence_hole")];
    assert_eq!(gaps(&lines), wanted.map(|(seq, span, reason)| (seq, span, reason.to_owned())));
    assert_covers(&lines, 1, 12);
    assert_eq!(lines[2]["gap"]["hop"], "init");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_opens_its_sockets_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&numbered(1, 5)).await;
    init.flush().await;
    // These are in the socket when the agent is told to end: it takes them.
    init.lines(&numbered(6, 5)).await;
    agent.stop().await;
    init.wait_for(&Told::Closed).await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 6, 11).await;
    assert!((6..=11).contains(&resume_seq), "{resume_seq}");
    init.next_seq = resume_seq;
    init.lines(&numbered(resume_seq, 15 - resume_seq)).await;
    init.flush().await;
    init.bye().await;
    let mut lines = tail.take_until(|line| text(line) == "line 14").await;
    // Lines that went out and whose confirmation was not saved come twice on the bus; the id tells.
    lines.dedup_by_key(|line| seqs(line));
    assert_covers(&lines, 1, 15);
    let times: Vec<_> = lines.iter().map(|line| line["timestamp"].as_str().unwrap().to_owned()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_without_goodbye_has_vanished_when_the_next_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&numbered(1, 3)).await;
    // It says that it has written up to 8, and is gone.
    init.next_seq = 8;
    init.ping().await;
    init.wait_for_pong().await;
    drop(init);
    let mut next = Init::greet(&socket, boot(2)).await;
    next.lines(&["anew"]).await;
    let lines = tail.take_until(|line| text(line) == "anew").await;
    assert_eq!(gaps(&lines), [(4, 4, "vanished".to_owned())]);
    assert_eq!((lines[3]["code"].as_str(), lines[3]["gap"]["hop"].as_str()), (Some("LA02"), Some("agent")));
    assert_covers(&lines[..4], 1, 8);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_does_not_come_back_in_time_has_vanished_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let soon = |config: &mut agent::Config| config.vanish_after = Duration::from_millis(50);
    let agent = Agent::start(dir.path(), bus.address).await;
    let (first, second) =
        (agent.register("k3f9", "web", "i1").await, agent.register("k3f9", "web", "i2").await);
    for socket in [&first, &second] {
        let mut init = Init::greet(socket, boot(1)).await;
        init.lines(&numbered(1, 3)).await;
        init.flush().await;
        if *socket == first {
            init.bye().await;
        }
    }
    assert!(gaps(&tail.take(6).await).is_empty());
    agent.stop().await;
    let agent = Agent::start_with(dir.path(), bus.address, soon).await;
    let vanished = tail.take_until(|line| !gap(line).is_empty()).await;
    assert_eq!(gaps(&vanished), [(4, 1, "vanished".to_owned())]);
    assert_eq!(vanished.last().unwrap()["fly"]["app"]["instance"], "i2");
    agent.stop().await;
    // It is stated once.
    let agent = Agent::start_with(dir.path(), bus.address, soon).await;
    let mut init = Init::greet(&second, boot(2)).await;
    init.lines(&["later"]).await;
    let rest = tail.take_until(|line| text(line) == "later").await;
    assert!(rest.iter().all(|line| line["logway"]["boot"] == boot(2).to_string()), "{rest:?}");
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_whose_beginning_the_spool_never_saw_begins_with_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 50, 50).await;
    assert_eq!(resume_seq, 0);
    init.lines(&["fifty"]).await;
    let lines = tail.take(2).await;
    assert_eq!(gaps(&lines), [(1, 49, "spool_damaged".to_owned())]);
    assert_covers(&lines, 1, 51);
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_are_acknowledged_when_their_line_is_whole() {
    use line::Stream::Stdout;
    use line::frame::RecordFlags;
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path(), nowhere().await).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.records(1, &[(Stdout, RecordFlags::WHOLE, b"a"), (Stdout, RecordFlags::MORE, b"half")]).await;
    assert_eq!(init.told().await, Told::Ack(2));
    drop(init);
    let (mut init, resume_seq) = Init::greet_again(&socket, boot(1), 2, 3).await;
    assert_eq!(resume_seq, 2);
    let more = RecordFlags::MORE;
    let end = RecordFlags::CONTINUED;
    init.records(2, &[(Stdout, more, b"half"), (Stdout, end, b"whole")]).await;
    assert_eq!(init.told().await, Told::Ack(4));
    within("the end", agent.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_go_on_rising_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["one"]).await;
    init.flush().await;
    let first = tail.next().await;
    drop(init);
    agent.stop().await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let (mut init, _) = Init::greet_again(&socket, boot(1), 2, 3).await;
    // As if the clocks had been set meanwhile.
    let earlier = Init::boottime() - 10_000_000_000;
    let mut writer = BatchWriter::new(Vec::new(), 2, earlier);
    writer.push(earlier, line::Stream::Stdout, RecordFlags::WHOLE, b"two");
    init.send_bytes(&writer.finish().unwrap()).await;
    let second = tail.take_until(|line| text(line) == "two").await.pop().unwrap();
    let [first, second] = [&first, &second].map(|line| line["timestamp"].as_str().unwrap());
    assert!(first < second, "{first} {second}");
    agent.stop().await;
    bus.stop().await;
}
