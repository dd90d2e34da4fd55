//! What a broker answers to input that is wrong or odd: nats-server's own words where clients know them.

use bus::roles::Role;
use tokio::io::AsyncWriteExt;

use crate::support::{Broker, Raw, config, connect};

/// What happens after the answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Stays,
    Closes,
}
use Then::{Closes, Stays};

const DENIED: &str = "-ERR 'Authorization Violation'\r\n";
const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'\r\n";
const LINE: &str = "-ERR 'maximum control line exceeded'\r\n";
const PAYLOAD: &str = "-ERR 'Maximum Payload Violation'\r\n";

/// Longest input that is also sent cut in two at each of its bytes.
const SHORT_BYTES: usize = 40;

/// Sends the parts of `input` one after another, and checks the whole answer.
async fn check_parts(broker: &Broker, login: Option<&str>, input: &[&[u8]], expected: &str, then: Then) {
    let mut raw = broker.greeted().await;
    if let Some(login) = login {
        raw.send(login).await;
        raw.flush().await;
    }
    for part in input {
        // The broker may have heard enough already.
        let _ = raw.stream.write_all(part).await;
        tokio::task::yield_now().await;
    }
    let shown = String::from_utf8_lossy(&input.concat()).chars().take(80).collect::<String>();
    let answer = match then {
        Closes => raw.rest().await,
        Stays => read_to_pong(raw).await,
    };
    assert_eq!(answer, expected, "{shown:?} in {} parts", input.len());
}

async fn read_to_pong(mut raw: Raw) -> String {
    raw.send("PING\r\n").await;
    let mut answer = String::new();
    loop {
        match raw.line().await.as_str() {
            "PONG\r\n" => return answer,
            line => answer.push_str(line),
        }
    }
}

