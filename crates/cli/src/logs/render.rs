//! A message as a person reads it: flyctl's layout, with a blank before the message.

use std::ops::Range;

use line::json::Message;
use line::{Body, Clock, Entry, Gap, GapReason, Hop, Level, LevelSource, Provider, Stream};

use super::neutral::{self, RESET};
use super::stitch::Source;

/// Bytes of an RFC 3339 time up to the seconds.
const SECONDS_BYTES: usize = 19;

/// How what was looked for is marked: bold and red, as grep does.
const MARK: &str = "\u{1b}[1;31m";

/// Colours for instances: none that means a level.
const INSTANCE_COLOURS: [u8; 8] = [36, 32, 35, 34, 96, 92, 95, 94];

/// How lines are to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// With colours of our own; those of apps are kept.
    pub(crate) has_colour: bool,
    /// For a terminal: control sequences of apps are shown, not obeyed, and stderr is marked.
    pub(crate) for_terminal: bool,
    /// The app's name stands in each line, because there are several.
    pub(crate) with_app: bool,
}

impl Style {
    /// Appends `message` as one line with its newline. Of a gap record only `new_lost` lines are news.
    pub(crate) fn write(self, message: &Message, new_lost: u64, out: &mut String) {
        self.write_marked(message, new_lost, &[], out);
    }

    /// The same with `marks`, places in its text, shown bright where there are colours.
    pub(crate) fn write_marked(
        self,
        message: &Message,
        new_lost: u64,
        marks: &[Range<usize>],
        out: &mut String,
    ) {
        self.write_body(message, new_lost, out, &mut |out| self.write_text(&message.message, marks, out));
    }

    /// The same, with `text` for what an app or an event says.
    pub(super) fn write_body(
        self,
        message: &Message,
        new_lost: u64,
        out: &mut String,
        text_of: &mut dyn FnMut(&mut String),
    ) {
        self.write_head(message, out);
        match &message.entry.body {
            Body::Gap(gap) => {
                let text = lost(new_lost, gap, message.code.as_deref());
                self.paint(33, &text, out);
            }
            Body::Event(_) => {
                text_of(out);
                if let Some(code) = &message.code {
                    self.paint(2, &format!(" ({})", neutral::plain(code)), out);
                }
            }
            Body::Line(text) => {
                if self.for_terminal && message.entry.stream == Stream::Stderr {
                    self.paint(2, "2> ", out);
                }
                if text.part > 0 {
                    self.paint(2, "… ", out);
                }
                text_of(out);
                if text.more {
                    self.paint(2, " …", out);
                }
                if text.truncated_bytes > 0 {
                    let note = format!(" [{} bytes left out]", thousands(text.truncated_bytes));
                    self.paint(2, &note, out);
                }
            }
        }
        out.push('\n');
    }

    /// `2026-11-22T10:00:00Z app[148e] lhr [info] `.
    fn write_head(self, message: &Message, out: &mut String) {
        let time = line::time::rfc3339(message.entry.time);
        self.paint(2, &format!("{}Z", &time[..SECONDS_BYTES]), out);
        out.push(' ');
        out.push_str(message.provider.as_str());
        out.push('[');
        let mut name = String::new();
        if self.with_app {
            self.write_name(&message.app, &mut name);
            name.push('/');
        }
        self.write_name(&message.instance, &mut name);
        self.paint(colour_of(&message.instance), &name, out);
        out.push_str("] ");
        self.write_name(&message.region, out);
        out.push_str(" [");
        let level = message.entry.level;
        self.paint(colour_of_level(level), level.as_str(), out);
        out.push_str("] ");
    }

    /// Appends text of an app. In a pipe it stays as it is, save for a line break, which would look like a further line.
    pub(super) fn write_text(self, text: &str, marks: &[Range<usize>], out: &mut String) {
        if self.has_colour && !marks.is_empty() {
            self.write_with_marks(text, marks, out);
        } else if self.is_careful() {
            neutral::write(text, self.has_colour, out);
        } else if text.contains('\n') {
            out.push_str(&text.replace('\n', "\\n"));
        } else {
            out.push_str(text);
        }
    }

    /// Appends text of an app with places that are marked. The app's own colours would end each other: they go.
    pub(crate) fn write_with_marks(self, text: &str, marks: &[Range<usize>], out: &mut String) {
        let mut at = 0;
        for mark in marks {
            let (Some(before), Some(marked)) = (text.get(at..mark.start), text.get(mark.clone())) else {
                continue;
            };
            neutral::write(before, false, out);
            out.push_str(MARK);
            neutral::write(marked, false, out);
            out.push_str(RESET);
            at = mark.end;
        }
        neutral::write(text.get(at..).unwrap_or_default(), false, out);
    }

