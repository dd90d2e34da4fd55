//! `/select/logsql/query`: rows as lines of JSON, sent as they come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame};
use query::block::{Order, write_ndjson};

use super::json::write_value;
use super::question::{Asking, Question, note_end};
use crate::logs::{Failure, Piece};
use crate::reply::{self, Breaking, BrokenOff, Refused, Reply, Stream, refusal_of};
use crate::serve::{Api, Asked, unix_ns};

/// Lines of JSON, as VictoriaLogs calls them.
const NDJSON: &str = "application/stream+json";

pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked).await?;
    let args = &asked.args;
    if let Some(format) = args.get("format").filter(|format| *format != "json") {
        let text =
            format!("format={} is not supported yet: rows come as lines of JSON", crate::args::short(format));
        return Err(Refused::bad(text));
    }
    let (limit, offset) = (args.count("limit")?, args.count("offset")?.unwrap_or(0));
    let order = question.query.order();
    if let Some(pipes) = limit_pipes(question.query.is_row_local(), limit, offset) {
        question.push_pipes(&pipes)?;
    }
    let mut asking = question.begin(api).await?;
    // What fails before the first row has a status of its own.
    let first = asking.next().await.map_err(|failure| refusal_of(&failure, &question.text))?;
    let is_strict = question.allows_partial == Some(false);
    let (logins, grant) = (Arc::clone(api), Arc::clone(&asked.caller.grant));
    let revoked = Box::pin(async move { logins.logins.ended(&grant).await });
    let stream = Lines {
        api: Arc::clone(api),
        asking,
        order,
        next: Some(first),
        is_strict,
        is_over: false,
        is_broken: false,
        revoked,
        breaking: Breaking::default(),
    };
    Ok(reply::streaming(NDJSON, stream))
}

/// The pipes that do what `limit` and `offset` ask. Where every row stands for itself they mean the newest rows, oldest first.
fn limit_pipes(is_row_local: bool, limit: Option<u64>, offset: u64) -> Option<String> {
    match (limit, offset, is_row_local) {
        (None, 0, _) => None,
        (Some(limit), 0, true) => Some(format!("sort by (_time) desc limit {limit} | sort by (_time)")),
        (Some(limit), offset, true) => {
            Some(format!("sort by (_time) desc offset {offset} limit {limit} | sort by (_time)"))
        }
        (None, offset, true) => Some(format!("sort by (_time) desc offset {offset} | sort by (_time)")),
        (Some(limit), 0, false) => Some(format!("limit {limit}")),
        (Some(limit), offset, false) => Some(format!("offset {offset} | limit {limit}")),
        (None, offset, false) => Some(format!("offset {offset}")),
    }
}

/// The rows of an answer on their way.
struct Lines {
    api: Arc<Api>,
    asking: Asking,
    order: Order,
    next: Option<Piece>,
    /// Whoever asks wants no answer rather than one that is not whole.
    is_strict: bool,
    is_over: bool,
    is_broken: bool,
    /// Resolves when the token is good no more: a long answer ends then.
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    breaking: Breaking,
}

impl Lines {
    /// What a piece is as bytes. Nothing: the next one has to be looked at.
    fn bytes(&mut self, piece: Result<Piece, Failure>) -> Vec<u8> {
        let mut out = Vec::new();
        match piece {
            Ok(Piece::Rows(block)) => write_ndjson(&block, self.order, &mut out),
            Ok(Piece::End(end)) => {
                note_end(&self.api, &end);
                self.is_over = true;
                if !end.missing.is_empty() {
                    self.is_broken = self.is_strict;
                    out = notice(&end.missing.join("; "), unix_ns());
                }
            }
            Err(failure) => {
                (self.is_over, self.is_broken) = (true, true);
                out = notice(&failure.to_string(), unix_ns());
            }
        }
        out
    }
}

impl Stream for Lines {
    fn poll_bytes(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        if !this.is_over && this.revoked.as_mut().poll(cx).is_ready() {
            (this.is_over, this.is_broken, this.next) = (true, true, None);
            let text = notice("the token is good no more", unix_ns());
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        }
        loop {
            let piece = match this.next.take() {
                Some(piece) => Ok(piece),
                None if this.is_over && this.is_broken => return this.breaking.poll(cx),
                None if this.is_over => return Poll::Ready(None),
                None => match this.asking.poll_next(cx) {
                    Poll::Ready(piece) => piece,
                    Poll::Pending => return Poll::Pending,
                },
            };
            let bytes = this.bytes(piece);
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))));
            }
        }
    }
}

/// A row that says what is missing, where nobody can overlook it: clients show it among the others.
pub(crate) fn notice(why: &str, now: i64) -> Vec<u8> {
    let mut out = b"{\"_msg\":".to_vec();
    write_value(format!("this answer is not whole: {why}").as_bytes(), &mut out);
    out.extend_from_slice(b",\"_stream\":\"{}\",\"_time\":\"");
    line::time::write_rfc3339(now, &mut out);
    out.extend_from_slice(b"\",\"level\":\"warn\",\"logway.partial\":");
    write_value(why.as_bytes(), &mut out);
    out.extend_from_slice(b"}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        for (is_row_local, limit, offset, wanted) in [
            (true, None, 0, None),
            (true, Some(5), 0, Some("sort by (_time) desc limit 5 | sort by (_time)")),
            (true, Some(5), 2, Some("sort by (_time) desc offset 2 limit 5 | sort by (_time)")),
            (false, Some(5), 0, Some("limit 5")),
            (false, Some(5), 2, Some("offset 2 | limit 5")),
            (false, None, 2, Some("offset 2")),
        ] {
            assert_eq!(limit_pipes(is_row_local, limit, offset).as_deref(), wanted);
        }
    }

    #[test]
    fn the_notice_is_a_row() {
        let text = notice("store \"s1\" is away", 0);
        let row: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(row["logway.partial"], "store \"s1\" is away");
        assert_eq!(
            (&row["_stream"], &row["_time"]),
            (&"{}".into(), &"1970-01-01T00:00:00.000000000Z".into())
        );
    }
}
