//! `/select/logsql/tail`: rows as they come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, Frame};
use query::Filter;
use query::block::{Order, write_ndjson};

use super::question::Question;
use super::rows::notice;
use crate::limits::{Kind, Place};
use crate::logs::{Answer, Failure, Listen, Piece};
use crate::reply::{self, Breaking, BrokenOff, Refused, Reply, Stream, refusal_of, set_header};
use crate::serve::{Api, Asked, unix_ns};

/// Lines of JSON, without an end.
const NDJSON: &str = "application/x-ndjson";
/// How long it may take until lines are heard.
const BEGIN: Duration = Duration::from_secs(10);

pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    let question = Question::read(api, asked).await?;
    if !question.query.is_row_local() {
        let text = "LQ01: a live tail takes pipes that look at one row at a time and leave _time in it: leave out stats, sort, \
                    limit, offset, uniq, top and their like";
        return Err(Refused::bad(text));
    }
    let mut query = question.confined().await?;
    open_end(&mut query.filter, question.now);
    let order = question.query.order();
    let place = api.gate.enter(Kind::Tail, question.org()).await?;
    let (org, text) = (question.org().clone(), question.text.clone());
    drop(question);
    let mut answer = api.logs.tail(Listen { org, query });
    // Whoever gets a head can be sure that it hears what is said from then on.
    match tokio::time::timeout(BEGIN, answer.next()).await {
        Ok(Some(Ok(Piece::Rows(block)))) if block.is_empty() => {}
        Ok(Some(Err(failure))) => return Err(refusal_of(&failure, &text)),
        Ok(_) => return Err(refusal_of(&Failure::Broken, "")),
        Err(_) => return Err(refusal_of(&Failure::Away("nothing listens".into()), "")),
    }
    // Whoever takes nothing here is not slow but stuck: what it missed is told in one row.
    asked.patience.set(api.limits.stall / 3);
    let ends = Box::pin(ends(Arc::clone(api), Arc::clone(&asked.caller.grant)));
    let tail = Tail {
        api: Arc::clone(api),
        answer,
        order,
        ends,
        is_over: false,
        breaking: Breaking::default(),
        _place: place,
    };
    let mut reply = reply::streaming(NDJSON, tail);
    set_header(&mut reply, "access-control-allow-origin", "*");
    Ok(reply)
}

/// A time that ends now, as that of `_time:5m`, has no end in a tail: all that comes is new.
pub(crate) fn open_end(filter: &mut Filter, now: i64) {
    match filter {
        Filter::Time(range) if range.to == now => range.to = i64::MAX,
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter_mut().for_each(|filter| open_end(filter, now));
        }
        Filter::Not(filter) => open_end(filter, now),
        _ => {}
    }
}

/// Resolves when the tail has to end: the token stands no more, or the server goes.
async fn ends(api: Arc<Api>, grant: Arc<access::Grant>) {
    let mut ending = api.ending.subscribe();
    tokio::select! {
        () = api.logins.ended(&grant) => {}
        // An error means that whoever would say so is gone, which is as good.
        _ = async { ending.wait_for(|end| *end).await.map(drop) } => {}
    }
}

/// Rows on their way.
struct Tail {
    api: Arc<Api>,
    answer: Answer,
    order: Order,
    ends: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
    breaking: Breaking,
    _place: Place,
}

impl Stream for Tail {
    fn poll_bytes(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        if this.is_over {
            return this.breaking.poll(cx);
        }
        if this.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            let mut out = Vec::new();
            match this.answer.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Piece::Rows(block)))) => {
                    this.api.counts.tailed_rows.fetch_add(block.rows() as u64, Ordering::Relaxed);
                    write_ndjson(&block, this.order, &mut out);
                }
                Poll::Ready(end) => {
                    this.is_over = true;
                    let failure = match end {
                        Some(Err(failure)) => failure,
                        _ => Failure::Broken,
                    };
                    out = notice(&format!("{failure}; lines may be missing from here on"), unix_ns());
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_now_has_no_end() {
        const NOW: i64 = 1_795_341_600_000_000_000;
        let mut query = query::parse("_time:5m a (_time:1h or !_time:2026-01Z)", NOW).unwrap();
        open_end(&mut query.filter, NOW);
        let text = query.filter.to_string();
        assert!(!text.contains(&line::time::rfc3339(NOW)), "{text}");
    }
}
