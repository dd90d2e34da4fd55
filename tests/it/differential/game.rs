//! What clients do in one game: chosen by a seed, the same for each server.

use bus::roles::Role;
use fastrand::Rng;

use super::differences::{Difference, Rule};
use crate::targets::login;

/// Most turns of a game.
const MAX_TURNS: usize = 30;
/// Characters that are quoted each in its own way, or not.
const ODD: [&str; 12] =
    ["\"", "\\", "é", "\u{200b}", "\u{a0}", "\u{7}", "\u{b}", "\u{1b}", "\u{7f}", "🦀", "'", "\u{feff}"];
/// Lines for which the connection is closed.
const FATAL: [&str; 22] = [
    "SUB\r\n",
    "SUB a\r\n",
    "SUB a b c d\r\n",
    "UNSUB\r\n",
    "UNSUB 1 2 3\r\n",
    "PUB\r\n",
    "PUB a\r\n",
    "PUB a -1\r\n",
    "PUB a b c 1\r\n",
    "PUB a 12345678901\r\n",
    "PUB sys.hb.a 2\r\nabc\r\n",
    "HPUB a 1\r\n",
    "HPUB a 3 2\r\n",
    "HPUB a -1 2\r\n",
    "MSG a 1 2\r\nhi\r\n",
    "RS+ a\r\n",
    "\r\n",
    " PING\r\n",
    "PIN\r\n",
    "GET / HTTP/1.1\r\n",
    "-ERR 'x'\r\n",
    "PUB a 1048577\r\n",
];

/// One client: who it is and how it wants to be spoken to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Player {
    pub(super) role: Role,
    pub(super) verbose: bool,
    pub(super) pedantic: bool,
    pub(super) echo: bool,
    pub(super) headers: bool,
    pub(super) no_responders: bool,
}

impl Player {
    fn of(role: Role, rng: &mut Rng) -> Self {
        let (pedantic, echo, headers) = (rng.u8(..4) == 0, rng.u8(..4) > 0, rng.bool());
        let (verbose, no_responders) = (rng.u8(..3) == 0, headers && rng.bool());
        Self { role, verbose, pedantic, echo, headers, no_responders }
    }

    /// Its CONNECT, with more keys, each behind a comma.
    pub(super) fn connect(&self, more: &str) -> String {
        let Self { role, verbose, pedantic, echo, headers, no_responders } = self;
        let login = login(*role);
        format!(
            "CONNECT {{{login},\"verbose\":{verbose},\"pedantic\":{pedantic},\"echo\":{echo},\
             \"headers\":{headers},\"no_responders\":{no_responders}{more}}}\r\n"
        )
    }
}

/// When a client connects anew, though its connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anew {
    Never,
    /// Before it speaks. 2.15 forgets at a second CONNECT what was subscribed to; 2.9.10 does not, and neither do we.
    Before,
    /// Behind it: two servers take the client for something else from then on.
    Behind,
}

/// What one client says at a time.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) who: usize,
    /// What the client was before, and is from then on, should it have to connect anew.
    pub(super) player: [Player; 2],
    pub(super) bytes: Vec<u8>,
    /// PINGs among it.
    pub(super) pings: usize,
    pub(super) anew: Anew,
    /// How the answers of two servers compare.
    pub(super) rule: Rule,
}

/// A game.
#[derive(Debug)]
pub(super) struct Game {
    pub(super) players: Vec<Player>,
    pub(super) turns: Vec<Turn>,
}

impl Game {
    /// The game of a seed. Its subjects are its own: no connection of an earlier one hears them.
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut players = vec![Player::of(Role::Api, &mut rng), Player::of(Role::Agent, &mut rng)];
        for _ in 0..rng.usize(..3) {
            let role = [Role::Api, Role::Agent, Role::Store, Role::Proxy][rng.usize(..4)];
            players.push(Player::of(role, &mut rng));
        }
        let mut maker = Maker { rng, seed, number: 0, players: players.clone() };
        let turns = (0..maker.rng.usize(1..=MAX_TURNS)).map(|_| maker.turn()).collect();
        Self { players, turns }
    }
}

/// Ends every subscription that a game may make.
pub(super) fn every_end() -> String {
    let plain = (0..5).flat_map(|number| [format!("{number}"), format!("a{number}")]);
    let groups = (0..3).flat_map(|number| [format!("qred{number}"), format!("qblue{number}")]);
    plain.chain(groups).chain(["odd".to_owned()]).map(|sid| format!("UNSUB {sid}\r\n")).collect()
}

