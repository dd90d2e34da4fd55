//! Who hears which line, and what is refused.

use std::collections::BTreeSet;

use access::Scope;
use line::Name;

use crate::support::{Broker, Front, World, connect, options, soon};
use bus::client::{Client, Delivery};
use bus::roles::Role;

const LINE: &str = "o.k3f9.logs.web.lhr.i1";

#[tokio::test]
async fn subjects_lose_the_prefix_of_the_org_and_others_hear_nothing() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let mut acme = front.client("acme", &world.token("k3f9")).await;
    let mut umbrella = front.client("umbrella", &world.token("m7x2")).await;
    for client in [&mut acme, &mut umbrella] {
        // As nats-py writes it.
        client.send("SUB logs.>  1\r\nSUB > x\r\nSUB o.k3f9.> 3\r\n").await;
        client.flush().await;
    }
    let agent = broker.agent().await;
    agent.publish(LINE, None, b"one").await.unwrap();
    agent.publish("o.m7x2.logs.api.ams.i2", None, b"two").await.unwrap();
    agent.flush().await.unwrap();
    for (client, subject, text) in
        [(&mut acme, "logs.web.lhr.i1", "one"), (&mut umbrella, "logs.api.ams.i2", "two")]
    {
        let heard: BTreeSet<_> = [client.message().await, client.message().await].into();
        let wanted = |sid: &str| (format!("MSG {subject} {sid}"), text.as_bytes().to_vec());
        assert_eq!(heard, [wanted("1"), wanted("x")].into());
        client.flush().await;
    }
}

#[tokio::test]
async fn a_token_for_an_app_hears_that_app() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let web = Scope { apps: Some([Name::new("app", "web").unwrap()].into()), ..Scope::ALL };
    let mut client = front.client("acme", &world.token_for("k3f9", &web)).await;
    client.send("SUB logs.> 1\r\nSUB logs.api.> 2\r\nSUB logs.web.> q 3\r\nSUB logs.*.> q 4\r\n").await;
    client.expect("-ERR 'Permissions Violation for Subscription to \"logs.>\"'\r\n").await;
    client.expect("-ERR 'Permissions Violation for Subscription to \"logs.api.>\"'\r\n").await;
    client
        .expect("-ERR 'Permissions Violation for Subscription to \"logs.*.>\" using queue \"q\"'\r\n")
        .await;
    client.flush().await;
    let agent = broker.agent().await;
    agent.publish("o.k3f9.logs.api.lhr.i1", None, b"no").await.unwrap();
    agent.publish(LINE, None, b"yes").await.unwrap();
    client.expect("MSG logs.web.lhr.i1 3 3\r\nyes\r\n").await;
    client.flush().await;
}

#[tokio::test]
async fn clients_only_read() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let reader = Client::start(options(broker.address, Role::Api));
    let mut all = soon(reader.subscribe("o.>", None)).await.unwrap();
    let mut client = front.client("acme", &world.token("k3f9")).await;
    client.send("SUB logs.> 1\r\nSUB _INBOX.a.* 2\r\n").await;
    client.flush().await;
    client.send("PUB logs.web.lhr.i1 _INBOX.a.1 2\r\nhi\r\n").await;
    client.expect("-ERR 'Permissions Violation for Publish to \"logs.web.lhr.i1\"'\r\n").await;
    client
        .send("HPUB _INBOX.a.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB $SYS.REQ.USER.INFO _INBOX.a.1 0\r\n\r\n")
        .await;
    client.expect("-ERR 'Permissions Violation for Publish to \"_INBOX.a.1\"'\r\n").await;
    client.expect("-ERR 'Permissions Violation for Publish to \"$SYS.REQ.USER.INFO\"'\r\n").await;
    client.flush().await;
    let agent = broker.agent().await;
    agent.publish(LINE, None, b"end").await.unwrap();
    let Some(Delivery::Message(message)) = soon(all.next()).await else { panic!("nothing came") };
    assert_eq!(&message.payload[..], b"end");
}

#[tokio::test]
async fn a_pong_says_that_what_was_subscribed_to_is_in_force() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let (agent, token) = (broker.agent().await, world.token("k3f9"));
    let mut client = front.greeted().await;
    client.send(connect("acme", &token)).await;
    for round in 0..50 {
        client.send(format!("SUB logs.web.lhr.i{round} {round}\r\nPING\r\n")).await;
        client.expect("PONG\r\n").await;
        agent.publish(&format!("o.k3f9.logs.web.lhr.i{round}"), None, b"x").await.unwrap();
        client.expect(&format!("MSG logs.web.lhr.i{round} {round} 1\r\nx\r\n")).await;
    }
}

