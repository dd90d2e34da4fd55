//! Messages that come from the bus in one piece, for several who listen differently.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use crate::support::{Front, Raw, World, connect, soon};

/// What the bus is told of: a subscription with its id and whom to write to, or a connection that ended.
enum Told {
    Sub { pattern: String, sid: String, writer: Arc<Mutex<OwnedWriteHalf>> },
    Closed { had_subs: bool },
}

/// A bus that says what it is told to say.
struct Bus {
    address: SocketAddr,
    told: mpsc::Receiver<Told>,
}

impl Bus {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel(1000);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tell.clone()));
            }
        });
        Self { address, told }
    }

    /// The ids of the subscriptions to these patterns, and whom to write to.
    async fn subs<const N: usize>(
        &mut self,
        patterns: [&str; N],
    ) -> ([String; N], Arc<Mutex<OwnedWriteHalf>>) {
        let mut found = HashMap::new();
        loop {
            let Told::Sub { pattern, sid, writer } = soon(self.told.recv()).await.unwrap() else { continue };
            found.insert(pattern, sid);
            if patterns.iter().all(|pattern| found.contains_key(*pattern)) {
                return (patterns.map(|pattern| found[pattern].clone()), writer);
            }
        }
    }
}

async fn serve(stream: TcpStream, tell: mpsc::Sender<Told>) {
    let (reader, mut writer) = stream.into_split();
    writer.write_all(b"INFO {\"max_payload\":1048576}\r\n").await.unwrap();
    let writer = Arc::new(Mutex::new(writer));
    let (mut lines, mut had_subs) = (BufReader::new(reader).lines(), false);
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["PING"] => _ = writer.lock().await.write_all(b"PONG\r\n").await,
            ["SUB", pattern, sid] => {
                let (pattern, sid) = (pattern.to_owned(), sid.to_owned());
                had_subs |= pattern.starts_with("o.k3f9.");
                tell.send(Told::Sub { pattern, sid, writer: Arc::clone(&writer) }).await.unwrap();
            }
            _ => {}
        }
    }
    // The test may be over.
    let _ = tell.send(Told::Closed { had_subs }).await;
}

async fn without_headers(front: &Front, token: &str) -> Raw {
    let mut raw = front.greeted().await;
    // Without headers there is no word that nobody heard a request.
    let mut hello = connect("acme", token);
    for key in ["headers", "no_responders"] {
        hello = hello.replace(&format!("\"{key}\":true"), &format!("\"{key}\":false"));
    }
    raw.send(hello).await;
    raw.flush().await;
    raw
}

const HEADERS: &str = "NATS/1.0\r\nK: v\r\n\r\n";

/// A message with these words before the sizes of its payload, with headers or without.
fn frame(words: &str, headers: bool, payload: &str) -> String {
    let total = payload.len() + if headers { HEADERS.len() } else { 0 };
    if headers {
        format!("HMSG {words} {} {total}\r\n{HEADERS}{payload}\r\n", HEADERS.len())
    } else {
        format!("MSG {words} {total}\r\n{payload}\r\n")
    }
}

#[tokio::test]
async fn each_hears_what_it_asked_for_in_order() {
    let (mut bus, world) = (Bus::start().await, World::new());
    let (front, ready) = Front::start_unready(bus.address, &world, |_| {}).await;
    soon(ready).await.unwrap();
    let token = world.token("k3f9");
    let mut plain = front.client("acme", &token).await;
    let mut like_it = front.client("acme", &token).await;
    let mut other_id = without_headers(&front, &token).await;
    let mut seven = front.client("acme", &token).await;
    let mut narrow = front.client("acme", &token).await;
    for (client, verbs) in [
        (&mut plain, "SUB logs.> 1\r\n"),
        (&mut like_it, "SUB logs.> 1\r\n"),
        (&mut other_id, "SUB logs.> second\r\n"),
        (&mut seven, "SUB logs.> 1\r\nUNSUB 1 7\r\n"),
        (&mut narrow, "SUB logs.web.> 1\r\n"),
    ] {
        client.send(verbs).await;
        client.flush().await;
    }
    let ([all, web], writer) = bus.subs(["o.k3f9.logs.>", "o.k3f9.logs.web.>"]).await;

    let (mut said, mut heard) = (String::new(), [const { String::new() }; 4]);
    for number in 0..400 {
        let (headers, app) = (number % 5 == 0, ["web", "api", "api"][number % 3]);
        // From nothing to more than fits with others: bounds fall everywhere.
        let payload = format!("{number:0width$}", width = number * number % 1999);
        let subject = format!("logs.{app}.lhr.i{}", number % 2);
        said += &frame(&format!("o.k3f9.{subject} {all}"), headers, &payload);
        heard[0] += &frame(&format!("{subject} 1"), headers, &payload);
        heard[1] += &frame(&format!("{subject} second"), false, &payload);
        if number < 7 {
            heard[2] += &frame(&format!("{subject} 1"), headers, &payload);
        }
        if app == "web" {
            said += &frame(&format!("o.k3f9.{subject} {web}"), headers, &payload);
            heard[3] += &frame(&format!("{subject} 1"), headers, &payload);
        }
    }
    soon(async { writer.lock().await.write_all(said.as_bytes()).await }).await.unwrap();
    for (client, heard) in [
        (&mut plain, &heard[0]),
        (&mut like_it, &heard[0]),
        (&mut other_id, &heard[1]),
        (&mut seven, &heard[2]),
        (&mut narrow, &heard[3]),
    ] {
        client.expect(heard).await;
        client.flush().await;
    }
}

#[tokio::test]
async fn behind_a_message_of_another_org_nothing_more_is_taken() {
    for foreign in ["o.m7x2.logs.web.lhr.i1", "o.k3f9.metrics.web", "o.k3f9", "o.k3f99.logs.web.lhr.i1"] {
        let (mut bus, world) = (Bus::start().await, World::new());
        let (front, ready) = Front::start_unready(bus.address, &world, |_| {}).await;
        soon(ready).await.unwrap();
        let mut client = front.client("acme", &world.token("k3f9")).await;
        client.send("SUB logs.> 1\r\n").await;
        client.flush().await;
        let ([sid], writer) = bus.subs(["o.k3f9.logs.>"]).await;
        let good = |payload| frame(&format!("o.k3f9.logs.web.lhr.i1 {sid}"), false, payload);
        soon(async { writer.lock().await.write_all(good("1").as_bytes()).await }).await.unwrap();
        client.expect("MSG logs.web.lhr.i1 1 1\r\n1\r\n").await;
        let said = [good("2"), frame(&format!("{foreign} {sid}"), false, "no"), good("3")].concat();
        soon(async { writer.lock().await.write_all(said.as_bytes()).await }).await.unwrap();
        while !matches!(soon(bus.told.recv()).await, Some(Told::Closed { had_subs: true })) {}
        // The connection to the bus is another one, and who heard something over the one before is told so by a close.
        let heard = client.rest().await;
        assert!(["", "MSG logs.web.lhr.i1 1 1\r\n2\r\n"].contains(&&*heard), "{foreign}: {heard:?}");
    }
}
