//! JSON to entries: what a reader of the bus gets.

use std::borrow::Cow;

use super::scan::Scanner;
use crate::append::MAX_FIELDS;
use crate::time::parse_rfc3339;
use crate::{
    Body, Boot, Clock, Entry, Error, Event, Gap, GapReason, Hop, Level, LevelSource, Provider, Stream, Text,
    event,
};

/// One message of the bus. The org is not in it: that is the subject's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The app's name, as it stands in the message.
    pub app: String,
    /// The region's name.
    pub region: String,
    /// The instance's id.
    pub instance: String,
    /// The host that read the line; empty if the message does not say.
    pub host: String,
    /// Who wrote it.
    pub provider: Provider,
    /// Which start of the instance; `None` for a message that is not from Logway (Fly's own, or Vector's).
    pub boot: Option<Boot>,
    /// The sentence or the text, as shown to people. A line's raw bytes are gone: what was not UTF-8 was replaced.
    pub message: String,
    /// The catalogue's code, if it carries one.
    pub code: Option<String>,
    /// Bytes of text were not UTF-8 and have been replaced.
    pub replaced: bool,
    /// Further fields of a row that came over HTTP, in their order.
    pub fields: Vec<(String, String)>,
    /// Everything else. Its text is that of `message`.
    pub entry: Entry<'static>,
}

/// The fields of a message, gathered in whatever order they come.
#[derive(Default)]
struct Fields {
    app: String,
    region: String,
    instance: String,
    host: String,
    provider: Option<Provider>,
    level: Option<Level>,
    message: Option<String>,
    time: Option<i64>,
    code: Option<String>,
    gap: Option<Gap>,
    logway: Logway,
}

/// The fields of the `logway` object.
#[derive(Default)]
struct Logway {
    boot: Option<Boot>,
    seq: u64,
    span: u64,
    stream: Option<Stream>,
    level_source: Option<LevelSource>,
    host_clock: bool,
    part: u32,
    more: bool,
    open: bool,
    truncated_bytes: u64,
    replaced: bool,
    event: Option<Event<'static>>,
    fields: Vec<(String, String)>,
}

/// Reads one message. [`Error::Json`] unless it is an object with a `message` and a `timestamp`; unknown keys are passed
/// over, and of a key that stands twice the last one counts.
pub fn decode(bytes: &[u8]) -> Result<Message, Error> {
    let mut fields = Fields::default();
    let mut scanner = Scanner::new(bytes);
    each_key(&mut scanner, |key, s| {
        match key {
            "event" => each_key(s, |key, s| match key {
                "provider" => text(s).map(|name| fields.provider = Provider::from_name(&name)),
                _ => s.skip_value(),
            })?,
            "fly" => read_fly(s, &mut fields)?,
            "host" => fields.host = text(s)?,
            "log" => each_key(s, |key, s| match key {
                "level" => text(s).map(|word| fields.level = Level::from_word(&word)),
                _ => s.skip_value(),
            })?,
            "message" => fields.message = Some(text(s)?),
            "timestamp" => fields.time = Some(parse_rfc3339(&text(s)?)?),
            "code" => fields.code = Some(text(s)?),
            "gap" => fields.gap = Some(read_gap(s)?),
            "logway" => fields.logway = read_logway(s)?,
            _ => s.skip_value()?,
        }
        Ok(())
    })?;
    scanner.end()?;
    assemble(fields)
}

fn each_key<'a>(
    scanner: &mut Scanner<'a>,
    mut with: impl FnMut(&str, &mut Scanner<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key()? {
        with(&key.decode()?, scanner)?;
    }
    Ok(())
}

fn text(scanner: &mut Scanner<'_>) -> Result<String, Error> {
    Ok(scanner.string()?.decode()?.into_owned())
}

fn read_fly(scanner: &mut Scanner<'_>, fields: &mut Fields) -> Result<(), Error> {
    each_key(scanner, |key, s| {
        match key {
            "region" => fields.region = text(s)?,
            "app" => each_key(s, |key, s| {
                match key {
                    "instance" => fields.instance = text(s)?,
                    "name" => fields.app = text(s)?,
                    _ => s.skip_value()?,
                }
                Ok(())
            })?,
            _ => s.skip_value()?,
        }
        Ok(())
    })
}

fn read_gap(scanner: &mut Scanner<'_>) -> Result<Gap, Error> {
    let mut gap = Gap { reason: GapReason::Unknown, hop: Hop::Unknown, bytes: 0 };
    each_key(scanner, |key, s| {
        match key {
            "reason" => gap.reason = GapReason::from_name(&text(s)?),
            "hop" => gap.hop = Hop::from_name(&text(s)?),
            "bytes" => gap.bytes = s.unsigned()?,
            _ => s.skip_value()?,
        }
        Ok(())
    })?;
    Ok(gap)
}

