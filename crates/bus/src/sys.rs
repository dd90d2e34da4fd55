//! The messages on the `sys.` subjects: what stages ask and tell each other about lines, and what the registry tells all.

mod query;

use serde::{Deserialize, Serialize};

pub use query::{
    MAX_QUERY_PAGE_BYTES, QUERY_IDLE_SECONDS, QUERY_PAGE_SECONDS, QUERY_PREFIX, QueryBegin, QueryEnd,
    QueryFailure, QueryNext, QueryPage, QueryRequest, read_page, write_page,
};

/// Where recent lines are asked for.
pub const RECENT: &str = "sys.recent";
/// What every heartbeat's subject begins with; the region and the host follow.
pub const HEARTBEAT_PREFIX: &str = "sys.hb.";
/// How often an agent sends a heartbeat, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 5;
/// Where the registry says which state it holds.
pub const REGISTRY: &str = "sys.registry";
/// Where the registry's state is asked for, page by page.
pub const REGISTRY_SNAPSHOT: &str = "sys.registry.snapshot";
/// What the subject begins with on which a store is asked to keep lines; the shard's number follows.
pub const APPEND_PREFIX: &str = "sys.append.";
/// How often the registry says which state it holds, in seconds; it says so at once after a change, too.
pub const REGISTRY_SECONDS: u64 = 2;
/// Most bytes of a page of the registry's state, its head included: half of what a NATS server usually takes.
pub const MAX_SNAPSHOT_PAGE_BYTES: usize = 512 << 10;

/// Asks each agent for lines that it still has. Each answers to the reply subject with one page: messages of
/// newline-separated JSON lines (at most 512 KiB each, or one longer line; oldest line first), about 1 MiB in all, then one
/// [`RecentEnd`]. If that has `more`, there is a next page for who asks that host for it. So nobody is sent more than it can
/// take, and a page that broke off is asked for again.
///
/// How many agents there are is not known to who asks: the first page of each comes when it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentRequest {
    /// Whose lines.
    pub org: String,
    /// Of one app only, by its escaped name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Of one region only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Of one instance only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The newest this many lines; without it, all that the other fields select. 0 asks for no lines, only the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Of these boots, only records from the given seq on, whatever their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Mark>,
    /// Of boots not in `after`, only lines of this time (Unix nanoseconds) or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// The next page of one host, the rest of the question being the same; without it, the first page of every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

/// Which further page is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The host whose page it is; others do not answer.
    pub host: String,
    /// The `more` of its page before.
    pub from: String,
}

/// The last message of a page of an agent's answer to a [`RecentRequest`]: `{"end":{...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentEnd {
    /// What is said at the end.
    pub end: EndOfRecent,
}

/// What an agent says after its recent lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfRecent {
    /// Which host answered.
    pub host: String,
    /// How many lines are on this page.
    pub sent: u64,
    /// Older lines that were asked for are no longer in the spool, or were too far back to be looked for. Said with the first
    /// page, of the boots that it has lines of.
    #[serde(default)]
    pub truncated: bool,
    /// Where the next page begins, in the words of that host; `None` on the last page. What was written after the first page
    /// was asked for is on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
    /// Why it could not answer, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far one boot has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The instance.
    pub instance: String,
    /// The boot, as 16 hexadecimal digits.
    pub boot: String,
    /// One past the last seq.
    pub next_seq: u64,
}

/// An agent lives, and this is how far the boots that it reads have come on its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The host.
    pub host: String,
    /// Its region.
    pub region: String,
    /// The host's time, Unix nanoseconds.
    pub time: i64,
    /// The boots that wrote in the last minute, at most 4,096.
    pub marks: Vec<HeartbeatMark>,
}

/// How far one boot has come, with the address that a reader filters by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatMark {
    /// The org.
    pub org: String,
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// Instance, boot and next seq.
    #[serde(flatten)]
    pub mark: Mark,
}

/// Which state the registry holds. Who holds another one fetches this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryMark {
    /// How many changes led there. It may be lower than before when a journal was lost: only the digest says what is the same.
    pub version: u64,
    /// SHA-256 over the state's snapshot, as 64 hexadecimal digits.
    pub digest: String,
}

/// Asks the registry for one page of its snapshot, which may have up to 64 MiB. It answers on the reply subject with one
/// message: a [`SnapshotPage`] as JSON, a newline, and the bytes of the page, at most [`MAX_SNAPSHOT_PAGE_BYTES`] in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRequest {
    /// The digest of the snapshot that the pages so far are from; without it, the first page of whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How many bytes of it the asker has.
    #[serde(default)]
    pub offset: u64,
}

/// The head of a page of the registry's snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPage {
    /// Of which state. If that is not what the asker has pages of, there was a change: this is the first page of the new one.
    #[serde(flatten)]
    pub mark: RegistryMark,
    /// How many bytes all pages have together.
    pub total_bytes: u64,
    /// Where in them this page begins.
    pub offset: u64,
}

/// Where the store that owns a shard is asked to keep lines: a request is bytes of `line::append`, and the answer one
/// [`AppendAnswer`]. To ask again is harmless.
pub fn append_subject(shard: u8) -> String {
    format!("{APPEND_PREFIX}{shard}")
}

/// What a store says to a request to keep lines: `{"acked":{"pos":7}}`. Without an answer nothing is known, and the request is
/// to be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppendAnswer {
    /// All of it survives a power cut.
    Acked {
        /// The store's commit order after it.
        pos: u64,
        /// So many rows from elsewhere were not kept: they are older than anything that is.
        #[serde(default, skip_serializing_if = "is_zero")]
        expired: u64,
    },
    /// Not now. The same request is to be repeated.
    Busy {
        /// After this time, in milliseconds.
        retry_ms: u64,
        /// Why, for people.
        reason: String,
    },
    /// Never: it is wrong as it is, and nothing of it was kept.
    Rejected {
        /// The catalogue's code.
        code: String,
        /// Why, for people.
        reason: String,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_an_append_look_like_this() {
        for (answer, text) in [
            (AppendAnswer::Acked { pos: 7, expired: 0 }, r#"{"acked":{"pos":7}}"#),
            (AppendAnswer::Acked { pos: 7, expired: 2 }, r#"{"acked":{"pos":7,"expired":2}}"#),
            (
                AppendAnswer::Busy { retry_ms: 50, reason: "full".into() },
                r#"{"busy":{"retry_ms":50,"reason":"full"}}"#,
            ),
            (
                AppendAnswer::Rejected { code: "LS01".into(), reason: "no".into() },
                r#"{"rejected":{"code":"LS01","reason":"no"}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&answer).unwrap(), text);
            assert_eq!(serde_json::from_str::<AppendAnswer>(text).unwrap(), answer);
        }
        assert!(serde_json::from_str::<AppendAnswer>("{}").is_err());
        assert_eq!(append_subject(255), "sys.append.255");
    }
}
