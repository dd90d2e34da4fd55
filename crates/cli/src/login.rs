//! `logway login` and `logway logout`: a front door that the commands of this user go to.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use access::{Claims, Scope};
use anyhow::{Context as _, Result};
use bus::client::{Client, Credentials, Options, ServerAddr, Status};
use bus::tls;
use registry::Limits;

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::Address;
use crate::output::notice;
use crate::tokens::{given, words};

/// How long the front door may take to let in.
const PATIENCE: Duration = Duration::from_secs(5);

/// The arguments of `logway login`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The front door
    #[arg(long, value_name = "URL", env = "LOGWAY_SERVER", default_value = "nats://127.0.0.1:4223")]
    server: String,
    /// The org's slug or id [default: the token's]
    #[arg(long)]
    org: Option<String>,
    /// The token; '-' reads it from stdin [default: LOGWAY_TOKEN]
    #[arg(long)]
    token: Option<String>,
    /// Whose certificates the front door has, as a PEM file: needed for tls://. The file is to stay where it is
    #[arg(long, value_name = "FILE", env = "LOGWAY_CA")]
    ca: Option<PathBuf>,
    /// The HTTP API, for 'search' and 'export' [default: port 4280 of the front door's host]
    #[arg(long, value_name = "URL", env = "LOGWAY_API", value_parser = api)]
    api: Option<String>,
}

/// An address that can be kept.
fn api(text: &str) -> Result<String, String> {
    Ok(text.parse::<Address>()?.to_string())
}

/// The arguments of `logway logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway login --server nats://logs.example.com:4223 --token - < token
  logway login --server tls://logs.example.com:4223 --ca ca.pem --token - < token
  LOGWAY_TOKEN=lw1_... logway login --org acme
  logway logs -a web                      through that front door, unless 'logway up' runs here

The login is kept in ~/.config/logway/context.json, for you alone. What counts, first to last:
flags (--server, --token, --ca, --api), the environment (LOGWAY_SERVER, LOGWAY_TOKEN, LOGWAY_CA,
LOGWAY_API), the 'logway up' of this machine, the login.";

/// Examples, for the end of the help.
pub(crate) const LOGOUT_EXAMPLES: &str = "\
Examples:
  logway logout       forgets the login; the token stays good: 'logway tokens revoke' ends it";

/// Checks the token at the front door, and keeps both.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let token = given(args.token.as_deref())?;
    let claims = match access::inspect(&token) {
        Ok(claims) => claims,
        Err(error) => {
            return Fail::new(Exit::Usage, "the token cannot be read").code("LR07").why(error).err();
        }
    };
    // Absolute, for who logs in here and reads elsewhere.
    let ca = args.ca.as_deref().map(std::path::absolute).transpose().context("--ca cannot be used")?;
    let (server, org, api) = (args.server.clone(), args.org.clone(), args.api.clone());
    let context = Context { server, org, token, ca, api };
    let options = options(&context, "logway login")?;
    let is_reached = check(options, &context.server).await?;
    let path = context::login_file()?;
    context::save(&path, &context)?;
    let mut scope = Scope::ALL;
    claims.blocks.iter().for_each(|block| scope.narrow(block));
    let org = context.org.as_deref().unwrap_or(claims.org.as_str());
    notice(&format!("logged in to {org} at {}: {}", context.server, words::limits(&Limits::of(&scope))));
    if !is_reached {
        notice("note: no front door answers there, so the token was not checked; it is used when one does");
        notice(
            "hint: is the port right? That of a front door is 4223, of the HTTP API 4280, of the bus 4222",
        );
    }
    Ok(Exit::Ok)
}

/// What a token says.
pub(crate) fn claims(token: &str) -> Result<Claims> {
    match access::inspect(token) {
        Ok(claims) => Ok(claims),
        Err(error) => Fail::new(Exit::Usage, "the token cannot be read").code("LR07").why(error).err(),
    }
}

/// How to connect to a front door: the org is the user, the token the password.
pub(crate) fn options(context: &Context, name: &str) -> Result<Options> {
    let server: ServerAddr = match context.server.parse() {
        Ok(server) => server,
        Err(error) => {
            return Fail::new(Exit::Usage, "the front door has no usable address")
                .why(error)
                .hint("give it as nats://host:4223")
                .err();
        }
    };
    if server.credentials.is_some() {
        return Fail::new(Exit::Usage, "the address of a front door has no login in it")
            .hint("give the org with --org, and the token with --token or in LOGWAY_TOKEN")
            .err();
    }
    // A token names its org; one that cannot be read lets nobody in anyway.
    let org = || access::inspect(&context.token).map_or("org".to_owned(), |claims| claims.org.to_string());
    let user = context.org.clone().unwrap_or_else(org);
    let credentials = Some(Credentials { user, password: context.token.clone() });
    let inbox_prefix = "_INBOX".to_owned();
    let tls = match &context.ca {
        Some(ca) => Some(tls::Client::load(ca, None).map_err(unusable)?),
        None if server.is_tls => {
            return Fail::new(Exit::Usage, format!("{server} cannot be dialled"))
                .code("LB04")
                .hint("give the file of the CA that signed its certificate with --ca, or in LOGWAY_CA")
                .err();
        }
        None => None,
    };
    Ok(Options { servers: vec![server], name: name.to_owned(), credentials, inbox_prefix, tls })
}

