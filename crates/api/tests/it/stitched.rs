//! Tails of `/api/v1`: history and live lines as one, each record once and in order, and going on by a cursor.

mod away;
mod lost;
mod many;
mod moved;
mod random;
mod slow;
mod switch;
mod world;

use line::Level;
use world::{Event, Machine, World, told};

use crate::support::{get, scope};
use access::Action;

fn all(entries: &[line::Entry<'static>]) -> Vec<String> {
    entries.iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_then_what_comes_on_either_way() {
    let world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    let (old, heard) = (machine.lines(5), machine.lines(3));
    world.keep(&machine, &old).await;
    let mut tail = world.tail("web", "lines=3").await;
    assert_eq!(tail.live().await, all(&old[2..]));
    world.publish(&machine, &heard).await;
    assert_eq!(tail.lines(3).await, all(&heard));
    // The bus lost these, the next one comes ahead of them, and the store has all.
    let (lost, ahead) = (machine.lines(2), machine.lines(1));
    world.publish(&machine, &ahead).await;
    world.keep(&machine, &[heard, lost.clone(), ahead.clone()].concat()).await;
    assert_eq!(tail.lines(3).await, [all(&lost), all(&ahead)].concat());
    // Another boot, which only the store hears of.
    let mut other = Machine::new("web", "i1", 2);
    let stored = other.lines(2);
    world.keep(&other, &stored).await;
    assert_eq!(tail.lines(2).await, all(&stored));
    // And its live copies, too late.
    world.publish(&other, &stored).await;
    let last = other.lines(1);
    world.publish(&other, &last).await;
    assert_eq!(tail.lines(1).await, all(&last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_each_line_it_can_be_gone_on() {
    let world = World::new().await;
    let (mut one, mut two) = (Machine::new("web", "i1", 1), Machine::new("web", "i2", 2));
    world.stored(&mut one, 4).await;
    let mut tail = world.tail("web", "lines=3").await;
    tail.live().await;
    drop(tail);
    let mut tail = world.tail("web", "lines=3").await;
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut next = async |count: usize, seen: &mut Vec<(String, String)>| {
        let want = seen.len() + count;
        while seen.len() < want {
            if let Some(Event::Line(line, id)) = tail.event().await {
                seen.push((line, id));
            }
        }
    };
    next(3, &mut seen).await;
    // Live ahead of the store; then the store; then both; then what only the store has.
    let (a, b) = (one.lines(3), two.lines(2));
    world.publish(&one, &a).await;
    world.publish(&two, &b).await;
    next(5, &mut seen).await;
    world.keep(&two, &b).await;
    let c = two.lines(2);
    world.keep(&two, &c).await;
    next(2, &mut seen).await;
    world.keep(&one, &a).await;
    let d = one.lines(2);
    world.publish(&one, &d).await;
    next(2, &mut seen).await;
    world.keep(&one, &d).await;
    let lines: Vec<String> = seen.iter().map(|(line, _)| line.clone()).collect();
    for (at, (line, id)) in seen.iter().enumerate() {
        let mut again = world.tail("web", &format!("lines=3&follow=0&resume={id}")).await;
        let (rest, _) = again.rest().await;
        let mut wanted = lines[at + 1..].to_vec();
        let mut found = rest.clone();
        // Between boots the order may be another one.
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "behind {line} ({id}): {rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_hold_for_history_and_for_what_comes_and_gaps_pass() {
    let world = World::new().await;
    for (at, args) in
        (1..).zip(["query=yes", "level=error", "query=_msg:yes+level:error", "query=yes&level=%3E%3Dwarn"])
    {
        let app = format!("web{at}");
        let mut machine = Machine::new(&app, "i1", at);
        filtered(&world, &mut machine, &app, args).await;
    }
}

async fn filtered(world: &World, machine: &mut Machine, app: &str, args: &str) {
    let old = [machine.line(Level::Info, " no"), machine.line(Level::Error, " yes"), machine.gap(3)];
    world.keep(machine, &old).await;
    let mut tail = world.tail(app, args).await;
    assert_eq!(tail.live().await, all(&old[1..]), "{args}");
    let new = [machine.line(Level::Error, " yes"), machine.line(Level::Info, " no"), machine.gap(2)];
    world.publish(machine, &new).await;
    assert_eq!(tail.lines(2).await, [told(&new[0]), told(&new[2])], "{args}");
    world.keep(machine, &new).await;
    let new = [machine.line(Level::Error, " yes"), machine.gap(1), machine.line(Level::Info, " no")];
    world.keep(machine, &new).await;
    assert_eq!(tail.lines(2).await, [told(&new[0]), told(&new[1])], "{args}");
    drop(tail);
    // What the next one shows as history is what this one found.
    let mut again = world.tail(app, &format!("{args}&follow=0&lines=2")).await;
    assert_eq!(again.rest().await.0, [told(&new[0]), told(&new[1])], "{args}");
    let mut tail = world.tail(app, "region=ams").await;
    assert!(tail.live().await.is_empty(), "no gap of another region");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_cursors_and_arguments_are_refused_with_what_to_do() {
    let world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    world.stored(&mut machine, 3).await;
    let mut tail = world.tail("web", "").await;
    tail.live().await;
    for (args, status, wanted) in [
        ("resume=7", 400, "begin anew with since"),
        ("resume=1AQRtYWlu", 400, "begin anew with since"),
        ("lines=many", 400, "for more give since"),
        ("query=a|stats+count()", 400, "leave out the pipes"),
        ("query=a+(", 400, "LQ01"),
    ] {
        let answer = world.api.ask(&get(&format!("/api/v1/apps/web/logs/tail?{args}"))).await;
        assert_eq!(answer.status, status, "{args}: {answer:?}");
        let error = format!("{} {}", answer.json()["error"], answer.json()["code"]);
        assert!(error.contains(wanted), "{args}: {error}");
    }
    // A cursor of a store that had more.
    let other = World::new().await;
    let future = tail.id.clone();
    let answer = other.api.ask(&get(&format!("/api/v1/apps/web/logs/tail?resume={future}"))).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("ahead of what is stored"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_orgs_and_apps_are_not_seen() {
    let world = World::new().await;
    let (mut web, mut db) = (Machine::new("web", "i1", 1), Machine::new("db", "i2", 2));
    world.stored(&mut web, 2).await;
    world.stored(&mut db, 2).await;
    let mut mine = world.tail("web", "").await;
    let cursor = {
        mine.live().await;
        mine.id.clone()
    };
    let mut foreign = world.tail_as("m7x2", "web", "").await;
    assert!(foreign.live().await.is_empty());
    let mut resumed = world.tail_as("m7x2", "web", &format!("resume={cursor}")).await;
    assert!(resumed.live().await.is_empty());
    let more = web.lines(1);
    world.publish(&web, &more).await;
    world.keep(&web, &more).await;
    assert_eq!(mine.lines(1).await, all(&more));
    let confined = world.api.world.token_for("k3f9", &scope(&["db"], &[Action::Read]));
    for app in ["web", "no-such-app"] {
        let answer = world.api.ask_as(&confined, &get(&format!("/api/v1/apps/{app}/logs/tail"))).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    // Of all lines it sees its own alone.
    let answer = world.api.ask_as(&confined, &get("/api/v1/logs/tail?follow=0")).await;
    let apps: Vec<_> = answer
        .rows()
        .iter()
        .filter(|row| row["fly"].is_object())
        .map(|row| row["fly"]["app"]["name"].clone())
        .collect();
    assert_eq!(apps, ["db", "db"]);
    let answer = world.api.ask(&get("/api/v1/logs/tail?follow=0&subject=logs.*.lhr.i1")).await;
    assert_eq!(answer.rows().iter().filter(|row| row["fly"].is_object()).count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_tells_nothing_of_apps_that_its_reader_may_not_see() {
    let world = World::new().await;
    let confined = world.api.world.token_for("k3f9", &scope(&["web", "db"], &[Action::Read]));
    let mut all_apps = world.tail_at(&world.api.world.token("k3f9"), "/api/v1/logs/tail?lines=0").await;
    let mut some = world.tail_at(&confined, "/api/v1/logs/tail?lines=0").await;
    all_apps.live().await;
    some.live().await;
    let mut web = Machine::new("web", "i1", 1);
    for boot in 2..40 {
        let mut secret = Machine::new("secret", &format!("i{boot}"), boot);
        let lines = secret.lines(1);
        world.publish(&secret, &lines).await;
    }
    let lines = web.lines(1);
    world.publish(&web, &lines).await;
    assert_eq!(some.lines(1).await, all(&lines));
    all_apps.lines(39).await;
    // Both with the next cursor of the feed.
    let lines = web.lines(1);
    world.publish(&web, &lines).await;
    assert_eq!((some.lines(1).await, all_apps.lines(1).await), (all(&lines), all(&lines)));
    let (long, short) = (all_apps.id.len(), some.id.len());
    assert!(long > 38 * 10 && short < 100, "{short} of {long}: {}", some.id);
    // It is as good as one that tells all.
    let more = web.lines(1);
    world.publish(&web, &more).await;
    let mut again = world.tail_at(&confined, &format!("/api/v1/logs/tail?resume={}", some.id)).await;
    assert_eq!(again.lines(1).await, all(&more));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_says_why_and_the_cursor_goes_on_there() {
    let world = World::new().await;
    let mut machine = Machine::new("web", "i1", 1);
    world.stored(&mut machine, 2).await;
    let mut tail = world.tail("web", "").await;
    tail.live().await;
    let address = world.api.address;
    let world = world.restart_api().await;
    let (_, why) = tail.rest().await;
    assert!(why.contains("come again"), "{why}");
    assert_ne!(address, world.api.address);
    let more = machine.lines(2);
    world.keep(&machine, &more).await;
    let mut again = world.tail("web", &format!("resume={}", tail.id)).await;
    assert_eq!(again.lines(2).await, all(&more));
    world.api.world.tell(&[], tokio::time::Instant::now());
    let mut until = world.tail("web", "until=now&lines=1").await;
    assert_eq!(until.rest().await.0, all(&more[1..]));
}
