//! The way to the bus: which server, as whom, and what it means when it cannot be reached.

use std::time::Duration;

use anyhow::Result;
use bus::client::{Client, Credentials, Options, ServerAddr, Status};
use bus::roles::Role;

use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to connect to `url` in the role `role`: login and password from the URL, else from the data directory.
pub(crate) fn options(data: &Data, url: &str, role: Role, name: &str) -> Result<Options> {
    let server: ServerAddr = match url.parse() {
        Ok(server) => server,
        Err(error) => return Fail::new(Exit::Usage, "the bus has no usable address").why(error).err(),
    };
    let credentials = match &server.credentials {
        Some(credentials) => Some(credentials.clone()),
        None => data.credential(role.as_str())?.map(|(user, password)| Credentials { user, password }),
    };
    let inbox_prefix = role.inbox_prefix();
    Ok(Options { servers: vec![server], name: name.to_owned(), credentials, inbox_prefix })
}

/// A client that is connected, or why there is none.
pub(crate) async fn connect(options: Options) -> Result<Client> {
    let server = options.servers.first().map(ToString::to_string).unwrap_or_default();
    let client = Client::start(options);
    let mut status = client.status();
    let settled = |status: &Status| {
        matches!(status, Status::Connected { .. } | Status::Refused { .. } | Status::Closed)
    };
    // Settled or not, the state says what there is to say.
    let _ = tokio::time::timeout(PATIENCE, status.wait_for(settled)).await;
    let state = status.borrow().clone();
    match state {
        Status::Connected { .. } => Ok(client),
        Status::Refused { reason } => {
            let code = if reason.to_ascii_lowercase().contains("tls") { "LB04" } else { "LB01" };
            Fail::new(Exit::Refused, format!("{server} refuses the login")).code(code).why(reason).err()
        }
        Status::Connecting { last_error, .. } => {
            Fail::new(Exit::Disconnected, format!("cannot reach the bus at {server}"))
                .why(last_error.unwrap_or_else(|| "it does not answer".to_owned()))
                .hint("is 'logway up' running, with the same --data? After a crash, start it again")
                .err()
        }
        Status::Closed => {
            Fail::new(Exit::Disconnected, format!("the connection to {server} was closed")).err()
        }
    }
}
