//! More Machines at once than a cursor tells of.

use super::all;
use super::world::{Event, Machine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_very_many_machines_some_wait_for_the_store_and_none_comes_twice() {
    let world = World::with(|config| config.limits.heartbeat = std::time::Duration::from_millis(300)).await;
    let token = world.api.world.token("k3f9");
    let mut tail = world.tail_at(&token, "/api/v1/logs/tail?lines=0").await;
    tail.live().await;
    let mut machines: Vec<_> = (0..700).map(|boot| Machine::new("web", &format!("i{boot}"), boot)).collect();
    let mut wanted = Vec::new();
    let mut lines = Vec::new();
    for machine in &mut machines {
        lines.push(machine.lines(2));
    }
    for (machine, lines) in machines.iter().zip(&lines) {
        world.publish(machine, lines).await;
        wanted.extend(all(lines));
    }
    // As many as a cursor tells of.
    let mut found = tail.lines(2 * 512).await;
    // The cursor behind them is long: it does not stand behind each.
    assert_eq!(tail.event().await, Some(Event::Heartbeat));
    let mut resumed = world.tail_at(&token, &format!("/api/v1/logs/tail?resume={}", tail.id)).await;
    let mut rest = Vec::new();
    for (machine, lines) in machines.iter().zip(&lines) {
        world.keep(machine, lines).await;
    }
    while found.len() < wanted.len() {
        found.push(tail.line().await);
        rest.push(resumed.line().await);
    }
    assert_eq!(found[2 * 512..], rest);
    found.sort();
    wanted.sort();
    assert!(found == wanted, "not each line once");
    for tail in [tail, resumed] {
        let path = format!("/api/v1/logs/tail?follow=0&resume={}", tail.id);
        let (rest, _) = world.tail_at(&token, &path).await.rest().await;
        assert!(rest.is_empty(), "{rest:?}");
    }
}
