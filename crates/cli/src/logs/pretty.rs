//! A line as a person at a terminal reads it: of JSON and logfmt the message and its fields behind it, faint; in other text what
//! the eye looks for, marked.

use line::json::Message;
use line::{Body, Level, Text};
use query::Marks;
use store::flatten::{Flattened, flatten};

use super::highlight;
use super::neutral::{self, RESET};
use super::render::{Style, colour_of_level};
use crate::search::value;

/// Fields that are the message, the most likely first.
const MESSAGES: [&str; 5] = ["msg", "message", "_msg", "event", "text"];
/// Fields that the beginning of a line says already.
const SAID: [&str; 13] = [
    "level",
    "severity",
    "lvl",
    "levelname",
    "loglevel",
    "time",
    "ts",
    "timestamp",
    "@timestamp",
    "datetime",
    "asctime",
    "log.level",
    "app.level",
];
/// Before what goes on with a line.
const INDENT: &str = "    ";

/// How lines are shown.
#[derive(Debug, Default)]
pub(super) struct Pretty {
    /// The fields to show; `None`: all.
    fields: Option<Vec<String>>,
    scratch: Flattened,
}

/// The fields of a line, in their order.
type Fields = Vec<(String, String)>;

impl Pretty {
    /// With these fields alone.
    pub(super) fn new(fields: Option<Vec<String>>) -> Self {
        Self { fields, scratch: Flattened::new() }
    }

    /// Appends `message` with its newline.
    pub(super) fn first(
        &mut self,
        style: Style,
        message: &Message,
        new_lost: u64,
        marks: &Marks,
        out: &mut String,
    ) {
        let fields = self.fields(message);
        style.write_body(message, new_lost, out, &mut |out| match &fields {
            Some(fields) => self.line(style, fields, marks, out),
            None => text(style, &message.message, marks, out),
        });
    }

    /// Appends a line that goes on with the one before.
    pub(super) fn rest(style: Style, message: &Message, marks: &Marks, out: &mut String) {
        out.push_str(INDENT);
        text(style, &message.message, marks, out);
        out.push('\n');
    }

    /// What a line says in fields; `None`: it is text.
    fn fields(&mut self, message: &Message) -> Option<Fields> {
        let Body::Line(Text { bytes, part: 0, more: false, .. }) = &message.entry.body else { return None };
        let is_structured = flatten(bytes, &mut self.scratch) && !self.scratch.is_empty();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        is_structured
            .then(|| self.scratch.iter().map(|(name, value)| (name.to_owned(), text(value))).collect())
    }

    fn line(&self, style: Style, fields: &Fields, marks: &Marks, out: &mut String) {
        let said = |name: &str| fields.iter().any(|(known, value)| known == name && !value.is_empty());
        let message = MESSAGES.into_iter().find(|name| said(name));
        let mut is_empty = true;
        if let Some((_, value)) = message.and_then(|name| fields.iter().find(|(known, _)| known == name)) {
            text(style, value, marks, out);
            is_empty = false;
        }
        let mut behind = Vec::new();
        for (name, value) in fields.iter().filter(|(name, _)| self.shows(name, message)) {
            if value.contains('\n') && self.fields.is_none() {
                behind.push((name, value));
                continue;
            }
            if !std::mem::take(&mut is_empty) {
                out.push(' ');
            }
            pair(style, name, value, out);
        }
        // A stack trace in a field is one here too.
        for (name, value) in behind {
            out.push_str(&format!("\n{INDENT}"));
            pair(style, name, "", out);
            for row in value.trim_end().split('\n') {
                out.push_str(&format!("\n{INDENT}{INDENT}"));
                text(style, row.trim_end_matches('\r'), marks, out);
            }
        }
    }

    fn shows(&self, name: &str, message: Option<&str>) -> bool {
        match &self.fields {
            // An app's own field of a reserved name has `app.` before it.
            Some(wanted) => wanted.iter().any(|one| one == name || name.strip_prefix("app.") == Some(one)),
            None => Some(name) != message && !SAID.contains(&name),
        }
    }
}

