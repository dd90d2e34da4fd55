//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use store::fair::Places;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::serve::Api;
use crate::stall::{Impatient, Patience};

/// What one is told who comes when there are as many connections as may be.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// Most bytes of a request's head, and of what is read ahead of its body: of all connections together 256 MiB.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 100;
/// How long requests that run may take to end when the door closes.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// After how much silence the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long nobody new is let in when the system has no descriptor left.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Serves whoever comes until `shutdown` resolves, then lets requests that run come to their end.
pub(crate) async fn serve(api: Arc<Api>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let places = Places::new(api.limits.connections, api.limits.connections, 0);
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match places.try_enter(&neighbourhood(from.ip())) {
                    Ok(place) => {
                        let serving = connection(Arc::clone(&api), stream, from, ending.clone());
                        connections.spawn(async move {
                            serving.await;
                            drop(place);
                        });
                    }
                    // It may not be written: then it is closed without a word.
                    Err(_) => _ = stream.try_write(FULL),
                },
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(OUT_OF_FILES).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    api.end();
    end.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_REQUESTS, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Whom connections from an address are counted for: itself, or of IPv6 the network that one customer has all addresses of.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

async fn connection(api: Arc<Api>, stream: TcpStream, from: SocketAddr, mut ending: watch::Receiver<bool>) {
    // Rows of a tail are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    // Nothing may be written on a quiet tail, so only the system can notice that the other side is gone.
    let kept = sockopt::set_socket_keepalive(&stream, true);
    let _ = kept.and_then(|()| sockopt::set_tcp_keepidle(&stream, KEEPALIVE));
    let patience = Patience::new(api.limits.stall);
    let io = TokioIo::new(Impatient::new(stream, patience.clone()));
    let head_time = api.limits.head_time;
    let service = service_fn(move |request| {
        let (api, patience) = (Arc::clone(&api), patience.clone());
        async move { Ok::<_, Infallible>(api.reply(request, patience).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_time);
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    let mut serving = pin!(builder.serve_connection(io, service));
    let ends = async { ending.wait_for(|end| *end).await.map(drop) };
    let served = tokio::select! {
        served = &mut serving => served,
        _ = ends => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        // Clients that go away in the middle are the rule.
        tracing::trace!(%error, %from, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_counts_as_one() {
        for (a, b, is_one) in [
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [a, b] = [a, b].map(|address| neighbourhood(address.parse().unwrap()));
            assert_eq!(a == b, is_one, "{a} {b}");
        }
    }
}