fn read_logway(scanner: &mut Scanner<'_>) -> Result<Logway, Error> {
    let mut logway = Logway { span: 1, ..Logway::default() };
    each_key(scanner, |key, s| {
        match key {
            "boot" => logway.boot = Some(Boot::parse(&text(s)?)?),
            "seq" => logway.seq = s.unsigned()?,
            "span" => logway.span = s.unsigned()?.max(1),
            "stream" => logway.stream = Stream::from_name(&text(s)?),
            "level_source" => logway.level_source = LevelSource::from_name(&text(s)?),
            "clock" => logway.host_clock = text(s)? == "host",
            "part" => logway.part = u32::try_from(s.unsigned()?).unwrap_or(u32::MAX),
            "more" => logway.more = s.boolean()?,
            "open" => logway.open = s.boolean()?,
            "truncated_bytes" => logway.truncated_bytes = s.unsigned()?,
            "utf8" => logway.replaced = text(s)? == "replaced",
            "event" => logway.event = Some(read_event(s)?),
            "fields" => logway.fields = read_fields(s)?,
            _ => s.skip_value()?,
        }
        Ok(())
    })?;
    if logway.seq.checked_add(logway.span).is_none() {
        return Err(Error::Value { what: "a line's seq", value: logway.seq });
    }
    Ok(logway)
}

fn read_fields(scanner: &mut Scanner<'_>) -> Result<Vec<(String, String)>, Error> {
    let mut fields = Vec::new();
    each_key(scanner, |key, s| {
        let value = text(s)?;
        if fields.len() < MAX_FIELDS {
            fields.push((key.to_owned(), value));
        }
        Ok(())
    })?;
    Ok(fields)
}

fn read_event(scanner: &mut Scanner<'_>) -> Result<Event<'static>, Error> {
    let mut event =
        Event { kind: Cow::Borrowed(""), level: Level::Info, message: Cow::Borrowed(""), fields: Vec::new() };
    each_key(scanner, |key, s| {
        let value = match s.peek() {
            Some(b'"') if key == "kind" => {
                event.kind = Cow::Owned(text(s)?);
                return Ok(());
            }
            Some(b'"') => event::Value::Text(Cow::Owned(text(s)?)),
            Some(b't' | b'f') => event::Value::Flag(s.boolean()?),
            Some(b'-' | b'0'..=b'9') => {
                let digits = std::str::from_utf8(s.number()?).unwrap_or_default();
                event::Value::Int(
                    digits.parse().map_err(|_| Error::Value { what: "an event's number", value: 0 })?,
                )
            }
            _ => return s.skip_value(),
        };
        if event.fields.len() < Event::MAX_FIELDS {
            event.fields.push((Cow::Owned(key.to_owned()), value));
        }
        Ok(())
    })?;
    Ok(event)
}

fn assemble(fields: Fields) -> Result<Message, Error> {
    let missing = |what| Error::Json { what, at: 0 };
    let message = fields.message.ok_or(missing("there is no message"))?;
    let time = fields.time.ok_or(missing("there is no timestamp"))?;
    let logway = fields.logway;
    let provider = fields.provider.unwrap_or(Provider::App);
    let default_stream = if provider == Provider::App { Stream::Stdout } else { Stream::Agent };
    let level = fields.level.unwrap_or(Level::Info);
    let body = match (fields.gap, logway.event) {
        (Some(gap), _) => Body::Gap(gap),
        (None, Some(event)) => Body::Event(Event { level, message: Cow::Owned(message.clone()), ..event }),
        (None, None) => Body::Line(Text {
            bytes: Cow::Owned(message.clone().into_bytes()),
            part: logway.part,
            more: logway.more,
            open: logway.open,
            truncated_bytes: logway.truncated_bytes,
        }),
    };
    let platform = !matches!(body, Body::Line(_));
    let source = if platform { LevelSource::Platform } else { LevelSource::Default };
    let entry = Entry {
        time,
        seq: logway.seq,
        span: logway.span.max(1),
        stream: logway.stream.unwrap_or(default_stream),
        level,
        level_source: logway.level_source.unwrap_or(source),
        clock: if logway.host_clock { Clock::Host } else { Clock::Guest },
        body,
    };
    Ok(Message {
        app: fields.app,
        region: fields.region,
        instance: fields.instance,
        host: fields.host,
        provider,
        boot: logway.boot,
        message,
        code: fields.code,
        replaced: logway.replaced,
        fields: logway.fields,
        entry,
    })
}
