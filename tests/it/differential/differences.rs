//! What Logway does otherwise than nats-server, on purpose. Anything else that differs is a fault of one of them.
//!
//! Three more are everywhere and are taken out of what is compared: nats-server closes without a word where Logway says
//! `Unknown Protocol Operation` first, 2.15 adds the subject to the headers of a 503, and real servers repeat a size as it was
//! written (`005`). A fourth is kept out of the games: requests that want their answers in somebody else's inbox.

use bus::roles::Role;

use super::game::{Anew, Player};
use crate::targets::login;

const DENIED: &str = "-ERR Authorization Violation";

/// How the answers of two servers compare.
#[derive(Debug)]
pub(super) enum Rule {
    /// They are the same.
    Same,
    /// The speaker gets this from Logway, something else from a real server, and nobody else gets anything.
    Differs { difference: Difference, ours: Vec<String> },
}

/// One difference, and why it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// A message on `a.*` would be one that reads as a pattern wherever it is shown. Real servers deliver it.
    WildcardSubject,
    /// An answer to `a.*` would go to nobody who can be named.
    WildcardReply,
    /// async-nats cannot receive a subject that is not UTF-8.
    NotUtf8,
    /// A control byte in a subject is a trap for whoever prints it.
    ControlByte,
    /// Nothing that Logway publishes has more than 16 tokens, and each costs the matcher a step.
    ManyTokens,
    /// `Invalid Subject` ends nats.go and nats-py for good; a refusal does not.
    InvalidSubject,
    /// Who is pedantic is told what is wrong, once.
    PedanticOnce,
    /// The id stands in each message: a long one makes much of little.
    LongSid,
    /// Receivers break over a header block that is none.
    HeaderBlock,
    /// Who switches its user in place leaves the old one's subscriptions behind.
    OtherUser,
    /// What a client takes decides how messages are queued for it.
    OtherHeaders,
    /// Of a key that stands twice, two readers may take different ones.
    KeyTwice,
    /// The same for keys that differ in case.
    UpperCase,
    /// What is no JSON is a login that fails. Real servers close without a word.
    NoJson,
    /// Brackets within brackets cost memory. Real servers count theirs later.
    Deep,
    /// Tokens are long: a CONNECT may have 64 KiB.
    LongConnect,
}

use Difference::{
    ControlByte, Deep, HeaderBlock, InvalidSubject, KeyTwice, LongConnect, LongSid, ManyTokens, NoJson,
    NotUtf8, OtherHeaders, OtherUser, PedanticOnce, UpperCase, WildcardReply, WildcardSubject,
};

impl Difference {
    /// All of them.
    pub(super) const ALL: [Self; 16] = [
        WildcardSubject,
        WildcardReply,
        NotUtf8,
        ControlByte,
        ManyTokens,
        InvalidSubject,
        PedanticOnce,
        LongSid,
        HeaderBlock,
        OtherUser,
        OtherHeaders,
        KeyTwice,
        UpperCase,
        NoJson,
        Deep,
        LongConnect,
    ];

    /// What `player` says to bring it about, how Logway answers, and whether the client goes on; `None` if that player cannot.
    pub(super) fn example(self, player: &Player) -> Option<(Vec<u8>, Rule, Anew)> {
        let (publishes, reads) = (
            matches!(player.role, Role::Agent | Role::Store),
            matches!(player.role, Role::Api | Role::Proxy),
        );
        let can = match self {
            WildcardSubject => publishes && !player.pedantic,
            WildcardReply => publishes,
            HeaderBlock => publishes && player.headers,
            NotUtf8 | ControlByte | ManyTokens | InvalidSubject | LongSid => reads,
            PedanticOnce => player.pedantic,
            OtherUser | OtherHeaders | KeyTwice | UpperCase | NoJson | Deep | LongConnect => true,
        };
        let (input, said) =
            if can { self.connection(player).or_else(|| self.refusal())? } else { return None };
        let anew = if matches!(said, Said::Refused(_)) { Anew::Never } else { Anew::Behind };
        let ok = player.verbose.then(|| "+OK".to_owned());
        let (mut input, mut ours) = (input, Vec::new());
        match said {
            Said::Refused(text) => {
                // What a real server took is taken back.
                input.extend_from_slice(b"UNSUB odd\r\n");
                ours.push(format!("-ERR {text}"));
                ours.extend(ok);
            }
            Said::Last("") => ours.push("closed".to_owned()),
            Said::Last(text) => ours.extend([text.to_owned(), "closed".to_owned()]),
            Said::Taken => ours.extend(ok),
        }
        Some((input, Rule::Differs { difference: self, ours }, anew))
    }

