//! Lines of several Machines come by the bus, by the store, or by both, in any order between the Machines; the bus loses some. Readers come
//! and go. Whoever was there from the beginning has each record once, and those of a boot in order.

use std::collections::BTreeMap;

use line::Entry;

use super::world::{Machine, Reader, World, by_boot, told};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A Machine whose records are on two ways.
struct Way {
    machine: Machine,
    to_publish: Vec<Entry<'static>>,
    to_keep: Vec<Entry<'static>>,
}

/// Who reads, what it has, and where it goes on.
struct Follower {
    reader: Option<Reader>,
    has: Vec<String>,
    cursor: String,
}

async fn round(seed: u64) {
    let mut dice = Dice(seed);
    let mut world = World::new().await;
    let mut ways: Vec<Way> = (0..3)
        .map(|at| Way {
            machine: Machine::new("web", &format!("i{at}"), at),
            to_publish: vec![],
            to_keep: vec![],
        })
        .collect();
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut reader = world.tail("web", "").await;
        reader.live().await;
        let cursor = reader.id.clone();
        followers.push(Follower { reader: Some(reader), has: Vec::new(), cursor });
    }
    let mut wanted: Vec<String> = Vec::new();
    for _ in 0..60 {
        let way = &mut ways[usize::try_from(dice.below(3)).unwrap()];
        match dice.below(10) {
            0..4 => {
                let mut new = way.machine.lines(dice.below(4) + 1);
                if dice.below(8) == 0 {
                    let span = dice.below(5) + 1;
                    new.push(way.machine.gap(span));
                }
                wanted.extend(new.iter().map(told));
                way.to_publish.extend(new.clone());
                way.to_keep.extend(new);
            }
            4..7 => {
                let all = std::mem::take(&mut way.to_publish);
                let lost = dice.below(4) == 0;
                let some: Vec<_> = all.into_iter().filter(|_| !lost || dice.below(3) > 0).collect();
                world.publish(&way.machine, &some).await;
                if dice.below(5) == 0 {
                    world.publish(&way.machine, &some).await;
                }
            }
            7..9 => {
                let all = std::mem::take(&mut way.to_keep);
                world.keep(&way.machine, &all).await;
            }
            _ if dice.below(3) == 0 => {
                // All are told to come again, and do.
                world = world.restart_api().await;
                for follower in &mut followers {
                    leave(follower).await;
                }
            }
            _ => leave(&mut followers[usize::try_from(dice.below(3)).unwrap()]).await,
        }
        for follower in &mut followers {
            if follower.reader.is_none() && dice.below(3) == 0 {
                follower.reader = Some(world.tail("web", &format!("resume={}", follower.cursor)).await);
            }
        }
    }
    for way in &mut ways {
        let all = std::mem::take(&mut way.to_keep);
        world.keep(&way.machine, &all).await;
    }
    check(seed, &world, &by_boot(&wanted), followers).await;
}

/// Each has all of it, and nothing twice.
async fn check(seed: u64, world: &World, wanted: &BTreeMap<String, Vec<String>>, followers: Vec<Follower>) {
    for (at, mut follower) in followers.into_iter().enumerate() {
        let mut reader = match follower.reader.take() {
            Some(reader) => reader,
            None => world.tail("web", &format!("resume={}", follower.cursor)).await,
        };
        let count: usize = wanted.values().map(Vec::len).sum();
        while follower.has.len() < count {
            follower.has.push(reader.line().await);
        }
        let found: BTreeMap<_, _> = by_boot(&follower.has);
        for (boot, lines) in wanted {
            let mut of_boot = found.get(boot).cloned().unwrap_or_default();
            let mut lines = lines.clone();
            if boot == "gaps" {
                of_boot.sort();
                lines.sort();
            }
            assert_eq!(of_boot, lines, "seed {seed}, reader {at}, {boot}");
        }
        // Nothing more comes: what the cursor behind all of it gives is nothing.
        let cursor = if reader.id.is_empty() { &follower.cursor } else { &reader.id };
        let (rest, _) = world.tail("web", &format!("follow=0&resume={cursor}")).await.rest().await;
        assert!(rest.is_empty(), "seed {seed}, reader {at}: {rest:?}");
    }
}

/// Reads a while, and goes away without another word, with the cursor behind the last line that it has.
async fn leave(follower: &mut Follower) {
    let Some(mut reader) = follower.reader.take() else { return };
    while let Ok(Some(event)) =
        tokio::time::timeout(std::time::Duration::from_millis(5), reader.event()).await
    {
        if let super::world::Event::Line(line, _) = event {
            follower.has.push(line);
        }
    }
    // Whoever has heard nothing goes on where it was.
    if !reader.id.is_empty() {
        follower.cursor = reader.id.clone();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_once_and_in_order_whatever_is_lost_and_whoever_comes_again() {
    let (first, rounds) = match std::env::var("LOGWAY_SOAK") {
        Ok(seed) if seed.parse::<u64>().is_ok_and(|seed| seed > 1) => (seed.parse().unwrap(), 1),
        Ok(_) => (0, 400),
        Err(_) => (7, 12),
    };
    for seed in first..first + rounds {
        round(seed).await;
    }
}
