//! What the agent has told an init is on disk survives a power cut in that very moment.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::fault::{Call, FaultDisk};

use crate::support::{Agent, Bus, Init, Tail, Told, assert_covers, boot, gaps, nowhere};

/// Each moment is tried with so many ways of what a cut leaves.
const SEEDS: u64 = 16;

async fn start_on(disk: &FaultDisk, dir: &Path) -> Agent {
    let below = disk.clone();
    Agent::start_with(dir, nowhere().await, |config| {
        config.disk = Arc::new(below);
        config.spool.segment_bytes = 64 << 10;
        // Its marks are synced too.
        config.heartbeat = Duration::from_secs(3600);
    })
    .await
}

/// Has the next sync and what is done about it fail, so that there is a while between writing and being durable. Every other
/// seed goes without.
fn fail_sync(disk: &FaultDisk, seed: u64) {
    for nth in (1..=2).filter(|_| seed.is_multiple_of(2)) {
        disk.fail_nth(Call::Sync, nth, ErrorKind::Other);
    }
}

/// An agent on what a cut has left is asked by an init that holds `1..next_seq` where to go on.
async fn resumes_at(left: &FaultDisk, dir: &Path, socket: &Path, next_seq: u64) -> u64 {
    let agent = start_on(left, dir).await;
    let (_init, resume_seq) = Init::greet_again(socket, boot(1), 1, next_seq).await;
    agent.stop().await;
    resume_seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new();
        let agent = start_on(&disk, dir.path()).await;
        let socket = agent.register("k3f9", "web", "i1").await;
        let mut init = Init::greet(&socket, boot(1)).await;
        fail_sync(&disk, seed);
        init.lines(&["x"; 20]).await;
        let Told::Ack(acked) = init.told().await else { panic!("no acknowledgement") };
        let after_ack = disk.power_cut(seed);
        init.lines(&["y"; 20]).await;
        let flushed = init.next_seq;
        fail_sync(&disk, seed);
        init.flush().await;
        let after_flush = disk.power_cut(seed);
        agent.stop().await;
        for (left, least) in [(after_ack, acked), (after_flush, flushed)] {
            let resume_seq = resumes_at(&left, dir.path(), &socket, flushed).await;
            assert!(resume_seq >= least, "seed {seed}: told {least}, has {resume_seq}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_that_was_answered_survives_a_power_cut() {
    let bus = Bus::start().await;
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new();
        let agent = start_on(&disk, dir.path()).await;
        let socket = agent.register("k3f9", "web", "i1").await;
        let mut init = Init::greet(&socket, boot(1)).await;
        init.lines(&["x"; 20]).await;
        init.flush().await;
        fail_sync(&disk, seed);
        init.bye().await;
        let left = disk.power_cut(seed);
        agent.stop().await;
        let mut tail = Tail::start(&bus, "o.k3f9.>").await;
        let agent = Agent::start_with(dir.path(), bus.address, |config| {
            config.disk = Arc::new(left);
            config.vanish_after = Duration::from_millis(1);
        })
        .await;
        // A boot that is not known to have ended would be stated as vanished when the next one comes.
        let mut next = Init::greet(&socket, boot(2)).await;
        next.lines(&["last"]).await;
        let mut lines = tail.take_until(|line| line["message"] == "last").await;
        assert_eq!(gaps(&lines), [], "seed {seed}");
        lines.pop();
        assert_covers(&lines, 1, 21);
        agent.stop().await;
    }
    bus.stop().await;
}
