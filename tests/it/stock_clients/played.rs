//! Clients that are no parts of these tests, because they are too large or not to be had: what they say is played here, as it was
//! taken down from a socket.
//!
//! The one that matters most is fly-log-shipper's, the NATS source of its Vector. Its configuration gives user and password, the subject
//! `logs.>` and, unless somebody names a group, `queue = ""`.

use std::io::Write;
use std::net::TcpStream;

use async_nats::ConnectOptions;
use async_nats::client::SubscribeErrorKind;
use logway_tests::process::Printed;
use logway_tests::{NatsVersion, Up, wait_until};

use super::door::{Door, SLUG};
use super::{Login, row};

/// What a client says: its login, with USER and TOKEN in place of what is meant, and how it waits for the answer to that.
struct Script {
    hello: &'static str,
    pings: usize,
}

/// Vector 0.29, which fly-log-shipper pins, with the crate nats 0.24.
const VECTOR: Script = Script {
    hello: "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"lang\":\"rust\",\
        \"version\":\"0.24.0\",\"protocol\":1,\"tls_required\":false,\"headers\":true,\"no_responders\":true,\
        \"name\":\"Fly logs stream\",\"user\":\"USER\",\"pass\":\"TOKEN\"}\r\nPING\r\nPING\r\n",
    pings: 2,
};

/// The client for Go, 1.22, which the tools of NATS use.
const GO: Script = Script {
    hello: "CONNECT {\"verbose\":false,\"pedantic\":false,\"user\":\"USER\",\"pass\":\"TOKEN\",\
        \"tls_required\":false,\"name\":\"\",\"lang\":\"go\",\"version\":\"1.22.1\",\"protocol\":1,\
        \"echo\":true,\"headers\":true,\"no_responders\":true}\r\nPING\r\n",
    pings: 1,
};

/// How both subscribe without a queue, be it empty or not there: the group that is missing leaves its two blanks.
const NO_QUEUE: &str = "SUB logs.>  1\r\n";
/// How both subscribe with one.
const QUEUE: &str = "SUB logs.> readers 1\r\n";

/// Lines that are written for each game.
const LINES: usize = 40;

/// A connection over which the client's words go.
struct Wire {
    stream: TcpStream,
    heard: Printed,
    pongs: usize,
}

impl Wire {
    /// Begins as the client does: it waits for the answer to its login, then subscribes.
    fn open(login: &Login, script: &Script, subscribe: &str) -> Self {
        let address = login.url.rsplit('/').next().expect("an address");
        let stream = TcpStream::connect(address).expect("connecting");
        let heard = Printed::collect(stream.try_clone().expect("reading it elsewhere"));
        let mut wire = Self { stream, heard, pongs: 0 };
        wire.say(&script.hello.replace("USER", SLUG).replace("TOKEN", &login.password));
        wire.hears_pongs(script.pings);
        wire.say(subscribe);
        wire.settle();
        wire
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("speaking");
    }

    fn hears_pongs(&mut self, more: usize) {
        self.pongs += more;
        wait_until("PONG", || {
            let text = self.heard.text();
            assert!(!text.contains("-ERR"), "{text}");
            (text.lines().filter(|line| *line == "PONG").count() == self.pongs).then_some(())
        });
    }

    /// What was said to it before now has come.
    fn settle(&mut self) {
        self.say("PING\r\n");
        self.hears_pongs(1);
    }

    /// What the app wrote, of all that came so far.
    fn lines(&self, app: &str) -> Vec<String> {
        let text = self.heard.text();
        // The last line may have come in part.
        let whole = text.rsplit_once("\r\n").map_or("", |(whole, _)| whole);
        let pairs = whole.lines().zip(whole.lines().skip(1));
        let messages = pairs.filter_map(|(head, payload)| Some((head.strip_prefix("MSG ")?, payload)));
        let rows = messages.map(|(head, payload)| {
            let (subject, rest) = head.split_once(' ').expect("a subject");
            assert_eq!(rest, format!("1 {}", payload.len()), "{head}");
            row("", subject, &serde_json::from_str(payload).expect("JSON"))
        });
        let of_app = format!("app|{app}|lhr|info|");
        rows.filter_map(|row| row.strip_prefix(&of_app).map(str::to_owned)).collect()
    }
}

/// Runs `app` beside two clients, and gives what each has of it when `is_all` says that all is there.
fn play(door: &Door, app: &str, wires: [Wire; 2], is_all: impl Fn([usize; 2]) -> bool) -> [Vec<String>; 2] {
    let mut wires = wires;
    let script = format!("n=0; while [ $n -lt {LINES} ]; do echo $n; n=$((n + 1)); done");
    let run = ["--app", app, "--region", "lhr", "--", "sh", "-c", &script];
    assert!(door.up().run("run", &run).wait().success());
    let lines = |wires: &[Wire; 2]| wires.each_ref().map(|wire| wire.lines(app));
    wait_until("the app's lines", || is_all(lines(&wires).map(|lines| lines.len())).then_some(()));
    wires.iter_mut().for_each(Wire::settle);
    lines(&wires)
}

fn two_are_served(door: &Door, script: &Script) {
    let login = door.login(&[], "logs.>");
    let two = |subscribe| [(); 2].map(|()| Wire::open(&login, script, subscribe));
    let wanted: Vec<String> = (0..LINES).map(|number| number.to_string()).collect();
    let both = play(door, "alone", two(NO_QUEUE), |counts| counts == [LINES; 2]);
    assert_eq!(both, [&wanted[..]; 2], "an empty queue is none: each has every line, in order");
    let shared = play(door, "shared", two(QUEUE), |counts| counts.iter().sum::<usize>() == LINES);
    let mut shared = shared.concat();
    shared.sort_by_key(|line| line.parse::<usize>().expect("a number"));
    assert_eq!(shared, wanted, "two of one queue share the lines");
}

#[test]
fn the_shipper_s_client_is_served_at_front_doors() {
    two_are_served(&Door::Own(Up::start(&[])), &VECTOR);
    for version in NatsVersion::ALL {
        let name = "the_shipper_s_client_is_served_at_front_doors";
        let Some((_server, up, url)) = Up::beside_nats_server(name, version) else { return };
        two_are_served(&Door::alone(up, url), &VECTOR);
    }
}

#[test]
fn the_client_for_go_is_served_at_a_front_door() {
    two_are_served(&Door::Own(Up::start(&[])), &GO);
}

/// Vector of today has async-nats, which refuses an empty queue itself: `queue` has to be left out there.
#[tokio::test]
async fn async_nats_takes_no_empty_queue() {
    let door = Door::Own(Up::start(&[]));
    let Login { url, user, password, .. } = door.login(&[], "logs.>");
    let client = ConnectOptions::with_user_and_password(user, password).connect(url).await.unwrap();
    let refused = client.queue_subscribe("logs.>", String::new()).await.unwrap_err();
    assert_eq!(refused.kind(), SubscribeErrorKind::InvalidQueueName);
}
