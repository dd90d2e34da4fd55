//! A stored row back into the shape in which it came over the bus.

use super::encode::{write_lossy, write_number, write_string};

/// What a row says, each by the place at which the JSON has it.
#[derive(Default)]
struct Slots<'a> {
    provider: &'a [u8],
    code: &'a [u8],
    instance: &'a [u8],
    app: &'a [u8],
    region: &'a [u8],
    host: &'a [u8],
    level: &'a [u8],
    message: &'a [u8],
    time: &'a [u8],
    gap: [&'a [u8]; 3],
    boot: &'a [u8],
    seq: &'a [u8],
    span: &'a [u8],
    stream: &'a [u8],
    kind: &'a [u8],
    event: Vec<(&'a str, &'a [u8])>,
    logway: Vec<(&'a str, &'a [u8])>,
    further: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Slots<'a> {
    fn put(&mut self, name: &'a str, value: &'a [u8]) {
        let slot = match name {
            "provider" => &mut self.provider,
            "code" => &mut self.code,
            "instance" => &mut self.instance,
            "app" => &mut self.app,
            "region" => &mut self.region,
            "host" => &mut self.host,
            "level" => &mut self.level,
            "_msg" => &mut self.message,
            "_time" => &mut self.time,
            "gap.reason" => &mut self.gap[0],
            "gap.hop" => &mut self.gap[1],
            "gap.bytes" => &mut self.gap[2],
            "boot" => &mut self.boot,
            "seq" => &mut self.seq,
            "span" => &mut self.span,
            "stream" => &mut self.stream,
            "logway.event.kind" => &mut self.kind,
            "_stream" | "_stream_id" | "pos" => return,
            _ => return self.put_further(name, value),
        };
        *slot = value;
    }

    fn put_further(&mut self, name: &'a str, value: &'a [u8]) {
        match name.strip_prefix("logway.") {
            Some(name) => match name.strip_prefix("event.") {
                Some(name) => self.event.push((name, value)),
                None => self.logway.push((name, value)),
            },
            None => self.further.push((name, value)),
        }
    }
}

/// Appends a row that a store gave, its fields as names and values, as one JSON object without a line break: what the row's line was on
/// the bus. Empty values are as good as none. The fields of an app's own JSON stand in its message; those of a row that came over HTTP in
/// `logway.fields`.
pub fn write_row<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>, out: &mut Vec<u8>) {
    let mut slots = Slots::default();
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .for_each(|(name, value)| slots.put(name, value));
    let mut replaced = false;
    let mut text = |before: &str, value: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(before.as_bytes());
        out.push(b'"');
        replaced |= write_lossy(value, out);
        out.push(b'"');
    };
    text("{\"event\":{\"provider\":", slots.provider, out);
    out.extend_from_slice(b"},");
    if !slots.code.is_empty() {
        text("\"code\":", slots.code, out);
        out.push(b',');
    }
    text("\"fly\":{\"app\":{\"instance\":", slots.instance, out);
    text(",\"name\":", slots.app, out);
    text("},\"region\":", slots.region, out);
    text("},\"host\":", slots.host, out);
    text(",\"log\":{\"level\":", slots.level, out);
    text("},\"message\":", slots.message, out);
    text(",\"timestamp\":", slots.time, out);
    let [reason, hop, bytes] = slots.gap;
    if !reason.is_empty() {
        text(",\"gap\":{\"reason\":", reason, out);
        text(",\"hop\":", hop, out);
        out.extend_from_slice(b",\"bytes\":");
        write_number(number(bytes).unwrap_or(0), out);
        out.push(b'}');
    }
    write_logway(&slots, replaced, out);
    out.push(b'}');
}

fn write_logway(slots: &Slots<'_>, replaced: bool, out: &mut Vec<u8>) {
    let Some(seq) = number(slots.seq).filter(|_| slots.boot.len() == 16) else { return };
    out.extend_from_slice(b",\"logway\":{\"boot\":\"");
    write_lossy(slots.boot, out);
    out.extend_from_slice(b"\",\"seq\":");
    write_number(seq, out);
    out.extend_from_slice(b",\"span\":");
    write_number(number(slots.span).unwrap_or(1), out);
    if !slots.stream.is_empty() {
        write_text("stream", slots.stream, out);
    }
    slots.logway.iter().for_each(|(name, value)| write_pair(name, value, out));
    if replaced {
        write_text("utf8", b"replaced", out);
    }
    if !slots.kind.is_empty() {
        out.extend_from_slice(b",\"event\":{\"kind\":\"");
        write_lossy(slots.kind, out);
        out.push(b'"');
        slots.event.iter().for_each(|(name, value)| write_pair(name, value, out));
        out.push(b'}');
    }
    // Lines of apps have theirs in the message.
    if slots.provider == b"import" && !slots.further.is_empty() {
        out.extend_from_slice(b",\"fields\":{");
        for (at, (name, value)) in slots.further.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.extend_from_slice(b":\"");
            write_lossy(value, out);
            out.push(b'"');
        }
        out.push(b'}');
    }
    out.push(b'}');
}

/// `,"name":value`, with numbers and truths as what they are. The text of a number cannot be told from the number.
fn write_pair(name: &str, value: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    if is_number || matches!(text, "true" | "false") {
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        out.extend_from_slice(value);
    } else {
        write_text(name, value, out);
    }
}

fn write_text(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b',');
    write_string(name, out);
    out.extend_from_slice(b":\"");
    write_lossy(value, out);
    out.push(b'"');
}

/// A whole number of 64 bits.
fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        write_row(fields.iter().map(|&(name, value)| (name, value.as_bytes())), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_came_over_http_keeps_its_fields() {
        let time = "2026-11-22T10:00:00Z";
        let base = [("_time", time), ("_msg", "x"), ("boot", "019a0c3f2b7c0001"), ("seq", "7"), ("pos", "9")];
        let with = |provider| [&base[..], &[("provider", provider), ("trace", "t1"), ("none", "")]].concat();
        let import = crate::json::decode(row(&with("import")).as_bytes()).unwrap();
        assert_eq!(import.fields, [("trace".to_owned(), "t1".to_owned())]);
        let line = crate::json::decode(row(&with("app")).as_bytes()).unwrap();
        assert!(line.fields.is_empty() && line.entry.seq == 7);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_with_a_mark() {
        let mut out = Vec::new();
        let fields: [(&str, &[u8]); 4] = [
            ("_time", b"2026-11-22T10:00:00Z"),
            ("_msg", b"a\xffb"),
            ("boot", b"019a0c3f2b7c0001"),
            ("seq", b"1"),
        ];
        write_row(fields, &mut out);
        let message = crate::json::decode(&out).unwrap();
        assert!(message.replaced && message.message == "a\u{fffd}b");
    }
}
