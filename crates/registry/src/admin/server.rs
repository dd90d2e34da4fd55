//! The registry's side of the admin socket: own user or root only, a few clients at a time, ten seconds each. What takes longer
//! is done all the same; only nobody is told.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{MAX_REQUEST_BYTES, Request, Response, SOCKET};
use crate::Error;
use crate::clock::unix_ns;
use crate::keeper::Keeper;

/// Clients at one time; further ones wait until one is done.
const MAX_CLIENTS: usize = 8;
/// How long a client may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept: the process is out of file descriptors.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// Listens in `dir`. What an earlier process left there is removed: the directory belongs to one at a time.
pub(crate) fn listen(dir: &Path) -> Result<UnixListener, Error> {
    let path = dir.join(SOCKET);
    let listen = || {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        Ok(listener)
    };
    listen().map_err(|source| Error::Socket { path: path.clone(), source })
}

/// Serves clients until it is dropped.
pub(crate) async fn serve(listener: UnixListener, keeper: &Arc<Keeper>) {
    let turns = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let keeper = Arc::clone(keeper);
                clients.spawn(async move {
                    // Whoever takes longer has had their time.
                    let _served = timeout(DEADLINE, serve_one(stream, &keeper)).await;
                    drop(turn);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the registry's admin socket cannot accept");
                tokio::time::sleep(ACCEPT_DELAY).await;
            }
        }
        while clients.try_join_next().is_some() {}
    }
}

async fn serve_one(mut stream: UnixStream, keeper: &Arc<Keeper>) -> io::Result<()> {
    let owner = rustix::process::geteuid().as_raw();
    let is_ours = stream.peer_cred().is_ok_and(|peer| uid_may_use(peer.uid(), owner));
    let response = if is_ours {
        answer(&mut stream, keeper).await?
    } else {
        error("LR12", "only the user that runs the registry, and root, may use its admin socket")
    };
    // A response has string keys only, so that writing it cannot fail.
    let mut text = serde_json::to_vec(&response).unwrap_or_default();
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Whether a process of user `peer` may use what belongs to user `owner`.
const fn uid_may_use(peer: u32, owner: u32) -> bool {
    peer == owner || peer == 0
}

async fn answer(stream: &mut UnixStream, keeper: &Arc<Keeper>) -> io::Result<Response> {
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REQUEST_BYTES as u64)).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Ok(error("LR12", "a request is one line of at most 64 KiB"));
    }
    let request: Request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(why) => return Ok(error("LR12", &format!("not a request that this version reads: {why}"))),
    };
    // The work is in a task of its own: the deadline cuts the client's wait, and never what was begun for it.
    let answered = keeper.with(move |desk| Ok(desk.answer(request, unix_ns()))).await;
    Ok(answered.unwrap_or_else(|error| Response::refusal(&error)))
}

fn error(code: &str, message: &str) -> Response {
    Response::Error { code: code.to_owned(), message: message.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_may_use_the_socket() {
        assert!(uid_may_use(1000, 1000) && uid_may_use(0, 1000));
        assert!(!uid_may_use(1000, 0) && !uid_may_use(1001, 1000));
    }
}
