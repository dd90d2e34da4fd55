//! A client that does legal and hostile things, and looks at each byte that it is given.

use std::collections::HashMap;
use std::sync::Arc;

use access::Action;
use bus::codec::{ClientReader, ServerMessage, ServerOp};
use bus::subject;
use bus::sys::{Heartbeat, RecentEnd};
use bytes::BytesMut;
use fastrand::Rng;
use line::Address;
use logway_tests::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::{APPS, INSTANCES, ORGS, REGIONS, Who, World, canary};

/// Words that patterns are made of, besides names.
const WORDS: [&str; 16] = [
    "logs", "logs", "logs", "metrics", "o", "*", "*", ">", "$SYS", "$JS", "_INBOX", "_R_", "logway", "sys",
    "", "a>",
];

/// One that plays session after session, each as somebody else.
pub(super) struct Player {
    world: Arc<World>,
    rng: Rng,
    /// Lines that it was given.
    pub(super) heard: u64,
}

/// A session, as its client sees it.
struct Session {
    who: Who,
    stream: TcpStream,
    unread: BytesMut,
    codec: ClientReader,
    /// What was subscribed to under each sid.
    patterns: HashMap<String, Vec<String>>,
    heard: u64,
}

impl Player {
    pub(super) fn new(world: Arc<World>, rng: Rng) -> Self {
        Self { world, rng, heard: 0 }
    }

    /// Plays a session to its end; gives how many operations it had.
    pub(super) async fn session(&mut self) -> u64 {
        let rng = &mut self.rng;
        let mut who = self.world.somebody(rng);
        let is_liar = rng.u8(..10) == 0;
        if is_liar {
            who.slug =
                pick(rng, &["acme", "umbrella", "initech", "hooli", "nobody", ORGS[0], ORGS[1], ORGS[2]]);
        }
        let stream = TcpStream::connect(self.world.address).await.unwrap();
        let (unread, codec, patterns) = (BytesMut::new(), ClientReader::default(), HashMap::new());
        let mut session = Session { who, stream, unread, codec, patterns, heard: 0 };
        let connect = session.connect_line(rng);
        let mut count = 1;
        // Refused, if its slug was never its own or is no longer.
        let mut goes_on = session.send_in_pieces(rng, connect.as_bytes()).await && session.barrier().await;
        let rounds = rng.usize(1..20);
        for _ in 0..rounds {
            if !goes_on {
                break;
            }
            let mut bytes = Vec::new();
            for _ in 0..rng.usize(1..20) {
                session.operation(rng, &self.world, &mut bytes);
                count += 1;
            }
            goes_on = session.send_in_pieces(rng, &bytes).await && session.barrier().await;
        }
        self.heard += session.heard;
        count
    }
}

fn pick(rng: &mut Rng, of: &[&str]) -> String {
    of[rng.usize(..of.len())].to_owned()
}

/// Anything from what a client would write to what nobody should.
fn any_pattern(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0..4 => {
            let token =
                |rng: &mut Rng, names: &[&str]| if rng.bool() { "*".to_owned() } else { pick(rng, names) };
            let (app, region) = (token(rng, &APPS), token(rng, &REGIONS));
            format!("logs.{app}.{region}.{}", token(rng, &INSTANCES))
        }
        4 => format!("logs.{}.>", pick(rng, &APPS)),
        5 => pick(rng, &["logs.>", ">", "*.>", "logs.*.>", "logway.marks", "_INBOX.>", "_INBOX.a.*"]),
        6 => {
            let org = pick(rng, &ORGS);
            format!("o.{org}.{}", pick(rng, &[">", "logs.>", "logs.web.lhr.i1", "*.*.*.*"]))
        }
        _ => {
            let count = rng.usize(1..7);
            let all: Vec<String> = (0..count)
                .map(|_| match rng.u8(..4) {
                    0 => pick(rng, &APPS),
                    1 => pick(rng, &ORGS),
                    _ => pick(rng, &WORDS),
                })
                .collect();
            all.join(".")
        }
    }
}

impl Session {
    fn connect_line(&self, rng: &mut Rng) -> String {
        let json = serde_json::json!({
            "verbose": rng.u8(..8) == 0, "pedantic": rng.u8(..8) == 0, "headers": true, "no_responders": true,
            "user": self.who.slug, "pass": self.who.token, "name": self.who.org,
        });
        format!("CONNECT {json}\r\n")
    }

