//! What is answered: bodies that are there, bodies that come, and refusals.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::logs::Failure;

/// Plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// One document of JSON.
pub(crate) const JSON: &str = "application/json";

/// A reply.
pub(crate) type Reply = Response<Body>;

/// Bytes that come one after another. An error breaks the connection, so that what was sent cannot be taken for whole.
pub(crate) trait Stream: Send {
    /// The next bytes; `None` at the end.
    fn poll_bytes(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>>;
}

/// The way to break a reply off so that what was sent before still arrives: the connection is flushed once, then cut.
#[derive(Debug, Default)]
pub(crate) struct Breaking {
    is_flushed: bool,
}

impl Breaking {
    /// What a stream gives that has nothing more but the break.
    pub(crate) fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, BrokenOff>>> {
        if std::mem::replace(&mut self.is_flushed, true) {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The reply ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply broke off")]
pub(crate) struct BrokenOff;

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The body of a reply.
pub(crate) enum Body {
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
    /// What comes.
    Stream(Pin<Box<dyn Stream>>),
}

impl Body {
    /// One that comes bit by bit.
    pub(crate) fn stream(stream: impl Stream + 'static) -> Self {
        Self::Stream(Box::pin(stream))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(bytes).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream.as_mut().poll_bytes(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// A reply of status 200.
pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    whole(StatusCode::OK, content_type, body.into())
}

/// A reply of status 201, a document of JSON.
pub(crate) fn created(body: impl Into<Bytes>) -> Reply {
    whole(StatusCode::CREATED, JSON, body.into())
}

fn whole(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let body = Body::Whole(Some(body).filter(|body| !body.is_empty()));
    with_type(status, content_type, body)
}

/// A reply whose body comes bit by bit.
pub(crate) fn streaming(content_type: &'static str, stream: impl Stream + 'static) -> Reply {
    with_type(StatusCode::OK, content_type, Body::stream(stream))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// What is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// A sentence that says what to do, without a line break at its end.
    pub(crate) text: String,
    /// When to come again.
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    /// 400: the request is wrong.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// The same, to be tried again later.
    pub(crate) fn later(status: StatusCode, text: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(status, text) }
    }

    /// As plain text, which is how VictoriaLogs says it.
    pub(crate) fn into_reply(self) -> Reply {
        let mut reply = whole(self.status, TEXT, Bytes::from(self.text.clone() + "\n"));
        self.add_headers(&mut reply);
        reply
    }

    /// In the form of Prometheus, for whoever asks for statistics. What is wrong with the request is 422 there.
    pub(crate) fn into_prometheus(mut self) -> Reply {
        if self.status == StatusCode::BAD_REQUEST {
            self.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        let kind = self.status.as_u16().to_string();
        let body = serde_json::json!({ "status": "error", "errorType": kind, "error": self.text });
        let mut reply = whole(self.status, JSON, Bytes::from(body.to_string()));
        self.add_headers(&mut reply);
        reply
    }

    /// In JSON, for Logway's own paths. A code at the beginning of the text gets a field of its own, to look it up by.
    pub(crate) fn into_own(self) -> Reply {
        let coded = self.text.split_once(": ").filter(|(code, _)| line::codes::find(code).is_some());
        let body = match coded {
            Some((code, text)) => serde_json::json!({ "error": text, "code": code }),
            None => serde_json::json!({ "error": self.text }),
        };
        let mut reply = whole(self.status, JSON, Bytes::from(body.to_string()));
        self.add_headers(&mut reply);
        reply
    }

    fn add_headers(&self, reply: &mut Reply) {
        let headers = reply.headers_mut();
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let both = HeaderValue::from_static(
                "Basic realm=\"Logway\", charset=\"UTF-8\", Bearer realm=\"Logway\"",
            );
            headers.insert(WWW_AUTHENTICATE, both);
        }
    }
}

/// A failure of the store as a refusal. `text` is the query that the client gave, to point into.
pub(crate) fn refusal_of(failure: &Failure, text: &str) -> Refused {
    match failure {
        Failure::Query(error @ query::Error::Crowded { .. }) => {
            Refused::later(StatusCode::SERVICE_UNAVAILABLE, query_error(error, text), Duration::from_secs(1))
        }
        Failure::Query(error) => Refused::bad(query_error(error, text)),
        Failure::Deadline { .. } => Refused::new(StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
        Failure::Busy { retry_after, .. } => {
            Refused::later(StatusCode::SERVICE_UNAVAILABLE, failure.to_string(), *retry_after)
        }
        Failure::Away(_) | Failure::Broken => {
            Refused::later(StatusCode::SERVICE_UNAVAILABLE, failure.to_string(), Duration::from_secs(1))
        }
        Failure::Rejected { .. } => Refused::bad(failure.to_string()),
        Failure::NotSupported(_) => Refused::new(StatusCode::NOT_IMPLEMENTED, failure.to_string()),
    }
}

/// What is wrong with a query, where, and the code to look up.
pub(crate) fn query_error(error: &query::Error, text: &str) -> String {
    format!("{}: {}", error.code(), error.render(text))
}

/// Sets a header whose value is known to be legal text; leaves it out otherwise.
pub(crate) fn set_header(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: Reply) -> String {
        match reply.into_body() {
            Body::Whole(bytes) => String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap(),
            Body::Stream(_) => panic!("it streams"),
        }
    }

    #[test]
    fn refusals() {
        let refused = Refused::later(StatusCode::SERVICE_UNAVAILABLE, "busy", Duration::from_millis(1200));
        let reply = refused.clone().into_reply();
        assert_eq!(reply.headers()["retry-after"], "2");
        assert_eq!(text(reply), "busy\n");
        let reply = refused.into_prometheus();
        assert_eq!(reply.status(), 503);
        assert_eq!(text(reply), r#"{"error":"busy","errorType":"503","status":"error"}"#);
        let reply = Refused::bad("no").into_prometheus();
        assert_eq!(reply.status(), 422);
        let reply = Refused::new(StatusCode::UNAUTHORIZED, "who").into_reply();
        assert!(reply.headers().contains_key("www-authenticate"));
    }

    #[test]
    fn refusals_of_own_paths() {
        for (said, wanted) in [
            ("LR13: no token: send one", r#"{"code":"LR13","error":"no token: send one"}"#),
            ("no token: send one", r#"{"error":"no token: send one"}"#),
            ("ZZ99: no code", r#"{"error":"ZZ99: no code"}"#),
        ] {
            let reply = Refused::new(StatusCode::UNAUTHORIZED, said).into_own();
            assert_eq!(reply.status(), 401);
            assert_eq!(reply.headers()["content-type"], JSON);
            assert!(reply.headers().contains_key("www-authenticate"));
            assert_eq!(text(reply), wanted);
        }
    }
}
