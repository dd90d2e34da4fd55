//! A Machine's socket: who may connect, one connection at a time, and what becomes of a boot that nobody speaks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
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
use crate::machine::{BootHandle, Machine, Terms};
use crate::machines::Stop;
use crate::quiet::quiet_warn;
use crate::session::{self, End, Session};
use crate::spool::BootState;
use crate::tenure::Tenure;
use crate::writer::{Ending, Job};

/// How long a new connection waits for the end of the one before it: init may come back before its old connection was
/// noticed to be closed. Whoever comes while the old one is really in use waits in vain.
const TURN: Duration = Duration::from_millis(250);
/// How long to wait after a failed accept: the process is out of file descriptors.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// What a second connection is told.
const IN_USE: &str = "another init is connected with this instance id";

/// A Machine's socket and all that is needed to serve it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) context: Arc<Context>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) listener: UnixListener,
    /// Who may connect, besides root.
    pub(crate) uid: u32,
    pub(crate) stop: watch::Receiver<Stop>,
}

/// Why a Machine is not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was ephemeral, and its boot is over and on disk; nobody will come back, unless it was registered more often than
    /// `registrations` by now.
    Over {
        /// How often it had been registered when that was decided.
        registrations: u64,
    },
    /// It was told to stop.
    Stopped,
}

impl Door {
    /// Serves the Machine until it is over or told to stop. As long as the door is there, whoever connects is kept waiting:
    /// a Machine that turns out not to be over is served on.
    pub(crate) async fn serve(&mut self) -> Outcome {
        let mut session: Option<JoinHandle<End>> = None;
        let vanish_after = self.context.vanish_after;
        let mut look_at = self.machine.has_boots().then(|| Instant::now() + vanish_after);
        let was_seen = self.machine.was_seen.load(Ordering::Acquire);
        let mut tenure = Tenure::new(was_seen, self.context.forget_after);
        let mut waiting: Option<(UnixStream, Instant)> = None;
        loop {
            let registrations = self.machine.registrations();
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) if !self.may_use(&stream) => {
                        self.refuse(&stream, "LA07", "this socket belongs to another user");
                    }
                    Ok((stream, _)) if session.is_none() => session = Some(self.begin(stream, &mut tenure)),
                    Ok((stream, _)) if waiting.is_none() => waiting = Some((stream, Instant::now() + TURN)),
                    Ok((stream, _)) => self.refuse(&stream, "LA06", IN_USE),
                    Err(error) => {
                        quiet_warn!(%error, "a Machine's socket cannot accept");
                        sleep(ACCEPT_DELAY).await;
                    }
                },
                end = joined(&mut session) => {
                    session = None;
                    self.context.metrics.connections.dec();
                    look_at = Some(Instant::now() + vanish_after);
                    tenure.lost(self.machine.is_awaited());
                    if let Some((stream, _)) = waiting.take() {
                        session = Some(self.begin(stream, &mut tenure));
                    } else if end == End::Bye && self.may_end() && !self.machine.is_awaited() {
                        return Outcome::Over { registrations };
                    }
                }
                () = until(waiting.as_ref().map(|(_, until)| *until)) => {
                    if let Some((stream, _)) = waiting.take() {
                        self.refuse(&stream, "LA06", IN_USE);
                    }
                }
                () = until(look_at) => {
                    look_at = None;
                    self.vanish_lost(Ending::Lost).await;
                }
                () = tenure.over(), if session.is_none() && self.may_end() => {
                    return Outcome::Over { registrations };
                }
                () = self.machine.registered.notified() => tenure.renew(),
                stop = stopped(&mut self.stop) => return self.end(stop, session).await,
            }
        }
    }

    /// Whether the process at the other end is of the registered user, of the agent's, or root.
    fn may_use(&self, stream: &UnixStream) -> bool {
        let own = geteuid().as_raw();
        stream.peer_cred().is_ok_and(|peer| uid_may_use(peer.uid(), self.uid) || peer.uid() == own)
    }

    /// Whether the Machine is one that ends, and everything of it is stated.
    fn may_end(&self) -> bool {
        self.machine.is_ephemeral() && !self.machine.has_boots()
    }

    fn begin(&self, stream: UnixStream, tenure: &mut Tenure) -> JoinHandle<End> {
        self.context.metrics.connections.inc();
        tenure.connected(&stream);
        let (context, machine) = (Arc::clone(&self.context), Arc::clone(&self.machine));
        tokio::spawn(Session::new(stream, context, machine, self.stop.clone()).run())
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
    async fn vanish_lost(&self, ending: Ending) {
        for boot in self.machine.take_lost() {
            vanish(&self.context, &boot, ending).await;
        }
    }

    async fn end(&self, stop: Stop, session: Option<JoinHandle<End>>) -> Outcome {
        if let Some(session) = session {
            let _ended = session.await;
            self.context.metrics.connections.dec();
        }
        if stop == Stop::Machine {
            self.vanish_lost(Ending::Over).await;
        }
        Outcome::Stopped
    }
}

async fn vanish(context: &Context, boot: &Arc<BootHandle>, ending: Ending) {
    let Address { org, app, instance, .. } = &boot.machine.address;
    quiet_warn!(code = "LA02", %org, %app, %instance, boot = %boot.boot, "a Machine has vanished");
    context.queue.end(boot, ending).await;
}

/// States that the boots of a Machine are gone that has no socket to come back to; it may be given one later.
pub(crate) fn vanish_unserved(context: &Arc<Context>, machine: Arc<Machine>) {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        for boot in machine.take_lost() {
            vanish(&context, &boot, Ending::Lost).await;
        }
    });
}

/// States that boots are gone whose Machines are not registered any more.
pub(crate) fn vanish_orphans(context: &Arc<Context>, boots: &[&BootState]) {
    let (known, lost): (Vec<_>, Vec<_>) = boots.iter().copied().partition(|state| state.is_stated());
    let known: Vec<_> = known.into_iter().map(|state| Arc::clone(&state.key)).collect();
    let handles: Vec<_> = lost.into_iter().filter_map(|state| orphan(context, state)).collect();
    let context = Arc::clone(context);
    tokio::spawn(async move {
        for boot in handles {
            vanish(&context, &boot, Ending::Over).await;
        }
        for key in known {
            context.queue.push(Job::Retire { key }).await;
        }
    });
}

fn orphan(context: &Context, state: &BootState) -> Option<Arc<BootHandle>> {
    let key = std::str::from_utf8(&state.key).ok()?;
    let address = Address::from_key(key).ok()?;
    let metrics = context.metrics.app(&address);
    let machine = Arc::new(Machine::new(address, Terms::default(), metrics));
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