    /// One thing that a client may do, or may not.
    fn operation(&mut self, rng: &mut Rng, world: &World, bytes: &mut Vec<u8>) {
        let sid = rng.u8(..12).to_string();
        let text = match rng.u8(..40) {
            0..18 => {
                let pattern = any_pattern(rng);
                self.patterns.entry(sid.clone()).or_default().push(pattern.clone());
                let queue =
                    if rng.u8(..4) == 0 { pick(rng, &["q ", "$SYS ", "q.* "]) } else { String::new() };
                format!("SUB {pattern} {queue}{sid}\r\n")
            }
            18..25 => format!("UNSUB {sid}\r\n"),
            25..28 => format!("UNSUB {sid} {}\r\n", rng.u8(..5)),
            28..31 => {
                let org = pick(rng, &ORGS);
                let request = match rng.u8(..3) {
                    0 => format!("{{\"org\":\"{org}\"}}"),
                    1 => format!("{{\"org\":\"{org}\",\"app\":\"{}\"}}", pick(rng, &APPS)),
                    _ => format!(
                        "{{\"org\":\"{org}\",\"app\":\"web.lhr\",\"region\":\"*\",\"instance\":\">\"}}"
                    ),
                };
                let inbox =
                    pick(rng, &["_INBOX.a.1", "_INBOX.b", "logs.web.lhr.i1", "o.k3f9q.logs.web.lhr.i1"]);
                format!("PUB logway.recent {inbox} {}\r\n{request}\r\n", request.len())
            }
            31..36 => {
                let (org, app) = (pick(rng, &ORGS), pick(rng, &APPS));
                let subject = match rng.u8(..5) {
                    0 => format!("logs.{app}.lhr.i1"),
                    1 => format!("o.{org}.logs.{app}.lhr.i1"),
                    2 => "sys.recent".to_owned(),
                    3 => "_INBOX.proxy.1".to_owned(),
                    _ => any_pattern(rng),
                };
                format!("PUB {subject} 6\r\nforged\r\n")
            }
            36 => "PING\r\n".to_owned(),
            // Its own login again, which changes nothing.
            37 => self.connect_line(rng),
            // Somebody else's, after which it is cut.
            38 if rng.u8(..10) == 0 => {
                let other = world.somebody(rng);
                format!("CONNECT {{\"user\":\"{}\",\"pass\":\"{}\"}}\r\n", other.slug, other.token)
            }
            39 if rng.u8(..10) == 0 => {
                pick(rng, &["MSG o.m7x2v.a 1 2\r\nhi\r\n", "SUB\r\n", "\r\n", "PUB a -1\r\n", "INFO {}\r\n"])
            }
            _ => "+OK\r\n".to_owned(),
        };
        bytes.extend_from_slice(text.as_bytes());
    }

    /// `false` if the front door has closed.
    async fn send_in_pieces(&mut self, rng: &mut Rng, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = if rng.u8(..4) == 0 { rng.usize(1..=rest.len()) } else { rest.len() };
            if self.stream.write_all(&rest[..count]).await.is_err() {
                return false;
            }
            rest = &rest[count..];
        }
        true
    }

    /// Looks at all that comes up to the answer to a PING. `false` if the front door closes before.
    async fn barrier(&mut self) -> bool {
        if self.stream.write_all(b"PING\r\n").await.is_err() {
            return false;
        }
        loop {
            let mut is_answered = false;
            while let Some(op) = self.codec.next(&mut self.unread).expect("the front door speaks NATS") {
                match op {
                    ServerOp::Pong => is_answered = true,
                    ServerOp::Msg(message) => self.look_at(&message),
                    ServerOp::Info(json) => self.look_for_foreign(&json),
                    ServerOp::Ping | ServerOp::Ok | ServerOp::Err(_) => {}
                }
            }
            // It may be the answer to an earlier one; what comes behind is looked at the next time.
            if is_answered {
                return true;
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread)).await.expect("an answer");
            if !read.is_ok_and(|count| count > 0) {
                return false;
            }
        }
    }

    fn look_for_foreign(&self, bytes: &[u8]) {
        for org in ORGS.into_iter().filter(|org| *org != self.who.org) {
            let found = bytes.windows(org.len()).any(|window| window == org.as_bytes());
            assert!(!found, "{:?} is given {}", self.who, String::from_utf8_lossy(bytes));
        }
    }

    fn look_at(&mut self, message: &ServerMessage) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.look_for_foreign(&message.payload);
        let (subject, sid) = (text(&message.subject), text(&message.sid));
        assert!(!subject.starts_with("o."), "{:?} sees the inside: {subject}", self.who);
        let patterns = self.patterns.get(&sid).map_or(&[][..], Vec::as_slice);
        let is_asked =
            patterns.iter().any(|pattern| subject::matches(pattern.as_bytes(), subject.as_bytes()));
        assert!(is_asked, "{:?} is given {subject} on {sid}, which was {patterns:?}", self.who);
        if subject == proxy::MARKS {
            let beat: Heartbeat = serde_json::from_slice(&message.payload).unwrap();
            for mark in beat.marks {
                self.may_read(&mark.org, &mark.app, &mark.region, &mark.mark.instance);
            }
        } else if message.headers.is_none() && serde_json::from_slice::<RecentEnd>(&message.payload).is_err()
        {
            let payload = text(&message.payload);
            let parts: Vec<&str> = payload.trim_matches(['<', '>']).split('|').collect();
            let [org, app, region, instance] = parts[..] else { panic!("{payload}") };
            assert_eq!(payload, canary(org, app, region, instance));
            // An answer to a question that named nothing is about all; the scope then was.
            self.may_read(org, app, region, instance);
            if subject.starts_with("logs.") && !subject.starts_with("logs.web.lhr.i1") {
                assert_eq!(subject, format!("logs.{app}.{region}.{instance}"));
            }
        }
        self.heard += 1;
    }

    fn may_read(&self, org: &str, app: &str, region: &str, instance: &str) {
        let address = Address::from_key(&format!("{org}.{app}.{region}.{instance}")).unwrap();
        let may = org == self.who.org && self.who.scope.allows(Action::Read, &address, 1);
        assert!(may, "{:?} is given a line of {org}: {app} {region} {instance}", self.who);
    }
}
