//! The client of the HTTP API: one connection for each question, over TCP or TLS. A question that is dropped ends the
//! server's work, because its connection goes with it.

pub(crate) mod address;
mod answer;
#[cfg(test)]
pub(crate) mod fake;
mod form;
mod trouble;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use bus::dial::Failure;
use bus::tls;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub(crate) use self::address::Address;
pub(crate) use self::answer::Answer;
pub(crate) use self::form::Form;
pub(crate) use self::trouble::Trouble;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;

/// How long a server may take to accept a connection and to shake hands.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than it said a server may be silent before it counts as gone.
const GRACE: Duration = Duration::from_secs(10);
/// Most bytes of what a server says when it refuses.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How often a question is asked again of a server that has too much to do, and what it may ask us to wait at most.
const TRIES: usize = 4;
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A server that speaks the HTTP API, and what lets in there.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: Address,
    authorization: HeaderValue,
    tls: Option<tls::Client>,
    patience: Duration,
}

impl Server {
    /// The server at `address`; with `ca`, a PEM file, for TLS. It may think about a question for `patience`.
    ///
    /// # Errors
    /// When the CA cannot be used or is missing, or the token is no text for a header.
    pub(crate) fn new(address: Address, token: &str, ca: Option<&Path>, patience: Duration) -> Result<Self> {
        let Ok(mut authorization) = HeaderValue::try_from(format!("Bearer {token}")) else {
            return Fail::new(Exit::Usage, "the token cannot be read").code("LR07").err();
        };
        authorization.set_sensitive(true);
        let tls = match (address.is_tls, ca) {
            (false, _) => None,
            (true, Some(ca)) => match tls::Client::load(ca, None) {
                Ok(client) => Some(client),
                Err(error) => {
                    let fail = Fail::new(Exit::Usage, "the CA of the HTTP API cannot be used").why(error);
                    return fail.hint("--ca, or LOGWAY_CA, or the login names its file").err();
                }
            },
            (true, None) => {
                return Fail::new(Exit::Usage, format!("{address} cannot be dialled"))
                    .code("LB04")
                    .hint("give the file of the CA that signed its certificate with --ca, or in LOGWAY_CA")
                    .err();
            }
        };
        Ok(Self { address, authorization, tls, patience })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// How long it may think about a question.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks, and gives the beginning of an answer that is one.
    pub(crate) async fn ask(&self, path: &str, form: &Form) -> Result<Answer, Trouble> {
        self.send(|address| self.request(path, form, address)).await
    }

    /// Asks with GET, the arguments in the path, for what `accept` names.
    pub(crate) async fn get(&self, path: &str, form: &Form, accept: &'static str) -> Result<Answer, Trouble> {
        let question = if form.text().is_empty() { String::new() } else { format!("?{}", form.text()) };
        let path = format!("{}{path}{question}", self.address.prefix);
        self.send(|address| self.finish(Request::get(&path), address, accept, Bytes::new())).await
    }

    async fn send(
        &self,
        request: impl FnOnce(&str) -> Result<Request<Full<Bytes>>, Trouble>,
    ) -> Result<Answer, Trouble> {
        let stream = timeout(CONNECT, self.dial());
        let Dialed { stream, address } = match stream.await {
            Ok(dialed) => dialed?,
            Err(_) => return Err(Trouble::Away(format!("no connection in {} s", CONNECT.as_secs()))),
        };
        let broken = |error: hyper::Error| Trouble::Away(explain(&error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // What goes wrong there is told to whoever waits for the answer.
        let line = Line(tokio::spawn(async move { drop(connection.await) }));
        let request = request(&address)?;
        let patience = self.patience + GRACE;
        let response = match timeout(patience, sender.send_request(request)).await {
            Ok(response) => response.map_err(broken)?,
            Err(_) => return Err(Trouble::Away(format!("no answer in {} s", patience.as_secs()))),
        };
        if response.status().is_success() {
            return Ok(Answer::new(response, line, patience));
        }
        Err(refusal(response).await)
    }

    /// The same; a server that has too much to do is asked again when it says so, a few times.
    pub(crate) async fn ask_again(&self, path: &str, form: &Form) -> Result<Answer, Trouble> {
        for _ in 1..TRIES {
            match self.ask(path, form).await {
                Err(trouble) => match trouble.retry_after() {
                    Some(wait) => {
                        let wait = wait.min(MAX_WAIT);
                        notice(&format!("◌ the server is busy; asking again in {} s", wait.as_secs().max(1)));
                        sleep(wait).await;
                    }
                    None => return Err(trouble),
                },
                answer => return answer,
            }
        }
        self.ask(path, form).await
    }

    fn request(&self, path: &str, form: &Form, host: &str) -> Result<Request<Full<Bytes>>, Trouble> {
        let request = Request::post(format!("{}{path}", self.address.prefix))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.finish(request, host, "*/*", Bytes::copy_from_slice(form.text().as_bytes()))
    }

    /// What every question has.
    fn finish(
        &self,
        request: Builder,
        host: &str,
        accept: &'static str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Trouble> {
        let request = request
            .header(HOST, host)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("logway/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body));
        request.map_err(|error| Trouble::Away(error.to_string()))
    }

    async fn dial(&self) -> Result<Dialed, Trouble> {
        let (host, port) = (self.address.host.as_str(), self.address.port);
        let away = |error: std::io::Error| Trouble::Away(error.to_string());
        let stream = TcpStream::connect((host, port)).await.map_err(away)?;
        stream.set_nodelay(true).map_err(away)?;
        let address = self.address.authority();
        let Some(tls) = &self.tls else { return Ok(Dialed { stream: Box::new(stream), address }) };
        match tls.connect(host, stream).await {
            Ok(stream) => Ok(Dialed { stream: Box::new(stream), address }),
            Err(error) => Err(match tls::explain(host, &error) {
                Failure::Broken(why) => Trouble::Away(why),
                Failure::Refused(why) => Trouble::Tls(why),
            }),
        }
    }
}

/// A connection, and what the server is called on it.
struct Dialed {
    stream: Box<dyn Stream>,
    address: String,
}

/// What a connection is made of.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The task that moves the bytes of a connection. Dropped, the connection ends.
#[derive(Debug)]
struct Line(JoinHandle<()>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why the server does not answer, in its words.
async fn refusal(response: Response<Incoming>) -> Trouble {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = timeout(GRACE, Limited::new(response.into_body(), MAX_REFUSAL_BYTES).collect()).await;
    let bytes = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = trouble::text_of(&String::from_utf8_lossy(&bytes));
    Trouble::Refused { status, text, retry_after }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An error of HTTP with what is behind it: the outer text alone says little.
fn explain(error: &hyper::Error) -> String {
    let inner = std::error::Error::source(error).map(|inner| format!(": {inner}"));
    format!("{error}{}", inner.unwrap_or_default())
}

#[cfg(test)]
mod tests;
