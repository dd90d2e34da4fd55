//! A row of an answer of the HTTP API: one JSON object whose values are strings. A row that has what a line has becomes the
//! message that came over the bus, so that it is shown, and joined to live ones, as that.

use bytes::Bytes;
use line::json::{Scanner, write_row};

use crate::logs::item::Item;

/// A row, its fields in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    fields: Vec<(String, String)>,
}

impl Row {
    /// Reads a row; `None` for what is no JSON object. Of a field that comes twice the first one counts.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let mut scanner = Scanner::new(json);
        let mut fields = Vec::new();
        scanner.begin_object().ok()?;
        while let Some(key) = scanner.next_key().ok()? {
            let name = key.decode().ok()?.into_owned();
            let value = match scanner.peek()? {
                b'"' => scanner.string().ok()?.decode().ok()?.into_owned(),
                _ => {
                    let start = scanner.position();
                    scanner.skip_value().ok()?;
                    String::from_utf8(json.get(start..scanner.position())?.to_vec()).ok()?
                }
            };
            fields.push((name, value));
        }
        scanner.end().ok()?;
        Some(Self { fields })
    }

    /// The value of `name`; empty when the row does not have it.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Names and values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether it has what a line has.
    pub(crate) fn is_line(&self) -> bool {
        let names = ["_time", "app", "instance", "level", "provider"];
        let has = |name: &&str| !self.get(name).is_empty();
        names.iter().all(has) && (has(&"_msg") || self.fields.iter().any(|(name, _)| name == "seq"))
    }

    /// The message of the bus that this row was made of; `None` if it is no line's.
    pub(crate) fn item(&self) -> Option<Item> {
        if !self.is_line() {
            return None;
        }
        Item::read(Bytes::from(self.message()))
    }

    /// The row in the shape of the bus.
    fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        write_row(self.fields().map(|(name, value)| (name, value.as_bytes())), &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line::{Address, Boot, Clock, Entry, Event, Gap, GapReason, Hop, Level, LevelSource, Stream, Text};

    const ROW: &str = r#"{"_time":"2026-11-22T10:00:00.123456789Z","_msg":"a \"b\"","app":"web","boot":"019a0c3f2b7c0001","host":"h1","instance":"148e","level":"info","provider":"app","region":"lhr","seq":"42","stream":"stdout""#;

    fn row(more: &str) -> Row {
        Row::read(format!("{ROW}{more}}}").as_bytes()).unwrap()
    }

    /// What the agent says of the same.
    fn encoded(entry: &Entry<'_>) -> String {
        let org = line::OrgId::mint(7);
        let address = Address::new(org, "web", "lhr", "148e").unwrap();
        let mut out = Vec::new();
        let boot = Boot::parse("019a0c3f2b7c0001").unwrap();
        line::json::Encoder::new(&address, "h1").write(boot, entry, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn entry(body: line::Body<'static>) -> Entry<'static> {
        let time = line::time::parse_rfc3339("2026-11-22T10:00:00.123456789Z").unwrap();
        let (stream, level, level_source) = (Stream::Stdout, Level::Info, LevelSource::Default);
        Entry { time, seq: 42, span: 1, stream, level, level_source, clock: Clock::Guest, body }
    }

    #[test]
    fn rows_are_read() {
        let found = Row::read(br#"{"a":"x","n":1.5,"o":{"b":[]},"a":"y"}"#).unwrap();
        assert_eq!(
            (found.get("a"), found.get("n"), found.get("o"), found.get("z")),
            ("x", "1.5", "{\"b\":[]}", "")
        );
        for bad in [&b""[..], b"[]", b"{", b"{\"a\":}", b"{} x", b"{\"a\":\"\xff\"}"] {
            assert_eq!(Row::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_line_becomes_what_came_over_the_bus() {
        let text = Text::whole(&b"a \"b\""[..]);
        let found = String::from_utf8(row("").message()).unwrap();
        assert_eq!(found, encoded(&entry(line::Body::Line(text.clone()))));
        let part = Text { part: 2, more: true, truncated_bytes: 9, ..text };
        let other = Entry {
            span: 3,
            level_source: LevelSource::Json,
            clock: Clock::Host,
            ..entry(line::Body::Line(part))
        };
        let more = r#","span":"3","logway.level_source":"json","logway.clock":"host","logway.part":"2","logway.more":"true","logway.truncated_bytes":"9""#;
        assert_eq!(String::from_utf8(row(more).message()).unwrap(), encoded(&other));
    }

    #[test]
    fn gaps_and_events_become_what_they_were() {
        let gap = Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 9 };
        let gap = Entry {
            span: 7,
            stream: Stream::Init,
            level: Level::Warn,
            level_source: LevelSource::Platform,
            ..entry(line::Body::Gap(gap))
        };
        let wanted = line::json::decode(encoded(&gap).as_bytes()).unwrap();
        let row = Row::read(
            br#"{"_time":"2026-11-22T10:00:00.123456789Z","_msg":"7 lines lost: the Machine's buffer was full while the host could not take more","app":"web","boot":"019a0c3f2b7c0001","code":"LI04","gap.bytes":"9","gap.hop":"init","gap.reason":"ring_full","host":"h1","instance":"148e","level":"warn","provider":"runner","region":"lhr","seq":"42","span":"7","stream":"init"}"#,
        );
        assert_eq!(row.unwrap().item().unwrap().message, wanted);

        let event =
            Event::new("exited", Level::Info, "Main child exited").int("exit_code", 137).flag("oom", true);
        let event = Entry {
            stream: Stream::Init,
            level_source: LevelSource::Platform,
            ..entry(line::Body::Event(event))
        };
        let wanted = line::json::decode(encoded(&event).as_bytes()).unwrap();
        let row = Row::read(
            br#"{"_time":"2026-11-22T10:00:00.123456789Z","_msg":"Main child exited","app":"web","boot":"019a0c3f2b7c0001","host":"h1","instance":"148e","level":"info","logway.event.exit_code":"137","logway.event.oom":"true","logway.event.kind":"exited","provider":"runner","region":"lhr","seq":"42","stream":"init"}"#,
        );
        assert_eq!(row.unwrap().item().unwrap().message, wanted);
    }

    #[test]
    fn what_is_no_line_is_none() {
        for json in [
            r#"{"hits":"7"}"#,
            r#"{"_time":"2026-11-22T10:00:00Z","_msg":"x"}"#,
            r#"{"_time":"x","_msg":"x","app":"a","instance":"i","level":"info","provider":"app"}"#,
        ] {
            assert!(Row::read(json.as_bytes()).unwrap().item().is_none(), "{json}");
        }
        // Without an id it is a line all the same.
        let json = r#"{"_time":"2026-11-22T10:00:00Z","_msg":"x","app":"a","instance":"i","level":"info","provider":"import"}"#;
        let item = Row::read(json.as_bytes()).unwrap().item().unwrap();
        assert!(item.source().is_none() && item.message.message == "x");
    }
}
