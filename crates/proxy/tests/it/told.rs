//! What the front door tells its operator: figures, health, and who read what.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Broker, Front, World, soon};

async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    soon(stream.read_to_string(&mut reply)).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn each_figure_is_in_the_page_of_metrics() {
    let (broker, world) = (Broker::start().await, World::new());
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = http.local_addr().unwrap();
    let front = Front::start_with(&broker, &world, |config| config.http = Some(http)).await;
    let mut client = front.client("acme", &world.token("k3f9")).await;
    client.send("SUB logs.> 1\r\n").await;
    client.flush().await;
    let (status, text) = get(address, "/metrics").await;
    assert!(status.contains("200") && text.ends_with("# EOF\n"), "{status} {text}");
    for (name, value) in [("connections", 1), ("orgs", 1), ("bus_subscriptions", 1), ("bus_connected", 1)] {
        assert!(text.contains(&format!("logway_proxy_{name} {value}\n")), "{name} in {text}");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut of_code: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut of_page: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("logway_proxy_"))
        .collect();
    of_code.sort_unstable();
    of_page.sort_unstable();
    assert_eq!(of_page, of_code);
    let (status, varz) = get(address, "/varz").await;
    let varz: serde_json::Value = serde_json::from_str(&varz).unwrap();
    assert!(status.contains("200") && varz["connections"] == 1, "{varz}");
    let health = |(status, text): (String, String)| (status.contains("200"), text);
    assert_eq!(health(get(address, "/healthz").await), (true, "ok\n".to_owned()));
    world.forget();
    let (is_well, why) = health(get(address, "/healthz").await);
    assert!(!is_well && why.contains("registry"), "{why}");
    world.tell();
    broker.stop().await;
    let (is_well, why) = soon(async {
        loop {
            let found = health(get(address, "/healthz").await);
            if !found.0 {
                return found;
            }
        }
    })
    .await;
    assert!(!is_well && why.contains("bus"), "{why}");
}

#[tokio::test]
async fn who_read_what_is_written_down_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let (broker, world) = (Broker::start().await, World::new());
    let audit = path.clone();
    let front = Front::start_with(&broker, &world, |config| config.audit = Some(audit)).await;
    let (token, other) = (world.token("k3f9"), world.token("m7x2"));
    let mut client = front.client("acme", &token).await;
    client.send("SUB logs.> q 1\r\nSUB _INBOX.> 2\r\nPUB logs.a.b.c 1\r\nx\r\nSUB $SYS.> 3\r\n").await;
    client.line().await;
    client.line().await;
    client.send("PUB logway.recent _INBOX.1 10\r\n{\"org\":\"\"}\r\n").await;
    drop(client);
    front.refusal("acme", &other).await;
    let wanted = ["login", "subscribe", "denied", "denied", "recent", "end", "refused"];
    // Written by a thread of its own, behind what happens.
    let records: Vec<serde_json::Value> = soon(async {
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
            if lines.len() >= wanted.len() {
                assert!(!text.contains(&token) && !text.contains(&other), "{text}");
                return lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let of = |event: &'static str| records.iter().filter(move |record| record["event"] == event);
    for event in wanted {
        assert!(of(event).next().is_some(), "{event} in {records:?}");
    }
    assert_eq!(of("subscribe").count(), 1, "inboxes are nobody's business");
    let login = of("login").next().unwrap();
    assert_eq!((&login["org"], &login["slug"]), (&"k3f9".into(), &"acme".into()));
    assert_eq!(login["token"].as_str().unwrap().len(), 16);
    let subscribed = of("subscribe").next().unwrap();
    assert_eq!((&subscribed["pattern"], &subscribed["queue"]), (&"logs.>".into(), &"q".into()));
    assert_eq!(of("recent").next().unwrap()["pattern"], "logs.*.*.*");
    assert_eq!(of("refused").next().unwrap()["user"], "acme");
}
