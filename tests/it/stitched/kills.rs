//! Bursts and pauses, parts that are killed at random, and clients that read slowly, stop reading, or go away.

use std::time::{Duration, Instant};

use logway_tests::{Form, Habits, Process, Tailing, soak};

use super::world::{APP, Part, World, must_be_whole};

const NAME: &str = "promise_4_each_tail_gets_each_line_once_whatever_is_killed";

/// What one game is about.
struct Game {
    seed: u64,
    /// Steps of each app: so many lines, then a pause.
    steps: u32,
    /// Restarts of parts.
    restarts: usize,
    longest_pause: Duration,
}

#[test]
fn promise_4_each_tail_gets_each_line_once_whatever_is_killed() {
    if !soak() {
        let short = Duration::from_millis(400);
        return play(&Game { seed: 0x5eed, steps: 25, restarts: 4, longest_pause: short });
    }
    let begun = Instant::now();
    let (first, rounds) = (number("LOGWAY_SEED", 1), number("LOGWAY_ROUNDS", u64::MAX));
    for seed in (first..).take(usize::try_from(rounds).unwrap_or(usize::MAX)) {
        // `cargo xtask test --soak` says it when one fails.
        eprintln!("{NAME}: seed {seed}, {:?}", begun.elapsed());
        let restarts = 8 + usize::try_from(seed % 13).unwrap_or(0);
        play(&Game { seed, steps: 150, restarts, longest_pause: Duration::from_millis(1500) });
        if begun.elapsed() > Duration::from_secs(300) {
            break;
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Instances of the app, each with how it is started and whether its lines are long.
const INSTANCES: [(&str, &[&str], bool); 4] = [
    ("one", &["--policy", "block"], false),
    ("two", &["--policy", "block"], true),
    ("three", &["--policy", "drop-oldest"], false),
    ("limited", &["--policy", "drop-oldest", "--rate", "400"], false),
];

fn play(game: &Game) {
    let Some(mut world) = World::start(NAME) else { return };
    let mut random = fastrand::Rng::with_seed(game.seed);
    let web = world.web();
    let start = |habits: Habits| Tailing::start(&web, habits, game.seed);
    let mut tails: Vec<_> = clients("lines=0").into_iter().map(start).collect();
    for tail in &tails {
        logway_tests::wait_until("a live tail", || tail.has().states.contains("live").then_some(()));
    }
    let mut apps: Vec<(&str, Process)> = INSTANCES
        .iter()
        .map(|(name, args, is_long)| {
            let script = script(&mut random, game.steps, *is_long);
            (*name, world.app(name, args, &script))
        })
        .collect();
    logway_tests::wait_until("a line of each", || {
        let has = tails[0].has();
        INSTANCES.iter().all(|(name, ..)| has.texts(name).next().is_some()).then_some(())
    });
    for _ in 0..game.restarts {
        std::thread::sleep(Duration::from_millis(random.u64(50..600)));
        let mut parts = vec![Part::ALL[random.usize(..4)]];
        if random.u8(..3) == 0 {
            parts.push(Part::ALL[random.usize(..4)]);
        }
        world.restart(&parts, game.longest_pause.mul_f64(random.f64()));
    }
    for (name, app) in &mut apps {
        let (status, _, err) = app.wait_with_output();
        assert!(status.success(), "{name}: {err}");
    }
    must_be_whole(&web, &tails, INSTANCES.len());
    // All is stored now: who comes later has it from there.
    tails.extend(late_clients().into_iter().map(start));
    must_be_whole(&web, &tails, INSTANCES.len());
    for tail in &tails {
        let has = tail.has();
        for (instance, ..) in &INSTANCES[..2] {
            let mut numbers: Vec<u64> = has.texts(instance).filter_map(number_of).collect();
            numbers.sort_unstable();
            let is_whole = numbers.iter().copied().eq(1..=numbers.len() as u64);
            assert!(
                is_whole && numbers.len() > game.steps as usize,
                "{} {instance}: {numbers:?}",
                tail.name()
            );
        }
    }
}

fn number_of(text: &str) -> Option<u64> {
    text.strip_prefix("n ")?.split(' ').next()?.parse().ok()
}

/// Writes bursts and pauses.
fn script(random: &mut fastrand::Rng, steps: u32, is_long: bool) -> String {
    let mut script = String::from("i=0; p=; ");
    if is_long {
        script.push_str(&format!("p={}; ", "x".repeat(700)));
    }
    script
        .push_str("b() { e=$((i+$1)); while [ $i -lt $e ]; do i=$((i+1)); echo n $i $p; done; sleep $2; }; ");
    for _ in 0..steps {
        let lines = [1, 3, 20, 150][random.usize(..4)];
        script.push_str(&format!("b {lines} 0.{:03}; ", random.u32(0..120)));
    }
    script
}

fn habits(name: &str, form: Form, args: &str) -> Habits {
    let path = format!("/api/v1/apps/{APP}/logs/tail?{args}");
    Habits { name: name.to_owned(), form, path, leaves: 0, stalls: 0, stall: Duration::ZERO, buffer: 0 }
}

/// Those that are there from the begin.
fn clients(args: &str) -> Vec<Habits> {
    let stall = Duration::from_millis(if soak() { 3000 } else { 700 });
    let mut clients = Vec::new();
    for (form, word) in [(Form::Sse, "sse"), (Form::Ndjson, "ndjson")] {
        let named = |what: &str| habits(&format!("{word}, {what}"), form, args);
        clients.push(named("steady"));
        clients.push(Habits { leaves: 150, ..named("leaves") });
        clients.push(Habits { leaves: 80, ..named("leaves often") });
        clients.push(Habits { stalls: 1000, stall, buffer: 64 << 10, ..named("stalls") });
        clients.push(Habits {
            stalls: 2,
            stall: Duration::from_millis(3),
            buffer: 64 << 10,
            ..named("is slow")
        });
        clients.push(Habits { leaves: 400, stalls: 300, stall: stall / 4, ..named("stalls and leaves") });
    }
    clients
}

/// Those that come later, and want all that there was.
fn late_clients() -> Vec<Habits> {
    // A long game has more lines than are given as the newest ones.
    let all = if soak() { "since=-2h" } else { "lines=10000" };
    vec![
        habits("late, history", Form::Sse, all),
        Habits { leaves: 200, ..habits("late, history, leaves", Form::Ndjson, all) },
        Habits { leaves: 50, ..habits("late, since, leaves", Form::Sse, "since=-1h") },
    ]
}
