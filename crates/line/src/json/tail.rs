//! The numbers of a line from the end of its message, without reading the rest.

use crate::Boot;

/// What the numbers stand behind.
const TIMESTAMP: &[u8] = b",\"timestamp\":";
const LOGWAY: &[u8] = b",\"logway\":";

/// Which line of which boot a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail<'a> {
    /// Which start of the instance.
    pub boot: Boot,
    /// The number of the line, and that of the next one.
    pub seq: u64,
    /// See `seq`.
    pub next_seq: u64,
    /// When, as it is written there. Nobody has looked whether it is a time: [`crate::time::parse_rfc3339`] does.
    pub timestamp: &'a [u8],
}

/// Reads what [`super::decode`] would, from the end: for whoever has read one line of a boot in full and has many more to count. `None` if the
/// message does not end as [`super::Encoder`] ends one for a line or an event; it may be one all the same. In a JSON string a quote has a
/// backslash before it, never a comma, so that an app cannot write what is looked for.
pub fn tail(message: &[u8]) -> Option<Tail<'_>> {
    let at = memchr::memrchr_iter(b'{', message).find(|at| message[..*at].ends_with(LOGWAY))?;
    let before = message[..at].strip_suffix(LOGWAY)?.strip_suffix(b"\"")?;
    let time_at = memchr::memrchr(b'"', before)?;
    before[..time_at].ends_with(TIMESTAMP).then_some(())?;
    let timestamp = &before[time_at + 1..];
    let numbers = message[at..].strip_prefix(b"{\"boot\":\"")?;
    let (boot, numbers) = numbers.split_at_checked(16)?;
    let boot =
        boot.iter().try_fold(0, |sum, digit| Some(sum << 4 | u64::from(char::from(*digit).to_digit(16)?)))?;
    let (seq, numbers) = number(numbers.strip_prefix(b"\",\"seq\":")?)?;
    let (span, numbers) = number(numbers.strip_prefix(b",\"span\":")?)?;
    numbers.starts_with(b",\"stream\":").then_some(())?;
    Some(Tail { boot: Boot::from_bits(boot), seq, next_seq: seq.checked_add(span.max(1))?, timestamp })
}

/// A number as JSON has it: digits, and no zero in front of others.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut len) = (0_u64, 0);
    while let Some(digit) = bytes.get(len).filter(|byte| byte.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        len += 1;
    }
    let is_number = len == 1 || (len > 1 && bytes[0] != b'0');
    is_number.then_some((value, &bytes[len..]))
}
