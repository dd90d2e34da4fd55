//! Connections as they come: counted, greeted, served, and told of the end.

use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ending::{Ending, LameDuck};
use super::greet::Greeting;
use super::{About, Server, Stats, Turned, greet, proxy_v2};
use crate::codec::write;
use crate::tls;

/// How clients reach a server.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// How clients are told of the end; the default cuts them at once.
    pub lame_duck: LameDuck,
    /// TLS; `None`: only in the clear.
    pub tls: Option<Tls>,
    /// Each connection begins with a header of a load balancer ([`super::proxy_v2`]) that says where it comes from. One without
    /// is closed. Only for listeners that nobody reaches but through the balancer.
    pub proxy_protocol: bool,
}

/// TLS for clients.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate, and whose clients' are taken.
    pub server: tls::Server,
    /// When it begins.
    pub when: TlsWhen,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsWhen {
    /// After the greeting, if the client wants it.
    Offered,
    /// After the greeting, always.
    Required,
    /// Before the greeting, always: clients have to be told so (`tls_first`, `handshake_first`).
    First,
}

/// How long a client that is told why it is cut may take to read it.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// The first byte of a client's TLS handshake.
const HANDSHAKE: u8 = 0x16;
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
        let when = self.listen.tls.as_ref().map(|tls| tls.when);
        About {
            id,
            is_lame_duck: self.ending.has_begun(),
            tls_required: matches!(when, Some(TlsWhen::Required | TlsWhen::First)),
            tls_available: when == Some(TlsWhen::Offered),
        }
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
async fn connection<S: Server>(sessions: Arc<Sessions<S>>, mut stream: TcpStream, from: SocketAddr) {
    let server = &sessions.server;
    let open = server.stats().connections.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted(Arc::clone(server.stats()));
    // Frames are small and already gathered; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let max_connections = server.settings().max_connections as u64;
    if open >= max_connections.saturating_mul(2) {
        // Of very many that come too much, not even the last word is kept open for.
        return;
    }
    let Some(from) = origin(&sessions, &mut stream, from).await else { return };
    let admitted = if open >= max_connections { Err(Turned::TooMany) } else { server.admit(from) };
    match admitted {
        Ok(_admission) => secure(&sessions, stream, from).await,
        // In the clear, where nobody would listen to it.
        Err(Turned::TooMany) if sessions.about().tls_required => {}
        Err(Turned::TooMany) => {
            let (mut reader, mut writer) = stream.into_split();
            refuse(&sessions, &mut reader, &mut writer).await;
        }
        Err(Turned::Silently) => {}
    }
}

/// Where a connection comes from: with a balancer before us, as it says. `None` if it should have said so and did not.
async fn origin<S: Server>(
    sessions: &Sessions<S>,
    stream: &mut TcpStream,
    peer: SocketAddr,
) -> Option<SocketAddr> {
    if !sessions.listen.proxy_protocol {
        return Some(peer);
    }
    let header = async {
        let mut head = [0; proxy_v2::HEAD_BYTES];
        stream.read_exact(&mut head).await?;
        let head = proxy_v2::Head::read(&head).map_err(io::Error::other)?;
        let mut rest = vec![0; head.rest_bytes];
        stream.read_exact(&mut rest).await?;
        head.source(&rest).map_err(io::Error::other)
    };
    match timeout(sessions.server.settings().login_timeout, header).await {
        Ok(Ok(source)) => Some(source.unwrap_or(peer)),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "closed a connection without a header of the balancer");
            None
        }
        Err(_) => None,
    }
}

/// Shakes hands as far as that is wanted, and serves.
async fn secure<S: Server>(sessions: &Sessions<S>, mut stream: TcpStream, from: SocketAddr) {
    let about = sessions.about();
    let Some(tls) = &sessions.listen.tls else {
        return serve_plain(sessions, stream, about, from, Greeting::Due).await;
    };
    if tls.when == TlsWhen::First {
        return serve_tls(sessions, tls, stream, about, from, Greeting::Due).await;
    }
    if greet::say_hello(sessions, &mut stream, &about).await.is_err() {
        return;
    }
    // The first byte of a handshake is none of a verb.
    let mut first = [0];
    let peeked = timeout(sessions.server.settings().login_timeout, stream.peek(&mut first)).await;
    match peeked {
        Ok(Ok(1)) if first == [HANDSHAKE] => {
            serve_tls(sessions, tls, stream, about, from, Greeting::Said).await;
        }
        Ok(Ok(1)) if tls.when == TlsWhen::Required => {
            let (mut reader, mut writer) = stream.into_split();
            greet::say_goodbye(&mut writer, Some("Secure Connection - TLS Required")).await;
            linger(&mut reader).await;
        }
        // One that says nothing is told so there.
        _ => serve_plain(sessions, stream, about, from, Greeting::Said).await,
    }
}

async fn serve_plain<S: Server>(
    sessions: &Sessions<S>,
    stream: TcpStream,
    about: About,
    from: SocketAddr,
    greeting: Greeting,
) {
    let (mut reader, mut writer) = stream.into_split();
    if greet::serve(sessions, &mut reader, &mut writer, about, from, greeting).await {
        linger(&mut reader).await;
    }
}

async fn serve_tls<S: Server>(
    sessions: &Sessions<S>,
    tls: &Tls,
    stream: TcpStream,
    about: About,
    from: SocketAddr,
    greeting: Greeting,
) {
    let handshake = timeout(sessions.server.settings().login_timeout, tls.server.accept(stream));
    // Much larger than a session in the clear, which most are.
    let stream = match Box::pin(handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%from, %error, "a TLS handshake failed"),
        Err(_) => return,
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    if Box::pin(greet::serve(sessions, &mut reader, &mut writer, about, from, greeting)).await {
        linger(&mut reader).await;
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
