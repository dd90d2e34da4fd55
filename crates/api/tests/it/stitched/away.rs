//! Tails whose cursor is ahead of a feed that cannot ask its store.

use std::time::Duration;

use super::all;
use super::world::{Event, Machine, Reader, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_store_that_is_away_hears_that_it_lives_and_why() {
    let world = World::with(|config| config.limits.heartbeat = Duration::from_millis(100)).await;
    let mut machine = Machine::new("web", "i1", 1);
    world.stored(&mut machine, 2).await;
    // A feed that stands here.
    let mut first = world.tail("web", "").await;
    first.live().await;
    world.switch.set_away(true);
    loop {
        if first.event().await == Some(Event::State("store-away".into())) {
            break;
        }
    }
    let lines = machine.lines(3);
    world.keep(&machine, &lines).await;
    // What another server gave, which heard of them.
    let server = world.other_server().await;
    let mut other = Reader::open(&server, &server.world.token("k3f9"), "/api/v1/apps/web/logs/tail").await;
    assert_eq!(other.live().await.len(), 5);
    let mut waiting = world.tail("web", &format!("resume={}", other.id)).await;
    let (mut beats, mut is_said) = (0, false);
    while beats < 3 || !is_said {
        match waiting.event().await {
            Some(Event::Heartbeat) => beats += 1,
            Some(Event::State(state)) if state == "store-away" => is_said = true,
            other => panic!("{other:?}"),
        }
    }
    world.switch.set_away(false);
    let more = machine.lines(1);
    world.keep(&machine, &more).await;
    assert_eq!(waiting.lines(1).await, all(&more));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_store_that_is_away_when_a_tail_begins_the_last_minutes_come_when_it_is_back() {
    let world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    let lines = machine.lines(3);
    world.keep(&machine, &lines).await;
    // A feed that stands behind them.
    let mut first = world.tail("web", "").await;
    assert_eq!(first.live().await, all(&lines));
    world.switch.set_away(true);
    let mut late = world.tail("web", "").await;
    while late.event().await != Some(Event::State("store-away".into())) {}
    world.switch.set_away(false);
    assert_eq!(late.lines(3).await, all(&lines));
    let more = machine.lines(1);
    world.publish(&machine, &more).await;
    world.keep(&machine, &more).await;
    assert_eq!((first.lines(1).await, late.lines(1).await), (all(&more), all(&more)));
}
