//! The connection to the bus: always drained, never waited for, and made anew elsewhere when it is lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::Deliveries;
use bus::client::{Options, ServerAddr};
use bus::codec::{ClientReader, PlacedOp};
use bus::dial::{self, Dialed, Failure};
use bus::session::{Stats, Touched};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::batch::Batch;
use crate::hearing::Hearing;
use crate::interest::{Foreign, Interests, Verbs};
use crate::tenant::Member;

/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;
/// How often the server is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(2);
/// A server that has said nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(6);
/// Verbs that may wait to be sent. A server that takes none for so long is given up; the next connection begins with all of them.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Before the first new try, and the most between two.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// How often it is logged that there is no connection.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// How long a client's PING waits at most for its subscriptions to be in force upstream.
const SETTLE: Duration = Duration::from_secs(2);

/// How the connection to the bus stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is none, and it is being tried.
    Away {
        /// Since when.
        since: Instant,
        /// Why the last try failed, if one has.
        last_error: Option<String>,
    },
    /// Connected to this server.
    Connected {
        /// Its address.
        server: String,
    },
}

/// The connection, shared by all who want something from the bus.
pub(crate) struct Upstream {
    pub(crate) interests: Interests,
    pub(crate) hearing: Hearing,
    wire: Mutex<Wire>,
    /// There is something to send, or the connection is to be given up.
    wake: Notify,
    give_up: AtomicBool,
    /// The answer number up to which all is in force.
    settled: watch::Sender<u64>,
    standing: watch::Sender<Standing>,
    /// Connections that were made.
    pub(crate) connections: AtomicU64,
    /// Messages from outside what was subscribed to.
    pub(crate) foreign: AtomicU64,
    /// When it was last logged that the bus refuses something.
    refusal_said: Mutex<Option<Instant>>,
}

/// What waits to be sent, and which PINGs were.
#[derive(Debug, Default)]
struct Wire {
    is_connected: bool,
    out: Vec<u8>,
    /// How many answers were asked for so far, over all connections.
    asked: u64,
    /// Those that have not come.
    open: VecDeque<u64>,
    /// The one that says that this connection has all that was wanted when it began.
    resubscribed: u64,
    /// Something was taken from `out` on this connection.
    is_taken: bool,
}

impl Wire {
    /// Appends verbs and a PING behind them; gives the number of its answer.
    fn ask(&mut self, verbs: &[u8]) -> u64 {
        self.out.extend_from_slice(verbs);
        self.out.extend_from_slice(b"PING\r\n");
        self.asked += 1;
        self.open.push_back(self.asked);
        self.asked
    }
}

/// Why a connection ended.
#[derive(Debug)]
enum Lost {
    Closed,
    Io(std::io::Error),
    Protocol,
    Foreign,
    Silent,
    GivenUp,
    LameDuck,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Io(error) => error.fmt(f),
            Self::Protocol => f.write_str("the server sent what is not the NATS protocol"),
            Self::Foreign => f.write_str("the server sent a message that was not subscribed to"),
            Self::Silent => f.write_str("the server said nothing for 6 seconds"),
            Self::GivenUp => f.write_str("another server is wanted"),
            Self::LameDuck => f.write_str("the server is about to end"),
        }
    }
}

