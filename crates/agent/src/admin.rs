//! The admin protocol: how a Machine is registered. One JSON object per line each way over a unix socket of mode 0600.
//!
//! ```json
//! {"register":{"org":"k3f9","app":"web","region":"lhr","instance":"148e","uid":0,"ephemeral":true}}
//! {"registered":{"socket":"/var/lib/logway/agent/m/1/sock","app":"web","region":"lhr","instance":"148e"}}
//! ```

pub(crate) mod server;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Longest request in bytes, its newline included. A longer one is refused.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;
/// Longest answer that [`call`] reads; a list of 10,000 Machines is about 3 MB.
const MAX_RESPONSE_BYTES: u64 = 64 << 20;
/// How long [`call`] waits before it asks a busy agent again.
const BUSY_DELAY: Duration = Duration::from_millis(20);

/// What the agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Make a socket for a Machine. The same org and instance again get the same socket.
    Register(Registration),
    /// Close a Machine's socket for good. Its id stays with its org.
    Deregister {
        /// Whose it is.
        org: String,
        /// The Machine.
        instance: String,
    },
    /// Name all Machines.
    List {},
    /// Say how the agent is.
    Status {},
}

/// A Machine to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The id of the org that owns its lines.
    pub org: String,
    /// The app.
    pub app: String,
    /// The region.
    pub region: String,
    /// The Machine's id; it belongs to this org for ever.
    pub instance: String,
    /// The user that init runs as: the socket is theirs, and besides root nobody else may use it.
    pub uid: u32,
    /// Lines a second that the app may write with all its Machines that are registered with the same; without it, the agent's
    /// own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// The registration ends with the boot, once everything of it is on disk.
    #[serde(default)]
    pub ephemeral: bool,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The Machine is registered.
    Registered(Registered),
    /// It is done.
    Ok {},
    /// The Machines, by org and instance.
    Machines(Vec<MachineInfo>),
    /// How the agent is.
    Status(Box<Status>),
    /// It was not done. [`call`] makes an [`Error::Refused`] of it.
    Error {
        /// The catalogue's code.
        code: String,
        /// The sentence for people.
        message: String,
    },
}

/// A registered Machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The Machine's socket.
    pub socket: PathBuf,
    /// The app's name, escaped.
    pub app: String,
    /// The region's name, escaped.
    pub region: String,
    /// The instance's name, escaped.
    pub instance: String,
}

/// A Machine in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// Its org.
    pub org: String,
    /// Its socket and its names.
    #[serde(flatten)]
    pub registered: Registered,
    /// The registration ends with the boot.
    pub ephemeral: bool,
    /// Init is connected.
    pub connected: bool,
}

/// How the agent is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The host.
    pub host: String,
    /// Its region.
    pub region: String,
    /// What carries the lines on: the bus's state in a word, or `vector`.
    pub bus: String,
    /// What is wrong, if something is.
    pub fault: Option<String>,
    /// Registered Machines.
    pub machines: u64,
    /// Of these, connected.
    pub connected: u64,
    /// Spooled bytes that still have to go out.
    pub spool_unsent_bytes: u64,
    /// What the spool may hold.
    pub spool_quota_bytes: u64,
    /// Age of the oldest line that is not out yet, in seconds.
    pub lag_seconds: f64,
    /// How it stands with the store, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreStatus>,
    /// Figures of each app with a registered Machine.
    pub apps: Vec<AppStatus>,
}

/// What the agent knows of the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// `ok`, or what is in the way, in a sentence.
    pub state: String,
    /// Age of the oldest line that the store does not have, in seconds.
    pub lag_seconds: f64,
    /// Bytes of the spool's records from that line on: what is kept for the store.
    pub lag_bytes: u64,
    /// Shards, of 256, whose store does not take lines at the moment.
    pub failing_shards: u64,
    /// Requests that the store refused, oldest first: files in the agent's folder `dead-letter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_letters: Vec<DeadLetter>,
    /// Refused requests, since the start, that there was no room for in that folder.
    pub dead_letters_not_kept: u64,
}

