//! How the lines of a request are to be read: its arguments, or the headers that shippers send instead.

use hyper::HeaderMap;

use crate::args::{Args, split_list};
use crate::reply::Refused;

/// Which field is what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// The field with the time.
    pub(crate) time_field: String,
    /// The fields that may have the message; the first one that is not empty has it.
    pub(crate) msg_fields: Vec<String>,
    /// The fields that tell streams apart. The first one stands for the app if nothing else says which app it is.
    pub(crate) stream_fields: Vec<String>,
    /// Fields that are left out; one that ends in `*` is all that begin so.
    pub(crate) ignore_fields: Vec<String>,
    /// Fields from whose values colours are taken; one that ends in `*` is all that begin so.
    pub(crate) decolorize_fields: Vec<String>,
    /// Fields that each line gets besides, in place of its own of that name.
    pub(crate) extra_fields: Vec<(String, String)>,
    /// Say what would be kept, and keep nothing.
    pub(crate) is_debug: bool,
}

impl Options {
    /// What is said in the URL, or else in headers.
    pub(crate) fn read(args: &Args, headers: &HeaderMap) -> Result<Self, Refused> {
        let list = |name: &str, header: &str| match args.list(name) {
            list if list.is_empty() => {
                headers.get(header).and_then(|value| value.to_str().ok()).map(split_list).unwrap_or_default()
            }
            list => list,
        };
        let or = |list: Vec<String>, default: &str| {
            if list.is_empty() { vec![default.to_owned()] } else { list }
        };
        let time_fields = or(list("_time_field", "vl-time-field"), "_time");
        let debug = headers.get("vl-debug").and_then(|value| value.to_str().ok());
        Ok(Self {
            time_field: time_fields.into_iter().next().unwrap_or_default(),
            msg_fields: or(list("_msg_field", "vl-msg-field"), "_msg"),
            stream_fields: list("_stream_fields", "vl-stream-fields"),
            ignore_fields: list("ignore_fields", "vl-ignore-fields"),
            decolorize_fields: list("decolorize_fields", "vl-decolorize-fields"),
            extra_fields: list("extra_fields", "vl-extra-fields")
                .iter()
                .map(|pair| extra(pair))
                .collect::<Result<_, _>>()?,
            is_debug: args.is_on("debug") || debug.is_some_and(|value| value == "1" || value == "true"),
        })
    }
}

fn extra(pair: &str) -> Result<(String, String), Refused> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Refused::bad(format!("extra_fields wants name=value, and {pair:?} is not"))),
    }
}

/// Whether a list of names, or of beginnings with `*` behind them, has `name`.
pub(crate) fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_wins() {
        let mut headers = HeaderMap::new();
        headers.insert("vl-msg-field", "a, b".parse().unwrap());
        headers.insert("vl-time-field", "ts".parse().unwrap());
        headers.insert("vl-extra-fields", "x=1=2".parse().unwrap());
        let args = Args::read("_time_field=t&ignore_fields=p*,q&debug=1&_stream_fields=app", b"").unwrap();
        let options = Options::read(&args, &headers).unwrap();
        assert_eq!(options.time_field, "t");
        assert_eq!(options.msg_fields, ["a", "b"]);
        assert_eq!(options.extra_fields, [("x".to_owned(), "1=2".to_owned())]);
        assert!(options.is_debug);
        for (name, wanted) in [("pq", true), ("q", true), ("qq", false), ("", false)] {
            assert_eq!(has(&options.ignore_fields, name), wanted, "{name}");
        }
        let bad = Args::read("extra_fields=x", b"").unwrap();
        assert!(Options::read(&bad, &HeaderMap::new()).is_err());
    }
}
