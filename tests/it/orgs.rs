//! Promise 5 at the front door: several orgs, clients that do legal and hostile things at random, lines that say whose they
//! are, and not one byte that reaches somebody else.

mod client;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use logway_tests::soak;
use tokio::task::JoinSet;

use client::Player;
use world::World;

/// Clients that play at the same time.
const PLAYERS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_not_one_foreign_byte_in_a_million_operations() {
    let wanted = if soak() { 1_000_000 } else { 20_000 };
    let seed = std::env::var("LOGWAY_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    // Shown only if the test fails.
    println!("LOGWAY_SEED={seed}");
    let world = Arc::new(World::start().await);
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..PLAYERS {
        let mut player = Player::new(Arc::clone(&world), fastrand::Rng::with_seed(seed ^ number));
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            while done.load(Ordering::Relaxed) < wanted {
                done.fetch_add(player.session().await, Ordering::Relaxed);
            }
            player.heard
        });
    }
    for (number, publish) in [(PLAYERS, true), (PLAYERS + 1, false)] {
        let (world, done) = (Arc::clone(&world), Arc::clone(&done));
        let mut rng = fastrand::Rng::with_seed(seed ^ number);
        tasks.spawn(async move {
            while done.load(Ordering::Relaxed) < wanted {
                let count =
                    if publish { world.publish(&mut rng).await } else { world.change(&mut rng).await };
                done.fetch_add(count, Ordering::Relaxed);
            }
            0
        });
    }
    let mut heard = 0;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(count) => heard += count,
            // With what it says: a foreign byte.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    // A world in which nobody hears anything would prove nothing.
    assert!(heard > wanted / 20, "{heard} lines were heard in {wanted} operations");
}