#[tokio::test]
async fn a_subscription_ends_after_so_many_or_at_once_and_begins_again() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let agent = broker.agent().await;
    let mut client = front.client("acme", &world.token("k3f9")).await;
    for queue in ["", "q "] {
        client.send(format!("SUB logs.> {queue}1\r\nUNSUB 1 2\r\n")).await;
        client.flush().await;
        for text in ["a", "b", "c"] {
            agent.publish(LINE, None, text.as_bytes()).await.unwrap();
        }
        agent.flush().await.unwrap();
        client.expect("MSG logs.web.lhr.i1 1 1\r\na\r\nMSG logs.web.lhr.i1 1 1\r\nb\r\n").await;
        client.send(format!("SUB logs.> {queue}1\r\n")).await;
        client.flush().await;
        agent.publish(LINE, None, b"d").await.unwrap();
        client.expect("MSG logs.web.lhr.i1 1 1\r\nd\r\n").await;
        client.send("UNSUB 1\r\n").await;
        client.flush().await;
        agent.publish(LINE, None, b"e").await.unwrap();
        agent.flush().await.unwrap();
        client.flush().await;
    }
}

#[tokio::test]
async fn a_queue_group_is_one_over_two_front_doors() {
    const COUNT: usize = 300;
    let (broker, world) = (Broker::start().await, World::new());
    let fronts = [Front::start(&broker, &world).await, Front::start(&broker, &world).await];
    let mut members = Vec::new();
    for front in [&fronts[0], &fronts[0], &fronts[1]] {
        let mut member = front.client("acme", &world.token("k3f9")).await;
        member.send("SUB logs.> shipper 1\r\n").await;
        member.flush().await;
        members.push(member);
    }
    let agent = broker.agent().await;
    for at in 0..COUNT {
        agent.publish(LINE, None, format!("{at:03}").as_bytes()).await.unwrap();
    }
    agent.publish("o.k3f9.logs.end.lhr.i1", None, b"").await.unwrap();
    agent.flush().await.unwrap();
    // Behind the last one, on the same connection of each front door: then all has come.
    let mut heard = Vec::new();
    for member in &mut members {
        member.send("PING\r\n").await;
        let mut count = 0;
        loop {
            let line = member.line().await;
            if line == "PONG\r\n" {
                break;
            }
            assert!(line.starts_with("MSG "), "{line}");
            let text = member.line().await;
            count += 1;
            heard.push(text);
        }
        assert!(count > COUNT / 10, "{count} of {COUNT} for one of three");
    }
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), COUNT + 1, "each once");
}

/// Lines that were said meanwhile are missing, and a plain close is how any NATS client is told.
#[tokio::test]
async fn the_bus_goes_and_comes_back_and_who_heard_it_is_told() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let token = world.token("k3f9");
    let mut heard = front.client("acme", &token).await;
    heard.send("SUB logs.> 1\r\nSUB logs.web.> q 2\r\n").await;
    heard.flush().await;
    let mut idle = front.client("acme", &token).await;
    let address = broker.stop().await;
    // Made while there is no bus: the PONG comes when the wait for it is over.
    let mut waiting = front.client("acme", &token).await;
    waiting.send("SUB logs.*.lhr.> 3\r\n").await;
    waiting.flush().await;
    let broker = Broker::start_at(address).await;
    assert_eq!(heard.rest().await, "", "a close without a word");
    let mut again = front.client("acme", &token).await;
    again.send("SUB logs.> 1\r\n").await;
    again.flush().await;
    let agent = broker.agent().await;
    agent.publish(LINE, None, b"x").await.unwrap();
    again.expect("MSG logs.web.lhr.i1 1 1\r\nx\r\n").await;
    waiting.expect("MSG logs.web.lhr.i1 3 1\r\nx\r\n").await;
    idle.flush().await;
}

#[tokio::test]
async fn a_tenant_s_thousand_patterns_leave_room_for_others_on_the_bus() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let mut greedy = front.client("acme", &world.token("k3f9")).await;
    let subs: String = (0..1000).map(|at| format!("SUB logs.web.lhr.i{at} {at}\r\n")).collect();
    greedy.send(&subs).await;
    greedy.flush().await;
    let mut other = front.client("umbrella", &world.token("m7x2")).await;
    other.send("SUB logs.> 1\r\n").await;
    other.flush().await;
    let agent = broker.agent().await;
    agent.publish("o.m7x2.logs.api.ams.i2", None, b"x").await.unwrap();
    other.expect("MSG logs.api.ams.i2 1 1\r\nx\r\n").await;
    // What would be no pattern on the bus, with the org in front, is refused here.
    let long = vec!["a"; 15].join(".");
    other.send(format!("SUB {long} 2\r\n")).await;
    other.expect(&format!("-ERR 'Permissions Violation for Subscription to \"{long}\"'\r\n")).await;
    // Wide patterns have a bound of their own.
    let wide: String = (0..130).map(|at| format!("SUB logs.a{at}.> w{at}\r\n")).collect();
    other.send(&wide).await;
    for _ in 0..3 {
        assert!(other.line().await.starts_with("-ERR 'Permissions Violation for Subscription"));
    }
    other.flush().await;
}
