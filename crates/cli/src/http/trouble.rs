//! Why a question over HTTP has no answer, or not a whole one, and what that means for the person.

use std::time::Duration;

use line::codes;

use super::address::Address;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::logs::neutral;

/// What a store says whose time for a question is over.
const LATE: &str = "the query was ended after";

/// Why there is no answer, or not a whole one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody is there, or the connection broke before the answer began.
    Away(String),
    /// There is no TLS with the server; it takes a person to mend that.
    Tls(String),
    /// The server says no.
    Refused {
        /// Of HTTP.
        status: u16,
        /// Why, in its words.
        text: String,
        /// When to ask again.
        retry_after: Option<Duration>,
    },
    /// The answer broke off: what came is not all of it.
    Broken(String),
    /// The answer came to its end and says what is missing in it.
    Partial(Vec<String>),
}

impl Trouble {
    /// After which time the same question may be answered; `None`: it will not be.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { status: 429 | 503, retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether it took longer than it may: less work may be answered.
    pub(crate) fn is_too_much(&self) -> bool {
        match self {
            Self::Refused { status: 503, retry_after, .. } => retry_after.is_none(),
            Self::Refused { status, .. } => *status == 504,
            Self::Partial(missing) => missing.iter().any(|why| why.contains(LATE)),
            _ => false,
        }
    }

    /// The error for the person.
    pub(crate) fn fail(&self, server: &Address) -> Fail {
        match self {
            Self::Away(why) => {
                Fail::new(Exit::Disconnected, format!("cannot reach the HTTP API at {server}"))
                    .why(why)
                    .hint("is 'logway up' running there? Name another address with --api, or in LOGWAY_API")
            }
            Self::Tls(why) => {
                let code = ["LB04", "LB06"].into_iter().find(|code| why.contains(code));
                let fail = Fail::new(Exit::Refused, format!("{server} cannot be had with TLS")).why(why);
                match code {
                    Some(code) => fail.code(code),
                    None => fail.hint("look at the address, and at the file of --ca"),
                }
            }
            Self::Refused { status, text, .. } => refused(*status, text, server),
            Self::Broken(why) => Fail::new(Exit::Partial, "the answer broke off: what came is not all of it")
                .why(why)
                .hint("ask again; if that does not help, for a shorter time"),
            Self::Partial(missing) => Fail::new(Exit::Partial, "the answer is not complete")
                .why(if missing.is_empty() {
                    "the server does not say why".to_owned()
                } else {
                    missing.join("; ")
                })
                .hint("ask again later, or look at what 'logway up' says there"),
        }
    }
}

/// What a status means.
fn refused(status: u16, text: &str, server: &Address) -> Fail {
    let text = lines(text);
    match status {
        400 | 422 => {
            let (code, text) = coded(&text);
            // Only of a query it is shown where it is wrong. Of all else, as a cursor, the server says what to do.
            let is_query = text.contains('^');
            let fail = Fail::new(Exit::Usage, text);
            match code {
                Some(code) => fail.code(code),
                None if is_query => fail.hint("'logway search --help' has examples of queries"),
                None => fail,
            }
        }
        401 => Fail::new(Exit::Refused, format!("{server} does not let this token in")).code("LR13"),
        403 => Fail::new(Exit::Refused, format!("{server} does not allow this with this token"))
            .code("LR13")
            .why(coded(&text).1)
            .hint("'logway tokens inspect' says what it is for"),
        404 | 405 | 501 => Fail::new(Exit::NotFound, format!("{server} has no search"))
            .why(format!("it answers {status}"))
            .hint("it may be an older Logway, or not one at all: name the HTTP API with --api, or in LOGWAY_API"),
        429 => Fail::new(Exit::Disconnected, format!("{server} has too much to do"))
            .why(text)
            .hint("ask again in a while"),
        503 | 504 => {
            let (exit, hint) = match text.contains(LATE) {
                true => (Exit::Timeout, "ask for a shorter time, or give it longer with --timeout"),
                false => (Exit::Disconnected, "ask again in a while; what 'logway up' says there may help"),
            };
            Fail::new(exit, format!("{server} has no answer")).why(text).hint(hint)
        }
        _ => Fail::new(Exit::Disconnected, format!("{server} answers {status}"))
            .why(text)
            .hint("look at what 'logway up' says there"),
    }
}

