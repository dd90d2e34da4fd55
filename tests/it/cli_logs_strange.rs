//! `logway logs` beside strange company: a hole in one app and a flood in another, messages that others wrote, agents that
//! cannot answer, and a bus that says no or nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::roles::Role;
use logway_tests::{DEADLINE, NatsServer, NatsVersion, Process, Up, lines};
use rustix::process::Signal;

/// A line as an agent publishes it, of a boot of the year 2025.
fn line(app: &str, seq: u64, text: &str) -> String {
    format!(
        r#"{{"event":{{"provider":"app"}},"fly":{{"app":{{"instance":"i-{app}","name":"{app}"}},"region":"lhr"}},"host":"h1","log":{{"level":"info"}},"message":"{text}","timestamp":"2026-11-22T10:00:00Z","logway":{{"boot":"019a0c3f2b7c0001","seq":{seq},"span":1,"stream":"stdout"}}}}"#
    )
}

/// The bus of `up` as a reader's `--nats`: without HTTP, what it says is joined by the reader itself.
fn bus(up: &Up) -> String {
    let login = std::fs::read_to_string(up.data().join("bus/api")).expect("reading a credential");
    format!("nats://{}@{}", login.trim(), up.address("nats"))
}

async fn publish(agent: &Client, org: &str, app: &str, payload: &[u8]) {
    agent.publish(&format!("o.{org}.logs.{app}.lhr.i-{app}"), None, payload).await.expect("publishing");
    agent.flush().await.expect("the bus takes it");
}

/// An agent `h2` that answers each question for recent lines with `end`.
async fn answer_with(up: &Up, end: &'static str) {
    let agent = up.client(Role::Agent).await;
    let mut questions = agent.subscribe("sys.recent", None).await.expect("subscribing");
    tokio::spawn(async move {
        while let Some(delivery) = questions.next().await {
            let Delivery::Message(message) = delivery else { continue };
            let reply = message.reply.expect("a question wants an answer");
            let reply = std::str::from_utf8(&reply).expect("a subject is text");
            agent.publish(reply, None, end.as_bytes()).await.expect("answering");
        }
    });
}

#[tokio::test]
async fn a_flood_of_one_app_does_not_put_off_the_hole_of_another() {
    let up = Up::start(&[]);
    let tail = up.run("logs", &["-j", "--nats", &bus(&up)]);
    tail.wait_for_stderr("that it is live", |line| line.contains("● live"));
    let (agent, org) = (up.client(Role::Agent).await, up.org());
    publish(&agent, &org, "quiet", line("quiet", 1, "first").as_bytes()).await;
    publish(&agent, &org, "quiet", line("quiet", 3, "third").as_bytes()).await;
    // Half a second is what it waits for; so many lines take ten.
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    for seq in 1.. {
        assert!(seq <= 2000, "what stands behind the hole does not come\n{}", tail.said());
        publish(&agent, &org, "busy", line("busy", seq, "busy").as_bytes()).await;
        if tail.stdout().text().contains("third") {
            break;
        }
        pause.tick().await;
    }
    let of_quiet: Vec<_> =
        lines::parse(&tail.stdout().text()).into_iter().filter(|m| m.app == "quiet").collect();
    let texts: Vec<_> = of_quiet.iter().map(|message| message.message.as_str()).collect();
    assert!(texts.len() == 3 && texts[1].contains("1 line lost") && texts[2] == "third", "{texts:?}");
}

