//! Questions for recent lines: who may ask what, and what becomes of answers.

use access::Scope;
use bus::client::{Client, Delivery};
use bus::sys::{self, EndOfRecent, Page, RecentEnd, RecentRequest};
use line::Name;

use crate::support::{Broker, Front, World, soon};

/// An agent that answers each question with so many messages, which say what was asked, and an end.
async fn answering(broker: &Broker, count: usize, bytes: usize) -> Client {
    let agent = broker.agent().await;
    let mut questions = soon(agent.subscribe(sys::RECENT, None)).await.unwrap();
    let answering = agent.clone();
    tokio::spawn(async move {
        while let Some(Delivery::Message(message)) = questions.next().await {
            let request: RecentRequest = serde_json::from_slice(&message.payload).unwrap();
            let reply = String::from_utf8(message.reply.unwrap().to_vec()).unwrap();
            let text = format!("{} {:?} ", request.org, request.app);
            for _ in 0..count {
                let payload = text.clone() + &"x".repeat(bytes);
                let _ = answering.publish(&reply, None, payload.as_bytes()).await;
            }
            let end = EndOfRecent { host: "h".to_owned(), sent: count as u64, ..EndOfRecent::default() };
            let end = serde_json::to_vec(&RecentEnd { end }).unwrap();
            let _ = answering.publish(&reply, None, &end).await;
        }
    });
    agent
}

fn ask(request: &str) -> String {
    format!("PUB logway.recent _INBOX.a.1 {}\r\n{request}\r\n", request.len())
}

#[tokio::test]
async fn whose_lines_a_question_is_about_the_front_door_says() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let _agent = answering(&broker, 1, 1).await;
    let web = Scope { apps: Some([Name::new("app", "web").unwrap()].into()), ..Scope::ALL };
    let mut whole = front.client("acme", &world.token("k3f9")).await;
    let mut part = front.client("acme", &world.token_for("k3f9", &web)).await;
    let refused = "-ERR 'Permissions Violation for Publish to \"logway.recent\"'\r\n";
    for client in [&mut whole, &mut part] {
        // Without an inbox of its own nobody is asked.
        client.send(ask(r#"{"org":"k3f9","app":"web"}"#)).await;
        client.expect(refused).await;
        client.send("SUB _INBOX.a.* 1\r\n").await;
        client.send(ask(r#"{"org":"m7x2","app":"web"}"#)).await;
        let (head, payload) = client.message().await;
        assert_eq!((&*head, &payload[..]), ("MSG _INBOX.a.1 1", &br#"k3f9 Some("web") x"#[..]));
        client.message().await;
        for bad in [
            "",
            "{",
            "[]",
            r#"{"org":"k3f9","app":"web.lhr"}"#,
            r#"{"org":"k3f9","app":">"}"#,
            r#"{"org":"k3f9","region":"*"}"#,
        ] {
            client.send(ask(bad)).await;
            client.expect(refused).await;
        }
    }
    for (request, is_allowed) in [(r#"{"org":""}"#, false), (r#"{"org":"","app":"api"}"#, false)] {
        part.send(ask(request)).await;
        part.expect(refused).await;
        whole.send(ask(request)).await;
        assert!(whole.message().await.0.starts_with("MSG _INBOX.a.1") && !is_allowed);
        whole.message().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_does_not_read_holds_up_nobody() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    // More than waits for anybody.
    let _agent = answering(&broker, 15, 900_000).await;
    let mut deaf = front.client("acme", &world.token("k3f9")).await;
    deaf.send("SUB _INBOX.a.* 1\r\n").await;
    for _ in 0..4 {
        deaf.send(ask(r#"{"org":""}"#)).await;
    }
    let mut other = front.client("umbrella", &world.token("m7x2")).await;
    other.send("SUB _INBOX.a.* 1\r\n").await;
    other.send(ask(r#"{"org":""}"#)).await;
    for _ in 0..15 {
        assert_eq!(other.message().await.1.len(), 900_000 + "m7x2 None ".len());
    }
    let (_, end) = other.message().await;
    assert!(serde_json::from_slice::<RecentEnd>(&end).is_ok());
    other.flush().await;
}

#[tokio::test]
async fn a_question_that_was_answered_makes_room_for_the_next() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start(&broker, &world).await;
    let _agent = answering(&broker, 1, 1).await;
    let mut client = front.client("acme", &world.token("k3f9")).await;
    let page = Some(Page { host: "h".to_owned(), from: "x".to_owned() });
    let request = serde_json::to_string(&RecentRequest { page, ..RecentRequest::default() }).unwrap();
    for _ in 0..50 {
        // An inbox for two answers, as request-reply clients have it.
        client.send("SUB _INBOX.a.* 1\r\nUNSUB 1 2\r\n").await;
        client.send(ask(&request)).await;
        client.message().await;
        client.message().await;
        client.flush().await;
    }
}
