//! Questions to a store, and its answers, page by page.
//!
//! A store answers each request with one message, and only when it is asked: so nobody is sent more than it can take, and whoever
//! goes away costs nothing for long. A message is a [`QueryPage`] as JSON, a newline, and up to [`MAX_QUERY_PAGE_BYTES`] of the
//! answer. All pages together are one run of bytes: what a page ends in the middle of goes on in the next.

use serde::{Deserialize, Serialize};

/// What a store's subject for questions begins with; its name follows.
pub const QUERY_PREFIX: &str = "sys.query.";
/// Most bytes of the answer in one page: half of what a NATS server usually takes.
pub const MAX_QUERY_PAGE_BYTES: usize = 512 << 10;
/// How long a store keeps an answer whose next page nobody asks for, in seconds.
pub const QUERY_IDLE_SECONDS: u64 = 30;
/// How long a page waits for what fills it, in seconds. Then the store sends what there is, which may be nothing: so whoever asks
/// sees that the store lives, and can say that the rest is not wanted.
pub const QUERY_PAGE_SECONDS: u64 = 1;

/// What a store is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryRequest {
    /// A new question.
    Begin(QueryBegin),
    /// The next page of an answer.
    Next(QueryNext),
    /// The rest of the answer is not wanted. It gets no answer itself.
    Cancel(QueryNext),
}

/// A new question. The rows of no other org than `org` are looked at, whatever the query says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryBegin {
    /// Whose rows.
    pub org: String,
    /// LogsQL, with all that limits the asker in it.
    pub query: String,
    /// What relative times in it mean: Unix nanoseconds.
    pub now: i64,
    /// How long the search may take, in milliseconds.
    pub timeout_ms: u64,
    /// Only rows whose pos is at least that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pos_from: u64,
    /// Only rows whose pos is below; without it all behind `pos_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pos_to: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which answer, and which page of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryNext {
    /// The `id` of the pages before.
    pub id: String,
    /// The page's number; the first one was 0. The last page may be asked for again: an answer can get lost.
    pub page: u64,
}

/// The head of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPage {
    /// What to ask for the next one by.
    #[serde(default)]
    pub id: String,
    /// Its number, from 0.
    #[serde(default)]
    pub page: u64,
    /// The last page says how it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<QueryEnd>,
}

/// What a store says at the end of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryEnd {
    /// Rows that were looked at.
    #[serde(default)]
    pub scanned_rows: u64,
    /// Bytes that were read from disk or memory for that.
    #[serde(default)]
    pub scanned_bytes: u64,
    /// Rows with a pos below it were all looked at: where a cursor goes on.
    #[serde(default)]
    pub pos: u64,
    /// Why the answer is not whole, if it is not; what was sent is right as far as it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<QueryFailure>,
}

/// Why a store has no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryFailure {
    /// The catalogue's code.
    pub code: String,
    /// In words, for the person who asked.
    pub reason: String,
    /// Asking again later may help: the store is busy or starting.
    #[serde(default)]
    pub retry: bool,
}

/// A page as one message.
#[must_use]
pub fn write_page(head: &QueryPage, body: &[u8]) -> Vec<u8> {
    // A head of strings and numbers cannot fail.
    let mut bytes = serde_json::to_vec(head).unwrap_or_default();
    bytes.reserve(body.len() + 1);
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    bytes
}

/// Takes a message apart; `None` if it is none of [`write_page`].
#[must_use]
pub fn read_page(message: &[u8]) -> Option<(QueryPage, &[u8])> {
    let end = message.iter().position(|&byte| byte == b'\n')?;
    let head = serde_json::from_slice(&message[..end]).ok()?;
    Some((head, &message[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_written() {
        let next = QueryNext { id: "7".into(), page: 2 };
        for (request, wanted) in [
            (
                QueryRequest::Begin(QueryBegin {
                    org: "k".into(),
                    query: "*".into(),
                    now: 1,
                    timeout_ms: 2,
                    ..QueryBegin::default()
                }),
                r#"{"begin":{"org":"k","query":"*","now":1,"timeout_ms":2}}"#,
            ),
            (QueryRequest::Next(next.clone()), r#"{"next":{"id":"7","page":2}}"#),
            (QueryRequest::Cancel(next), r#"{"cancel":{"id":"7","page":2}}"#),
        ] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(text, wanted);
            assert_eq!(serde_json::from_str::<QueryRequest>(&text).unwrap(), request);
        }
    }

    #[test]
    fn pages_come_apart() {
        let end = QueryEnd { scanned_rows: 3, ..QueryEnd::default() };
        let head = QueryPage { id: "a".into(), page: 1, end: Some(end) };
        let bytes = write_page(&head, b"\nrest\n");
        assert_eq!(read_page(&bytes), Some((head, &b"\nrest\n"[..])));
        for bad in [&b""[..], b"{}", b"x\n", b"7\nrest"] {
            assert_eq!(read_page(bad), None);
        }
    }
}