/// What a refusal says: the API's JSON (`{"error":"…","code":"LR13"}`) as `LR13: …`, all else as it is.
pub(super) fn text_of(body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        error: String,
        code: Option<String>,
    }
    match serde_json::from_str(body) {
        Ok(Said { error, code: Some(code) }) => format!("{code}: {error}"),
        Ok(Said { error, code: None }) => error,
        Err(_) => body.to_owned(),
    }
}

/// What a server says, without what a terminal would obey; its lines stay.
fn lines(text: &str) -> String {
    text.trim_end().split('\n').map(neutral::plain).collect::<Vec<_>>().join("\n")
}

/// The code that a text begins with, and the rest.
fn coded(text: &str) -> (Option<&'static str>, &str) {
    let Some((code, rest)) = text.split_once(": ") else { return (None, text) };
    match codes::find(code) {
        Some(entry) => (Some(entry.code), rest),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::describe;

    fn shown(trouble: &Trouble) -> (String, Exit) {
        describe(&trouble.fail(&"http://far:4280".parse().unwrap()).into())
    }

    fn refusal(status: u16, text: &str, retry_after: Option<u64>) -> Trouble {
        Trouble::Refused { status, text: text.to_owned(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn what_a_person_reads() {
        for (trouble, exit, wanted) in [
            (
                Trouble::Away("refused".into()),
                Exit::Disconnected,
                "cannot reach the HTTP API at http://far:4280: refused",
            ),
            (
                Trouble::Tls("expired (LB06)".into()),
                Exit::Refused,
                "error[LB06]: http://far:4280 cannot be had",
            ),
            (Trouble::Tls("no".into()), Exit::Refused, "hint: "),
            (
                refusal(400, "no such pipe\n  a | b\n      ^\n", None),
                Exit::Usage,
                "no such pipe\n  a | b\n      ^\n",
            ),
            (refusal(401, "who\n", None), Exit::Refused, "error[LR13]: "),
            (refusal(403, "LR13: read is missing", None), Exit::Refused, "with this token: read is missing"),
            (refusal(404, "", None), Exit::NotFound, "has no search"),
            (refusal(429, "too many", Some(1)), Exit::Disconnected, "too much to do: too many"),
            (refusal(503, "the query was ended after 30 s", None), Exit::Timeout, "--timeout"),
            (refusal(503, "no store", Some(1)), Exit::Disconnected, "no answer: no store"),
            (refusal(500, "\u{1b}[2Jx", None), Exit::Disconnected, "answers 500: \\x1b[2Jx"),
            (Trouble::Broken("eof".into()), Exit::Partial, "broke off"),
            (
                Trouble::Partial(vec!["store s2".into(), "a part".into()]),
                Exit::Partial,
                "not complete: store s2; a part",
            ),
            (Trouble::Partial(Vec::new()), Exit::Partial, "does not say why"),
        ] {
            let (text, found) = shown(&trouble);
            assert!(found == exit && text.contains(wanted) && text.contains("hint: "), "{trouble:?}: {text}");
        }
    }

    #[test]
    fn a_code_that_the_server_says_is_ours_to_show() {
        let known = codes::ALL[0].code;
        let (text, exit) = shown(&refusal(400, &format!("{known}: wrong\n  a\n  ^\n"), None));
        assert!(
            exit == Exit::Usage && text.starts_with(&format!("error[{known}]: wrong\n  a\n  ^\nhint: ")),
            "{text}"
        );
        assert!(shown(&refusal(400, "note: wrong", None)).0.starts_with("error: note: wrong\n"));
    }

    #[test]
    fn what_the_api_says_is_read() {
        for (body, wanted) in [
            (r#"{"error":"no such token","code":"LR13"}"#, "LR13: no such token"),
            (r#"{"error":"bad"}"#, "bad"),
            ("plain", "plain"),
            ("{}", "{}"),
        ] {
            assert_eq!(text_of(body), wanted);
        }
    }

    #[test]
    fn what_may_be_asked_again() {
        assert!(Trouble::Partial(vec!["the query was ended after 30.0 s: x".into()]).is_too_much());
        assert!(!Trouble::Partial(vec!["store s2 is away".into()]).is_too_much());
        assert_eq!(refusal(503, "", Some(2)).retry_after(), Some(Duration::from_secs(2)));
        assert_eq!(refusal(400, "", Some(2)).retry_after(), None);
        assert!(refusal(503, "", None).is_too_much() && !refusal(503, "", Some(1)).is_too_much());
    }
}
