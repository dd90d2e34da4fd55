//! A front door that is stopped and started again while a thousand clients are at it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Broker, Front, World, connect, many_files, soon};

/// Clients; each tenth has a token of its own.
const CLIENTS: usize = 1000;
/// Addresses that they come from.
const ADDRESSES: usize = 5;
/// Of each hundred clients ten are a queue group.
const GROUPS: usize = CLIENTS / 100;
/// How often a line is heard: by each client that is in no group, and once in each group.
const READERS: u32 = 910;
/// How long a client waits before it comes again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What one client does, and what it hears in each of its sessions.
struct Client {
    number: usize,
    front: SocketAddr,
    token: String,
    /// Told when it has subscribed, each time.
    is_in: mpsc::Sender<usize>,
    /// Gets a permit for each line that it hears.
    heard: Arc<Semaphore>,
    /// No session comes after this one.
    is_over: watch::Receiver<bool>,
}

impl Client {
    /// Its group, if it is in one.
    const fn group(number: usize) -> Option<usize> {
        if number % 100 < 10 { Some(number / 100) } else { None }
    }

    fn subscription(&self) -> String {
        match (Self::group(self.number), self.number % 3) {
            (Some(group), _) => format!("SUB logs.> q{group} 1\r\n"),
            (None, 0) => "SUB logs.> 1\r\n".to_owned(),
            (None, 1) => "SUB logs.web.*.> 1\r\n".to_owned(),
            (None, _) => "SUB > 7\r\nSUB logs.web.lhr.i1 1\r\nUNSUB 7\r\n".to_owned(),
        }
    }

    /// Comes again and again, as clients do, until all is over. The lines of each session in which it was let in.
    async fn run(self) -> Vec<Vec<String>> {
        let mut sessions = Vec::new();
        loop {
            match self.session().await {
                Some(lines) => sessions.push(lines),
                None => sleep(AGAIN_AFTER).await,
            }
            if *self.is_over.borrow() {
                return sessions;
            }
        }
    }

    /// One session: what it heard until the front door closed, or said that it is about to. `None` if it was not let in.
    async fn session(&self) -> Option<Vec<String>> {
        let address = Ipv4Addr::new(127, 0, 0, u8::try_from(10 + self.number % ADDRESSES).unwrap());
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let mut stream = BufReader::new(soon(socket.connect(self.front)).await.ok()?);
        let hello = format!("{}{}PING\r\n", connect("acme", &self.token), self.subscription());
        soon(stream.write_all(hello.as_bytes())).await.ok()?;
        let (mut lines, mut is_in) = (Vec::new(), false);
        loop {
            let mut line = String::new();
            let count = stream.read_line(&mut line).await.unwrap_or(0);
            let line = line.trim_end();
            match line.split(' ').next().unwrap_or_default() {
                // Some clients go when they are told to, others stay as long as they may.
                "INFO" if line.contains("\"ldm\":true") && self.number.is_multiple_of(2) && is_in => {
                    return Some(lines);
                }
                "INFO" | "MSG" => {}
                "PONG" => {
                    is_in = true;
                    self.is_in.send(self.number).await.unwrap();
                }
                _ if count == 0 => return is_in.then_some(lines),
                "-ERR" => panic!("{line}"),
                _ => {
                    lines.push(line.to_owned());
                    self.heard.add_permits(1);
                }
            }
        }
    }
}

/// Lets so many clients say that they are in.
async fn all_in(is_in: &mut mpsc::Receiver<usize>) {
    let mut who = std::collections::BTreeSet::new();
    while who.len() < CLIENTS {
        who.insert(soon(is_in.recv()).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thousand_clients_come_back_to_a_front_door_that_was_restarted() {
    many_files();
    let (broker, world) = (Broker::start().await, World::new());
    // The usual limits of addresses: what all come back with at once is within them.
    let change = |config: &mut proxy::Config| {
        config.limits = proxy::Limits::default();
        config.limits.org.connections = 2000;
        (config.listen.lame_duck.grace, config.listen.lame_duck.spread) =
            (Duration::from_millis(100), Duration::from_millis(400));
    };
    let front = Front::start_with(&broker, &world, change).await;
    let (said, mut is_in) = mpsc::channel(CLIENTS);
    let (heard, over) = (Arc::new(Semaphore::new(0)), watch::Sender::new(false));
    let token = world.token("k3f9");
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let token = if number % 10 == 5 { world.token("k3f9") } else { token.clone() };
        let (is_in, is_over) = (said.clone(), over.subscribe());
        let heard = Arc::clone(&heard);
        let client = Client { number, front: front.address, token, is_in, heard, is_over };
        clients.spawn(async move { (number, client.run().await) });
    }
    let agent = broker.agent().await;
    let say = async |text: &str| {
        agent.publish("o.k3f9.logs.web.lhr.i1", None, text.as_bytes()).await.unwrap();
        agent.flush().await.unwrap();
    };
    let all_hear = async || soon(heard.acquire_many(READERS)).await.unwrap().forget();
    all_in(&mut is_in).await;
    say("before").await;
    all_hear().await;
    let address = front.address;
    front.stop().await;
    say("between").await;
    let listener = TcpListener::bind(address).await.unwrap();
    let front = Front::start_on(listener, &broker, &world, change).await;
    all_in(&mut is_in).await;
    for text in ["after", "at the end"] {
        say(text).await;
        all_hear().await;
    }
    over.send_replace(true);
    front.stop().await;

    let mut of_groups = vec![Vec::new(); GROUPS];
    while let Some(ended) = soon(clients.join_next()).await {
        let (number, mut sessions) = ended.unwrap();
        assert_eq!(sessions.len(), 2, "client {number}");
        match Client::group(number) {
            None => assert_eq!(sessions, [vec!["before"], vec!["after", "at the end"]], "client {number}"),
            Some(group) => of_groups[group].extend(sessions.drain(..).flatten()),
        }
    }
    for (group, mut lines) in of_groups.into_iter().enumerate() {
        lines.sort_unstable();
        assert_eq!(
            lines,
            ["after", "at the end", "before"],
            "group {group}: each line to one of its members"
        );
    }
}
