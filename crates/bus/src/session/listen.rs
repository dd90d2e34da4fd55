//! Connections as they come: counted, greeted, served, and told of the end.

use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ending::{Ending, LameDuck};
use super::{About, Server, Stats, Turned, greet};
use crate::codec::write;

/// How clients reach a server.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// How clients are told of the end; the default cuts them at once.
    pub lame_duck: LameDuck,
}

/// How long a client that is told why it is cut may take to read it.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// How long clients may take at the end for what waits for them.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all sessions of a server share.
pub(super) struct Sessions<S> {
    pub(super) server: Arc<S>,
    pub(super) listen: Listen,
    pub(super) ending: Ending,
    /// Of this process: see [`super::Connect::mark`].
    pub(super) marks: RandomState,
    next_id: AtomicU64,
}

impl<S: Server> Sessions<S> {
    /// What a client is told, with a number of its own.
    fn about(&self) -> About {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        About { id, is_lame_duck: self.ending.has_begun(), tls_required: false, tls_available: false }
    }
}

/// Serves clients on `listener` until `shutdown` resolves. Then no more are taken; those that are here are told so, cut one by
/// one over the lame duck's time, each after it was given what waits for it, for one second at most.
pub async fn listen<S: Server>(
    server: Arc<S>,
    listener: TcpListener,
    listen: Listen,
    shutdown: impl Future<Output = ()>,
) {
    // Ids start at random: they should not tell how many clients came before.
    let next_id = AtomicU64::new(u64::from(fastrand::u32(1..1 << 30)));
    let (ending, marks) = (Ending::default(), RandomState::new());
    let sessions = Arc::new(Sessions { server, listen, ending, marks, next_id });
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    tasks.spawn(connection(Arc::clone(&sessions), stream, from));
                }
                // Out of file descriptors, or a client that was gone at once: neither ends the server.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    let lame_duck = sessions.listen.lame_duck;
    let all_gone = async |tasks: &mut JoinSet<()>| while tasks.join_next().await.is_some() {};
    if lame_duck != LameDuck::default() {
        sessions.ending.begin(lame_duck);
        let _ = timeout(lame_duck.grace + lame_duck.spread, all_gone(&mut tasks)).await;
    }
    sessions.ending.end();
    let _ = timeout(FAREWELL, all_gone(&mut tasks)).await;
    tasks.shutdown().await;
}

/// Counts a connection for as long as it lives, whichever way it ends.
struct Counted(Arc<Stats>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one connection to its end.
async fn connection<S: Server>(sessions: Arc<Sessions<S>>, stream: TcpStream, from: SocketAddr) {
    let server = &sessions.server;
    let open = server.stats().connections.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted(Arc::clone(server.stats()));
    // Frames are small and already gathered; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let max_connections = server.settings().max_connections as u64;
    let admitted = if open >= max_connections.saturating_mul(2) {
        // Of very many that come too much, not even the last word is kept open for.
        Err(Turned::Silently)
    } else if open >= max_connections {
        Err(Turned::TooMany)
    } else {
        server.admit(from)
    };
    match admitted {
        Ok(_admission) => {
            if greet::serve(&sessions, &mut reader, &mut writer, sessions.about(), from).await {
                linger(&mut reader).await;
            }
        }
        Err(Turned::TooMany) => refuse(&sessions, &mut reader, &mut writer).await,
        Err(Turned::Silently) => {}
    }
}

/// Tells a client that there are too many.
async fn refuse<S: Server>(
    sessions: &Sessions<S>,
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) {
    let mut hello = Vec::new();
    write::info(&mut hello, &sessions.server.info(&sessions.about()));
    write::error(&mut hello, "maximum connections exceeded");
    let _ = timeout(LAST_WORD, writer.write_all(&hello)).await;
    let _ = writer.shutdown().await;
    linger(reader).await;
}

/// Reads what the client still sends, and forgets it. A socket that is closed with unread bytes sends a reset, which takes
/// the last word from the client before it was read.
async fn linger(reader: &mut (impl AsyncRead + Unpin)) {
    let mut scratch = [0; 1024];
    let drain = async { while matches!(reader.read(&mut scratch).await, Ok(count) if count > 0) {} };
    let _ = timeout(LAST_WORD, drain).await;
}
