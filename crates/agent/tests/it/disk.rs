//! The spool when it is full, damaged, or the disk is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::admin::{Error, Request, Response, Status};
use bus::sys::RecentRequest;
use disk::Disk;
use disk::fault::{Call, FaultDisk};
use line::frame::Frame;
use serde_json::Value;

use crate::support::{Agent, Bus, Init, Tail, Told, assert_covers, boot, gaps, nowhere, seqs, within};

fn padded(from: u64, count: u64) -> Vec<String> {
    (from..from + count).map(|seq| format!("line {seq} {}", "x".repeat(180))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_fills_its_own_share_and_the_quiet_app_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let small = |config: &mut agent::Config| {
        config.spool.quota_bytes = 4 << 20;
        config.spool.segment_bytes = 256 << 10;
        config.spool.reserve_groups = 16;
    };
    let agent = Agent::start_with(dir.path(), nowhere().await, small).await;
    let loud = agent.register("k3f9", "loud", "i1").await;
    let quiet = agent.register("k3f9", "quiet", "i2").await;
    let mut loud = Init::greet(&loud, boot(1)).await;
    let mut quiet = Init::greet(&quiet, boot(1)).await;
    for round in 0..40 {
        loud.lines(&padded(1 + round * 1000, 1000)).await;
        quiet.lines(&padded(1 + round, 1)).await;
        // The flood never stops, and everything of it is acknowledged in the end.
        quiet.flush().await;
    }
    loud.flush().await;
    agent.stop().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start_with(dir.path(), bus.address, small).await;
    let mut lines: Vec<Value> = Vec::new();
    let mut covered = 0;
    while covered < 40_040 {
        lines.push(tail.next().await);
        covered += seqs(&lines[lines.len() - 1]).1;
    }
    let (loud, quiet): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line["fly"]["app"]["name"] == "loud");
    assert_eq!((quiet.len(), gaps(&quiet).len()), (40, 0));
    assert_covers(&loud, 1, 40_001);
    let lost = gaps(&loud);
    assert!(!lost.is_empty() && lost.iter().all(|(_, _, reason)| reason == "spool_full"), "{lost:?}");
    assert_eq!(loud.iter().find(|line| !line["gap"].is_null()).unwrap()["code"], "LA01");
    agent.stop().await;
    bus.stop().await;
}

/// An agent without a bus spools 3,000 lines into several segments and is stopped.
async fn spooled(dir: &Path) -> (Vec<PathBuf>, PathBuf) {
    let agent = Agent::start_with(dir, nowhere().await, small_segments).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    for round in 0..30 {
        init.lines(&padded(1 + round * 100, 100)).await;
        init.flush().await;
    }
    let spool = agent.spool_dir();
    agent.stop().await;
    let mut segments: Vec<_> = std::fs::read_dir(spool)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() > 4, "{segments:?}");
    (segments, socket)
}

fn small_segments(config: &mut agent::Config) {
    config.spool.segment_bytes = 64 << 10;
}

