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
    // Another role's login has that role's inboxes.
    let is_users = |role: &Role| credentials.as_ref().is_some_and(|login| login.user == role.as_str());
    let inbox_prefix = Role::ALL.into_iter().find(is_users).unwrap_or(role).inbox_prefix();
    Ok(Options { servers: vec![server], name: name.to_owned(), credentials, inbox_prefix, tls: None })
}

/// A reading client that is connected, or why there is none.
pub(crate) async fn connect(data: &Data, options: Options) -> Result<Client> {
    let server = options.servers.first().map(ToString::to_string).unwrap_or_default();
    let is_from_url = options.servers.iter().any(|server| server.credentials.is_some());
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
            let tls = ["LB04", "LB06"].into_iter().find(|code| reason.contains(code));
            let what = tls.map_or("refuses the login", |_| "cannot be had with TLS");
            let fail = Fail::new(Exit::Refused, format!("{server} {what}"));
            let fail = fail.code(tls.unwrap_or("LB01")).why(reason);
            if tls.is_some() || is_from_url { fail } else { fail.hint(login_hint(data)) }.err()
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

/// What to do when the login of the data directory is refused: a real nats-server does not know the one that was minted.
fn login_hint(data: &Data) -> String {
    let path = data.path().join("bus").join(Role::Api.as_str());
    format!(
        "write the server's login of a reader into {} as user:password, or give it in --nats",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inboxes_are_those_of_the_login() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::new(Some(dir.path())).unwrap();
        for (url, role, wanted) in [
            ("nats://h", Role::Api, "_INBOX.api"),
            ("nats://proxy:p@h", Role::Api, "_INBOX.proxy"),
            ("nats://someone:p@h", Role::Api, "_INBOX.api"),
            ("nats://someone:p@h", Role::Agent, "_INBOX.agent"),
        ] {
            assert_eq!(options(&data, url, role, "").unwrap().inbox_prefix, wanted, "{url}");
        }
        let path = dir.path().join("bus");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("api"), "proxy:p\n").unwrap();
        assert_eq!(options(&data, "nats://h", Role::Api, "").unwrap().inbox_prefix, "_INBOX.proxy");
    }
}
