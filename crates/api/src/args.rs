//! Arguments of a request: in its URL, in the form that it carries, or in both.

use std::borrow::Cow;

use crate::reply::Refused;

/// Most arguments of a request.
const MAX_ARGS: usize = 1000;

/// How far ahead of our clock that of who wrote a time may be, in nanoseconds.
const AHEAD: i64 = 60_000_000_000;

/// 400 if the time `since`, that was written as `text`, is yet to come: there are no lines from then on, and an answer without any
/// would be taken for proof.
pub(crate) fn must_have_begun(text: &str, since: i64, now: i64) -> Result<(), Refused> {
    if since <= now.saturating_add(AHEAD) {
        return Ok(());
    }
    Err(Refused::bad(format!(
        "the argument since={} is yet to come: give a time that was, as -5m or one before {}",
        short(text),
        line::time::rfc3339(now)
    )))
}

/// Names and values, those of the form first, each in its order. A name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Args(Vec<(String, String)>);

impl Args {
    /// Reads what follows the `?` of a URL, and a form.
    pub(crate) fn read(url: &str, form: &[u8]) -> Result<Self, Refused> {
        let form = std::str::from_utf8(form).map_err(|_| {
            Refused::bad("the form is not UTF-8: send it as application/x-www-form-urlencoded")
        })?;
        let mut args = Vec::new();
        for pair in [form, url].into_iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty()) {
            if args.len() == MAX_ARGS {
                return Err(Refused::bad(format!("there are more than {MAX_ARGS} arguments: send fewer")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            args.push((decode(name)?.into_owned(), decode(value)?.into_owned()));
        }
        Ok(Self(args))
    }

    /// The first value of `name`, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on, in any of the words that VictoriaLogs takes for no.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            !["0", "f", "false", "n", "no", "off"].iter().any(|no| value.eq_ignore_ascii_case(no))
        })
    }

    /// A number; `None` when it is not given, is empty, or is not above zero, as VictoriaLogs has it.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, Refused> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) => Ok(u64::try_from(number).ok().filter(|number| *number > 0)),
            Err(_) => {
                let text =
                    format!("the argument {name}={} is no whole number of at most {}", short(text), i64::MAX);
                Err(Refused::bad(text))
            }
        }
    }

    /// A comma list, in which blanks around a value mean nothing.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(split_list).unwrap_or_default()
    }
}

/// The values of a comma list.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

/// As much of what somebody sent as an error shows, in quotes.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// Undoes the escapes of an argument; a plus is a blank.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, Refused> {
    unescape(text, b' ')
}

/// Undoes the escapes of a URL. In a path a plus is a plus, in arguments a blank.
pub(crate) fn unescape(text: &str, plus: u8) -> Result<Cow<'_, str>, Refused> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let bad = || Refused::bad(format!("{} is not escaped as in a URL", short(text)));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'+', tail @ ..] => {
                out.push(plus);
                tail
            }
            [b'%', high, low, tail @ ..] => {
                let (high, low) = (hex(*high).ok_or_else(bad)?, hex(*low).ok_or_else(bad)?);
                out.push(high << 4 | low);
                tail
            }
            [b'%', ..] => return Err(bad()),
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| bad())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn args(url: &str, form: &str) -> Args {
        Args::read(url, form.as_bytes()).unwrap()
    }

    #[test]
    fn the_form_comes_first() {
        let both = args("query=a&limit=5&x=1&x=2", "query=b%20c+d&x=0&empty=");
        assert_eq!(both.get("query"), Some("b c d"));
        assert_eq!(both.all("x").collect::<Vec<_>>(), ["0", "1", "2"]);
        assert_eq!((both.get("empty"), both.get("none")), (None, None));
        assert_eq!(both.count("limit"), Ok(Some(5)));
        for (text, wanted) in [("limit=-1", None), ("limit=0", None), ("limit=", None), ("", None)] {
            assert_eq!(args(text, "").count("limit"), Ok(wanted), "{text}");
        }
        assert!(args("limit=x", "").count("limit").is_err());
    }

    #[test]
    fn switches_and_lists() {
        for (text, wanted) in [("s=1", true), ("s=true", true), ("s=0", false), ("s=No", false), ("s", false)]
        {
            assert_eq!(args(text, "").is_on("s"), wanted, "{text}");
        }
        assert_eq!(args("l=a,%20b%20,,c", "").list("l"), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_not_taken() {
        for bad in ["a=%", "a=%1", "a=%zz", "a=%ff", "%=1"] {
            assert!(Args::read(bad, b"").is_err(), "{bad}");
        }
        assert!(Args::read("", b"a=\xff").is_err());
        assert!(Args::read(&"a&".repeat(MAX_ARGS + 1), b"").is_err());
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(text in "\\PC{0,20}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&escaped).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_arguments_or_an_error(url in "\\PC{0,40}", form in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Args::read(&url, &form);
        }
    }
}