/// Starts the agent again: the damage is a gap record in the live stream and among recent lines, and nothing else is missing.
async fn assert_damage_is_stated(dir: &Path) {
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start_with(dir, bus.address, small_segments).await;
    let mut lines: Vec<Value> = Vec::new();
    let mut covered = 0;
    while covered < 3000 {
        lines.push(tail.next().await);
        covered += seqs(&lines[lines.len() - 1]).1;
    }
    assert_covers(&lines, 1, 3001);
    let found = gaps(&lines);
    assert!(!found.is_empty() && found.iter().all(|(_, _, reason)| reason == "spool_damaged"), "{found:?}");
    let (recent, end) = tail.recent(&RecentRequest { org: "k3f9".into(), ..RecentRequest::default() }).await;
    assert_covers(&recent, 1, 3001);
    assert_eq!((gaps(&recent), end.sent), (found, recent.len() as u64));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_spool_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (segments, _) = spooled(dir.path()).await;
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    bytes[30_000] ^= 4;
    std::fs::write(&segments[1], bytes).unwrap();
    assert_damage_is_stated(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_segment_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (segments, _) = spooled(dir.path()).await;
    std::fs::remove_file(&segments[2]).unwrap();
    assert_damage_is_stated(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_cut_short_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (segments, _) = spooled(dir.path()).await;
    std::fs::remove_file(segments.last().unwrap()).unwrap();
    assert_damage_is_stated(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_acknowledgements_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new();
    let below = disk.clone();
    let agent = Agent::start_with(dir.path(), nowhere().await, |config| {
        small_segments(config);
        config.disk = Arc::new(below);
    })
    .await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&padded(1, 10)).await;
    init.flush().await;
    disk.set_space(Some(1));
    init.lines(&padded(11, 1000)).await;
    let is_full = |status: &Status| status.fault.as_ref().is_some_and(|fault| fault.contains("no room"));
    agent.wait_for(is_full).await;
    disk.set_space(None);
    init.wait_for(&Told::Ack(1011)).await;
    let Response::Status(status) = agent.call(Request::Status {}).await.unwrap() else { panic!() };
    assert_eq!(status.fault, None);
    agent.stop().await;
}

/// Leaves room on the disk for small files, and for no further segment.
fn leave_little_space(disk: &FaultDisk, dir: &Path) {
    let dirs = [dir.join("agent"), dir.join("agent/spool")];
    let files = dirs.iter().flat_map(|dir| disk.list(dir).unwrap().into_iter().map(|name| dir.join(name)));
    let used: usize = files.filter_map(|file| disk.content(&file).ok()).map(|content| content.len()).sum();
    disk.set_space(Some(used as u64 + (16 << 10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deregistration_that_outlasts_its_client_is_done_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new();
    let below = disk.clone();
    let agent = Agent::start_with(dir.path(), nowhere().await, |config| {
        small_segments(config);
        config.disk = Arc::new(below);
    })
    .await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&padded(1, 10)).await;
    init.flush().await;
    leave_little_space(&disk, dir.path());
    init.lines(&padded(11, 1000)).await;
    agent.wait_for(|status| status.fault.is_some()).await;
    // Its boot cannot be ended on a full disk: the client is cut after two seconds.
    let deregister = Request::Deregister { org: "k3f9".into(), instance: "i1".into() };
    assert!(matches!(agent.call(deregister).await, Err(Error::Io { .. })));
    disk.set_space(None);
    within("the end of the registration", async {
        while socket.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(agent.call(Request::List {}).await.unwrap(), Response::Machines(Vec::new()));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stated_as_vanished_is_not_acknowledged_to_an_init_that_came_back_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new();
    let below = disk.clone();
    let agent = Agent::start_with(dir.path(), nowhere().await, |config| {
        config.disk = Arc::new(below);
        config.vanish_after = Duration::from_millis(500);
    })
    .await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["1", "2", "3"]).await;
    init.next_seq = 9;
    init.ping().await;
    init.wait_for_pong().await;
    init.send(&Frame::Flush { next_seq: 4 }).await;
    init.wait_for(&Told::Flushed(4)).await;
    drop(init);
    // It is connected again when its time is over, but has not said who it is; and the disk keeps that from being stated.
    let mut init = Init::connect(&socket, boot(1)).await;
    disk.set_space(Some(1));
    agent.wait_for(|status| status.fault.is_some()).await;
    init.next_seq = 9;
    init.hello(4).await;
    agent.wait_for(|status| status.connected == 1).await;
    disk.set_space(None);
    assert_eq!(init.told().await, Told::Welcome { resume_seq: 4 });
    init.next_seq = 4;
    init.lines(&["4"]).await;
    assert_eq!(init.told().await, Told::Ack(5));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_sync_moved_is_carried_again_and_counts_as_out() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let disk = FaultDisk::new();
    let below = disk.clone();
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        small_segments(config);
        config.disk = Arc::new(below);
        // Its marks are synced too.
        config.heartbeat = Duration::from_secs(3600);
    })
    .await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["1"]).await;
    init.flush().await;
    assert_eq!(seqs(&tail.next().await), (1, 1));
    // The next line fits where it stands, but what has failed there cannot be written anew.
    leave_little_space(&disk, dir.path());
    disk.fail_nth(Call::Sync, 1, ErrorKind::Other);
    init.lines(&["2"]).await;
    assert_eq!(seqs(&tail.next().await), (2, 1));
    agent.wait_for(|status| status.fault.is_some()).await;
    disk.set_space(None);
    init.flush().await;
    assert_eq!(seqs(&tail.next().await), (2, 1));
    agent.wait_for(|status| status.spool_unsent_bytes == 0 && status.lag_seconds == 0.0).await;
    agent.stop().await;
    bus.stop().await;
}