    /// Whether what apps wrote must be harmless for a terminal: with colours it is for one in the end, too.
    pub(crate) const fn is_careful(self) -> bool {
        self.for_terminal || self.has_colour
    }

    /// Appends a name. Ours hold nothing that needs care, but others can publish too.
    fn write_name(self, name: &str, out: &mut String) {
        neutral::write(name, false, out);
    }

    pub(super) fn paint(self, colour: u8, text: &str, out: &mut String) {
        if self.has_colour {
            out.push_str(&format!("\u{1b}[{colour}m{text}{RESET}"));
        } else {
            out.push_str(text);
        }
    }
}

/// The colour of a level.
pub(super) const fn colour_of_level(level: Level) -> u8 {
    match level {
        Level::Debug => 36,
        Level::Info => 34,
        Level::Warn => 33,
        Level::Error => 31,
    }
}

/// `— 1,204 lines lost: why (LI04) —`.
fn lost(count: u64, gap: &Gap, code: Option<&str>) -> String {
    let lines = if count == 1 { "line" } else { "lines" };
    let code = neutral::plain(code.unwrap_or(gap.reason.code_name()));
    format!("— {} {lines} lost: {} ({code}) —", thousands(count), gap.reason.sentence())
}

/// A gap record for numbers that neither came nor are in any spool: its hop, the bus, tells it from those of the path.
pub(crate) fn missing(source: &Source, seq: u64, span: u64, time: i64) -> Message {
    let gap = Gap { reason: GapReason::SequenceHole, hop: Hop::Bus, bytes: 0 };
    Message {
        fields: Vec::new(),
        app: source.app.to_string(),
        region: source.region.to_string(),
        instance: source.instance.to_string(),
        host: String::new(),
        provider: Provider::Runner,
        boot: Some(source.boot),
        message: gap.message(span),
        code: Some(gap.reason.code_name().to_owned()),
        replaced: false,
        entry: Entry {
            time: time.max(0),
            seq,
            span,
            stream: Stream::Agent,
            level: Level::Warn,
            level_source: LevelSource::Platform,
            clock: Clock::Host,
            body: Body::Gap(gap),
        },
    }
}

/// The same colour for the same instance, always.
fn colour_of(instance: &str) -> u8 {
    let hash = instance.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let index = usize::try_from(hash >> 32).unwrap_or(0) % INSTANCE_COLOURS.len();
    INSTANCE_COLOURS[index]
}