struct Maker {
    rng: Rng,
    seed: u64,
    /// Of the message: each has a payload of its own.
    number: u32,
    /// As they are now: a second CONNECT changes them.
    players: Vec<Player>,
}

impl Maker {
    fn one_of(&mut self, words: &[&str]) -> String {
        words[self.rng.usize(..words.len())].replace("<s>", &format!("s{}", self.seed))
    }

    fn turn(&mut self) -> Turn {
        let who = self.rng.usize(..self.players.len());
        let player = self.players[who];
        let anew = Anew::Never;
        let mut turn = Turn { who, player: [player; 2], bytes: Vec::new(), pings: 0, anew, rule: Rule::Same };
        match self.rng.u8(..20) {
            0 => turn.bytes = FATAL[self.rng.usize(..FATAL.len())].into(),
            1 => turn.bytes = self.damaged(who).into(),
            2..=3 => self.different(&mut turn),
            4 => {
                turn.bytes = self.connect_again(who).into();
                turn.anew = Anew::Before;
                self.verbs(&mut turn);
            }
            _ => self.verbs(&mut turn),
        }
        turn.player[1] = self.players[who];
        turn
    }

    /// Some verbs one behind the other.
    fn verbs(&mut self, turn: &mut Turn) {
        for _ in 0..1 + self.rng.usize(..4) {
            let (verb, pings) = self.verb(turn.who);
            turn.bytes.extend_from_slice(verb.as_bytes());
            turn.pings += pings;
        }
    }

    /// A verb that leaves the connection as it is, and how many PINGs are in it.
    fn verb(&mut self, who: usize) -> (String, usize) {
        let verb = match self.rng.u8(..23) {
            0..=6 => self.subscribe(who),
            7..=9 => {
                let max = ["", "", " 1", " 2", " 5", " 0", " -1", " x", " 999999999"];
                format!("UNSUB {}{}\r\n", self.sid(who), self.one_of(&max))
            }
            10 => format!("UNSUB qred{}\r\n", self.rng.u8(..3)),
            11..=15 => self.publish(who),
            16..=17 => self.request(who),
            18 => return (self.one_of(&["PING\r\n", "ping\n", "PING abc\r\n", "PINGX\r\n"]), 1),
            19 => self.one_of(&["PONG\r\n", "INFO {}\r\n", "+OK\r\n", "pong x\n"]),
            20 => format!("SUB x.{}{} 1\r\n", self.one_of(&ODD), self.one_of(&ODD)),
            21 if !self.players[who].pedantic => {
                format!("PUB x.{}{} 0\r\n\r\n", self.one_of(&ODD), self.one_of(&ODD))
            }
            _ => self.request(who),
        };
        (verb, 0)
    }

    fn sid(&mut self, who: usize) -> String {
        format!("{}{}", ["", "a"][who % 2], self.rng.u8(..5))
    }

    fn pattern(&mut self, who: usize) -> String {
        const ANY: [&str; 12] = [
            "o.<s>.logs.web",
            "*.<s>.>",
            "sys.recent",
            "sys.hb.<s>.>",
            "_INBOX.<role>.>",
            "_INBOX.api.<s>.*",
            "o.<s>.a*b",
            ">",
            "$SYS.>",
            "o.<s>..a",
            ".o",
            "o.",
        ];
        let role = self.players[who].role;
        let own: &[&str] = match role {
            _ if self.rng.u8(..4) == 0 => &ANY,
            Role::Agent => &["sys.recent", "sys.recent", "_INBOX.agent.<s>.*"],
            Role::Store => &["sys.append.<s>", "sys.append.*", "sys.query.<s>", "_INBOX.store.>"],
            _ => &[
                "o.<s>.>",
                "o.*.logs.<s>.>",
                "o.<s>.logs.*.lhr.*",
                "o.<s>.*.web",
                "o.<s>.logs.web.lhr.i",
                "sys.hb.<s>.>",
                "_INBOX.<role>.<s>.*",
                "_INBOX.<role>.<s>.0",
            ],
        };
        self.one_of(own).replace("<role>", role.as_str())
    }

    fn subscribe(&mut self, who: usize) -> String {
        let (pattern, blank) = (self.pattern(who), self.one_of(&[" ", " ", " ", "  ", "\t", " \t "]));
        // Who of a group gets a message is a matter of chance, and so is what he may do then. The members may answer nothing, no
        // maximum is set for them, and their ids name the group.
        let may_answer = self.players[who].role.may_answer();
        let (group, sid) = match self.rng.u8(..2) {
            0 if !may_answer => {
                let group = self.one_of(&["red", "blue"]);
                (format!("{group}{blank}"), format!("q{group}{}", self.rng.u8(..3)))
            }
            _ => (String::new(), self.sid(who)),
        };
        let verb = self.one_of(&["SUB", "SUB", "sub", "Sub"]);
        let end = self.one_of(&["\r\n", "\r\n", "\n", " \r\n"]);
        format!("{verb}{blank}{pattern}{blank}{group}{sid}{end}")
    }

