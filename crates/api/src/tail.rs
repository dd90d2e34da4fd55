//! Live tail: history, then lines as they come, stitched without a hole, resumable by a cursor.
//!
//! | step | module |
//! |---|---|
//! | what is asked for | [`request`] |
//! | the lines of an app, once for all tails of it: bus and stores | [`feed`], [`follow`] |
//! | both in one order, each record once | [`weave`] |
//! | on its way to the tails, bounded by bytes | [`ring`], [`memory`] |
//! | where a tail stands, to go on from there | [`cursor`] |
//! | history, what a cursor has not seen, then what comes | [`history`], [`joining`], [`run`] |
//! | a filter is held against it | [`batch`] |
//! | bytes for a client | [`writer`] |
//! | what it was given, and how far it is behind | [`delivery`] |

mod batch;
mod cursor;
mod delivery;
mod feed;
mod follow;
mod history;
mod joining;
mod memory;
mod request;
mod ring;
mod run;
mod weave;
mod writer;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, Frame};
use line::{Name, OrgId};
use tokio::sync::mpsc;

use crate::limits::Kind;
use crate::logs::Failure;
use crate::reply::{self, BrokenOff, Refused, Reply, Stream, refusal_of, set_header};
use crate::select::own_limits;
use crate::serve::{Api, Asked};
use cursor::Cursor;
use delivery::{Chunk, Delivery};
use feed::{Feed, Health};
use follow::Follower;
use joining::{AHEAD, is_past};
use memory::Shares;
use request::Request;
pub(crate) use request::Whose;
use run::{Over, Tail, begun};
use writer::{Notice, Writer};

/// Chunks that may wait to be sent.
const MAX_CHUNKS: usize = 4;
/// How long it may take until a feed has begun.
const BEGIN: Duration = Duration::from_secs(10);

/// The feeds that run.
#[derive(Debug)]
pub(crate) struct Feeds {
    known: Mutex<HashMap<Key, Weak<Feed>>>,
    memory: Shares,
}

/// An org, and an app of it or all.
type Key = (OrgId, Option<Name>);

impl Feeds {
    /// None run. All together may hold so many bytes, about.
    pub(crate) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), memory: Shares::new(most) }
    }

    /// Bytes that they hold.
    pub(crate) fn held(&self) -> usize {
        self.memory.held()
    }

    /// The feed of an org, or of an app of it.
    fn get(&self, api: &Api, org: &OrgId, app: Option<&Name>) -> Arc<Feed> {
        let key: Key = (org.clone(), app.cloned());
        let mut feeds = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(&key).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let follower = Follower { logs: Arc::clone(&api.logs), org: key.0.clone(), app: key.1.clone() };
        let limits = weave::Limits { lost_after: api.limits.lost_after, ..weave::Limits::USUAL };
        let feed = Feed::start(follower, limits, self.memory.of(org));
        feeds.insert(key, Arc::downgrade(&feed));
        feed
    }
}

/// The reply to a request for a tail of what `whose` names.
pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked, whose: &Whose) -> Result<Reply, Refused> {
    let limits = own_limits(asked);
    let org = limits.org.clone();
    let place = api.gate.enter(Kind::Follow, &org).await?;
    // Its expressions may take long to prepare. All others come in at once, as they do when a server comes back.
    let turn = match asked.args.get("query") {
        Some(_) => Some(api.gate.enter(Kind::Query, &org).await?),
        None => None,
    };
    let (args, headers, now) = (Arc::clone(&asked.args), asked.headers.clone(), asked.now);
    let read = {
        let whose = whose.clone();
        tokio::task::spawn_blocking(move || Request::read(&args, &headers, &limits, &whose, now)).await
    };
    drop(turn);
    let request = read.unwrap_or_else(|_| Err(Refused::bad("the request cannot be read")))?;
    let feed = api.feeds.get(api, &org, whose.app.as_ref());
    let health = begun(&feed, BEGIN).await;
    if health == Health::Starting {
        let failure = Failure::Away("it did not say in time how far it is".into());
        return Err(refusal_of(&failure, ""));
    }
    if let Some(cursor) = &request.cursor {
        if !is_past(&feed, cursor).await {
            return Err(Refused::bad(AHEAD));
        }
    } else if let (Health::Storeless(why), false) = (&health, request.follows) {
        return Err(refusal_of(&Failure::Away(why.clone()), ""));
    }
    // Whoever takes nothing here is not slow but stuck: what it has not taken it can go on with by its cursor.
    asked.patience.set(api.limits.stall / 3);
    let (sender, chunks) = mpsc::channel(MAX_CHUNKS);
    let format = request.format;
    let grant = Arc::clone(&asked.caller.grant);
    let delivery = Delivery::begin(&api.deliveries, &grant, whose.app.as_ref(), request.follows);
    let mut tail = Tail {
        api: Arc::clone(api),
        feed,
        org,
        request,
        writer: Writer::new(format, sender, Arc::clone(&delivery)),
        now,
        lacks: false,
        joined: Default::default(),
    };
    tokio::spawn(async move {
        // As long as something is done for it.
        let _place = place;
        let mut ending = tail.api.ending.subscribe();
        let api = Arc::clone(&tail.api);
        let end = tokio::select! {
            over = tail.run() => match over {
                Over::Gone => return,
                Over::Done(why) => (why, None),
            },
            () = api.logins.ended(&grant) => ("the token is good no more: sign in again", Some("LR13")),
            // An error means that whoever would say so is gone, which is as good.
            _ = async { ending.wait_for(|end| *end).await.map(drop) } => {
                ("the server ends: come again with the cursor", None)
            }
        };
        // Nobody may be there to read it.
        let _gone = tail.writer.say(Notice::End(end.0, end.1)).await;
    });
    let mut reply = reply::streaming(format.content_type(), Chunks { chunks, delivery });
    // What stands between keeps nothing back.
    set_header(&mut reply, "x-accel-buffering", "no");
    Ok(reply)
}

/// For whoever throws bytes at it: see [`crate::probe::cursor`].
pub(crate) fn probe_cursor(bytes: &[u8]) {
    let texts = std::str::from_utf8(bytes).ok().map(str::to_owned);
    for text in texts.into_iter().chain([Cursor::sealed(bytes)]) {
        if let Some(cursor) = Cursor::read(&text) {
            let again = Cursor::read(&cursor.text());
            // Of very many boots a text has some only.
            debug_assert!(
                again.is_some_and(|again| again == cursor || cursor.given.len() > cursor::MAX_BOOTS)
            );
        }
    }
}

/// What a tail writes, on its way.
struct Chunks {
    chunks: mpsc::Receiver<Chunk>,
    delivery: Arc<Delivery>,
}

impl Stream for Chunks {
    fn poll_bytes(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        this.chunks.poll_recv(cx).map(|chunk| {
            let Chunk { bytes, lines } = chunk?;
            this.delivery.taken(&lines);
            Some(Ok(Frame::data(bytes)))
        })
    }
}
