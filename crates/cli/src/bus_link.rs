//! The way to the bus: which server, as whom, and what it means when it cannot be reached.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bus::client::{Client, Credentials, Options, ServerAddr, Status};
use bus::roles::Role;
use bus::tls;

use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::login;

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to connect in the role `role` to `urls`, one or several with commas between them: login and password from the first URL that
/// has one, else from the data directory, and the certificates for TLS from there.
pub(crate) fn options(data: &Data, urls: &str, role: Role, name: &str) -> Result<Options> {
    let servers: Result<Vec<ServerAddr>, _> = urls.split(',').map(|url| url.trim().parse()).collect();
    let servers = match servers {
        Ok(servers) => servers,
        Err(error) => return Fail::new(Exit::Usage, "the bus has no usable address").why(error).err(),
    };
    let credentials = match servers.iter().find_map(|server| server.credentials.clone()) {
        Some(credentials) => Some(credentials),
        None => data.credential(role.as_str())?.map(|(user, password)| Credentials { user, password }),
    };
    // Another role's login has that role's inboxes.
    let is_users = |role: &Role| credentials.as_ref().is_some_and(|login| login.user == role.as_str());
    let inbox_prefix = Role::ALL.into_iter().find(is_users).unwrap_or(role).inbox_prefix();
    let tls = certificates(data)?;
    if let Some(server) = servers.iter().find(|server| server.is_tls && tls.is_none()) {
        return Fail::new(Exit::Usage, format!("{server} cannot be dialled"))
            .code("LB04")
            .hint(format!(
                "write the certificate of the CA that signed the server's into {}",
                in_bus(data, CA).display()
            ))
            .err();
    }
    Ok(Options { servers, name: name.to_owned(), credentials, inbox_prefix, tls })
}

/// Servers without their logins, for people and for `up.json`.
pub(crate) fn names(servers: &[ServerAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The CA of the bus, and our own certificate and its key, in the `bus` folder of the data directory.
const CA: &str = "ca.pem";
const CERTIFICATE: &str = "client.pem";
const KEY: &str = "client.key";

fn in_bus(data: &Data, file: &str) -> PathBuf {
    data.path().join("bus").join(file)
}

/// What it takes to speak TLS, when the CA's certificate is there. One of our own goes with it when it is there.
fn certificates(data: &Data) -> Result<Option<tls::Client>> {
    let [ca, certificate, key] = [CA, CERTIFICATE, KEY].map(|file| in_bus(data, file));
    if !ca.exists() {
        return Ok(None);
    }
    let identity = tls::Identity { certificate: &certificate, key: &key };
    match tls::Client::load(&ca, certificate.exists().then_some(identity)) {
        Ok(client) => Ok(Some(client)),
        Err(error) => Fail::new(Exit::Usage, "the certificates for the bus cannot be used").why(error).err(),
    }
}

/// A reading client that is connected, or why there is none.
pub(crate) async fn connect(data: &Data, options: Options) -> Result<Client> {
    let server = names(&options.servers);
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
            let tls = login::tls_code(&reason);
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

    #[test]
    fn several_servers_and_their_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::new(Some(dir.path())).unwrap();
        let (path, certs) =
            (dir.path().join("bus"), concat!(env!("CARGO_MANIFEST_DIR"), "/../bus/tests/certs"));
        let way = |urls: &str| options(&data, urls, Role::Agent, "");
        let found = way("nats://h1, nats://agent:p@h2:5").unwrap();
        assert_eq!(
            (names(&found.servers).as_str(), found.tls.is_some()),
            ("nats://h1:4222,nats://h2:5", false)
        );
        assert_eq!(found.credentials.unwrap().password, "p");
        for bad in ["", "nats://h1,", "nats://h1,http://h2"] {
            assert!(way(bad).is_err(), "{bad}");
        }
        let error = way("nats://h1,tls://h2").unwrap_err();
        assert!(format!("{error}").contains("tls://h2:4222 cannot be dialled"), "{error}");

        std::fs::create_dir(&path).unwrap();
        for (files, wanted) in [
            (&[("ca.pem", "ca.pem")][..], None),
            (&[("client.pem", "client.pem")], Some("client.key cannot be read")),
            (&[("server.key", "client.key")], Some("client.key is not the key")),
            (&[("client.key", "client.key")], None),
        ] {
            for (from, to) in files {
                std::fs::copy(format!("{certs}/{from}"), path.join(to)).unwrap();
            }
            match (way("tls://h1,tls://h2"), wanted) {
                (Ok(found), None) => assert!(found.tls.is_some()),
                (Err(error), Some(wanted)) => assert!(format!("{error}").contains(wanted), "{error}"),
                (found, wanted) => panic!("{found:?} instead of {wanted:?}"),
            }
        }
    }
}
