//! What was delivered: `/api/v1/doctor` tells of each app how many lines its readers were given, over HTTP and NATS, and who reads.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use logway_tests::{DEADLINE, Form, Habits, Tailing, Up, Web, wait_until};
use serde_json::{Value, json};

/// What is told of the app `web`.
fn delivered(web: &Web) -> Value {
    let reply = web.request("GET", "/api/v1/doctor?app=web", b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let found: Value = serde_json::from_slice(&reply.body).expect("a document");
    found["apps"][0]["delivered"].clone()
}

/// A Machine of the app `web` that prints the numbers to 100 when the file `go` is there.
fn counting(up: &Up, org: &str) -> logway_tests::Process {
    let script =
        format!("until [ -e {} ]; do sleep 0.05; done; seq 100; sleep 600", up.files().join("go").display());
    up.run("run", &["--org", org, "--app", "web", "--", "sh", "-c", &script])
}

/// A client of the front door that has subscribed to the app `web`.
fn nats(up: &Up, org: &str, token: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(up.address("proxy")).expect("connecting to the front door");
    stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
    let verbs = format!(
        "CONNECT {{\"verbose\":false,\"user\":\"{org}\",\"pass\":\"{token}\"}}\r\nSUB logs.web.> 1\r\nPING\r\n"
    );
    stream.write_all(verbs.as_bytes()).expect("speaking to the front door");
    let (mut reader, mut said) = (BufReader::new(stream), String::new());
    while !said.contains("PONG") {
        assert!(reader.read_line(&mut said).is_ok_and(|count| count > 0), "{said}");
    }
    reader
}

#[test]
fn what_readers_were_given_is_counted_until_they_are_gone_and_after() {
    let up = Up::start(&[]);
    let web = up.web();
    up.make_org("acme");
    let acme = web.with_token(&up.make_token(&["readonly", "acme"]));
    let _machines = [counting(&up, "personal"), counting(&up, "acme")];
    for web in [&web, &acme] {
        wait_until("a Machine has begun", || {
            let reply = web.query("logway.event.kind:=started");
            (reply.status == 200 && !reply.body.is_empty()).then_some(())
        });
    }
    let habits = Habits {
        name: "reader".to_owned(),
        form: Form::Ndjson,
        path: "/api/v1/apps/web/logs/tail?lines=0".to_owned(),
        leaves: 0,
        stalls: 0,
        stall: Duration::ZERO,
        buffer: 0,
    };
    let tail = Tailing::start(&web, habits, 1);
    let token = std::fs::read_to_string(up.data().join("token")).expect("reading the token");
    let mut client = nats(&up, "personal", token.trim());
    let before = wait_until("both are there", || {
        let found = delivered(&web);
        (found["live"] == 2).then_some(found)
    });
    assert_eq!(
        (&before["lines"], &before["readers"], &before["last"]),
        (&json!(0), &json!(2), &Value::Null),
        "{before}"
    );

    std::fs::write(up.files().join("go"), "").expect("writing a file");
    let (mut messages, mut line) = (0, String::new());
    while messages < 100 {
        line.clear();
        assert!(client.read_line(&mut line).is_ok_and(|count| count > 0), "the front door has gone");
        messages += u32::from(line.starts_with("MSG logs.web."));
    }
    wait_until("the tail has all", || (tail.has().records.len() == 100).then_some(()));
    let found = delivered(&web);
    assert_eq!((&found["lines"], &found["catching_up"]), (&json!(200), &json!(0)), "{found}");
    assert!(
        found["last"].is_string() && found["since"].is_string() && found["behind_s"].as_f64() < Some(60.0),
        "{found}"
    );
    // To who has an app of the same name it is nothing.
    wait_until("the lines of the other org are stored", || (acme.count("app:=web") > 100).then_some(()));
    let other = delivered(&acme);
    assert_eq!(
        (&other["lines"], &other["readers"], &other["behind_s"]),
        (&json!(0), &json!(0), &Value::Null),
        "{other}"
    );
    assert!(up.metrics().contains("logway_api_delivered_lines_total 200\n"), "{}", up.metrics());

    drop((tail, client));
    let found = wait_until("nobody reads", || Some(delivered(&web)).filter(|found| found["readers"] == 0));
    assert_eq!(
        (&found["lines"], &found["live"], &found["behind_s"]),
        (&json!(200), &json!(0), &Value::Null),
        "{found}"
    );
    // Who comes late is given what is stored, and that counts as well.
    let (code, said, err) = up.output("logs", &["-a", "web", "-n"]);
    assert_eq!(code, 0, "{err}");
    let (given, found) = (said.lines().count() as u64, delivered(&web));
    assert!(given >= 100 && found["lines"] == 200 + given, "{given} lines were given: {found}");
}
