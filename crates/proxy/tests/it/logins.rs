//! Who is let in, and who has to go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Action, Scope, attenuate, inspect};
use line::{Name, OrgId};
use tokio::time::Instant;

use crate::support::{Broker, Front, Raw, World, connect, soon};

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

#[tokio::test]
async fn tokens_that_are_good_and_those_that_are_not() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let token = world.token("k3f9");
    for (user, secret) in [
        ("acme", token.clone()),
        ("k3f9", token.clone()),
        ("", token.clone()),
        ("acme", format!("Bearer {token}")),
        ("acme", format!("FlyV1 {token}")),
    ] {
        front.client(user, &secret).await;
    }
    for json in [format!(r#"{{"auth_token":"{token}"}}"#), format!(r#"{{"user":"{token}"}}"#)] {
        let mut raw = front.greeted().await;
        raw.send(format!("CONNECT {json}\r\nPING\r\n")).await;
        raw.expect("+OK\r\nPONG\r\n").await;
    }
    let stranger = World::new().token("k3f9");
    let until = Scope { not_after_s: Some(1), ..Scope::ALL };
    for (what, user, secret) in [
        ("empty", "acme", String::new()),
        ("no token", "acme", "hello".to_owned()),
        ("truncated", "acme", token[..token.len() - 1].to_owned()),
        ("longer", "acme", format!("{token}A")),
        ("oversized", "acme", "lw1_".to_owned() + &"A".repeat(60_000)),
        ("other org", "umbrella", token.clone()),
        ("unknown org", "nobody", token.clone()),
        ("unknown org of a good key", "", world.token("x1y2")),
        ("expired", "acme", world.token_for("k3f9", &until)),
        ("expired by its holder", "acme", attenuate(&token, &until).unwrap()),
        ("another's key", "acme", stranger),
    ] {
        assert_eq!(front.refusal(user, &secret).await, VIOLATION, "{what}");
        // And so from memory.
        assert_eq!(front.refusal(user, &secret).await, VIOLATION, "{what}, again");
    }
}

#[tokio::test]
async fn a_token_that_was_narrowed_to_nothing_hears_nothing() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let app = |name: &str| Scope { apps: Some([Name::new("app", name).unwrap()].into()), ..Scope::ALL };
    let write = Scope { actions: [Action::Write].into_iter().collect(), ..Scope::ALL };
    let web = attenuate(&world.token("k3f9"), &app("web")).unwrap();
    for token in [attenuate(&web, &app("api")).unwrap(), attenuate(&web, &write).unwrap()] {
        let mut client = front.client("acme", &token).await;
        for pattern in ["logs.>", "logs.web.>", "logs.api.>", ">", "metrics.web.>", "logway.marks"] {
            let marks = pattern == "logway.marks";
            client.send(format!("SUB {pattern} 1\r\n")).await;
            if marks && inspect(&token).unwrap().blocks.iter().all(|block| block.actions.has(Action::Read)) {
                // It may ask, and is told of nothing.
                continue;
            }
            client
                .expect(&format!("-ERR 'Permissions Violation for Subscription to \"{pattern}\"'\r\n"))
                .await;
        }
        client.flush().await;
    }
}

