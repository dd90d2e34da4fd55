//! Readers that take too little.

use line::Level;

use super::all;
use super::world::{Machine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_for_a_while_misses_nothing() {
    let world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    let mut tail = world.tail("web", "").await;
    tail.live().await;
    let mut wanted = Vec::new();
    let pad = "x".repeat(2000);
    for _ in 0..60 {
        let lines: Vec<_> = (0..200).map(|_| machine.line(Level::Info, &pad)).collect();
        world.publish(&machine, &lines).await;
        world.keep(&machine, &lines).await;
        wanted.extend(all(&lines));
    }
    // 24 MB: more than a connection and a feed hold.
    assert_eq!(tail.lines(wanted.len()).await, wanted);
}

/// Bytes that are held for tails.
fn held(world: &World) -> u64 {
    let text = world.api.figures.text();
    let value = text.lines().find_map(|line| line.strip_prefix("logway_api_tail_bytes "));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_for_slow_readers_of_many_apps_is_bounded_by_bytes() {
    const MOST: u64 = 2 << 20;
    let world = World::with(|config| {
        config.limits.follow_bytes = MOST as usize;
        config.limits.stall = std::time::Duration::from_secs(300);
    })
    .await;
    let mut machines: Vec<_> =
        (0..3).map(|at| Machine::new(&format!("web{at}"), &format!("i{at}"), at)).collect();
    let mut tails = Vec::new();
    for machine in &machines {
        let mut tail = world.tail(machine.address.app.as_str(), "lines=0").await;
        tail.live().await;
        tails.push((tail, Vec::new()));
    }
    let pad = "x".repeat(200 << 10);
    for _ in 0..8 {
        for (machine, (_, wanted)) in machines.iter_mut().zip(&mut tails) {
            let lines: Vec<_> = (0..3).map(|_| machine.line(Level::Info, &pad)).collect();
            world.publish(machine, &lines).await;
            // One batch of each may be there before others are let go.
            assert!(held(&world) <= MOST + (3 << 20), "{}", held(&world));
            world.keep(machine, &lines).await;
            wanted.extend(all(&lines));
        }
    }
    for (tail, wanted) in &mut tails {
        let found: Vec<String> =
            tail.lines(wanted.len()).await.iter().map(|line| line.replace(&pad, "")).collect();
        let wanted: Vec<String> = wanted.iter().map(|line: &String| line.replace(&pad, "")).collect();
        assert_eq!(found, wanted);
    }
    drop(tails);
    // Their feeds end with them.
    while held(&world) > 0 {
        tokio::task::yield_now().await;
    }
}
