//! The embedded broker does what a real nats-server does: the same verbs, the same answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use bus::broker::{self, Config, User};
use bus::client::Credentials;
use bus::codec::{ClientReader, ServerOp};
use bus::roles::{Role, nats_conf};
use bytes::BytesMut;
use logway_tests::{DEADLINE, NatsServer, NatsVersion};

/// Who takes part, and what each says of itself. All have the password `secret`.
const CLIENTS: [(Role, &str); 4] = [
    (Role::Api, r#""headers":true,"no_responders":true"#),
    (Role::Agent, r#""headers":true"#),
    (Role::Agent, r#""echo":false"#),
    (Role::Store, r#""headers":true"#),
];

/// A connection that is waited for after each verb, so that nothing depends on who is faster.
struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    codec: ClientReader,
    heard: Vec<String>,
}

impl Client {
    fn connect(address: SocketAddr, role: Role, more: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client =
            Self { stream, buffer: BytesMut::new(), codec: ClientReader::default(), heard: Vec::new() };
        client.say(&format!(
            "CONNECT {{\"verbose\":false,\"user\":\"{role}\",\"pass\":\"secret\",{more}}}\r\n"
        ));
        client
    }

    /// Sends verbs, and reads up to the PONG behind them.
    fn say(&mut self, verbs: &str) {
        self.stream.write_all(format!("{verbs}PING\r\n").as_bytes()).unwrap();
        loop {
            match self.codec.next(&mut self.buffer).unwrap() {
                Some(ServerOp::Pong) => return,
                Some(op) => self.heard.extend(told(&op)),
                None => {
                    let mut bytes = [0; 4096];
                    let count = self.stream.read(&mut bytes).unwrap();
                    assert!(count > 0, "closed after {:?}", self.heard);
                    self.buffer.extend_from_slice(&bytes[..count]);
                }
            }
        }
    }
}

/// What of a verb must be the same everywhere: not which member of a group got a message, and of a 503 only that it is one.
fn told(op: &ServerOp) -> Option<String> {
    match op {
        ServerOp::Msg(message) => {
            let is_503 = message.headers.as_ref().is_some_and(|block| block.starts_with(b"NATS/1.0 503"));
            let headers = if is_503 { Some("503".into()) } else { message.headers.clone() };
            let (subject, reply, payload) = (&message.subject, &message.reply, &message.payload);
            Some(format!("{subject:?} {reply:?} {headers:?} {payload:?}"))
        }
        ServerOp::Err(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

/// One verb that a client may send. It asks for answers in its own inbox: in others' the embedded broker takes none.
fn verb(dice: &mut Dice, who: usize, number: usize) -> String {
    let role = CLIENTS[who].0;
    let subjects = [
        "o.k.logs.web.lhr.i",
        "o.k.logs.web",
        "o.j.logs.web.lhr.i",
        "sys.recent",
        "sys.hb.lhr.h1",
        "sys.append.1",
        "_INBOX.api.1",
        "_INBOX.agent.1",
        "x",
    ];
    let patterns = [
        "o.>",
        "o.*.logs.>",
        "o.k.logs.*.lhr.*",
        "o.k.logs.web",
        "sys.recent",
        "sys.hb.>",
        "sys.append.*",
        "_INBOX.api.*",
        "_INBOX.agent.>",
        "_INBOX.store.1",
        ">",
        "o.k.logs.web.lhr.i",
        "sys.registry",
    ];
    let sid = dice.roll(6);
    match dice.roll(10) {
        0..=2 => format!("SUB {} {sid}\r\n", dice.one_of(&patterns)),
        // The members of a group are of one client, and no maximum is set for them: who gets what is a matter of chance.
        3 => format!("SUB {} {}-{who} q{sid}\r\n", dice.one_of(&patterns), dice.one_of(&["red", "blue"])),
        4 => format!("UNSUB {sid}{}\r\n", dice.one_of(&["", " 1", " 2", " 5", " 0", " -1"])),
        5 => format!("UNSUB q{sid}\r\n"),
        6 => format!("HPUB {} 17 22\r\nNATS/1.0\r\nK:v\r\n\r\n{number:05}\r\n", dice.one_of(&subjects)),
        7 => {
            let subject = dice.one_of(&["sys.recent", "sys.append.1", "o.k.logs.web"]);
            format!("PUB {subject} _INBOX.{role}.1 5\r\n{number:05}\r\n")
        }
        _ => format!("PUB {} 005\r\n{number:05}\r\n", dice.one_of(&subjects)),
    }
}

/// Plays one game and gives what each client heard: in order, but for messages between the same two verbs.
fn play(address: SocketAddr, seed: u64) -> Vec<Vec<String>> {
    let mut dice = Dice(seed);
    let mut clients: Vec<_> =
        CLIENTS.iter().map(|(role, more)| Client::connect(address, *role, more)).collect();
    for number in 0..60 {
        let who = dice.roll(clients.len());
        let verb = verb(&mut dice, who, number);
        // Only who said that it takes headers may send some.
        if verb.starts_with("HPUB") && !CLIENTS[who].1.contains("headers") {
            continue;
        }
        clients[who].say(&verb);
        for client in &mut clients {
            let before = client.heard.len();
            client.say("");
            client.heard[before..].sort();
        }
    }
    clients.into_iter().map(|client| client.heard).collect()
}

fn embedded() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let user = |role: Role| {
        let credentials = Credentials { user: role.to_string(), password: "secret".to_owned() };
        User { role, credentials }
    };
    let config = Config::new(Role::ALL.map(user).into());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            broker::run(config, listener, std::future::pending()).await
        })
    });
    address
}

#[test]
fn the_embedded_broker_answers_as_nats_server_does() {
    let ours = embedded();
    let users = Role::ALL.map(|role| (role, role.as_str(), "secret"));
    for version in NatsVersion::ALL {
        let name = "the_embedded_broker_answers_as_nats_server_does";
        let Some(server) = NatsServer::start(name, version, &nats_conf(&users)) else { return };
        let theirs = SocketAddr::from(([127, 0, 0, 1], server.port()));
        for seed in 0..40 {
            let (wanted, found) = (play(theirs, seed), play(ours, seed));
            for (who, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
                assert_eq!(found, wanted, "{:?}, seed {seed}, {version:?}", CLIENTS[who]);
            }
        }
    }
}