async fn check(broker: &Broker, login: Option<&str>, input: &[u8], expected: &str, then: Then) {
    check_parts(broker, login, &[input], expected, then).await;
    if input.len() <= SHORT_BYTES {
        for at in 1..input.len() {
            check_parts(broker, login, &[&input[..at], &input[at..]], expected, then).await;
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        check_parts(broker, login, &bytes, expected, then).await;
    }
}

#[tokio::test]
async fn before_the_login() {
    let broker = Broker::start(config()).await;
    let good = |more: &str| connect(Role::Api, more);
    let long = |bytes: usize| good(&format!(",\"x\":\"{}\"", "x".repeat(bytes)));
    let deep = good(&format!(",\"x\":{}1{}", "[".repeat(20_000), "]".repeat(20_000)));
    let rows: Vec<(Vec<u8>, &str, Then)> = vec![
        ("PING\r\n".into(), DENIED, Closes),
        ("SUB o.> 1\r\n".into(), DENIED, Closes),
        ("PUB a 1000000\r\n".into(), DENIED, Closes),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".into(), DENIED, Closes),
        ("\r\n".into(), DENIED, Closes),
        (good("").replace("secret-", "wrong-").into(), DENIED, Closes),
        ("CONNECT {}\r\n".into(), DENIED, Closes),
        ("CONNECT {\"auth_token\":\"x\"}\r\n".into(), DENIED, Closes),
        ("CONNECT {verbose\r\n".into(), DENIED, Closes),
        ("CONNECT \r\n".into(), DENIED, Closes),
        ("CONNECT\r\n".into(), DENIED, Closes),
        ("CONNECT []\r\n".into(), DENIED, Closes),
        ("CONNECT {\"user\":1,\"pass\":\"x\"}\r\n".into(), DENIED, Closes),
        (good(",\"user\":\"api\"").into(), DENIED, Closes),
        (good("").replace("user", "USER").into(), DENIED, Closes),
        (good(",\"protocol\":2").into(), "-ERR 'invalid client protocol'\r\n", Closes),
        (good(",\"protocol\":-1").into(), "-ERR 'invalid client protocol'\r\n", Closes),
        (good(",\"no_responders\":true").into(), "-ERR 'no responders requires headers support'\r\n", Closes),
        (good(",\"account\":\"x\"").into(), DENIED, Closes),
        (good(",\"new_account\":true").into(), DENIED, Closes),
        (long(5000).into(), "", Stays),
        (long(60_000).into(), "", Stays),
        (long(70_000).into(), LINE, Closes),
        (deep.into(), DENIED, Closes),
        (good("").replace("CONNECT ", "connect\t").replace("\r\n", "\n").into(), "", Stays),
        (format!("{}SUB o.> 1\r\nPING\r\nping\n", good("")).into(), "", Stays),
        ("x".repeat(5000).into(), LINE, Closes),
        ("x".repeat(40_000).into(), LINE, Closes),
        ("-ERR 'x'\r\n".into(), DENIED, Closes),
        (format!("INFO {{}}\r\n+OK\r\n{}", good("")).into(), "", Stays),
    ];
    for (input, expected, then) in rows {
        check(&broker, None, &input, expected, then).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_is_cut() {
    for input in ["", "CONNECT {\"user\":", "\u{16}\u{3}\u{1}"] {
        let mut config = config();
        config.session.login_timeout = std::time::Duration::from_secs(2);
        let broker = Broker::start(config).await;
        check_parts(&broker, None, &[input.as_bytes()], "-ERR 'Authentication Timeout'\r\n", Closes).await;
    }
}

fn no_sub(pattern: &str) -> String {
    format!("-ERR 'Permissions Violation for Subscription to \"{pattern}\"'\r\n")
}

fn no_pub(subject: &str) -> String {
    format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")
}

fn no_reply(subject: &str) -> String {
    format!("-ERR 'Permissions Violation for Publish with Reply of \"{subject}\"'\r\n")
}

#[tokio::test]
async fn control_lines_of_who_is_logged_in() {
    let broker = Broker::start(config()).await;
    let many = vec!["a"; 300].join(".");
    let unknown = || UNKNOWN.to_owned();
    let mut rows: Vec<(Vec<u8>, String, Then)> = vec![
        (connect(Role::Agent, "").into(), DENIED.into(), Closes),
        (connect(Role::Api, "").replace("secret", "x").into(), DENIED.into(), Closes),
        (connect(Role::Api, ",\"echo\":false").into(), String::new(), Stays),
        ("SUB  o.>   1\r\nSUB\to.a \t2 \r\nsub o.b 3\n".into(), String::new(), Stays),
        ("SUB logs.> 1\r\n".into(), no_sub("logs.>"), Stays),
        ("SUB > 1\r\n".into(), no_sub(">"), Stays),
        ("SUB $SYS.> 1\r\n".into(), no_sub("$SYS.>"), Stays),
        ("SUB _INBOX.> 1\r\n".into(), no_sub("_INBOX.>"), Stays),
        ("SUB x q 1\r\n".into(), no_sub("x").replace("'\r\n", " using queue \"q\"'\r\n"), Stays),
        ("SUB a\"b\\c 1\r\n".into(), no_sub("a\\\"b\\\\c"), Stays),
        (b"SUB o.\xff 1\r\n".to_vec(), no_sub("o.\\xff"), Stays),
        (b"SUB o.\0 1\r\n".to_vec(), no_sub("o.\\x00"), Stays),
        (format!("SUB o.{many} 1\r\n").into(), no_sub(&format!("o.{many}")), Stays),
        (format!("SUB o.{} 1\r\n", "a".repeat(5000)).into(), LINE.into(), Closes),
        (format!("SUB o.> {}\r\n", "1".repeat(600)).into(), unknown(), Closes),
        ("SUB o.> some-id\r\n".into(), String::new(), Stays),
        ("SUB o.> 1\r\nSUB o.a 1\r\n".into(), String::new(), Stays),
        ("SUB o.> 1\r\nSUB x 1\r\n".into(), no_sub("x"), Stays),
        ("y".repeat(5000).into(), LINE.into(), Closes),
        ("y".repeat(40_000).into(), LINE.into(), Closes),
        ("UNSUB 99\r\n".into(), String::new(), Stays),
        ("SUB o.> 1\r\nUNSUB 1 -5\r\nSUB o.> 1\r\n".into(), String::new(), Stays),
        ("INFO {}\r\n+OK\r\nPONG\r\n".into(), String::new(), Stays),
        ("-ERR 'x'\r\n".into(), String::new(), Closes),
    ];
    for pattern in ["o..a", ".o", "o.", "o.>.a", "o.a>b.>.", "o.a b c"] {
        let (answer, then) =
            if pattern.contains(' ') { (unknown(), Closes) } else { (no_sub(pattern), Stays) };
        rows.push((format!("SUB {pattern} 1\r\n").into(), answer, then));
    }
    for literal in ["o.a>", "o.a*b"] {
        rows.push((format!("SUB {literal} 1\r\n").into(), String::new(), Stays));
    }
    for line in [
        "SUB",
        "SUB ",
        "SUB o.>",
        "UNSUB",
        "UNSUB 1 2 3",
        "PUB",
        "HPUB",
        "",
        " PING",
        "\0\0",
        "PIN",
        "HELLO x",
    ]
    .into_iter()
    .chain(["MSG a 1 2", "HMSG a 1 2 3", "RS+ a", "LS+ a", "A+ a", "RMSG a b 1", "CONNECTX {}"])
    {
        rows.push((format!("{line}\r\n").into(), unknown(), Closes));
    }
    for (input, expected, then) in rows {
        check(&broker, Some(&connect(Role::Api, "")), &input, &expected, then).await;
    }
    let mut raw = broker.raw(Role::Api, "").await;
    raw.send("PING abc\r\nPINGX\r\nping\n").await;
    raw.expect("PONG\r\nPONG\r\nPONG\r\n").await;
}

#[tokio::test]
async fn messages_of_who_is_logged_in() {
    let broker = Broker::start(config()).await;
    let line = "o.k.logs.web.lhr.i";
    let unknown = || UNKNOWN.to_owned();
    let mut rows: Vec<(Vec<u8>, String, Then)> = vec![
        (format!("PUB {line} 2\r\nhi\r\n").into(), String::new(), Stays),
        ("PUB foo 2\r\nhi\r\n".into(), no_pub("foo"), Stays),
        ("PUB sys.hb.a 1048577\r\n".into(), PAYLOAD.into(), Closes),
        ("HPUB sys.hb.a 12 1048577\r\n".into(), PAYLOAD.into(), Closes),
        ("PUB sys.hb.a 2\r\nabc\r\n".into(), unknown(), Closes),
        ("PUB sys.hb.a 8\r\nhi\r\nPING\r\n".into(), String::new(), Stays),
        ("PUB sys.hb.a 2\r\nhi\n.".into(), unknown(), Closes),
        ("PUB sys.hb.a 005\r\nhello\r\n".into(), String::new(), Stays),
        ("PUB sys.hb.a _R_.x.y 2\r\nhi\r\n".into(), no_reply("_R_.x.y"), Stays),
        ("PUB sys.hb.a r.* 2\r\nhi\r\n".into(), no_reply("r.*"), Stays),
        ("PUB sys.hb.a r..a 2\r\nhi\r\n".into(), no_reply("r..a"), Stays),
        ("HPUB sys.hb.a 0 2\r\nhi\r\n".into(), String::new(), Stays),
        ("HPUB sys.hb.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n".into(), String::new(), Stays),
        ("HPUB sys.hb.a 12 14\r\nMATS/1.0\r\n\r\nhi\r\n".into(), unknown(), Closes),
        ("HPUB sys.hb.a 10 12\r\nNATS/1.0\r\nhi\r\n".into(), unknown(), Closes),
    ];
    for subject in ["sys.hb.*", "sys.hb.>", ">", "sys.hb..a", "sys.hb.", "sys.append", "o.k.metrics.a"] {
        rows.push((format!("PUB {subject} 2\r\nhi\r\n").into(), no_pub(subject), Stays));
    }
    for size in ["-1", "+5", "0x1", "12345678901234567890", "", "1 2 3", "a b", "5x"] {
        rows.push((format!("PUB sys.hb.a {size}\r\n").into(), unknown(), Closes));
    }
    for sizes in ["3 2", "-1 2", "2", "a 2", "1 2 3 4", "2 -1"] {
        rows.push((format!("HPUB sys.hb.a {sizes}\r\n").into(), unknown(), Closes));
    }
    let login = connect(Role::Agent, ",\"headers\":true");
    for (input, expected, then) in rows {
        check(&broker, Some(&login), &input, &expected, then).await;
    }
    // Headers from who said that it has none.
    let input = b"HPUB sys.hb.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
    check(&broker, Some(&connect(Role::Agent, "")), input, UNKNOWN, Closes).await;
}
