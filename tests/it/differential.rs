//! The embedded broker does what a real nats-server does: the same bytes, the same answers, in games of several clients that a
//! seed makes up. Where the two differ on purpose, [`differences`] says why; anything else that differs fails.

mod differences;
mod game;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bus::codec::{ClientReader, ServerMessage, ServerOp};
use bytes::BytesMut;
use differences::{Difference, Rule};
use game::{Anew, Game, Player, Turn};
use logway_tests::{DEADLINE, NatsVersion, soak};

use crate::targets::{Target, patient};

/// A connection that is waited for after each turn, so that nothing depends on who is faster.
struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    codec: ClientReader,
}

/// What a client heard in one turn.
#[derive(Debug, Default)]
struct Heard {
    /// In order.
    own: Vec<String>,
    /// Messages to its memberships in groups.
    groups: Vec<String>,
}

impl Client {
    /// One that is logged in, and what it was told of that.
    fn connect(target: &Target, player: &Player) -> Self {
        let stream = TcpStream::connect(target.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, buffer: BytesMut::new(), codec: ClientReader::default() };
        let heard = client.say(player.connect("").as_bytes(), 0);
        assert!(heard.own.is_empty() || heard.own == ["+OK"], "{:?}, {player:?}: {heard:?}", target.kind);
        client
    }

    /// Ends its subscriptions before it goes: a server may notice late that it is gone, and take it for somebody who hears a request.
    fn leave(mut self) {
        self.say(game::every_end().as_bytes(), 0);
    }

    /// Says something with so many PINGs in it, and gives what is heard up to the PONG of one more behind it, or the end.
    fn say(&mut self, bytes: &[u8], pings: usize) -> Heard {
        self.ask(bytes);
        self.hear(pings)
    }

    fn ask(&mut self, bytes: &[u8]) {
        // In one piece: a server that closes has read it all, and sends no reset that takes its last word away.
        let _ = self.stream.write_all(&[bytes, b"PING\r\n"].concat());
    }

    fn hear(&mut self, mut pings: usize) -> Heard {
        let mut heard = Heard::default();
        loop {
            match self.codec.next(&mut self.buffer).unwrap() {
                Some(ServerOp::Pong) if pings == 0 => break,
                Some(op) => {
                    pings -= usize::from(op == ServerOp::Pong);
                    heard.take(op);
                }
                None if self.read() => {}
                None => {
                    // Which of two servers says why is the first difference there is.
                    let last = heard.own.last();
                    if last.is_some_and(|last| last == "-ERR Unknown Protocol Operation") {
                        heard.own.pop();
                    }
                    heard.own.push("closed".to_owned());
                    break;
                }
            }
        }
        heard
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(why) => {
                assert_eq!(why.kind(), ErrorKind::ConnectionReset, "waiting for a PONG: {why}");
                false
            }
        }
    }
}

impl Heard {
    fn take(&mut self, op: ServerOp) {
        match op {
            // News of the server itself.
            ServerOp::Info(_) => {}
            ServerOp::Msg(message) if message.sid.starts_with(b"q") => {
                // Whom the message reached, and whether that one takes headers, is a matter of chance.
                let group = String::from_utf8_lossy(&message.sid[..4]).into_owned();
                self.groups.push(format!("{group} {:?} {:?}", message.subject, message.payload));
            }
            ServerOp::Msg(message) => self.take_message(&message),
            ServerOp::Ping => self.own.push("PING".to_owned()),
            ServerOp::Pong => self.own.push("PONG".to_owned()),
            ServerOp::Ok => self.take_ok(),
            ServerOp::Err(text) => self.own.push(format!("-ERR {}", String::from_utf8_lossy(&text))),
        }
    }

    /// Real servers say that a message is good before they say that nobody hears it, Logway behind that.
    fn take_ok(&mut self) {
        let behind = self.own.iter().rev().take_while(|text| text.starts_with("503")).count();
        self.own.insert(self.own.len() - behind, "+OK".to_owned());
    }

    /// Those subscriptions of one client that get the same message get it in no order, and a 503 comes to one of them.
    fn take_message(&mut self, message: &ServerMessage) {
        let ServerMessage { subject, sid, reply, headers, payload } = message;
        if headers.as_ref().is_some_and(|block| block.starts_with(b"NATS/1.0 503")) {
            return self.own.push(format!("503 {subject:?}"));
        }
        let text = format!("MSG {payload:?} {subject:?} {reply:?} {headers:?}");
        self.own.push(format!("{text} {sid:?}"));
        let same = self.own.iter().rev().take_while(|other| other.starts_with(&text)).count();
        let start = self.own.len() - same;
        self.own[start..].sort();
    }
}

