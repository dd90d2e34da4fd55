//! Followers hold what the registry holds, whatever they missed, and know since when.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use access::Directory;
use bus::client::{Client, Delivery};
use bus::roles::Role;
use bus::sys::{
    MAX_SNAPSHOT_PAGE_BYTES, REGISTRY, REGISTRY_SNAPSHOT, RegistryMark, SnapshotPage, SnapshotRequest,
};
use tokio::time::Instant;

use crate::support::{Bus, Follower, Home, Running, within};

#[tokio::test]
async fn all_hold_what_there_is_and_hear_of_changes() {
    let (bus, home) = (Bus::start().await, Home::new());
    home.change(|registry| registry.create_org("first", 0).unwrap());
    let running = Running::start(&bus, &home).await;
    let mut followers = Vec::new();
    for role in [Role::Agent, Role::Proxy, Role::Api, Role::Store] {
        followers.push(Follower::start(&bus, role).await);
    }
    for follower in &mut followers {
        follower.wait_for_org("first").await;
    }
    // What changed while the registry was away shows when it is back.
    running.stop().await;
    home.change(|registry| registry.create_org("second", 0).unwrap());
    let _running = Running::start(&bus, &home).await;
    for follower in &mut followers {
        // Two orgs and a key.
        assert_eq!(follower.wait_for_org("second").await.version(), 3);
    }
}

#[tokio::test]
async fn whoever_was_away_catches_up() {
    let (bus, home) = (Bus::start().await, Home::new());
    home.change(|registry| registry.create_org("first", 0).unwrap());
    let running = Running::start(&bus, &home).await;
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    follower.wait_for_org("first").await;
    // The bus is gone, and so is the registry; both come back with something new.
    let address = bus.stop().await;
    running.stop().await;
    home.change(|registry| registry.create_org("second", 0).unwrap());
    assert!(follower.followed.borrow().as_ref().is_some_and(|(held, _)| held.org("first").is_some()));
    let bus = Bus::start_at(address).await;
    let _running = Running::start(&bus, &home).await;
    follower.wait_for_org("second").await;
}

#[tokio::test]
async fn a_registry_that_lost_its_journal_is_followed_all_the_same() {
    let (bus, home) = (Bus::start().await, Home::new());
    home.change(|registry| (0..9).for_each(|n| drop(registry.create_org(&format!("o{n}"), 0).unwrap())));
    let running = Running::start(&bus, &home).await;
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    follower.wait_for_org("o8").await;
    running.stop().await;
    // The version is lower than before: the digest decides.
    let empty = Home::new();
    let _running = Running::start(&bus, &empty).await;
    follower.wait_for("the empty state", |directory, _| directory.version() == 1).await;
    assert!(follower.followed.borrow().as_ref().unwrap().0.org("o8").is_none());
}

#[tokio::test]
async fn a_snapshot_of_many_pages_comes_whole() {
    let (bus, home) = (Bus::start().await, Home::new());
    // Some 140 bytes each: several pages.
    const ORGS: usize = 12_000;
    let slug = |n: usize| format!("org-{n:059}");
    home.change(|registry| {
        (0..ORGS).for_each(|n| drop(registry.create_org(&slug(n), 0).unwrap()));
        assert!(registry.state().snapshot().to_json().len() > 2 * MAX_SNAPSHOT_PAGE_BYTES);
    });
    let _running = Running::start(&bus, &home).await;
    let (mut one, mut two) =
        (Follower::start(&bus, Role::Proxy).await, Follower::start(&bus, Role::Agent).await);
    for follower in [&mut one, &mut two] {
        let directory = follower.wait_for_org(&slug(ORGS - 1)).await;
        assert!((0..ORGS).all(|n| directory.org(&slug(n)).is_some()));
    }
    // No page is longer than a NATS server takes.
    let client = bus.client(Role::Api).await;
    let mut answers = client.request_many(REGISTRY_SNAPSHOT, b"{}").await.unwrap();
    let Some(Delivery::Message(page)) = within("a page", answers.next()).await else { panic!() };
    let bound = MAX_SNAPSHOT_PAGE_BYTES - 512..=MAX_SNAPSHOT_PAGE_BYTES;
    assert!(bound.contains(&page.payload.len()), "{}", page.payload.len());
}

/// The paused clock goes on by itself as soon as everybody waits for it, but not while a blocking task runs. This is one.
fn stop_clock() -> mpsc::SyncSender<()> {
    let (go_on, stopped) = mpsc::sync_channel::<()>(0);
    tokio::task::spawn_blocking(move || {
        let _dropped = stopped.recv_timeout(crate::support::DEADLINE);
    });
    go_on
}