    fn subject(&mut self, who: usize) -> String {
        const ANY: [&str; 6] = [
            "o.<s>.metrics.web",
            "sys.recent",
            "sys.append.<s>",
            "_INBOX.agent.<s>.0",
            "_INBOX.x.<s>",
            "x.<s>",
        ];
        let own: &[&str] = match self.players[who].role {
            _ if self.rng.u8(..4) == 0 => &ANY,
            Role::Agent => &[
                "o.<s>.logs.web.lhr.i",
                "o.<s>.logs.web.lhr.i",
                "o.x.logs.<s>.lhr.i",
                "sys.hb.<s>.a",
                "sys.append.<s>",
                "_INBOX.api.<s>.0",
                "_INBOX.api.<s>.1",
            ],
            Role::Store => {
                &["o.<s>.logs.web.lhr.i", "_INBOX.agent.<s>.0", "_INBOX.api.<s>.0", "_INBOX.api.<s>.1"]
            }
            _ => &["sys.recent", "sys.query.<s>"],
        };
        self.one_of(own)
    }

    /// A payload that no other message has, and its length.
    fn payload(&mut self) -> (String, usize) {
        self.number += 1;
        let tail = self.one_of(&["", "", "\r\n", "\r\nPING\r\n", "\0", "é", "\n"]);
        let payload = format!("{:05}{tail}", self.number);
        let bytes = payload.len();
        (payload, bytes)
    }

    fn publish(&mut self, who: usize) -> String {
        let (subject, (payload, bytes)) = (self.subject(who), self.payload());
        if self.players[who].headers && self.rng.u8(..3) == 0 {
            let block = self.one_of(&["NATS/1.0\r\n\r\n", "NATS/1.0\r\nK: v\r\n\r\n", ""]);
            let total = block.len() + bytes;
            return format!("HPUB {subject} {} {total}\r\n{block}{payload}\r\n", block.len());
        }
        let (blank, zeros) = (self.one_of(&[" ", " ", "  ", "\t"]), self.one_of(&["", "", "0", "00"]));
        let verb = self.one_of(&["PUB", "PUB", "pub"]);
        format!("{verb}{blank}{subject}{blank}{zeros}{bytes}\r\n{payload}\r\n")
    }

    /// A message that wants an answer. In its own inbox: in others' the embedded broker takes none.
    fn request(&mut self, who: usize) -> String {
        let role = self.players[who].role;
        let subject = match role {
            Role::Agent | Role::Store => "sys.append.<s>",
            _ => ["sys.recent", "sys.recent", "sys.query.<s>"][self.rng.usize(..3)],
        };
        let subject = self.one_of(&[subject]);
        let reply = self.one_of(&["<s>.0", "<s>.1"]);
        let (payload, bytes) = self.payload();
        format!("PUB {subject} _INBOX.{role}.{reply} {bytes}\r\n{payload}\r\n")
    }

    /// A second CONNECT of the same user, which changes how it wants to be spoken to.
    fn connect_again(&mut self, who: usize) -> String {
        let Player { role, headers, .. } = self.players[who];
        let player = Player::of(role, &mut self.rng);
        self.players[who] = Player { headers, no_responders: headers && player.no_responders, ..player };
        self.players[who].connect("")
    }

    /// A line with one byte changed, which makes it another one or none.
    fn damaged(&mut self, who: usize) -> String {
        let line = match self.rng.u8(..3) {
            0 => format!("UNSUB {} 5\r\n", self.sid(who)),
            _ => format!("SUB {} {}\r\n", self.pattern(who), self.sid(who)),
        };
        let mut bytes = line.into_bytes();
        // Not the verb's first: a PUB would take the PING behind it for its payload.
        let at = self.rng.usize(1..bytes.len() - 2);
        bytes[at] = b" .*xXP-9\"\t"[self.rng.usize(..10)];
        String::from_utf8(bytes).unwrap()
    }

    /// Something that Logway takes otherwise than nats-server.
    fn different(&mut self, turn: &mut Turn) {
        let player = self.players[turn.who];
        let difference = Difference::ALL[self.rng.usize(..Difference::ALL.len())];
        if let Some(example) = difference.example(&player) {
            (turn.bytes, turn.rule, turn.anew) = example;
        }
    }
}
