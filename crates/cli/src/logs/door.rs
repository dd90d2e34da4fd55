//! The way to the lines: straight over the bus of `logway up`, or through a front door, which has its own names for what a reader
//! asks and hears.

use anyhow::Result;
use bus::client::{Client, Status};
use bus::sys;

use crate::context::Context;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::login;

/// The way to the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The bus itself: all orgs are on it, and the pattern says whose lines are meant.
    Bus,
    /// A front door: the token says whose lines they are.
    Door,
}

impl Way {
    /// Where recent lines are asked for.
    pub(super) const fn recent(self) -> &'static str {
        match self {
            Self::Bus => sys::RECENT,
            Self::Door => proxy::RECENT,
        }
    }

    /// Where it is heard how far boots have come.
    pub(super) fn marks(self) -> String {
        match self {
            Self::Bus => format!("{}>", sys::HEARTBEAT_PREFIX),
            Self::Door => proxy::MARKS.to_owned(),
        }
    }

    /// That there is no way in at the moment.
    pub(super) const fn refuses(self) -> &'static str {
        match self {
            Self::Bus => "the bus refuses the login",
            Self::Door => "the front door cannot be had with TLS",
        }
    }

    /// That these lines may not be read.
    pub(super) fn denied(self, reason: &str) -> Fail {
        match self {
            Self::Bus => Fail::new(Exit::Refused, "the bus does not let us read lines").code("LB02").why(reason),
            Self::Door => Fail::new(Exit::Refused, "the token does not allow to read these lines")
                .code("LR13")
                .hint("name what it is for with --app, --region or --machine; 'logway tokens inspect' says which"),
        }
    }
}

/// A client at a front door, or why there is none.
pub(super) async fn connect(context: &Context) -> Result<Client> {
    let client = Client::start(login::options(context, "logway logs")?);
    let server = &context.server;
    match login::settle(&client).await {
        Status::Connected { .. } => Ok(client),
        Status::Refused { reason } => Err(login::refused(server, &reason)),
        Status::Connecting { last_error, .. } => {
            Fail::new(Exit::Disconnected, format!("cannot reach the front door at {server}"))
                .why(last_error.unwrap_or_else(|| "it does not answer".to_owned()))
                .hint("check the address; 'logway logout' forgets it")
                .err()
        }
        Status::Closed => {
            Fail::new(Exit::Disconnected, format!("the connection to {server} was closed")).err()
        }
    }
}
