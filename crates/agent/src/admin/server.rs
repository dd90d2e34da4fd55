//! The agent's side of the admin socket: one client at a time, own user or root only, two seconds each. What takes longer is
//! done all the same; only nobody is told.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::{MAX_REQUEST_BYTES, Request, Response};
use crate::machines::Machines;
use crate::quiet::quiet_warn;
use crate::{ADMIN_SOCKET, Error, socket};

/// The code of the answer that another client is being served.
pub(super) const BUSY: &str = "LA06";
/// How long one client may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long to wait after a failed accept: the process is out of file descriptors.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// Listens on the admin socket in `dir`, and serves it in a task.
pub(crate) fn listen(dir: &Path, machines: &Arc<Machines>) -> Result<JoinHandle<()>, Error> {
    let listener = socket::listen(&dir.join(ADMIN_SOCKET))?;
    Ok(tokio::spawn(serve(listener, Arc::clone(machines))))
}

async fn serve(listener: UnixListener, machines: Arc<Machines>) {
    let turn = Arc::new(Semaphore::new(1));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                quiet_warn!(%error, "the admin socket cannot accept");
                tokio::time::sleep(ACCEPT_DELAY).await;
                continue;
            }
        };
        match Arc::clone(&turn).try_acquire_owned() {
            Ok(turn) => {
                let machines = Arc::clone(&machines);
                tokio::spawn(async move { serve_one(stream, &machines, turn).await });
            }
            Err(_) => refuse(&stream, &machines),
        }
    }
}

fn refuse(stream: &UnixStream, machines: &Machines) {
    machines.context().metrics.refused(BUSY);
    let answer = error(BUSY, "another client uses the admin socket; try again");
    // Whoever does not take a hundred bytes at once learns it from the closed connection.
    let _written = stream.try_write(&encode(&answer));
}

async fn serve_one(mut stream: UnixStream, machines: &Arc<Machines>, turn: OwnedSemaphorePermit) {
    let served = tokio::time::timeout(DEADLINE, async {
        let answer = if may_use(&stream) {
            answer(&mut stream, machines).await?
        } else {
            error("LA07", "only the user that runs the agent, and root, may use the admin socket")
        };
        if let Response::Error { code, message } = &answer {
            quiet_warn!(%code, %message, "a request on the admin socket was refused");
        }
        // Whoever has an answer may ask the next thing.
        drop(turn);
        stream.write_all(&encode(&answer)).await
    });
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => quiet_warn!(%error, "a client of the admin socket went away"),
        Err(_) => quiet_warn!("a client of the admin socket took too long"),
    }
}

/// Whether the process at the other end runs as the agent's own user or as root.
fn may_use(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| uid_may_use(peer.uid(), geteuid().as_raw()))
}

/// Whether a process of user `peer` may use what belongs to user `owner`.
pub(crate) const fn uid_may_use(peer: u32, owner: u32) -> bool {
    peer == owner || peer == 0
}

async fn answer(stream: &mut UnixStream, machines: &Arc<Machines>) -> io::Result<Response> {
    let Some(line) = read_line(stream).await? else {
        return Ok(error("LA08", "a request is one line of at most 64 KiB"));
    };
    let request: Request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(why) => return Ok(error("LA08", &format!("not a request that this version reads: {why}"))),
    };
    // In a task of its own: the deadline cuts the client's wait, and never what was begun for it.
    let machines = Arc::clone(machines);
    let handled = tokio::spawn(async move { handle(request, &machines).await });
    Ok(handled.await.unwrap_or_else(|why| error("LA14", &format!("the agent could not do it: {why}"))))
}

async fn handle(request: Request, machines: &Arc<Machines>) -> Response {
    let result = match request {
        Request::Register(registration) => machines.register(registration).await.map(Response::Registered),
        Request::Deregister { org, instance } => {
            machines.deregister(&org, &instance).await.map(|()| Response::Ok {})
        }
        Request::List {} => machines.list().await.map(Response::Machines),
        Request::Status {} => Ok(Response::Status(Box::new(machines.status()))),
    };
    result.unwrap_or_else(|refusal| {
        machines.context().metrics.refused(refusal.code);
        error(refusal.code, &refusal.message)
    })
}

/// Reads up to the first newline; `None` if none comes within the bound or before the end.
async fn read_line(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let from = line.len();
        if stream.read_buf(&mut line).await? == 0 {
            return Ok(None);
        }
        if let Some(at) = line[from..].iter().position(|&byte| byte == b'\n') {
            line.truncate(from + at);
            return Ok((line.len() < MAX_REQUEST_BYTES).then_some(line));
        }
        if line.len() >= MAX_REQUEST_BYTES {
            return Ok(None);
        }
    }
}

fn error(code: &str, message: &str) -> Response {
    Response::Error { code: code.to_owned(), message: message.to_owned() }
}

fn encode(response: &Response) -> Vec<u8> {
    // A response has string keys only, so that writing it cannot fail.
    let mut text = serde_json::to_vec(response).unwrap_or_default();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_may_use_a_socket() {
        assert!(uid_may_use(1000, 1000) && uid_may_use(0, 1000));
        assert!(!uid_may_use(1000, 0) && !uid_may_use(1001, 1000));
    }
}
