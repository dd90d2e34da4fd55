//! Entries to JSON.

use crate::time::write_rfc3339;
use crate::{Address, Body, Boot, Clock, Entry, Event, LevelSource, Provider, Text, append, codes, event};

/// Writes the entries of one Machine. What is the same for all of them is made once.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// From `"fly":` to the quote before the level.
    middle: Vec<u8>,
    /// The end of the `logway` object and of the whole: with the org, if it is asked for.
    tail: Vec<u8>,
}

impl Encoder {
    /// An encoder for lines of `address` from `host`.
    pub fn new(address: &Address, host: &str) -> Self {
        let mut middle = b"\"fly\":{\"app\":{\"instance\":".to_vec();
        write_string(address.instance.as_str(), &mut middle);
        middle.extend_from_slice(b",\"name\":");
        write_string(address.app.as_str(), &mut middle);
        middle.extend_from_slice(b"},\"region\":");
        write_string(address.region.as_str(), &mut middle);
        middle.extend_from_slice(b"},\"host\":");
        write_string(host, &mut middle);
        middle.extend_from_slice(b",\"log\":{\"level\":\"");
        Self { middle, tail: b"}}".to_vec() }
    }

    /// The same, with `logway.org` in each line: for a reader that sees many orgs on one stream, as Vector's socket.
    pub fn with_org(mut self, address: &Address) -> Self {
        self.tail = b",\"org\":".to_vec();
        write_string(address.org.as_str(), &mut self.tail);
        self.tail.extend_from_slice(b"}}");
        self
    }

    /// Appends `entry` of `boot` as one JSON object without a line break. Bytes of text that are not UTF-8 become U+FFFD,
    /// and the line is marked.
    pub fn write(&self, boot: Boot, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(match entry.provider() {
            Provider::App => b"{\"event\":{\"provider\":\"app\"},",
            _ => b"{\"event\":{\"provider\":\"runner\"},",
        });
        if let Some(code) = entry.code() {
            out.extend_from_slice(b"\"code\":");
            write_string(code, out);
            out.push(b',');
        }
        out.extend_from_slice(&self.middle);
        out.extend_from_slice(entry.level.as_str().as_bytes());
        out.extend_from_slice(b"\"},\"message\":\"");
        let replaced = write_message(entry, out);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        write_rfc3339(entry.time, out);
        out.push(b'"');
        if let Body::Gap(gap) = &entry.body {
            out.extend_from_slice(b",\"gap\":{\"reason\":\"");
            out.extend_from_slice(gap.reason.as_str().as_bytes());
            out.extend_from_slice(b"\",\"hop\":\"");
            out.extend_from_slice(gap.hop.as_str().as_bytes());
            out.extend_from_slice(b"\",\"bytes\":");
            write_number(gap.bytes, out);
            out.push(b'}');
        }
        self.write_logway(boot, entry, replaced, out);
    }

    /// Appends a row that came over HTTP; its further fields stand in `logway.fields`, as texts.
    pub fn write_import(&self, boot: Boot, row: &append::Row<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"event\":{\"provider\":\"import\"},");
        if let Some(code) = codes::of_import(row.message, row.fields.clone()) {
            out.extend_from_slice(b"\"code\":");
            write_string(code.code, out);
            out.push(b',');
        }
        out.extend_from_slice(&self.middle);
        out.extend_from_slice(row.level.as_str().as_bytes());
        out.extend_from_slice(b"\"},\"message\":\"");
        let replaced = write_lossy(row.message, out);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        write_rfc3339(row.time, out);
        out.extend_from_slice(b"\",\"logway\":{\"boot\":\"");
        write_hex(boot.bits(), out);
        out.extend_from_slice(b"\",\"seq\":");
        write_number(row.seq, out);
        out.extend_from_slice(b",\"span\":1");
        write_level_source(row.level_source, out);
        if replaced {
            out.extend_from_slice(b",\"utf8\":\"replaced\"");
        }
        for (at, (name, value)) in row.fields.clone().enumerate() {
            out.extend_from_slice(if at == 0 { &b",\"fields\":{"[..] } else { b"," });
            write_string(name, out);
            out.extend_from_slice(b":\"");
            write_lossy(value, out);
            out.push(b'"');
        }
        if row.fields.len() > 0 {
            out.push(b'}');
        }
        out.extend_from_slice(&self.tail);
    }

    fn write_logway(&self, boot: Boot, entry: &Entry<'_>, replaced: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"logway\":{\"boot\":\"");
        write_hex(boot.bits(), out);
        out.extend_from_slice(b"\",\"seq\":");
        write_number(entry.seq, out);
        out.extend_from_slice(b",\"span\":");
        write_number(entry.span, out);
        out.extend_from_slice(b",\"stream\":\"");
        out.extend_from_slice(entry.stream.as_str().as_bytes());
        out.push(b'"');
        write_level_source(entry.level_source, out);
        if entry.clock == Clock::Host {
            out.extend_from_slice(b",\"clock\":\"host\"");
        }
        match &entry.body {
            Body::Line(text) => write_text_marks(text, replaced, out),
            Body::Event(event) => write_event(event, out),
            Body::Gap(_) => {}
        }
        out.extend_from_slice(&self.tail);
    }
}