/// A request that the store refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// An app's figures since the agent's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// The org.
    pub org: String,
    /// The app, escaped.
    pub app: String,
    /// Records spooled.
    pub lines: u64,
    /// Bytes of text in them.
    pub bytes: u64,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No agent listens there.
    #[error("[LA17] no agent answers on {path}; start it with `logway up` and use the same --data")]
    NotRunning {
        /// The admin socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed on the way.
    #[error("the agent on {path} did not answer; look at its own log")]
    Io {
        /// The admin socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer makes no sense.
    #[error("the agent on {path} answers in a form that this version does not read; use the same release")]
    Answer {
        /// The admin socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The agent refused.
    #[error("[{code}] {message}")]
    Refused {
        /// The catalogue's code.
        code: String,
        /// The sentence for people.
        message: String,
    },
}

/// Asks the agent whose admin socket is `socket`, and waits for the answer; blocking. While another client is being served
/// it tries again.
///
/// # Errors
/// When no agent is there, when it does not answer within `timeout`, and when it refuses.
pub fn call(socket: &Path, request: &Request, timeout: Duration) -> Result<Response, Error> {
    let until = Instant::now() + timeout;
    loop {
        match call_once(socket, request, timeout) {
            // Another client is being served; each takes two seconds at most.
            Err(Error::Refused { code, .. }) if code == server::BUSY && Instant::now() < until => {
                std::thread::sleep(BUSY_DELAY);
            }
            answer => return answer,
        }
    }
}

fn call_once(socket: &Path, request: &Request, timeout: Duration) -> Result<Response, Error> {
    let path = || socket.to_owned();
    let io = |source| Error::Io { path: path(), source };
    let mut stream =
        UnixStream::connect(socket).map_err(|source| Error::NotRunning { path: path(), source })?;
    stream.set_read_timeout(Some(timeout)).map_err(io)?;
    stream.set_write_timeout(Some(timeout)).map_err(io)?;
    let mut text = serde_json::to_vec(request).map_err(|source| Error::Answer { path: path(), source })?;
    text.push(b'\n');
    // A busy agent may have answered and closed before it read anything: its answer counts.
    let written = stream.write_all(&text);
    let mut answer = Vec::new();
    let read = BufReader::new(stream).take(MAX_RESPONSE_BYTES).read_until(b'\n', &mut answer);
    if answer.is_empty() {
        written.and(read).map_err(io)?;
        return Err(io(io::ErrorKind::UnexpectedEof.into()));
    }
    match serde_json::from_slice(&answer).map_err(|source| Error::Answer { path: path(), source })? {
        Response::Error { code, message } => Err(Error::Refused { code, message }),
        response => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_documented() {
        let registration = Registration {
            org: "k3f9".into(),
            app: "web".into(),
            region: "lhr".into(),
            instance: "148e".into(),
            uid: 0,
            rate: None,
            ephemeral: true,
        };
        for (text, request) in [
            (
                r#"{"register":{"org":"k3f9","app":"web","region":"lhr","instance":"148e","uid":0,"rate":null,"ephemeral":true}}"#,
                Request::Register(registration),
            ),
            (
                r#"{"deregister":{"org":"k3f9","instance":"148e"}}"#,
                Request::Deregister { org: "k3f9".into(), instance: "148e".into() },
            ),
            (r#"{"list":{}}"#, Request::List {}),
            (r#"{"status":{}}"#, Request::Status {}),
        ] {
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        for bad in ["", "{}", r#"{"register":{}}"#, r#"{"stop":{}}"#, r#"{"list":{"x":1}}"#] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_look_as_they_are_documented() {
        let error = Response::Error { code: "LA10".into(), message: "no".into() };
        assert_eq!(serde_json::to_string(&error).unwrap(), r#"{"error":{"code":"LA10","message":"no"}}"#);
        assert_eq!(serde_json::to_string(&Response::Ok {}).unwrap(), r#"{"ok":{}}"#);
    }

    #[test]
    fn nobody_there_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let answer = call(&dir.path().join("none"), &Request::List {}, Duration::from_secs(1));
        assert!(matches!(answer, Err(Error::NotRunning { .. })));
    }
}
