//! What a field of a line stands for, by its name.

use super::options::{Options, has};

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A field like any other.
    Plain,
    /// The same, without the colours in its value.
    Colourless,
    /// Left out.
    Ignored,
    /// One that the row has a place of its own for. Of two for one place, the one of the lower rank has it, and the other is a
    /// field like any other.
    Special(Special, u8),
}

/// The places of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Time,
    Message,
    Level,
    App,
    Region,
    Instance,
    Host,
}

impl Special {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;
}

/// Names that are understood, whatever the request says, in the order in which they count.
const KNOWN: [(&str, Special, u8); 10] = [
    ("app", Special::App, 0),
    ("fly.app.name", Special::App, 1),
    ("region", Special::Region, 0),
    ("fly.region", Special::Region, 1),
    ("instance", Special::Instance, 0),
    ("fly.app.instance", Special::Instance, 1),
    ("host", Special::Host, 0),
    ("level", Special::Level, 0),
    ("log.level", Special::Level, 1),
    ("severity", Special::Level, 2),
];

/// The rank of the first of `_stream_fields` as the app's name: behind those that are known.
const BY_STREAM: u8 = 2;

/// The role of a field that the line itself has.
pub(crate) fn role(name: &str, options: &Options) -> Role {
    if has(&options.ignore_fields, name) || options.extra_fields.iter().any(|(extra, _)| extra == name) {
        return Role::Ignored;
    }
    role_of_extra(name, options)
}

/// The role of a field that every line gets.
pub(crate) fn role_of_extra(name: &str, options: &Options) -> Role {
    if name == options.time_field {
        return Role::Special(Special::Time, 0);
    }
    if let Some(rank) = options.msg_fields.iter().position(|field| field == name) {
        return Role::Special(Special::Message, u8::try_from(rank).unwrap_or(u8::MAX));
    }
    if let Some((_, special, rank)) = KNOWN.iter().find(|(known, ..)| *known == name) {
        return Role::Special(*special, *rank);
    }
    if options.stream_fields.first().is_some_and(|field| field == name) {
        return Role::Special(Special::App, BY_STREAM);
    }
    if has(&options.decolorize_fields, name) { Role::Colourless } else { Role::Plain }
}