fn write_level_source(source: LevelSource, out: &mut Vec<u8>) {
    if !matches!(source, LevelSource::Default | LevelSource::Platform) {
        out.extend_from_slice(b",\"level_source\":\"");
        out.extend_from_slice(source.as_str().as_bytes());
        out.push(b'"');
    }
}

fn write_text_marks(text: &Text<'_>, replaced: bool, out: &mut Vec<u8>) {
    if text.part > 0 {
        out.extend_from_slice(b",\"part\":");
        write_number(u64::from(text.part), out);
    }
    if text.more {
        out.extend_from_slice(b",\"more\":true");
    }
    if text.open {
        out.extend_from_slice(b",\"open\":true");
    }
    if text.truncated_bytes > 0 {
        out.extend_from_slice(b",\"truncated_bytes\":");
        write_number(text.truncated_bytes, out);
    }
    if replaced {
        out.extend_from_slice(b",\"utf8\":\"replaced\"");
    }
}

fn write_event(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"event\":{\"kind\":");
    write_string(&event.kind, out);
    for (name, value) in &event.fields {
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        match value {
            event::Value::Int(i) => out.extend_from_slice(i.to_string().as_bytes()),
            event::Value::Text(t) => write_string(t, out),
            event::Value::Flag(f) => out.extend_from_slice(if *f { b"true" } else { b"false" }),
        }
    }
    out.push(b'}');
}

/// Writes the message, escaped, and says whether bytes had to be replaced.
fn write_message(entry: &Entry<'_>, out: &mut Vec<u8>) -> bool {
    match &entry.body {
        Body::Line(text) => return write_lossy(&text.bytes, out),
        Body::Event(event) => escape(event.message.as_bytes(), out),
        Body::Gap(gap) => escape(gap.message(entry.span).as_bytes(), out),
    }
    false
}

pub(super) fn write_lossy(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        escape(text.as_bytes(), out);
        return false;
    }
    for chunk in bytes.utf8_chunks() {
        escape(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    true
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text.as_bytes(), out);
    out.push(b'"');
}

/// What JSON must write differently: the character behind the backslash, `u` for the six-byte form, 0 for all others.
const ESCAPES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = b'u';
        i += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends UTF-8 text, escaped.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut clean_from = 0;
    for (at, &byte) in text.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&text[clean_from..at]);
        clean_from = at + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'0', b'0', high, low]);
        }
    }
    out.extend_from_slice(&text[clean_from..]);
}

/// At most how many bytes `text` takes as the inside of a JSON string. Exact for UTF-8; each byte that is not counts as a
/// whole U+FFFD.
pub fn escaped_bytes(text: &[u8]) -> usize {
    let ascii: usize = text
        .iter()
        .map(|&byte| match ESCAPES[usize::from(byte)] {
            0 => 1,
            b'u' => 6,
            _ => 2,
        })
        .sum();
    if text.is_ascii() || std::str::from_utf8(text).is_ok() {
        return ascii;
    }
    ascii + text.utf8_chunks().map(|chunk| 3 - chunk.invalid().len().min(3)).sum::<usize>()
}

pub(super) fn write_number(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_hex(value: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in value.to_be_bytes() {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}
