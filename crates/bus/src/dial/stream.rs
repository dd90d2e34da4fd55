//! The two halves of a connection, in the clear or encrypted. An enum and no boxed trait: the plain way costs one branch.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::client::TlsStream;

/// What comes from the server. An end without the farewell of TLS is an end like any other: NATS says how long its frames are.
#[derive(Debug)]
pub struct Reader(Reading);

#[derive(Debug)]
enum Reading {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

/// What goes to the server. With TLS, bytes may stay in it until it is flushed.
#[derive(Debug)]
pub struct Writer(Writing);

#[derive(Debug)]
enum Writing {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

pub(super) fn plain(stream: TcpStream) -> (Reader, Writer) {
    let (reader, writer) = stream.into_split();
    (Reader(Reading::Plain(reader)), Writer(Writing::Plain(writer)))
}

pub(super) fn encrypted(stream: TlsStream<TcpStream>) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    (Reader(Reading::Tls(reader)), Writer(Writing::Tls(writer)))
}

/// Puts the halves of one plain connection together again; `None` for anything else.
pub(super) fn reunite(reader: Reader, writer: Writer) -> Option<TcpStream> {
    match (reader.0, writer.0) {
        (Reading::Plain(reader), Writing::Plain(writer)) => reader.reunite(writer).ok(),
        _ => None,
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Reading::Plain(half) => Pin::new(half).poll_read(cx, buf),
            Reading::Tls(half) => Pin::new(half).poll_read(cx, buf).map(|done| match done {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                done => done,
            }),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Writing::Plain(half) => Pin::new(half).poll_write(cx, buf),
            Writing::Tls(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Writing::Plain(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            Writing::Tls(half) => Pin::new(half).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Writing::Plain(half) => half.is_write_vectored(),
            Writing::Tls(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Writing::Plain(half) => Pin::new(half).poll_flush(cx),
            Writing::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Writing::Plain(half) => Pin::new(half).poll_shutdown(cx),
            Writing::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
