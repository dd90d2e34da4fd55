//! A line as logfmt: who wrote it, what it says, and its own fields.

use line::json::Message;
use line::{Body, Stream, Text};
use store::flatten::{Flattened, flatten};

use crate::search::value;

/// Names that stand at the beginning of each line: an app's own fields of these names get `app.` before them.
const OURS: [&str; 9] = ["time", "level", "app", "instance", "region", "provider", "stream", "code", "msg"];

/// Appends `message` with its newline. With `only`, of its own fields just these.
pub(super) fn write(message: &Message, new_lost: u64, only: Option<&[String]>, out: &mut String) {
    let entry = &message.entry;
    let time = line::time::rfc3339(entry.time);
    for (name, text) in [
        ("time", time.as_str()),
        ("level", entry.level.as_str()),
        ("app", &message.app),
        ("instance", &message.instance),
        ("region", &message.region),
        ("provider", message.provider.as_str()),
    ] {
        pair(name, text, out);
    }
    if matches!(&entry.body, Body::Line(_)) && entry.stream == Stream::Stderr {
        pair("stream", "stderr", out);
    }
    if let Some(code) = &message.code {
        pair("code", code, out);
    }
    match &entry.body {
        Body::Gap(gap) => {
            pair("lost", &new_lost.to_string(), out);
            pair("msg", &gap.message(new_lost), out);
        }
        Body::Line(Text { bytes, part: 0, more: false, .. }) => own(bytes, &message.message, only, out),
        Body::Line(_) | Body::Event(_) => pair("msg", &message.message, out),
    }
    out.push('\n');
}

/// The message of an app, and the fields that it has.
fn own(bytes: &[u8], text: &str, only: Option<&[String]>, out: &mut String) {
    let mut fields = Flattened::new();
    let is_structured = flatten(bytes, &mut fields) && !fields.is_empty();
    let is_message = |name: &str| matches!(name, "msg" | "message" | "_msg");
    let said = fields.iter().filter(|_| is_structured).find(|(name, _)| is_message(name));
    match said {
        Some((_, value)) => pair("msg", &String::from_utf8_lossy(value), out),
        None if is_structured => pair("msg", "", out),
        None => pair("msg", text, out),
    }
    let message = said.map(|(name, _)| name.to_owned());
    for (name, value) in fields.iter().filter(|_| is_structured) {
        let plain = name.strip_prefix("app.").unwrap_or(name);
        let is_wanted = only.is_none_or(|only| only.iter().any(|one| one == name || one == plain));
        if Some(name) == message.as_deref() || !is_wanted {
            continue;
        }
        let own = if OURS.contains(&name) { format!("app.{name}") } else { name.to_owned() };
        pair(&own, &String::from_utf8_lossy(value), out);
    }
}

fn pair(name: &str, text: &str, out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push(' ');
    }
    // A name with blanks or the like would be two.
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"=".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    out.push_str(&plain);
    out.push('=');
    value::write(text, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, only: Option<&[&str]>, more: serde_json::Value) -> String {
        let mut json = serde_json::json!({
            "event": {"provider": "app"}, "fly": {"app": {"instance": "i", "name": "web"}, "region": "lhr"},
            "log": {"level": "info"}, "message": text, "timestamp": "2026-11-22T10:00:00.5Z",
            "logway": {"boot": "019a0c3f2b7c0001", "seq": 1, "stream": "stderr"},
        });
        json.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let message = line::json::decode(json.to_string().as_bytes()).unwrap();
        let only: Option<Vec<String>> = only.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        let mut out = String::new();
        write(&message, message.entry.span, only.as_deref(), &mut out);
        out
    }

    #[test]
    fn lines_as_pairs() {
        let head =
            "time=2026-11-22T10:00:00.5Z level=info app=web instance=i region=lhr provider=app stream=stderr";
        for (text, only, wanted) in [
            ("a \"b\"\u{7}", None, r#"msg="a \"b\"\u0007""#),
            ("", None, "msg=\"\""),
            (r#"{"msg":"x y","n":7,"level":"warn","a b":1}"#, None, "msg=\"x y\" n=7 app.level=warn a_b=1"),
            (r#"{"n":7,"m":8}"#, Some(&["m"][..]), "msg=\"\" m=8"),
            ("msg=hello k=v", None, "msg=hello k=v"),
        ] {
            let found = shown(text, only, serde_json::json!({}));
            let rest = found.strip_suffix('\n').and_then(|row| row.split_once("stream=stderr ")).unwrap();
            assert_eq!(rest.1, wanted, "{text}");
            assert!(found.replace("10:00:00.500000000", "10:00:00.5").starts_with(head), "{found}");
        }
    }

    #[test]
    fn gaps_say_how_many() {
        let more = serde_json::json!({
            "gap": {"reason": "ring_full", "hop": "init", "bytes": 9},
            "logway": {"boot": "019a0c3f2b7c0001", "seq": 1, "span": 1204},
            "event": {"provider": "runner"}, "code": "LI04",
        });
        let found = shown("x", None, more);
        assert!(
            found.contains(" provider=runner code=LI04 lost=1204 msg=\"1204 lines lost: the Machine's"),
            "{found}"
        );
    }
}
