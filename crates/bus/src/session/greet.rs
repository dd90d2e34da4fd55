//! The beginning of a session, and what holds its two sides together: greet, log in, serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::{Connect, VIOLATION};
use super::ending::Phase;
use super::listen::{LAST_WORD, Sessions};
use super::outgoing::Outgoing;
use super::peer::Peer;
use super::verbs::Verbs;
use super::writer::write_out;
use super::{About, Refused, Server};
use crate::codec::{ClientOp, ProtocolError, ServerReader, write};

/// Whether a client was greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Not yet.
    Due,
    /// Yes, before TLS began.
    Said,
}

/// Sends INFO.
pub(super) async fn say_hello<S: Server>(
    sessions: &Sessions<S>,
    writer: &mut (impl AsyncWrite + Unpin),
    about: &About,
) -> std::io::Result<()> {
    let mut hello = Vec::new();
    write::info(&mut hello, &sessions.server.info(about));
    writer.write_all(&hello).await?;
    writer.flush().await
}

/// Greets, logs in and serves. `true` if the client was sent a last word that it may not have read yet.
pub(super) async fn serve<S: Server>(
    sessions: &Sessions<S>,
    reader: &mut (impl AsyncRead + Unpin + Send),
    writer: &mut (impl AsyncWrite + Unpin + Send),
    about: About,
    from: SocketAddr,
    greeting: Greeting,
) -> bool {
    let server = &sessions.server;
    if greeting == Greeting::Due && say_hello(sessions, writer, &about).await.is_err() {
        return false;
    }
    let settings = server.settings();
    let mut buffer = BytesMut::new();
    let mut codec = ServerReader::new(settings.limits);
    let logging_in = Box::pin(log_in(sessions, reader, &mut buffer, &mut codec, from));
    let login = tokio::select! {
        login = timeout(settings.login_timeout, logging_in) => login,
        _ = sessions.ending.begun() => return false,
    };
    let (connect, login) = match login.unwrap_or(Err(Refused(Some("Authentication Timeout")))) {
        Ok(login) => login,
        Err(Refused(why)) => {
            server.stats().refused_logins.fetch_add(1, Ordering::Relaxed);
            say_goodbye(writer, why).await;
            return why.is_some();
        }
    };
    let peer = Arc::new(Peer::new(about.id, connect.headers));
    let client = server.enter(login, &connect, &peer);
    let verbs = Verbs::new(sessions, &client, &peer, &connect);
    drop(connect);
    run(sessions, verbs, reader, writer, buffer, codec, about).await
}

/// Both sides of a client that is logged in. `true` as for [`serve`].
async fn run<S: Server>(
    sessions: &Sessions<S>,
    mut verbs: Verbs<'_, S>,
    reader: &mut (impl AsyncRead + Unpin + Send),
    writer: &mut (impl AsyncWrite + Unpin + Send),
    buffer: BytesMut,
    codec: ServerReader,
    about: About,
) -> bool {
    let (client, peer) = (Arc::clone(verbs.client()), Arc::clone(verbs.peer()));
    let reading = verbs.read(reader, buffer, codec);
    let writing = write_out(&*sessions.server, &client, &peer, writer);
    tokio::pin!(reading, writing);
    let mut phase = Phase::Serving;
    loop {
        let next_phase = async {
            match phase {
                Phase::Serving => sessions.ending.begun().await,
                Phase::LameDuck(lame_duck) => {
                    sessions.ending.turn(lame_duck).await;
                    Phase::Ended
                }
                Phase::Ended => Phase::Ended,
            }
        };
        tokio::select! {
            is_cut = &mut reading => {
                peer.change(Outgoing::end_soon);
                let _ = timeout(LAST_WORD, writing).await;
                return is_cut;
            }
            // The queue was closed: by the client's end, or by somebody who had a last word for it.
            () = &mut writing => return true,
            next = next_phase => phase = next,
        }
        match phase {
            Phase::Serving => {}
            Phase::LameDuck(_) => {
                let info = sessions.server.info(&About { is_lame_duck: true, ..about });
                peer.urgent(|out| write::info(out, &info));
            }
            Phase::Ended => {
                peer.change(Outgoing::end);
                writing.await;
                return true;
            }
        }
    }
}

/// Reads until the login. The error is the last word, if there is one.
async fn log_in<S: Server>(
    sessions: &Sessions<S>,
    reader: &mut (impl AsyncRead + Unpin + Send),
    buffer: &mut BytesMut,
    codec: &mut ServerReader,
    from: SocketAddr,
) -> Result<(Connect, S::Login), Refused> {
    let refused = |why| Err(Refused(Some(why)));
    loop {
        match codec.next(buffer) {
            Ok(Some(ClientOp::Connect(json))) => {
                let connect = Connect::read(&json).map_err(|why| Refused(Some(why)))?;
                let login = sessions.server.log_in(&connect, from).await?;
                return Ok((connect, login));
            }
            Ok(Some(ClientOp::Ignored)) => {}
            Err(ProtocolError::ControlLine) => return refused("maximum control line exceeded"),
            // Whatever else comes before the login gets the same answer, be it HTTP, TLS or a verb.
            Ok(Some(_)) | Err(_) => return refused(VIOLATION),
            Ok(None) if codec.awaits_payload() => return refused(VIOLATION),
            Ok(None) => {
                // A CONNECT is some hundred bytes, with a token a few thousand: not a large buffer for each who knocks.
                buffer.reserve(1024);
                match reader.read_buf(buffer).await {
                    Ok(count) if count > 0 => {}
                    _ => return Err(Refused(None)),
                }
            }
        }
    }
}

pub(super) async fn say_goodbye(writer: &mut (impl AsyncWrite + Unpin), why: Option<&str>) {
    let mut bytes = Vec::new();
    if let Some(why) = why {
        write::error(&mut bytes, why);
    }
    let _ = timeout(LAST_WORD, async {
        let _ = writer.write_all(&bytes).await;
        writer.shutdown().await
    })
    .await;
}
