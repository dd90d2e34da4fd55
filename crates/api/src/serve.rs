//! One request: whose it is, what it wants, and the reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Deliveries, Grant};
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{HeaderMap, Request, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::args::{Args, short};
use crate::body::{MAX_FORM_BYTES, read_whole};
use crate::caller::Login;
use crate::flushes::Flushes;
use crate::heartbeats::Heartbeats;
use crate::insert::{Seqs, Streams};
use crate::limits::{Gate, Kind, Limits, Place};
use crate::logins::{Caller, Logins};
use crate::logs::Logs;
use crate::metrics::{Counts, OPENMETRICS, shown};
use crate::reply::{self, Refused, Reply};
use crate::route::{self, Params, Route};
use crate::stall::Patience;
use crate::tail::Feeds;
use crate::tokens::Tokens;
use crate::{dashboard, insert, select, tenant, v1};

/// Figures of others, to be served beside one's own.
pub type Figures = Box<dyn Fn() -> String + Send + Sync>;

/// Says what is wrong, in a sentence.
pub type Fault = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Says what is missing or damaged though everything works, a sentence each.
pub type Warnings = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// What all requests share.
pub(crate) struct Api {
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) logins: Logins,
    pub(crate) gate: Gate,
    pub(crate) limits: Limits,
    pub(crate) counts: Counts,
    pub(crate) seqs: Seqs,
    pub(crate) streams: Streams,
    pub(crate) flushes: Flushes,
    /// What tails hear.
    pub(crate) feeds: Feeds,
    /// Where readers of pages find nothing.
    pub(crate) quiet: v1::Quiet,
    pub(crate) heartbeats: Heartbeats,
    /// What readers of live logs were given.
    pub(crate) deliveries: Arc<Deliveries>,
    /// `None`: none are made here.
    pub(crate) tokens: Option<Arc<dyn Tokens>>,
    pub(crate) host: String,
    /// `None`: `/metrics` is not served.
    pub(crate) figures: Option<Figures>,
    /// What is wrong elsewhere in this process.
    pub(crate) fault: Option<Fault>,
    /// What is missing or damaged elsewhere in this process.
    pub(crate) warnings: Option<Warnings>,
    /// True when tails have to end.
    pub(crate) ending: watch::Sender<bool>,
}

/// A request whose caller is known.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) args: Arc<Args>,
    pub(crate) headers: HeaderMap,
    /// What stands in its path.
    pub(crate) params: Params,
    /// How long its connection may take nothing.
    pub(crate) patience: Patience,
    /// When it came: Unix nanoseconds.
    pub(crate) now: i64,
    /// Its org's place among the queries, as long as nobody else has taken it over. An insert has none.
    pub(crate) place: Option<Place>,
}

impl Api {
    /// Tells tails to end.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// The reply to a request, whatever it is.
    pub(crate) async fn reply(self: &Arc<Self>, request: Request<Incoming>, patience: Patience) -> Reply {
        let began = Instant::now();
        // The patience that the request before may have changed.
        patience.set(self.limits.stall);
        let path = route::plain(request.uri().path());
        let Some(found) = Route::of(&path) else {
            if let Some(reply) = dashboard::reply(request.method(), &path, request.headers()) {
                self.counts.note(None, reply.status().as_u16());
                return reply;
            }
            return self.nowhere(&path);
        };
        let (route, params) = match found {
            Ok(found) => found,
            Err(refused) => {
                self.counts.note(None, refused.status.as_u16());
                return as_own(refused.into_own());
            }
        };
        let mut reply = match self.answer(route, params, request, patience).await {
            Ok(reply) => reply,
            Err(refused) if route.is_prometheus() => refused.into_prometheus(),
            Err(refused) if matches!(route, Route::V1(_)) => refused.into_own(),
            Err(refused) => refused.into_reply(),
        };
        if reply.status() == StatusCode::METHOD_NOT_ALLOWED {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
        }
        let took = began.elapsed();
        reply::set_header(&mut reply, "vl-request-duration-seconds", &format!("{:.3}", took.as_secs_f64()));
        self.counts.note(Some(route), reply.status().as_u16());
        self.counts.took(route, took);
        if matches!(route, Route::V1(_)) { as_own(reply) } else { reply }
    }

    /// The reply to a request for a path that there is not.
    fn nowhere(&self, path: &str) -> Reply {
        if route::is_own(path) {
            self.counts.note(None, 404);
            let text = format!("there is no path {}: /api/v1/openapi.json says what there is", short(path));
            return as_own(Refused::new(StatusCode::NOT_FOUND, text).into_own());
        }
        self.counts.note(None, 400);
        Refused::bad(format!("unsupported path requested: {}", short(path))).into_reply()
    }