/// `1204` as `1,204`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Style = Style { has_colour: false, for_terminal: false, with_app: false };
    const PLAIN_TERMINAL: Style = Style { for_terminal: true, ..PIPE };
    const TERMINAL: Style = Style { has_colour: true, ..PLAIN_TERMINAL };

    fn message(provider: &str, text: &str, more: &str, logway: &str) -> Message {
        let json = format!(
            r#"{{"event":{{"provider":"{provider}"}},"fly":{{"app":{{"instance":"148e","name":"web"}},"region":"lhr"}},"host":"h1",
            "log":{{"level":"info"}},"message":"{text}","timestamp":"2026-11-22T10:00:00.9Z"{more},
            "logway":{{"boot":"019a0c3f2b7c0001","seq":7{logway}}}}}"#
        );
        line::json::decode(json.as_bytes()).unwrap()
    }

    fn text(style: Style, message: &Message) -> String {
        let mut out = String::new();
        style.write(message, message.entry.span, &mut out);
        out
    }

    #[test]
    fn lines_have_flyctl_s_layout() {
        let line = message("app", "hello", "", "");
        assert_eq!(text(PIPE, &line), "2026-11-22T10:00:00Z app[148e] lhr [info] hello\n");
        let style = Style { with_app: true, ..PIPE };
        assert_eq!(text(style, &line), "2026-11-22T10:00:00Z app[web/148e] lhr [info] hello\n");
        let coloured = text(TERMINAL, &line);
        assert!(coloured.contains("\u{1b}[34minfo\u{1b}[0m") && coloured.ends_with(" hello\n"));
        let mut plain = String::new();
        neutral::write(&coloured, false, &mut plain);
        assert_eq!(plain, "2026-11-22T10:00:00Z app[148e] lhr [info] hello\\n");
    }

    #[test]
    fn stderr_is_marked_on_a_terminal_and_is_not_red() {
        let line = message("app", "hello", "", ",\"stream\":\"stderr\"");
        assert!(text(PIPE, &line).ends_with("[info] hello\n"));
        assert!(text(PLAIN_TERMINAL, &line).ends_with("[info] 2> hello\n"));
        assert!(!text(TERMINAL, &line).contains("[31m"));
    }

    #[test]
    fn gaps_parts_and_events() {
        let gap = message(
            "runner",
            "1204 lines lost: x",
            ",\"gap\":{\"reason\":\"ring_full\",\"hop\":\"init\",\"bytes\":9}",
            ",\"span\":1204",
        );
        let wanted =
            "— 1,204 lines lost: the Machine's buffer was full while the host could not take more (LI04) —\n";
        assert!(text(PIPE, &gap).ends_with(wanted), "{}", text(PIPE, &gap));
        let event =
            message("runner", "Main child exited", ",\"code\":\"LI07\"", ",\"event\":{\"kind\":\"exited\"}");
        assert_eq!(
            text(PIPE, &event),
            "2026-11-22T10:00:00Z runner[148e] lhr [info] Main child exited (LI07)\n"
        );
        let part = message("app", "x", "", ",\"part\":1,\"more\":true,\"truncated_bytes\":12345");
        assert!(text(PIPE, &part).ends_with("[info] … x … [12,345 bytes left out]\n"));
        let source = crate::logs::item::Item { raw: bytes::Bytes::new(), message: part }.source().unwrap();
        let none = missing(&source, 9, 1, 0);
        let wanted = "1970-01-01T00:00:00Z runner[148e] lhr [warn] — 1 line lost: their sequence numbers never arrived (LA08) —\n";
        assert_eq!(text(PIPE, &none), wanted);
    }

    #[test]
    fn control_sequences_are_shown_on_a_terminal_and_kept_in_a_pipe() {
        let line = message("app", "\\u001b]0;x\\u0007\\u001b[31mred\\r\\nx", "", "");
        assert!(text(PIPE, &line).ends_with("[info] \u{1b}]0;x\u{7}\u{1b}[31mred\r\\nx\n"));
        assert!(text(PLAIN_TERMINAL, &line).ends_with("[info] \\x1b]0;x\\x07red\\r\\nx\n"));
        assert!(text(TERMINAL, &line).ends_with("\\x1b]0;x\\x07\u{1b}[31mred\\r\\nx\u{1b}[0m\n"));
    }

    #[test]
    fn what_was_looked_for_is_bright_where_there_are_colours() {
        let line = message("app", "a \\u001b[31mred\\u0007 é", "", "");
        let marked = |style: Style, marks: &[Range<usize>]| {
            let mut out = String::new();
            style.write_marked(&line, 1, marks, &mut out);
            out.split_once("] ").unwrap().1.split_once("] ").unwrap().1.to_owned()
        };
        let red = line.message.find("red").unwrap();
        let place = red..red + 3;
        assert!(
            marked(TERMINAL, std::slice::from_ref(&place)).ends_with("a \u{1b}[1;31mred\u{1b}[0m\\x07 é\n")
        );
        assert_eq!(marked(PLAIN_TERMINAL, std::slice::from_ref(&place)), "a red\\x07 é\n");
        assert_eq!(marked(PIPE, &[place]), format!("{}\n", line.message));
        // A place that is inside a letter is passed over.
        let inside = line.message.len() - 1..line.message.len();
        assert!(marked(TERMINAL, &[inside]).ends_with("red\\x07 é\n"));
    }

    #[test]
    fn a_code_that_others_wrote_is_harmless() {
        let code = ",\"code\":\"\\u001b]0;x\\u0007\\n\"";
        let gap = format!("{code},\"gap\":{{\"reason\":\"ring_full\",\"hop\":\"init\",\"bytes\":9}}");
        let gap = message("runner", "1 line lost: x", &gap, "");
        let event = message("runner", "exited", code, ",\"event\":{\"kind\":\"exited\"}");
        for style in [PIPE, PLAIN_TERMINAL, TERMINAL] {
            for message in [&gap, &event] {
                let text = text(style, message);
                assert!(text.contains("(\\x1b]0;x\\x07\\n)"), "{text:?}");
            }
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (count, wanted) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(count), wanted);
        }
    }
}