fn unusable(error: bus::Error) -> anyhow::Error {
    Fail::new(Exit::Usage, "the CA of the front door cannot be used")
        .why(error)
        .hint("--ca, or LOGWAY_CA, or the login names its file; 'logway login' with --ca names another one")
        .into()
}

/// Whether the front door let us in; false if nobody is there.
async fn check(options: Options, server: &str) -> Result<bool> {
    let client = Client::start(options);
    let state = settle(&client).await;
    client.close().await;
    match state {
        Status::Connected { .. } => Ok(true),
        Status::Refused { reason } => Err(refused(server, &reason)),
        Status::Connecting { .. } | Status::Closed => Ok(false),
    }
}

/// The state of the connection once there is one, or it was tried for long enough.
pub(crate) async fn settle(client: &Client) -> Status {
    let mut status = client.status();
    let settled = |status: &Status| {
        let has_failed = matches!(status, Status::Connecting { last_error: Some(_), .. });
        has_failed || matches!(status, Status::Connected { .. } | Status::Refused { .. } | Status::Closed)
    };
    // Settled or not, the state says what there is to say.
    let _ = tokio::time::timeout(PATIENCE, status.wait_for(settled)).await;
    status.borrow_and_update().clone()
}

/// That a front door does not let a token in, of which it never says why; or that it cannot be reached by TLS, and why.
pub(crate) fn refused(server: &str, reason: &str) -> anyhow::Error {
    match tls_code(reason) {
        None => Fail::new(Exit::Refused, format!("{server} does not let this token in")).code("LR13"),
        Some(code) => {
            Fail::new(Exit::Refused, format!("{server} cannot be had with TLS")).code(code).why(reason)
        }
    }
    .into()
}

/// The code of a connection that was refused because of TLS.
pub(crate) fn tls_code(reason: &str) -> Option<&'static str> {
    ["LB04", "LB06"].into_iter().find(|code| reason.contains(code))
}

/// Forgets the login.
pub(crate) fn logout(_args: &LogoutArgs) -> Result<Exit> {
    let path = context::login_file()?;
    match std::fs::remove_file(&path) {
        Ok(()) => notice("logged out; the token stays good until it is revoked or ends"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => notice("there was no login"),
        Err(error) => return Err(error).with_context(|| format!("removing {}", path.display())),
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::describe;

    #[test]
    fn how_a_front_door_is_reached() {
        let context = |server: &str, org: Option<&str>| Context {
            server: server.to_owned(),
            org: org.map(str::to_owned),
            token: "lw1_x".to_owned(),
            ca: None,
            api: None,
        };
        let options_of = |server, org| options(&context(server, org), "test");
        let good = options_of("nats://far:4223", Some("acme")).unwrap();
        let login = good.credentials.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("acme", "lw1_x"));
        assert_eq!(options_of("far:4223", None).unwrap().credentials.unwrap().user, "org");
        for bad in ["http://far", "nats://", "nats://a:b@far:4223"] {
            assert_eq!(describe(&options_of(bad, None).unwrap_err()).1, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn a_front_door_with_tls_needs_a_ca() {
        let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/../bus/tests/certs");
        let options_of = |server: &str, ca: Option<&str>| {
            let ca = ca.map(|file| PathBuf::from(format!("{certs}/{file}")));
            let (server, token) = (server.to_owned(), "lw1_x".to_owned());
            options(&Context { server, org: None, token, ca, api: None }, "test")
        };
        for (server, ca, wanted) in [
            ("nats://far", None, Ok(false)),
            ("tls://far", Some("ca.pem"), Ok(true)),
            // Such a front door may offer TLS.
            ("nats://far", Some("ca.pem"), Ok(true)),
            ("tls://far", None, Err("error[LB04]: tls://far:4222 cannot be dialled\nhint: give the file")),
            ("tls://far", Some("none.pem"), Err("none.pem cannot be read for TLS: ")),
            ("tls://far", Some("server.key"), Err("server.key ")),
        ] {
            match (options_of(server, ca), wanted) {
                (Ok(found), Ok(has_tls)) => assert_eq!(found.tls.is_some(), has_tls, "{server} {ca:?}"),
                (Err(error), Err(wanted)) => {
                    let (text, exit) = describe(&error);
                    assert!(
                        exit == Exit::Usage && text.contains(wanted) && text.contains("hint: "),
                        "{text}"
                    );
                }
                (found, wanted) => panic!("{found:?} instead of {wanted:?}, {server} {ca:?}"),
            }
        }
    }

    #[test]
    fn who_is_refused_hears_why() {
        for (reason, wanted) in [
            ("Authorization Violation", "error[LR13]: nats://far does not let this token in\n"),
            (
                "it has expired (LB06)",
                "error[LB06]: nats://far cannot be had with TLS: it has expired (LB06)\n",
            ),
            ("requires TLS (LB04)", "error[LB04]: nats://far cannot be had with TLS: requires TLS (LB04)\n"),
        ] {
            let (text, exit) = describe(&refused("nats://far", reason));
            assert!(exit == Exit::Refused && text.starts_with(wanted), "{text}");
        }
    }
}