    async fn answer(
        self: &Arc<Self>,
        route: Route,
        params: Params,
        request: Request<Incoming>,
        patience: Patience,
    ) -> Result<Reply, Refused> {
        if !route.takes(request.method()) {
            let text = format!("{} is not taken here, but {}", request.method(), route.methods());
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        match route {
            Route::Health => return Ok(self.health()),
            Route::InsertReady => return Ok(reply::ok(reply::JSON, "{\"status\":\"ok\"}")),
            // A token is not needed. One that is there has to be good.
            Route::Metrics if !request.headers().contains_key(AUTHORIZATION) => return self.metrics(None),
            Route::V1(own) if own.is_public() => return v1::public(own, &params),
            _ => {}
        }
        let login = Login::of(request.headers())?;
        let caller = self.logins.check(&login, unix_s).await?;
        if route == Route::Metrics {
            return self.metrics(Some(&caller.grant));
        }
        tenant::check(request.headers(), &caller)?;
        let (head, body) = request.into_parts();
        let url = head.uri.query().unwrap_or_default();
        let asked = |caller, args, place| {
            let (args, headers) = (Arc::new(args), head.headers.clone());
            Asked { caller, args, headers, params, patience, now: unix_ns(), place }
        };
        match route {
            Route::InsertJsonLine => {
                return insert::jsonline(self, asked(caller, Args::read(url, b"")?, None), body).await;
            }
            Route::V1(own) => {
                v1::must(own, &caller)?;
                let place = match own.is_query() {
                    true => Some(self.gate.enter(Kind::Query, &caller.grant.org).await?),
                    false => None,
                };
                let asked = asked(caller, Args::read(url, b"")?, place);
                return v1::answer(self, own, asked, &head.method, body).await;
            }
            _ => {}
        }
        caller.must(select::action(route))?;
        // From here on it costs something: whoever sends a form slowly, or a query that takes long to prepare, has a place of its
        // own org for it.
        let place = self.gate.enter(Kind::Query, &caller.grant.org).await?;
        let form = match form_kind(&head.headers)? {
            true => read_whole(body, MAX_FORM_BYTES, self.limits.form_time).await?,
            false => Vec::new(),
        };
        let args = Args::read(url, &form)?;
        drop(form);
        select::answer(self, route, asked(caller, args, Some(place))).await
    }

    /// 200 `OK` as VictoriaLogs says it, with what is missing or damaged below, or 503 with what is wrong. Damage is no reason to send
    /// nobody here: all that is there is found, and lines are taken.
    fn health(&self) -> Reply {
        if let Some(fault) = self.fault.as_ref().and_then(|fault| fault()) {
            return Refused::new(StatusCode::SERVICE_UNAVAILABLE, fault).into_reply();
        }
        if self.logins.directory(Instant::now()).is_some() {
            let warnings = self.warnings.as_ref().map(|warnings| warnings()).unwrap_or_default();
            let below = warnings.iter().map(|warning| format!("\nwarning: {warning}"));
            return reply::ok(reply::TEXT, std::iter::once("OK".to_owned()).chain(below).collect::<String>());
        }
        let text = "the registry has not been heard for five minutes, or not at all: nobody is let in";
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, text).into_reply()
    }

    fn metrics(&self, grant: Option<&Grant>) -> Result<Reply, Refused> {
        let figures = self.figures.as_ref().ok_or_else(|| {
            Refused::new(
                StatusCode::NOT_FOUND,
                "no metrics are served here: see docs/metrics.md for where they are",
            )
        })?;
        Ok(reply::ok(OPENMETRICS, shown(&figures(), grant)))
    }
}

/// What all replies of own paths have: nothing of them is kept on the way, for tokens may be in it, and JSON is taken for nothing else.
fn as_own(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// Whether the body is a form; 415 for a form of a kind that is not read.
fn form_kind(headers: &HeaderMap) -> Result<bool, Refused> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        let text = "forms of many parts are not read: send application/x-www-form-urlencoded, or the arguments in the URL";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    Ok(kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Unix seconds.
pub(crate) fn unix_s() -> u64 {
    since_1970().as_secs()
}

/// Unix nanoseconds.
pub(crate) fn unix_ns() -> i64 {
    i64::try_from(since_1970().as_nanos()).unwrap_or(i64::MAX)
}

/// A counter's value.
pub(crate) fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
