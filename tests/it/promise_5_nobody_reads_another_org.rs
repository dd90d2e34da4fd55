//! Promise 5: nobody reads a line of another org. On this path: by the role table of the bus, and by the agent's answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use logway_tests::{DEADLINE, Up, lines};

/// Sends `verbs` after logging in as `login` (or not at all), and gives what the bus says until it has said `until` or closes.
fn talk(up: &Up, login: Option<&str>, verbs: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(up.address("nats")).expect("connecting to the bus");
    stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
    let connect = login.map_or_else(String::new, |role| {
        let login = std::fs::read_to_string(up.data().join("bus").join(role)).expect("reading a credential");
        let (user, password) = login.trim().split_once(':').expect("user:password");
        format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n")
    });
    stream.write_all(format!("{connect}{verbs}").as_bytes()).expect("speaking to the bus");
    let (mut said, mut reader) = (String::new(), BufReader::new(stream));
    while !said.contains(until) && reader.read_line(&mut said).is_ok_and(|count| count > 0) {}
    said
}

#[test]
fn promise_5_an_anonymous_client_is_refused() {
    let up = Up::start(&[]);
    let said = talk(&up, None, "CONNECT {\"verbose\":false}\r\nSUB o.> 1\r\nPING\r\n", "PONG");
    assert!(said.contains("-ERR 'Authorization Violation'") && !said.contains("PONG"), "{said}");
}

#[test]
fn promise_5_an_agent_cannot_read_lines() {
    let up = Up::start(&[]);
    for pattern in ["o.>", ">", "o.*.logs.>", "*.*.logs.>", "_INBOX.>", "_INBOX.proxy.>"] {
        let said = talk(&up, Some("agent"), &format!("SUB {pattern} 1\r\nPING\r\n"), "PONG");
        assert!(said.contains("-ERR 'Permissions Violation for Subscription to"), "{pattern}: {said}");
    }
}

#[test]
fn promise_5_recent_lines_of_another_org_are_not_given() {
    let up = Up::start(&[]);
    assert!(up.run("run", &["--app", "web", "--", "echo", "secret"]).wait().success());
    let credential = up.data().join("bus/api");
    assert!(!lines::spooled(&up.address("nats"), &credential, &up.org()).is_empty());
    let other = lines::spooled(&up.address("nats"), &credential, "another0org");
    assert_eq!(other, [], "not one line");
}
