//! All lines of a short time, in order, as the server gives them.

use line::json::Scanner;

use super::pace::{BYTES, LINES};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Server, Trouble};
use crate::scope::Range;
use crate::search::QUERY;
use crate::search::plan::Plan;

/// More than this is not held at once.
const MAX_LINES: u64 = 3 * LINES;
const MAX_BYTES: usize = 3 * BYTES;
/// Most bytes of the lines of one nanosecond, which cannot be taken apart.
const MAX_LEAST_BYTES: usize = 1 << 30;
/// The order of the lines. Those of the same time are in an order that is always the same.
const PIPE: &str = "sort by (_time)";

/// Lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// NDJSON, each line with its end.
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// Why there are none.
#[derive(Debug)]
pub(super) enum Stop {
    /// There are more than can be had at once. If some came, behind so many nanoseconds there were enough.
    TooLarge(Option<i64>),
    /// The answer is not whole, or there is none.
    Trouble(Trouble),
    /// It is not what was asked for.
    Wrong(Fail),
}

impl Window {
    /// Asks for the lines of `part`. One that `is_least` may be large.
    pub(super) async fn fetch(
        server: &Server,
        plan: &Plan,
        part: Range,
        is_least: bool,
    ) -> Result<Self, Stop> {
        let form = plan.piped_within(PIPE, part, server);
        let (max_lines, max_bytes) =
            if is_least { (u64::MAX, MAX_LEAST_BYTES) } else { (MAX_LINES, MAX_BYTES) };
        let too_large = |trouble: Trouble| match trouble.is_too_much() || needs_memory(&trouble) {
            true if !is_least => Stop::TooLarge(None),
            _ => Stop::Trouble(trouble),
        };
        let mut answer = server.ask(QUERY, &form).await.map_err(too_large)?;
        let mut window = Self::default();
        let mut last = part.from;
        let mut enough = None;
        while let Some(line) = answer.line().await.map_err(too_large)? {
            last = in_order(&line, last, part).map_err(Stop::Wrong)?;
            window.bytes.extend_from_slice(&line);
            window.bytes.push(b'\n');
            window.lines += 1;
            if enough.is_none() && (window.lines >= LINES || window.bytes.len() >= BYTES) {
                enough = Some(last - part.from);
            }
            if window.lines > max_lines || window.bytes.len() > max_bytes {
                return Err(if is_least { Stop::Wrong(dense(part)) } else { Stop::TooLarge(enough) });
            }
        }
        Ok(window)
    }
}

/// Whether the same question may have an answer later.
pub(super) const fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Away(_) | Trouble::Broken(_) | Trouble::Partial(_) => true,
        Trouble::Refused { status, .. } => *status == 429 || (*status >= 500 && *status != 501),
        Trouble::Tls(_) => false,
    }
}

/// Whether the server would have to remember more than it may.
fn needs_memory(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { status: 400 | 422, text, .. } if text.starts_with("LQ05"))
}

/// The time of the line, which has to lie in the window and not before the last one: else what is written would not be what
/// was asked for.
fn in_order(json: &[u8], last: i64, part: Range) -> Result<i64, Fail> {
    let Some(time) = time_of(json) else {
        return Err(Fail::new(Exit::Usage, "a row has no time, so there is no telling what is complete")
            .hint("take the pipes out of the query that take '_time' away"));
    };
    if time < last || time >= part.to {
        let (time, from, to) =
            (line::time::rfc3339(time), line::time::rfc3339(last), line::time::rfc3339(part.to));
        return Err(Fail::new(Exit::Partial, "the server's answer is not in order")
            .why(format!("a line of {time} came where one from {from} on and before {to} was due"))
            .hint("take the pipes out of the query that change '_time'; if there are none, the server is at fault"));
    }
    Ok(time)
}

fn dense(part: Range) -> Fail {
    let time = line::time::rfc3339(part.from);
    Fail::new(
        Exit::Failure,
        format!("over {} MiB of lines have the very same time, {time}", MAX_LEAST_BYTES >> 20),
    )
    .hint("export app by app, with -a, or with a narrower query")
}

/// The value of `_time`.
fn time_of(json: &[u8]) -> Option<i64> {
    let mut scanner = Scanner::new(json);
    scanner.begin_object().ok()?;
    while let Some(key) = scanner.next_key().ok()? {
        if key.raw() == b"_time" {
            return line::time::parse_rfc3339(&scanner.string().ok()?.decode().ok()?).ok();
        }
        scanner.skip_value().ok()?;
    }
    None
}