/// What all heard in one turn.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    speaker: Vec<String>,
    others: Vec<Vec<String>>,
    groups: Vec<String>,
}

/// Plays a game and gives what was heard in each turn.
fn play(target: &Target, game: &Game) -> Vec<Outcome> {
    let mut clients: Vec<_> = game.players.iter().map(|player| Client::connect(target, player)).collect();
    let mut outcomes = Vec::new();
    for Turn { who, player, bytes, pings, anew, .. } in &game.turns {
        if *anew == Anew::Before {
            std::mem::replace(&mut clients[*who], Client::connect(target, &player[0])).leave();
        }
        let Heard { own: speaker, mut groups } = clients[*who].say(bytes, *pings);
        let is_other = |(index, _): &(usize, &mut Client)| index != who;
        clients.iter_mut().enumerate().filter(is_other).for_each(|(_, client)| client.ask(b""));
        let mut others = Vec::new();
        for (_, client) in clients.iter_mut().enumerate().filter(is_other) {
            let heard = client.hear(0);
            others.push(heard.own);
            groups.extend(heard.groups);
        }
        groups.sort();
        let is_closed = speaker.last().is_some_and(|last| last == "closed");
        if is_closed || *anew == Anew::Behind {
            std::mem::replace(&mut clients[*who], Client::connect(target, &player[1])).leave();
        }
        outcomes.push(Outcome { speaker, others, groups });
    }
    clients.into_iter().for_each(Client::leave);
    outcomes
}

/// What is wrong with a turn, if something is.
fn wrong(turn: &Turn, theirs: &Outcome, ours: &Outcome) -> Option<&'static str> {
    match &turn.rule {
        Rule::Same => (theirs != ours).then_some("it is not the same"),
        Rule::Differs { ours: wanted, .. } if ours.speaker != *wanted => {
            Some("it is not the known difference")
        }
        Rule::Differs { .. } if theirs.speaker == ours.speaker => Some("it is no difference any more"),
        Rule::Differs { .. } => {
            let is_quiet = |outcome: &Outcome| outcome.others.iter().all(Vec::is_empty);
            (!is_quiet(theirs) || !is_quiet(ours)).then_some("somebody else heard of it")
        }
    }
}

/// A game up to a turn, for a person.
fn shown(game: &Game, last: usize) -> String {
    let mut text = String::new();
    for player in &game.players {
        let _ = writeln!(text, "      {player:?}");
    }
    for Turn { who, bytes, rule, .. } in &game.turns[..=last] {
        let bytes = bytes.escape_ascii().to_string();
        let _ = writeln!(text, "  {who}: {} {rule:?}", &bytes[..bytes.len().min(400)]);
    }
    text
}

#[test]
fn the_embedded_broker_answers_as_nats_server_does() {
    let name = "the_embedded_broker_answers_as_nats_server_does";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ours = runtime.block_on(Target::broker(patient()));
    let theirs = NatsVersion::ALL.map(|version| Target::nats(name, version, DEADLINE, ""));
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..if soak() { 20_000 } else { 500 } {
        let game = Game::of(seed);
        let found = play(&ours, &game);
        for real in theirs.iter().flatten() {
            let wanted = play(real, &game);
            for (number, turn) in game.turns.iter().enumerate() {
                if let Some(why) = wrong(turn, &wanted[number], &found[number]) {
                    let (wanted, found) = (&wanted[number], &found[number]);
                    let game = shown(&game, number);
                    panic!(
                        "seed {seed}, {:?}: {why}\n{game}theirs: {wanted:#?}\nours: {found:#?}",
                        real.kind
                    );
                }
                if let Rule::Differs { difference, .. } = turn.rule {
                    *met.entry(format!("{difference:?}")).or_default() += 1;
                }
            }
        }
    }
    let unmet = Difference::ALL.iter().filter(|difference| !met.contains_key(&format!("{difference:?}")));
    assert!(
        theirs.iter().all(Option::is_none) || unmet.clone().next().is_none(),
        "{:?}",
        unmet.collect::<Vec<_>>()
    );
}
