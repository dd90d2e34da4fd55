//! Bodies of requests, read within bounds.

use std::pin::Pin;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::{Body, Bytes, Incoming};
use tokio::time::Instant;

use crate::reply::Refused;

/// Most bytes of a form: the longest query with each byte escaped.
pub(crate) const MAX_FORM_BYTES: usize = 3 * query::MAX_QUERY_BYTES + 64 * 1024;

/// The next bytes of a body; `None` at its end. 408 when none come in `patience`, 400 when the connection breaks.
pub(crate) async fn next_bytes(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Refused> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = match tokio::time::timeout(patience, frame).await {
            Ok(frame) => frame,
            Err(_) => {
                let text = "the rest of the request's body did not come";
                return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, text));
            }
        };
        match frame {
            None => return Ok(None),
            // What follows a body is not looked at.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(_) => continue,
            },
            Some(Err(error)) => return Err(Refused::bad(format!("the request's body broke off: {error}"))),
        }
    }
}

/// All of a body, in `time` from now on; 413 if it has more than `max_bytes`, 408 if it takes longer.
pub(crate) async fn read_whole(
    mut body: Incoming,
    max_bytes: usize,
    time: Duration,
) -> Result<Vec<u8>, Refused> {
    let due = Instant::now() + time;
    let mut whole = Vec::new();
    while let Some(bytes) = next_bytes(&mut body, due.saturating_duration_since(Instant::now())).await? {
        if whole.len() + bytes.len() > max_bytes {
            let text = format!(
                "the request's body has more than {max_bytes} bytes, and nothing that is read here is that long"
            );
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}
