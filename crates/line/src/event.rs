//! What init has to say about the instance, in the same sequence as the app's lines: started, exited, signalled.

use std::borrow::Cow;

use crate::{Error, Level, varint};

/// One event. It becomes a line of provider `runner`: `message` is what a person reads, `kind` and `fields` are what a
/// program reads (`logway.event` in JSON).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened, as `exited`.
    pub kind: Cow<'a, str>,
    /// How grave it is.
    pub level: Level,
    /// The sentence for people.
    pub message: Cow<'a, str>,
    /// Facts by name, at most [`Event::MAX_FIELDS`].
    pub fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// A fact of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A count, a code, a duration in the unit that the field's name says.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Yes or no.
    Flag(bool),
}

impl<'a> Event<'a> {
    /// The most fields that are carried; later ones are left out.
    pub const MAX_FIELDS: usize = 16;
    /// The longest text in bytes (message or field); longer text is cut at a character.
    pub const MAX_TEXT_BYTES: usize = 4096;

    /// An event without fields.
    pub fn new(kind: &'a str, level: Level, message: impl Into<Cow<'a, str>>) -> Self {
        Self { kind: Cow::Borrowed(kind), level, message: message.into(), fields: Vec::new() }
    }

    /// The same with a number.
    pub fn int(mut self, name: &'a str, value: i64) -> Self {
        self.fields.push((Cow::Borrowed(name), Value::Int(value)));
        self
    }

    /// The same with a text.
    pub fn text(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.fields.push((Cow::Borrowed(name), Value::Text(value.into())));
        self
    }

    /// The same with a yes or no.
    pub fn flag(mut self, name: &'a str, value: bool) -> Self {
        self.fields.push((Cow::Borrowed(name), Value::Flag(value)));
        self
    }

    /// The number of that name, if the event has one.
    pub fn get_int(&self, name: &str) -> Option<i64> {
        self.fields.iter().find_map(|(n, v)| match v {
            Value::Int(i) if n == name => Some(*i),
            _ => None,
        })
    }

    /// The text of that name, if the event has one.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(n, v)| match v {
            Value::Text(t) if n == name => Some(t.as_ref()),
            _ => None,
        })
    }

    /// Appends the event as bytes: the body of a record of stream `init`.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_text(out, &self.kind);
        out.push(self.level.code());
        put_text(out, &self.message);
        let fields = &self.fields[..self.fields.len().min(Self::MAX_FIELDS)];
        varint::put(out, fields.len() as u64);
        for (name, value) in fields {
            put_text(out, name);
            match value {
                Value::Int(i) => {
                    out.push(0);
                    varint::put(out, varint::zigzag(*i));
                }
                Value::Text(t) => {
                    out.push(1);
                    put_text(out, t);
                }
                Value::Flag(f) => out.extend_from_slice(&[2, u8::from(*f)]),
            }
        }
    }

    /// Reads what [`Event::write`] wrote. Bytes after the event, from a later version, are passed over.
    pub fn read(mut bytes: &'a [u8]) -> Result<Self, Error> {
        let bytes = &mut bytes;
        let kind = Cow::Borrowed(take_text(bytes)?);
        let level = Level::from_code(take_byte(bytes)?)?;
        let message = Cow::Borrowed(take_text(bytes)?);
        let count = varint::take(bytes)?;
        if count > Self::MAX_FIELDS as u64 {
            return Err(Error::Value { what: "an event's count of fields", value: count });
        }
        let mut fields = Vec::new();
        for _ in 0..count {
            let name = Cow::Borrowed(take_text(bytes)?);
            let value = match take_byte(bytes)? {
                0 => Value::Int(varint::unzigzag(varint::take(bytes)?)),
                1 => Value::Text(Cow::Borrowed(take_text(bytes)?)),
                2 => Value::Flag(take_byte(bytes)? != 0),
                tag => return Err(Error::Value { what: "an event field's type", value: u64::from(tag) }),
            };
            fields.push((name, value));
        }
        Ok(Self { kind, level, message, fields })
    }

    /// The same event, owning its text.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let own_value = |value| match value {
            Value::Int(i) => Value::Int(i),
            Value::Text(t) => Value::Text(own(t)),
            Value::Flag(f) => Value::Flag(f),
        };
        Event {
            kind: own(self.kind),
            level: self.level,
            message: own(self.message),
            fields: self.fields.into_iter().map(|(n, v)| (own(n), own_value(v))).collect(),
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(Event::MAX_TEXT_BYTES)];
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Error> {
    let len = varint::take(bytes)?;
    if len > Event::MAX_TEXT_BYTES as u64 {
        return Err(Error::Value { what: "the length of an event's text", value: len });
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let (text, rest) = bytes.split_at_checked(len).ok_or(Error::Short("an event's text"))?;
    *bytes = rest;
    std::str::from_utf8(text).map_err(|_| Error::Utf8("an event's text"))
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Error> {
    let (&byte, rest) = bytes.split_first().ok_or(Error::Short("an event"))?;
    *bytes = rest;
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_comes_back_and_later_versions_may_add_bytes() {
        let event = Event::new("exited", Level::Warn, "Main child exited normally with code: 3")
            .int("code", 3)
            .int("signal", -1)
            .text("why", "ü")
            .flag("oom_killed", false);
        let mut bytes = Vec::new();
        event.write(&mut bytes);
        bytes.extend_from_slice(b"more");
        assert_eq!(Event::read(&bytes), Ok(event.clone()));
        assert_eq!(
            (event.get_int("code"), event.get_text("why"), event.get_int("why")),
            (Some(3), Some("ü"), None)
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut bytes = Vec::new();
        Event::new("x", Level::Info, "ü".repeat(3000)).write(&mut bytes);
        assert_eq!(Event::read(&bytes).unwrap().message.len(), Event::MAX_TEXT_BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_an_error(bytes: Vec<u8>) {
            if let Ok(event) = Event::read(&bytes) {
                let mut again = Vec::new();
                event.write(&mut again);
                prop_assert_eq!(Event::read(&again), Ok(event));
            }
        }
    }
}
