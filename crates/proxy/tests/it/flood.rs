//! Floods of wrong logins: who has a good token gets in beside them, and who is in loses nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use access::Scope;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::support::{Broker, Front, Raw, World, connect, many_files, soon};

/// Wrong logins of a flood.
const WRONG: usize = 10_000;
/// So many of them at one time: more than may wait for their check.
const AT_ONCE: usize = 400;
/// As crates/proxy/src/logins.rs has it: so many of a flood are looked at in a second.
const MAX_SUSPECTS: u64 = 256;
const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

/// Tokens that are all different, and none of them good: text, another's signature, and a time that is over.
fn wrong_tokens(world: &World) -> Vec<String> {
    let stranger = World::new();
    let over = Scope { not_after_s: Some(1), ..Scope::ALL };
    let make = |number: usize| match number % 10 {
        0 => stranger.token("k3f9"),
        1 => world.token_for("k3f9", &over),
        2 => format!("lw1_{number}{}", stranger.token("k3f9")),
        _ => format!("secret-{number}"),
    };
    (0..WRONG).map(make).collect()
}

async fn from(address: Ipv4Addr, front: SocketAddr) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Raw::over(soon(socket.connect(front)).await.unwrap())
}

/// What somebody hears who logs in so from there, after the greeting; nothing if it is not even greeted.
async fn answer(address: Ipv4Addr, front: SocketAddr, token: &str) -> String {
    let mut raw = from(address, front).await;
    let mut bytes = connect("acme", token).into_bytes();
    bytes.extend_from_slice(b"PING\r\n");
    // It may be closed before it is read: then there is nothing to write to, and a reset to read.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &bytes).await;
    let mut heard = Vec::new();
    let _ = soon(raw.stream.read_to_end(&mut heard)).await;
    let heard = String::from_utf8(heard).unwrap();
    heard.split_once("\r\n").map_or(String::new(), |(_, rest)| rest.to_owned())
}

/// Logs in with each of `tokens` from one of `addresses`, as fast as that goes. How many were told that they are wrong.
fn flood(front: SocketAddr, tokens: Vec<String>, addresses: &'static [u8]) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let (tokens, next, told) =
            (Arc::new(tokens), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for worker in 0..AT_ONCE {
            let (tokens, next, told) = (Arc::clone(&tokens), Arc::clone(&next), Arc::clone(&told));
            tasks.spawn(async move {
                while let Some(token) = tokens.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = answer(here(addresses[worker % addresses.len()]), front, token).await;
                    assert!(answer.is_empty() || answer == VIOLATION, "{answer}");
                    told.fetch_add(u64::from(!answer.is_empty()), Ordering::Relaxed);
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        told.load(Ordering::Relaxed)
    })
}

/// A figure of a front door.
fn figure(figures: &proxy::Figures, name: &str) -> u64 {
    let text = figures.text();
    let row = text.lines().find_map(|row| row.strip_prefix(&format!("logway_proxy_{name} ")));
    row.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Where wrong logins come from, and where good ones.
struct Case {
    wrong: &'static [u8],
    good: u8,
    /// How fast an address may connect.
    connects_per_s: u32,
}

const fn here(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

async fn floods(case: Case) {
    many_files();
    let (broker, world) = (Broker::start().await, World::new());
    let mut figures = Arc::default();
    let front = Front::start_with(&broker, &world, |config| {
        (config.limits.connects_per_s, config.limits.org.connections) = (case.connects_per_s, 10_000);
        figures = Arc::clone(&config.figures);
    })
    .await;
    let (wrong, token) = (wrong_tokens(&world), world.token("k3f9"));
    let mut reader = front.client("acme", &token).await;
    reader.send("SUB logs.> 1\r\n").await;
    reader.flush().await;
    let agent = broker.agent().await;
    let begun = Instant::now();
    let flooding = flood(front.address, wrong, case.wrong);
    let (mut number, mut newcomers): (u64, u64) = (0, 0);
    while !flooding.is_finished() || newcomers < 10 {
        number += 1;
        let line = number.to_string();
        agent.publish("o.k3f9.logs.web.lhr.i1", None, line.as_bytes()).await.unwrap();
        assert_eq!(reader.message().await.1, line.as_bytes(), "each line, and in order");
        if newcomers < 200 {
            // With a token that was never seen. A login that is closed without a word would panic.
            let mut raw = from(here(case.good), front.address).await;
            assert!(raw.line().await.starts_with("INFO "));
            raw.send(connect("acme", &world.token("k3f9"))).await;
            raw.flush().await;
            newcomers += 1;
        }
    }
    let told = flooding.await.unwrap();
    assert!(told > 0);
    // What is looked at: a few of each address before it is suspect, and then so many each second.
    let (checked, seconds) = (figure(&figures, "checked_logins_total"), begun.elapsed().as_secs() + 2);
    let most = newcomers + 1 + 6 * case.wrong.len() as u64 + MAX_SUSPECTS * seconds;
    assert!(checked <= most, "{checked} were looked at, and {most} may be in {seconds} s");
    assert!(
        checked > told + newcomers,
        "{checked}, {told} told, {newcomers} let in: each token is another one"
    );
    // Who comes from where the flood came from is let in too, once that is over.
    let mut raw = loop {
        let raw = from(here(case.wrong[0]), front.address).await;
        // Closed without a greeting, one comes again.
        if soon(raw.stream.peek(&mut [0])).await.is_ok_and(|count| count > 0) {
            break raw;
        }
    };
    assert!(raw.line().await.starts_with("INFO "));
    raw.send(connect("acme", &world.token("k3f9"))).await;
    raw.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wrong_logins_from_several_addresses() {
    floods(Case { wrong: &[2, 3, 4, 5], good: 1, connects_per_s: 10_000 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wrong_logins_from_one_address() {
    floods(Case { wrong: &[9], good: 1, connects_per_s: 10_000 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wrong_logins_from_one_address_that_may_connect_so_fast() {
    floods(Case { wrong: &[9], good: 1, connects_per_s: 20 }).await;
}
