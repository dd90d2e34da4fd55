//! A line's way through the agent.

use crate::support::{Agent, Bus, Init, Tail, boot, seqs, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_acknowledged_and_published() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.k3f9.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "My.App", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["hello", r#"{"level":"error","msg":"x"}"#]).await;
    let lines = tail.take(2).await;
    assert_eq!((text(&lines[0]), seqs(&lines[0])), ("hello", (1, 1)));
    assert_eq!(lines[0]["fly"]["app"]["name"], "%4Dy%2E%41pp");
    assert_eq!(lines[0]["fly"]["app"]["instance"], "i1");
    assert_eq!(lines[0]["host"], "h1");
    assert_eq!(lines[1]["log"]["level"], "error");
    init.flush().await;
    init.bye().await;
    agent.stop().await;
    bus.stop().await;
}