    /// A subject or a message that is refused.
    fn refusal(self) -> Option<(Vec<u8>, Said)> {
        let no_sub =
            |text: &str| Said::Refused(format!("Permissions Violation for Subscription to \"{text}\""));
        let many = vec!["a"; 20].join(".");
        let (input, said) = match self {
            WildcardSubject => {
                let text = "Permissions Violation for Publish to \"o.odd.logs.*\"";
                (b"PUB o.odd.logs.* 2\r\nhi\r\n".to_vec(), Said::Refused(text.to_owned()))
            }
            WildcardReply => {
                let text = "Permissions Violation for Publish with Reply of \"r.*\"";
                (b"PUB o.odd.logs.a r.* 2\r\nhi\r\n".to_vec(), Said::Refused(text.to_owned()))
            }
            PedanticOnce => {
                let text = "Invalid Publish Subject";
                (b"PUB o.odd..a 2\r\nhi\r\n".to_vec(), Said::Refused(text.to_owned()))
            }
            NotUtf8 => (b"SUB o.odd.\xff odd\r\n".to_vec(), no_sub("o.odd.\\xff")),
            ControlByte => (b"SUB o.odd.\0 odd\r\n".to_vec(), no_sub("o.odd.\\x00")),
            ManyTokens => (format!("SUB o.odd.{many} odd\r\n").into(), no_sub(&format!("o.odd.{many}"))),
            InvalidSubject => (b"SUB o.odd.>.a odd\r\n".to_vec(), no_sub("o.odd.>.a")),
            _ => return None,
        };
        Some((input, said))
    }

    /// What ends the connection of one of the two.
    fn connection(self, player: &Player) -> Option<(Vec<u8>, Said)> {
        let other = if player.role == Role::Api { Role::Proxy } else { Role::Api };
        let (mine, theirs) = (login(player.role), login(other));
        let other_headers = Player { headers: !player.headers, no_responders: false, ..*player };
        let (input, said) = match self {
            LongSid => (format!("SUB o.odd.> {}\r\n", "1".repeat(65)), Said::Last("")),
            HeaderBlock => ("HPUB o.odd.logs.a 6 8\r\nX: y\r\nhi\r\n".to_owned(), Said::Last("")),
            OtherUser => (player.connect("").replace(&mine, &theirs), Said::Last(DENIED)),
            OtherHeaders => (other_headers.connect(""), Said::Last(DENIED)),
            KeyTwice => (player.connect(",\"echo\":true"), Said::Last(DENIED)),
            UpperCase => (player.connect("").replace("\"pass\"", "\"PASS\""), Said::Last(DENIED)),
            NoJson => ("CONNECT {verbose\r\n".to_owned(), Said::Last(DENIED)),
            Deep => {
                let deep = format!(",\"x\":{}{}", "[".repeat(10), "]".repeat(10));
                (player.connect(&deep), Said::Last(DENIED))
            }
            LongConnect => (player.connect(&format!(",\"x\":\"{}\"", "x".repeat(5000))), Said::Taken),
            _ => return None,
        };
        Some((input.into(), said))
    }
}

/// What Logway says.
enum Said {
    /// This, and the connection stays.
    Refused(String),
    /// This, and the connection is closed.
    Last(&'static str),
    /// It is good.
    Taken,
}
