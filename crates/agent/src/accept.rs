//! A Machine's socket: who may connect, one connection at a time, and what becomes of a boot that nobody speaks for.

use std::sync::Arc;
use std::time::Duration;

use line::frame::{Frame, Refused};
use line::{Address, Boot};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::admin::server::uid_may_use;
use crate::context::Context;
use crate::machine::{BootHandle, Machine};
use crate::machines::Stop;
use crate::quiet::quiet_warn;
use crate::session::{self, End, Session};
use crate::spool::BootState;

/// An ephemeral Machine that never connects is forgotten after this time.
const UNUSED: Duration = Duration::from_secs(600);
/// How long to wait after a failed accept: the process is out of file descriptors.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// A Machine's socket and all that is needed to serve it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) context: Arc<Context>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) listener: UnixListener,
    /// Who may connect, besides root.
    pub(crate) uid: u32,
    /// The registration ends with the boot.
    pub(crate) ephemeral: bool,
    pub(crate) stop: watch::Receiver<Stop>,
}

/// Why a Machine is not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was ephemeral, and its boot is over and on disk.
    Over,
    /// It was told to stop.
    Stopped,
}

impl Door {
    /// Serves the Machine until it is over or told to stop.
    pub(crate) async fn serve(mut self) -> Outcome {
        let mut session: Option<JoinHandle<End>> = None;
        let vanish_after = self.context.vanish_after;
        let first_look = if self.machine.has_boots() { vanish_after } else { UNUSED };
        let mut look_at = Some(Instant::now() + first_look);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => session = self.take(stream, session),
                    Err(error) => {
                        quiet_warn!(%error, "a Machine's socket cannot accept");
                        sleep(ACCEPT_DELAY).await;
                    }
                },
                end = joined(&mut session) => {
                    session = None;
                    self.context.metrics.connections.dec();
                    look_at = Some(Instant::now() + if end == End::Lost { vanish_after } else { UNUSED });
                    if end == End::Bye && self.ephemeral && !self.machine.has_boots() {
                        return Outcome::Over;
                    }
                }
                () = until(look_at) => {
                    look_at = None;
                    self.vanish_lost().await;
                    if self.ephemeral && session.is_none() && !self.machine.has_boots() {
                        return Outcome::Over;
                    }
                }
                stop = stopped(&mut self.stop) => return self.end(stop, session).await,
            }
        }
    }

    /// Begins a session, or refuses the connection.
    fn take(&self, stream: UnixStream, session: Option<JoinHandle<End>>) -> Option<JoinHandle<End>> {
        let peer = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
        if !uid_may_use(peer, self.uid) && peer != geteuid().as_raw() {
            self.refuse(&stream, "LA07", "this socket belongs to another user");
            return session;
        }
        // A connection that has ended makes room, even if its task was not looked at yet.
        if session.as_ref().is_some_and(|session| !session.is_finished()) {
            self.refuse(&stream, "LA06", "another init is connected with this instance id");
            return session;
        }
        if session.is_none() {
            self.context.metrics.connections.inc();
        }
        let session =
            Session::new(stream, Arc::clone(&self.context), Arc::clone(&self.machine), self.stop.clone());
        Some(tokio::spawn(session.run()))
    }

    fn refuse(&self, stream: &UnixStream, code: &'static str, reason: &str) {
        self.context.metrics.refused(code);
        let Address { org, app, instance, .. } = &self.machine.address;
        quiet_warn!(code, %org, %app, %instance, reason, "a connection to a Machine's socket was refused");
        let mut bytes = Vec::new();
        // Two short texts fit any frame, and a fresh socket takes them at once.
        let _written = Frame::Refused(Refused { code, reason }).write(&mut bytes);
        let _sent = stream.try_write(&bytes);
    }

    /// States that the boots are gone that no connection speaks for.
    async fn vanish_lost(&self) {
        for boot in self.machine.lost_boots() {
            vanish(&self.context, &boot).await;
        }
    }

    async fn end(&self, stop: Stop, session: Option<JoinHandle<End>>) -> Outcome {
        if let Some(session) = session {
            let _ended = session.await;
            self.context.metrics.connections.dec();
        }
        if stop == Stop::Machine {
            self.vanish_lost().await;
        }
        Outcome::Stopped
    }
}

async fn vanish(context: &Context, boot: &Arc<BootHandle>) {
    let Address { org, app, instance, .. } = &boot.machine.address;
    quiet_warn!(code = "LA02", %org, %app, %instance, boot = %boot.boot, "a Machine has vanished");
    context.queue.end(boot, true).await;
    boot.machine.forget(boot.boot);
}

/// States that boots are gone whose Machines are not registered any more.
pub(crate) fn vanish_orphans(context: &Arc<Context>, boots: &[&BootState]) {
    let handles: Vec<_> = boots.iter().filter_map(|state| orphan(context, state)).collect();
    let context = Arc::clone(context);
    tokio::spawn(async move {
        for boot in handles {
            vanish(&context, &boot).await;
        }
    });
}

fn orphan(context: &Context, state: &BootState) -> Option<Arc<BootHandle>> {
    let key = std::str::from_utf8(&state.key).ok()?;
    let address = Address::from_key(key).ok()?;
    let metrics = context.metrics.app(&address);
    let machine = Arc::new(Machine::new(address, None, metrics));
    Some(Arc::new(BootHandle::new(machine, Boot::from_bits(state.boot))))
}

async fn joined(session: &mut Option<JoinHandle<End>>) -> End {
    match session {
        Some(session) => session.await.unwrap_or(session::End::Lost),
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits until the Machine is told to stop. A teller who is gone has ended with the agent.
pub(crate) async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    match stop.wait_for(|stop| *stop != Stop::No).await {
        Ok(stop) => *stop,
        Err(_) => Stop::Agent,
    }
}
