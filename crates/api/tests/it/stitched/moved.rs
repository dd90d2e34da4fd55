//! Shards that move to another store.

use super::all;
use super::world::{Machine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_new_store_has_comes_once_to_those_who_stayed_and_to_those_who_come_again() {
    let mut world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    world.stored(&mut machine, 2).await;
    let (mut stays, mut leaves) = (world.tail("web", "").await, world.tail("web", "").await);
    assert_eq!((stays.live().await.len(), leaves.live().await.len()), (2, 2));
    let (ahead, moving) = (machine.lines(2), machine.lines(3));
    world.publish(&machine, &ahead).await;
    assert_eq!((stays.lines(2).await, leaves.lines(2).await), (all(&ahead), all(&ahead)));
    let cursor = leaves.id.clone();
    drop(leaves);
    // The store takes them, and its answer does not come: the other one gets them again.
    world.keep(&machine, &moving).await;
    assert_eq!(stays.lines(3).await, all(&moving));
    world.move_shards();
    world.keep(&machine, &moving).await;
    world.keep(&machine, &ahead).await;
    let new = machine.lines(2);
    world.keep(&machine, &new).await;
    assert_eq!(stays.lines(2).await, all(&new));
    // Somebody is there who keeps the feed, and somebody who has to find it out alone.
    for _ in 0..2 {
        let path = format!("resume={cursor}");
        let mut again = world.tail("web", &path).await;
        assert_eq!(again.lines(5).await, [all(&moving), all(&new)].concat());
        let path = format!("follow=0&resume={}", again.id);
        let (rest, _) = world.tail("web", &path).await.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
        drop(again);
        world = world.restart_api().await;
    }
}
