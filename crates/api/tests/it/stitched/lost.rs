//! Lines that were heard live and that no store ever has: their agent died, and its spool with it.

use std::time::Duration;

use tokio::time::Instant;

use super::all;
use super::world::{Machine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_store_has_is_shown_to_nobody_new_and_comes_late_to_those_who_do_not_have_it() {
    let world = World::with(|config| config.limits.lost_after = Duration::from_millis(300)).await;
    let mut dead = Machine::new("web", "dead", 1);
    let lost = dead.lines(3);
    let told = all(&lost);
    let mut other = Machine::new("web", "alive", 2);
    let mut first = world.tail("web", "lines=0").await;
    first.live().await;
    world.publish(&dead, &lost).await;
    assert_eq!(first.lines(3).await, told);
    // As long as somebody may still have them, they are shown.
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "they are shown for ever");
        let (found, _) = world.tail("web", "follow=0").await.rest().await;
        if found.is_empty() {
            break;
        }
        assert_eq!(found, told);
    }
    let mut second = world.tail("web", "").await;
    assert!(second.live().await.is_empty());
    // The agent is back after all, from wherever.
    world.keep(&dead, &lost).await;
    assert_eq!(second.lines(3).await, told);
    let more = other.lines(1);
    world.publish(&other, &more).await;
    world.keep(&other, &more).await;
    for tail in [&mut first, &mut second] {
        assert_eq!(tail.line().await, all(&more)[0]);
    }
    // Nothing of it is in a cursor any more.
    for tail in [first, second] {
        let (rest, _) = world.tail("web", &format!("follow=0&resume={}", tail.id)).await.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_store_is_away_nothing_is_lost() {
    let after = Duration::from_millis(200);
    let world = World::with(|config| config.limits.lost_after = after).await;
    let mut dead = Machine::new("web", "dead", 1);
    let mut first = world.tail("web", "lines=0").await;
    first.live().await;
    let (begin, lost) = (dead.lines(1), dead.lines(3));
    world.keep(&dead, &begin).await;
    assert_eq!(first.lines(1).await, all(&begin));
    let told = all(&lost);
    world.switch.set_away(true);
    world.publish(&dead, &lost).await;
    assert_eq!(first.lines(3).await, told);
    let begun = Instant::now();
    while begun.elapsed() < 5 * after {
        assert_eq!(world.tail("web", "lines=0").await.lines(3).await, told);
    }
}