async fn heard_in_time(client: Raw, word: &str) {
    let asked = Instant::now();
    assert_eq!(client.rest().await, format!("-ERR '{word}'\r\n"));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let (broker, mut world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let (mine, other) = (world.token("k3f9"), world.token("k3f9"));
    let narrowed = attenuate(&mine, &Scope { actions: [Action::Read].into_iter().collect(), ..Scope::ALL });
    let narrowed = narrowed.unwrap();
    let mut stays = front.client("acme", &other).await;
    let (first, second) = (front.client("acme", &mine).await, front.client("acme", &narrowed).await);
    world.revoked.push(inspect(&mine).unwrap().revocation_ids[0]);
    world.tell();
    // Revoking a token ends what was made from it.
    heard_in_time(first, "User Authentication Revoked").await;
    heard_in_time(second, "User Authentication Revoked").await;
    assert_eq!(front.refusal("acme", &mine).await, VIOLATION);
    stays.flush().await;

    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let soon_over = Scope { not_after_s: Some(now_s + 1), ..Scope::ALL };
    let token = world.token_for("k3f9", &soon_over);
    heard_in_time(front.client("acme", &token).await, "User Authentication Expired").await;

    // A key that is retired, and an org that is no more.
    let umbrella = front.client("umbrella", &world.token("m7x2")).await;
    world.orgs.pop();
    world.tell();
    heard_in_time(umbrella, "User Authentication Revoked").await;
    stays.flush().await;
    world.retired_s = Some(now_s);
    world.tell();
    heard_in_time(stays, "User Authentication Revoked").await;
}

#[tokio::test]
async fn a_slug_that_another_org_has_now_is_the_other_org_s() {
    let (broker, mut world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let token = world.token("k3f9");
    let mut old = front.client("acme", &token).await;
    old.send("SUB logs.> 1\r\n").await;
    old.flush().await;
    world.orgs[0].1 = "acme-old".to_owned();
    world.orgs.push((OrgId::new("n0w1").unwrap(), "acme".to_owned()));
    world.tell();
    assert_eq!(front.refusal("acme", &token).await, VIOLATION);
    let mut new = front.client("acme", &world.token("n0w1")).await;
    new.send("SUB > 1\r\n").await;
    new.flush().await;
    front.client("acme-old", &token).await;
    let agent = broker.agent().await;
    agent.publish("o.k3f9.logs.web.lhr.i1", None, b"x").await.unwrap();
    // Whoever was in before the renaming goes on.
    old.expect("MSG logs.web.lhr.i1 1 1\r\nx\r\n").await;
    new.flush().await;
}

#[tokio::test]
async fn without_a_word_from_the_registry_nobody_new_comes_in() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let token = world.token("k3f9");
    let mut inside = front.client("acme", &token).await;
    // Closed without a word: the token may be good, and the client is to try again.
    world.tell_as_of(Instant::now() - Duration::from_secs(301));
    assert_eq!(front.refusal("acme", &token).await, "");
    inside.flush().await;
    world.tell_as_of(Instant::now() - Duration::from_secs(200));
    front.client("acme", &token).await;
    world.forget();
    assert_eq!(front.refusal("acme", &token).await, "");
    inside.flush().await;
}

#[tokio::test]
async fn who_logs_in_twice_stays_who_it_is() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let (acme, umbrella) = (world.token("k3f9"), world.token("m7x2"));
    let mut client = front.client("acme", &acme).await;
    client.send(connect("acme", &acme)).await;
    client.flush().await;
    client.send(connect("umbrella", &umbrella)).await;
    assert_eq!(client.rest().await, VIOLATION);
}

#[tokio::test]
async fn limits_of_orgs_and_addresses() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start_with(&broker, &world, |config| {
        (config.limits.org.connections, config.limits.org.subscriptions) = (2, 3);
        config.limits.connections_per_address = 4;
        config.session.max_subscriptions = 2;
    })
    .await;
    let token = world.token("k3f9");
    let (mut first, mut second) = (front.client("acme", &token).await, front.client("acme", &token).await);
    let full = "-ERR 'maximum account active connections exceeded'\r\n";
    assert_eq!(front.refusal("acme", &token).await, full);
    let mut umbrella = front.client("umbrella", &world.token("m7x2")).await;
    let refused =
        |pattern: &str| format!("-ERR 'Permissions Violation for Subscription to \"{pattern}\"'\r\n");
    first.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n").await;
    first.expect(&refused("c")).await;
    second.send("SUB d 1\r\nSUB e 2\r\n").await;
    second.expect(&refused("e")).await;
    umbrella.send("SUB a 1\r\n").await;
    umbrella.flush().await;
    first.send("UNSUB 1\r\n").await;
    first.flush().await;
    second.send("SUB e 2\r\n").await;
    second.flush().await;
    // Three are open from this address, and so is one more; the next is not even greeted.
    let _fourth = front.greeted().await;
    assert_eq!(Raw::connect(front.address).await.rest().await, "");
}

#[tokio::test]
async fn the_end_is_told_before_it_comes() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start_with(&broker, &world, |config| {
        config.listen.lame_duck.grace = Duration::from_millis(200);
        config.listen.lame_duck.spread = Duration::from_millis(200);
    })
    .await;
    let mut client = front.client("acme", &world.token("k3f9")).await;
    client.send("SUB logs.> 1\r\n").await;
    client.flush().await;
    let agent = broker.agent().await;
    let stopping = tokio::spawn(front.stop());
    let info = client.line().await;
    assert!(info.starts_with("INFO {") && info.contains("\"ldm\":true"), "{info}");
    agent.publish("o.k3f9.logs.web.lhr.i1", None, b"x").await.unwrap();
    client.expect("MSG logs.web.lhr.i1 1 1\r\nx\r\n").await;
    assert_eq!(client.rest().await, "");
    soon(stopping).await.unwrap();
}
