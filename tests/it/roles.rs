//! The role table as a real nats-server takes it.

use bus::client::{Client, Credentials, Options, ServerAddr, Status};
use bus::roles::{Role, nats_conf};
use logway_tests::{NatsServer, NatsVersion};

/// Users and passwords may have any characters: those that mean something in a configuration, too.
#[tokio::test]
async fn odd_passwords_are_taken_by_real_servers() {
    let logins = [
        (Role::Agent, "agent \"one\"", "a\"b\\c\\"),
        (Role::Api, "$PATH", "# {x} [y], 'z' \\x41 \t;ü"),
        (Role::Proxy, "12", "true"),
    ];
    for version in NatsVersion::ALL {
        let name = "odd_passwords_are_taken_by_real_servers";
        let Some(server) = NatsServer::start(name, version, &nats_conf(&logins)) else { return };
        for (role, user, password) in logins {
            for (password, is_let_in) in [(password, true), ("wrong", false)] {
                let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
                let address =
                    ServerAddr { host: "127.0.0.1".to_owned(), port: server.port(), credentials: None };
                let client = Client::start(Options {
                    servers: vec![address],
                    name: "test".to_owned(),
                    credentials: Some(credentials),
                    inbox_prefix: role.inbox_prefix(),
                });
                let mut status = client.status();
                let settled = |s: &Status| matches!(s, Status::Connected { .. } | Status::Refused { .. });
                let patience = std::time::Duration::from_secs(60);
                let settled =
                    tokio::time::timeout(patience, status.wait_for(settled)).await.unwrap().unwrap();
                assert_eq!(
                    matches!(*settled, Status::Connected { .. }),
                    is_let_in,
                    "{version:?} {user} {settled:?}"
                );
                drop(settled);
                client.close().await;
            }
        }
    }
}
