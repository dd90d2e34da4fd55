//! Verbs as bytes, for both sides. Subjects and ids are taken as legal: whoever calls has checked them.

/// Appends `CONNECT {json}`.
pub fn connect(out: &mut Vec<u8>, json: &str) {
    line(out, &[b"CONNECT ", json.as_bytes()]);
}

/// Appends `SUB subject [queue] sid`.
pub fn sub(out: &mut Vec<u8>, subject: &str, queue: Option<&str>, sid: u64) {
    let sid = sid.to_string();
    match queue {
        Some(queue) => {
            line(out, &[b"SUB ", subject.as_bytes(), b" ", queue.as_bytes(), b" ", sid.as_bytes()])
        }
        None => line(out, &[b"SUB ", subject.as_bytes(), b" ", sid.as_bytes()]),
    }
}

/// Appends `UNSUB sid`.
pub fn unsub(out: &mut Vec<u8>, sid: u64) {
    line(out, &[b"UNSUB ", sid.to_string().as_bytes()]);
}

/// Appends `PUB subject [reply] size` and the payload.
pub fn publish(out: &mut Vec<u8>, subject: &str, reply: Option<&str>, payload: &[u8]) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(subject.as_bytes());
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply.as_bytes());
        out.push(b' ');
    }
    number(out, payload.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Digits that [`publish_with`] keeps for the size: enough for any payload, and legal with zeros in front.
const SIZE_DIGITS: usize = 8;

/// Appends a PUB whose payload `write` appends in place, so that it is not copied. The size stands before the payload with
/// zeros in front, which nats-server takes. Gives the size.
pub fn publish_with(out: &mut Vec<u8>, subject: &str, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(subject.as_bytes());
    out.push(b' ');
    let size_at = out.len();
    out.extend_from_slice(&[b'0'; SIZE_DIGITS]);
    out.extend_from_slice(b"\r\n");
    let start = out.len();
    write(out);
    let size = out.len().saturating_sub(start);
    let mut rest = size;
    for slot in out[size_at..size_at + SIZE_DIGITS].iter_mut().rev() {
        *slot = digit(rest);
        rest /= 10;
    }
    out.extend_from_slice(b"\r\n");
    size
}

/// Appends the head of a message to a client, `MSG subject sid [reply] size`; with `header_bytes` it is an HMSG.
pub fn message_head(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header_bytes: Option<usize>,
    total_bytes: usize,
) {
    out.extend_from_slice(if header_bytes.is_some() { b"HMSG " } else { b"MSG " });
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if let Some(len) = header_bytes {
        number(out, len);
        out.push(b' ');
    }
    number(out, total_bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends `INFO {json}`.
pub fn info(out: &mut Vec<u8>, json: &str) {
    line(out, &[b"INFO ", json.as_bytes()]);
}

/// Appends `-ERR 'text'`.
pub fn error(out: &mut Vec<u8>, text: &str) {
    line(out, &[b"-ERR '", text.as_bytes(), b"'"]);
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, mut value: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(value);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn digit(value: usize) -> u8 {
    b'0' + (value % 10).to_le_bytes()[0]
}
