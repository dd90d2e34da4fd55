//! The role table as a real nats-server takes it.

use bus::client::{Client, Credentials, Options, Status};
use bus::roles::{Role, nats_conf};
use logway_tests::{DEADLINE, NatsServer, NatsVersion};

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
            check(&server, role, user, password).await;
        }
    }
}

/// The file of the deployment, with passwords as the data directory's: in quotes, since they may begin with a digit.
#[tokio::test]
async fn real_servers_take_the_table_of_the_deployment() {
    let passwords = ["0123abcd", "12", "3e5", "true", "f00"];
    let logins: Vec<_> = Role::ALL.into_iter().zip(passwords).collect();
    let variable = |(role, password): &(Role, &str)| {
        (format!("LOGWAY_{}_PASSWORD", role.as_str().to_ascii_uppercase()), format!("\"{password}\""))
    };
    let environment: Vec<_> = logins.iter().map(variable).collect();
    let conf = include_str!("../../deploy/nats/roles.conf");
    for version in NatsVersion::ALL {
        let name = "real_servers_take_the_table_of_the_deployment";
        let Some(server) = NatsServer::start_with(name, version, conf, &environment) else { return };
        for (role, password) in &logins {
            check(&server, *role, role.as_str(), password).await;
        }
    }
}

/// Lets the right password in, and no other.
async fn check(server: &NatsServer, role: Role, user: &str, password: &str) {
    for (password, is_let_in) in [(password, true), ("wrong", false)] {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
        let client = Client::start(Options {
            servers: vec![server.url().parse().unwrap()],
            name: "test".to_owned(),
            credentials: Some(credentials),
            inbox_prefix: role.inbox_prefix(),
            tls: None,
        });
        let mut status = client.status();
        let settled = |s: &Status| matches!(s, Status::Connected { .. } | Status::Refused { .. });
        let settled = tokio::time::timeout(DEADLINE, status.wait_for(settled)).await.unwrap().unwrap();
        assert_eq!(matches!(*settled, Status::Connected { .. }), is_let_in, "{user} {settled:?}");
        drop(settled);
        client.close().await;
    }
}