#[tokio::test(start_paused = true)]
async fn the_age_of_what_is_held_says_how_long_the_registry_was_not_heard() {
    let _clock = stop_clock();
    let (bus, home) = (Bus::start().await, Home::new());
    home.change(|registry| registry.create_org("first", 0).unwrap());
    let running = Running::start(&bus, &home).await;
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    let begun = Instant::now();
    let (first, at) = follower.wait_for("the state", |_, _| true).await;
    assert_eq!(at, begun);
    // Each announcement renews the time, and changes nothing else.
    for round in 1..=3 {
        tokio::time::advance(Duration::from_secs(2)).await;
        let renewed = begun + Duration::from_secs(2 * round);
        let (again, at) = follower.wait_for("an announcement", |_, at| at >= renewed).await;
        assert!(Arc::ptr_eq(&again, &first) && at == renewed, "{round}");
    }
    running.stop().await;
    tokio::time::advance(Duration::from_secs(300)).await;
    let (held, at) = follower.followed.borrow().clone().unwrap();
    assert!(Arc::ptr_eq(&held, &first) && at.elapsed() == Duration::from_secs(300));
    let _running = Running::start(&bus, &home).await;
    let (again, at) = follower.wait_for("the registry's return", |_, at| at.elapsed().is_zero()).await;
    assert!(Arc::ptr_eq(&again, &first) && at == Instant::now());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hands_on_nothing_is_left_for_one_that_does() {
    let clock = stop_clock();
    let (near, far, home) = (Bus::start().await, Bus::start().await, Home::new());
    home.change(|registry| registry.create_org("first", 0).unwrap());
    // Two clusters that have lost each other: the registry was in both, and is in one.
    let running = Running::start(&near, &home).await;
    let mut options = near.options(Role::Proxy);
    options.servers.push(far.address.into());
    let mut follower = Follower { followed: registry::follow(Client::start(options)) };
    follower.wait_for_org("first").await;
    running.stop().await;
    home.change(|registry| registry.revoke(&[7; 32], i64::MAX).unwrap());
    let running = Running::start(&far, &home).await;
    drop(clock);
    let begun = Instant::now();
    let is_revoked = |directory: &Arc<Directory>, _| directory.version() == 3;
    follower.wait_for("the revocation", is_revoked).await;
    // No announcement for 6 s, and one within 2 s where there are some.
    assert!(begun.elapsed() <= Duration::from_secs(9), "{:?}", begun.elapsed());
    running.stop().await;
    // The registry is away: each server is tried, and not in a hurry.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let _running = Running::start(&near, &home).await;
    let begun = Instant::now();
    follower.wait_for("the registry's return", |_, at| at >= begun).await;
}

#[tokio::test]
async fn the_task_ends_with_its_last_receiver_and_with_its_client() {
    let (bus, home) = (Bus::start().await, Home::new());
    let _running = Running::start(&bus, &home).await;
    let client = bus.client(Role::Proxy).await;
    let mut followed = registry::follow(client.clone());
    within("the state", followed.wait_for(Option::is_some)).await.unwrap();
    client.close().await;
    within("the task's end", async { while followed.changed().await.is_ok() {} }).await;
    let client = bus.client(Role::Proxy).await;
    let mut status = client.status();
    drop(registry::follow(client));
    // With the task goes the last handle, and with that the connection.
    within("the connection's end", async { while status.changed().await.is_ok() {} }).await;
}

#[tokio::test]
async fn only_inboxes_are_answered_and_only_questions() {
    let (bus, home) = (Bus::start().await, Home::new());
    let _running = Running::start(&bus, &home).await;
    let client = bus.client(Role::Agent).await;
    let inbox = client.subscribe("_INBOX.agent.mine", None).await.unwrap();
    let mut inbox = inbox;
    for (reply, question) in [
        (None, "{}"),
        (Some("o.k.logs.web.lhr.i"), "{}"),
        (Some("_INBOX.proxy.theirs"), "{}"),
        (Some("_INBOX.agent.mine"), "no question"),
        (Some("_INBOX.agent.mine"), r#"{"offset":-1}"#),
        (Some("_INBOX.agent.mine"), "{}"),
    ] {
        client.publish(REGISTRY_SNAPSHOT, reply, question.as_bytes()).await.unwrap();
    }
    let Some(Delivery::Message(answer)) = within("the answer", inbox.next()).await else { panic!() };
    let end = answer.payload.iter().position(|byte| *byte == b'\n').unwrap();
    let head: SnapshotPage = serde_json::from_slice(&answer.payload[..end]).unwrap();
    assert_eq!((head.offset, head.total_bytes), (0, (answer.payload.len() - end - 1) as u64));
    // The questions before were taken in order, and got none.
    let request = SnapshotRequest { digest: Some(head.mark.digest), offset: head.total_bytes - 1 };
    client
        .publish(REGISTRY_SNAPSHOT, Some("_INBOX.agent.mine"), &serde_json::to_vec(&request).unwrap())
        .await
        .unwrap();
    let Some(Delivery::Message(answer)) = within("the answer", inbox.next()).await else { panic!() };
    assert!(answer.payload.ends_with(b"\n}"), "{:?}", answer.payload);
}

#[tokio::test]
async fn announcements_name_the_state() {
    let (bus, home) = (Bus::start().await, Home::new());
    Running::start(&bus, &home).await.stop().await;
    let digest = home.change(|registry| {
        registry.create_org("first", 0).unwrap();
        registry.digest().to_string()
    });
    let client = bus.client(Role::Store).await;
    let mut marks = client.subscribe(REGISTRY, None).await.unwrap();
    let _running = Running::start(&bus, &home).await;
    let Some(Delivery::Message(message)) = within("an announcement", marks.next()).await else { panic!() };
    let mark: RegistryMark = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(mark, RegistryMark { version: 2, digest });
}