/// Appends text of an app.
fn text(style: Style, text: &str, marks: &Marks, out: &mut String) {
    if !style.has_colour {
        return style.write_text(text, &[], out);
    }
    let places = marks.find(text.as_bytes());
    match places.is_empty() {
        true => highlight::write(text, out),
        false => style.write_with_marks(text, &places, out),
    }
}

/// Appends `name=value`, the name faint, and a value that says that something failed in the colour of that.
fn pair(style: Style, name: &str, text: &str, out: &mut String) {
    let mut name_text = neutral::plain(name);
    name_text.push('=');
    style.paint(2, &name_text, out);
    if text.is_empty() {
        return;
    }
    let colour = match highlight::kind(text) {
        _ if !style.has_colour => None,
        Some(kind) => Some(kind.colour()),
        None if is_failure(name) => Some(colour_of_level(Level::Error)),
        None => None,
    };
    if let Some(colour) = colour {
        out.push_str(&format!("\u{1b}[{colour}m"));
    }
    value::write(text, out);
    if colour.is_some() {
        out.push_str(RESET);
    }
}

fn is_failure(name: &str) -> bool {
    matches!(name, "error" | "err" | "exception" | "error.message" | "err.message" | "panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { has_colour: false, for_terminal: true, with_app: false };
    const COLOUR: Style = Style { has_colour: true, ..PLAIN };

    fn shown(style: Style, fields: Option<&[&str]>, text: &str) -> String {
        let json = serde_json::json!({
            "event": {"provider": "app"}, "fly": {"app": {"instance": "i", "name": "web"}, "region": "lhr"},
            "log": {"level": "info"}, "message": text, "timestamp": "2026-11-22T10:00:00Z",
            "logway": {"boot": "019a0c3f2b7c0001", "seq": 1, "stream": "stdout"},
        });
        let message = line::json::decode(json.to_string().as_bytes()).unwrap();
        let fields = fields.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        let mut out = String::new();
        Pretty::new(fields).first(style, &message, 1, &Marks::default(), &mut out);
        out.split_once("lhr [").unwrap().1.split_once("] ").unwrap().1.to_owned()
    }

    #[test]
    fn json_and_logfmt_are_a_message_and_fields() {
        for (text, wanted) in [
            ("plain text", "plain text\n"),
            (
                r#"{"level":"warn","msg":"slow query","took":"12ms","user":{"id":7}}"#,
                "slow query took=12ms user.id=7\n",
            ),
            (r#"{"a":"x y","b":""}"#, "a=\"x y\"\n"),
            ("level=info ts=2026-11-22T10:00:00Z msg=\"hello there\" n=3", "hello there n=3\n"),
            (r#"{"msg":"bad\u001b[2J","k\u0007":"v"}"#, "bad\\x1b[2J k\\x07=v\n"),
            (
                r#"{"msg":"oops","stack":"Error: x\n  at f\n"}"#,
                "oops\n    stack=\n        Error: x\n          at f\n",
            ),
            ("{\"not\": json", "{\"not\": json\n"),
        ] {
            assert_eq!(shown(PLAIN, None, text), wanted, "{text}");
        }
    }

    #[test]
    fn some_fields_alone() {
        let text = r#"{"msg":"hello","a":"1","b":"2"}"#;
        assert_eq!(shown(PLAIN, Some(&["b"]), text), "hello b=2\n");
        assert_eq!(shown(PLAIN, Some(&[]), text), "hello\n");
    }

    #[test]
    fn names_are_faint_and_failures_red() {
        let text = shown(COLOUR, None, r#"{"msg":"took 5ms","n":7,"error":"no way","x":"y"}"#);
        let wanted = "took \u{1b}[36m5ms\u{1b}[0m \u{1b}[2mn=\u{1b}[0m\u{1b}[36m7\u{1b}[0m \u{1b}[2merror=\u{1b}[0m\u{1b}[31m\"no way\"\u{1b}[0m \u{1b}[2mx=\u{1b}[0my\n";
        assert_eq!(text, wanted);
    }
}