impl Upstream {
    /// For a bus with so many servers; what clients are given is counted there.
    pub(crate) fn new(servers: usize, deliveries: Arc<Deliveries>) -> Self {
        Self {
            interests: Interests::new(deliveries),
            hearing: Hearing::new(servers),
            wire: Mutex::default(),
            wake: Notify::new(),
            give_up: AtomicBool::new(false),
            settled: watch::Sender::new(0),
            standing: watch::Sender::new(Standing::Away { since: Instant::now(), last_error: None }),
            connections: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            refusal_said: Mutex::default(),
        }
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the connection stands, and its changes.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Sends verbs; gives the number of the answer that says that they are in force. Without a connection they are not kept: the
    /// next one begins with all interests.
    pub(crate) fn send(&self, verbs: &Verbs) -> u64 {
        let mut wire = self.wire();
        if !wire.is_connected {
            return wire.asked + 1;
        }
        let number = wire.ask(verbs);
        // It has not even taken what came before.
        let is_stuck = wire.out.len() > MAX_WAITING_BYTES && wire.is_taken;
        drop(wire);
        if is_stuck {
            self.give_up.store(true, Ordering::Relaxed);
        }
        self.wake.notify_one();
        number
    }

    /// The answer number from which on all that was subscribed to before is in force on this connection, or will be on the next.
    pub(crate) fn floor(&self) -> u64 {
        let wire = self.wire();
        if wire.is_connected { wire.resubscribed } else { wire.asked + 1 }
    }

    /// Counts connections, from 1: the present one, or the next one while there is none.
    pub(crate) fn epoch(&self) -> u64 {
        let is_connected = self.wire().is_connected;
        self.connections.load(Ordering::Relaxed) + u64::from(!is_connected)
    }

    /// Whether all up to this answer number is in force.
    pub(crate) fn is_settled(&self, barrier: u64) -> bool {
        *self.settled.borrow() >= barrier
    }

    /// Waits for that, for two seconds at most: a client that is told too early misses a line or two, one that is told nothing gives
    /// up its connection.
    pub(crate) async fn settle(&self, barrier: u64) {
        let mut settled = self.settled.subscribe();
        let _ = timeout(SETTLE, settled.wait_for(|number| *number >= barrier)).await;
    }

    /// The number of the present connection, if there is one.
    pub(crate) fn connected_epoch(&self) -> Option<u64> {
        self.wire().is_connected.then(|| self.connections.load(Ordering::Relaxed))
    }

    /// Has the connection made anew with the next server.
    pub(crate) fn reconnect_elsewhere(&self) {
        self.give_up.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Connects for ever.
    pub(crate) async fn run(self: Arc<Self>, options: Options, stats: Arc<Stats>) {
        let (mut delay, mut last_said) = (FIRST_DELAY, None);
        for server in options.servers.iter().cycle() {
            match dial::dial(&options, server).await {
                Ok(dialed) => {
                    delay = FIRST_DELAY;
                    self.connected(server);
                    let lost = self.serve(dialed, &stats).await;
                    tracing::info!(%server, why = %lost, "lost the connection to the bus");
                    last_said = None;
                    self.away(Some(lost.to_string()));
                }
                Err(error) => {
                    // Tried for ever, said now and then.
                    if last_said.is_none_or(|at: Instant| at.elapsed() >= SAY_EVERY) {
                        last_said = Some(Instant::now());
                        say(server, &error);
                    }
                    self.away(Some(error.to_string()));
                }
            }
            sleep(delay.mul_f64(0.75 + fastrand_half())).await;
            delay = (delay * 2).min(MAX_DELAY);
        }
    }

    fn connected(&self, server: &ServerAddr) {
        tracing::info!(%server, "connected to the bus");
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.give_up.store(false, Ordering::Relaxed);
        self.interests.resubscribe(|mut verbs| {
            Hearing::write_sub(&mut verbs);
            let mut wire = self.wire();
            wire.out.clear();
            wire.open.clear();
            (wire.is_connected, wire.is_taken) = (true, false);
            wire.resubscribed = wire.ask(&verbs);
        });
        self.hearing.connected();
        self.standing.send_replace(Standing::Connected { server: server.to_string() });
    }

    fn away(&self, last_error: Option<String>) {
        self.wire().is_connected = false;
        self.hearing.disconnected();
        self.standing.send_modify(|standing| {
            let since = match standing {
                Standing::Away { since, .. } => *since,
                Standing::Connected { .. } => Instant::now(),
            };
            *standing = Standing::Away { since, last_error };
        });
    }

    /// Reads and writes until the connection is lost.
    async fn serve(&self, dialed: Dialed, stats: &Stats) -> Lost {
        let Dialed { reader, writer, buffer, codec, .. } = dialed;
        tokio::select! {
            lost = self.read(reader, buffer, codec, stats) => lost,
            lost = self.write(writer) => lost,
        }
    }

    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        mut buffer: BytesMut,
        mut codec: ClientReader,
        stats: &Stats,
    ) -> Lost {
        let (mut batch, mut touched) = (Batch::default(), Touched::default());
        loop {
            let (taken, outcome) = self.take_all(&buffer, &mut codec, &mut batch, stats, &mut touched);
            buffer.advance(taken);
            touched.wake();
            if let Err(lost) = outcome {
                return lost;
            }
            if std::mem::take(&mut touched.is_deep) {
                // A reader that is only waiting for its turn must not be taken for a slow one.
                tokio::task::yield_now().await;
            }
            buffer.reserve(READ_BYTES);
            match timeout(SILENCE, reader.read_buf(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(Ok(_)) => return Lost::Closed,
                Ok(Err(error)) => return Lost::Io(error),
                Err(_) => return Lost::Silent,
            }
        }
    }

    /// Takes every whole verb that was read; gives how many bytes that were.
    fn take_all(
        &self,
        bytes: &[u8],
        codec: &mut ClientReader,
        batch: &mut Batch,
        stats: &Stats,
        touched: &mut Touched,
    ) -> (usize, Result<(), Lost>) {
        let mut at = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let (op, end) = match codec.place(bytes, at) {
                Ok(Some(placed)) => placed,
                Ok(None) => break,
                Err(_) => {
                    outcome = Err(Lost::Protocol);
                    break;
                }
            };
            at = end;
            outcome = match op {
                PlacedOp::Msg(message) if self.hearing.take(bytes, &message) => Ok(()),
                PlacedOp::Msg(message) => {
                    let added = batch.add(bytes, message, &self.interests, stats, touched);
                    added.map_err(|Foreign| self.foreign())
                }
                other => {
                    // What came before a PONG must be on its way before somebody is told of it.
                    batch.give_out(bytes, &self.interests, stats, touched);
                    self.handle(bytes, &other)
                }
            };
        }
        batch.give_out(bytes, &self.interests, stats, touched);
        batch.finished.drain(..).for_each(|member| self.part(&member));
        (at, outcome)
    }

    fn foreign(&self) -> Lost {
        self.foreign.fetch_add(1, Ordering::Relaxed);
        tracing::error!("the bus sent a message from outside what was subscribed to");
        Lost::Foreign
    }

    /// Ends a subscription of a client, once, whoever comes first.
    pub(crate) fn part(&self, member: &Arc<Member>) {
        let tenant = &member.tenant;
        let is_there = {
            let mut members = tenant.members();
            let count = members.len();
            members.retain(|other| !Arc::ptr_eq(other, member));
            members.len() < count
        };
        if !is_there {
            return;
        }
        tenant.place.give_subscription_back();
        if let Some(interest) = &member.interest {
            self.interests.part(interest, member, Instant::now(), |verbs| _ = self.send(&verbs));
        }
    }

    /// Handles what is no message.
    fn handle(&self, bytes: &[u8], op: &PlacedOp) -> Result<(), Lost> {
        match op {
            PlacedOp::Ping => {
                self.wire().out.extend_from_slice(b"PONG\r\n");
                self.wake.notify_one();
            }
            PlacedOp::Pong => {
                if let Some(number) = self.wire().open.pop_front() {
                    self.settled.send_if_modified(|settled| {
                        let is_news = *settled < number;
                        *settled = number.max(*settled);
                        is_news
                    });
                }
            }
            PlacedOp::Info(json) if is_lame_duck(&bytes[json.clone()]) => return Err(Lost::LameDuck),
            PlacedOp::Err(text) => {
                let mut last_said = self.refusal_said.lock().unwrap_or_else(PoisonError::into_inner);
                if last_said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                    *last_said = Some(Instant::now());
                    tracing::error!(text = %String::from_utf8_lossy(&bytes[text.clone()]), "the bus refuses something");
                }
            }
            PlacedOp::Info(_) | PlacedOp::Ok | PlacedOp::Msg(_) => {}
        }
        Ok(())
    }