#[tokio::test]
async fn json_for_a_terminal_holds_nothing_that_it_would_obey() {
    let up = Up::start(&[]);
    let mut command = up.command("logs");
    // Colours by force: then it is for a terminal in the end.
    let command = command.args(["-j", "--nats", &bus(&up)]).env("CLICOLOR_FORCE", "1");
    let tail = Process::start("logway logs", command);
    let pipe = up.run("logs", &["-j", "--nats", &bus(&up)]);
    for tail in [&tail, &pipe] {
        tail.wait_for_stderr("that it is live", |line| line.contains("● live"));
    }
    let text = "\u{7f}\u{9b}31m\u{85}\u{202e}\u{2066}ü";
    let mut raw = br#"{"note":"not UTF-8: "#.to_vec();
    raw.extend_from_slice(b"\xff\x9b\",\r\n");
    raw.extend_from_slice(&line("web", 1, text).as_bytes()[1..]);
    publish(&up.client(Role::Agent).await, &up.org(), "web", &raw).await;
    let row = tail.wait_for_stdout("the line", |row| row.contains("web"));
    assert!(!row.chars().any(|c| c.is_control() || "\u{202e}\u{2066}".contains(c)), "{row:?}");
    let value: serde_json::Value = serde_json::from_str(&row).expect("it is JSON still");
    assert_eq!(value["message"], text);
    let row = pipe.wait_for_stdout("the line", |row| row.contains("web"));
    assert!(row.contains(text), "in a pipe it stays as it is: {row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_cannot_answer_makes_an_answer_that_is_not_whole() {
    // Where a store has the lines, that agents have none is of little account.
    let up = Up::start(&["--live-only"]);
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    answer_with(&up, r#"{"end":{"host":"h\u001b[2J2","sent":0,"error":"the disk\nis \u009bgone"}}"#).await;
    let (status, out, err) = up.run("logs", &["-a", "web", "-n"]).wait_with_output();
    let wanted = "error: not all recent lines came: host h\\x1b[2J2 cannot give recent lines: the disk\\nis \\u{9b}gone\n";
    assert!(status.code() == Some(5) && err.contains(wanted), "{status} {err:?}");
    assert!(out.contains("hello"), "what came is shown: {out}");
    let tail = up.run("logs", &["-a", "web"]);
    tail.wait_for_stderr("why there are not all", |line| line.contains("◌ no recent lines yet: host h"));
    tail.wait_for_stdout("what came", |line| line.contains("hello"));
    tail.wait_for_stderr("that it is live", |line| line.contains("● live"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_no_longer_kept_are_spoken_of_once() {
    let up = Up::start(&["--live-only"]);
    answer_with(&up, r#"{"end":{"host":"h2","sent":0,"truncated":true}}"#).await;
    let (status, _, err) = up.run("logs", &["-a", "web", "-n"]).wait_with_output();
    let note = "host h2: older lines are no longer kept\n";
    assert!(status.success() && err.contains(note) && err.matches(note).count() == 1, "{err}");
}

#[test]
fn a_login_that_may_not_read_is_told_so() {
    let test = "a_login_that_may_not_read_is_told_so";
    let check = |up: &Up, role: &str| {
        let login = std::fs::read_to_string(up.data().join("bus").join(role)).expect("reading a credential");
        let url = format!("nats://{}@{}", login.trim(), up.address("nats"));
        for args in [&["-n", "--nats", &url][..], &["--nats", &url]] {
            let (status, out, err) = up.run("logs", args).wait_with_output();
            assert!(
                status.code() == Some(4) && out.is_empty() && err.starts_with("error[LB02]: "),
                "{status} {err}"
            );
        }
    };
    let up = Up::start(&[]);
    check(&up, "agent");
    check(&up, "store");
    let login = std::fs::read_to_string(up.data().join("bus/proxy")).expect("reading a credential");
    let url = format!("nats://{}@{}", login.trim(), up.address("nats"));
    let (status, _, err) = up.run("logs", &["-n", "--nats", &url]).wait_with_output();
    assert!(status.success(), "the proxy's login reads, too: {err}");
    let Some((_server, up, _)) = Up::beside_nats_server(test, NatsVersion::Current) else { return };
    check(&up, "agent");
}

#[test]
fn the_login_of_the_agent_stays_with_the_agent() {
    let test = "the_login_of_the_agent_stays_with_the_agent";
    let users = [(Role::Agent, "agent", "secret-a"), (Role::Api, "api", "secret-r")];
    let Some(server) = NatsServer::start(test, NatsVersion::Current, &bus::roles::nats_conf(&users)) else {
        return;
    };
    let url = server.url().replace("nats://", "nats://agent:secret-a@");
    let up = Up::start(&["--nats", &url]);
    assert!(up.run("run", &["--app", "web", "--", "echo", "hello"]).wait().success());
    let running = std::fs::read_to_string(up.data().join("up.json")).expect("reading up.json");
    assert!(running.contains(&server.url()) && !running.contains("secret"), "{running}");
    // The credential that was minted is none of this server's.
    let (status, _, err) = up.run("logs", &["-n"]).wait_with_output();
    let path = up.data().join("bus/api");
    assert!(status.code() == Some(4) && err.contains("\nerror[LB01]: "), "{err}");
    assert!(
        err.contains(&format!("hint: write the server's login of a reader into {}", path.display())),
        "{err}"
    );
    std::fs::write(&path, "api:secret-r\n").expect("writing a credential");
    let (status, out, err) = up.run("logs", &["-n"]).wait_with_output();
    assert!(status.success() && out.contains("hello"), "{err}");
}

/// Ctrl-C while the bus does not answer: before it greets, and once it has let us in.
#[test]
fn an_interrupt_is_heard_while_the_bus_says_nothing() {
    let up = Up::start(&[]);
    for lets_in in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binding a port");
        let url = format!("nats://{}", listener.local_addr().expect("it has an address"));
        let mut tail = up.run("logs", &["--nats", &url]);
        let mut stream = listener.accept().expect("it connects").0;
        stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
        if lets_in {
            stream.write_all(b"INFO {}\r\n").expect("greeting");
            read_until(&mut stream, "PING\r\n");
            stream.write_all(b"PONG\r\n").expect("letting it in");
            read_until(&mut stream, "SUB sys.hb.> 1\r\nPING\r\n");
        }
        tail.signal(Signal::INT);
        let (status, _, err) = tail.wait_with_output();
        assert_eq!((status.code(), err.as_str()), (Some(130), ""), "{lets_in}");
    }
}

fn read_until(stream: &mut impl Read, end: &str) {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("reading what it says");
        read.push(byte[0]);
    }
}