    async fn write(&self, mut writer: impl AsyncWrite + Unpin) -> Lost {
        let mut next_ping = Instant::now() + PING_EVERY;
        loop {
            if self.give_up.load(Ordering::Relaxed) {
                return Lost::GivenUp;
            }
            let bytes = {
                let mut wire = self.wire();
                if Instant::now() >= next_ping {
                    wire.ask(b"");
                    next_ping = Instant::now() + PING_EVERY;
                }
                wire.is_taken |= !wire.out.is_empty();
                std::mem::take(&mut wire.out)
            };
            if bytes.is_empty() {
                let _ = timeout_at(next_ping, self.wake.notified()).await;
                continue;
            }
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            match timeout(SILENCE, written).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Lost::Io(error),
                Err(_) => return Lost::Silent,
            }
        }
    }
}

/// Says in the log why there is no connection. What is wrong with certificates ends with a code of its own.
fn say(server: &ServerAddr, error: &Failure) {
    match error {
        Failure::Refused(why) if !why.ends_with(')') => {
            tracing::warn!(code = "LB01", %server, %why, "NATS refused the front door's login, nobody gets lines meanwhile");
        }
        _ => tracing::warn!(%server, %error, "cannot connect to the bus"),
    }
}

/// Whether an INFO says that the server will end soon.
fn is_lame_duck(json: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Info {
        #[serde(default)]
        ldm: bool,
    }
    serde_json::from_slice(json).is_ok_and(|info: Info| info.ldm)
}

/// From 0 up to a half: so that many front doors do not all come back at once.
fn fastrand_half() -> f64 {
    fastrand::f64() / 2.0
}
