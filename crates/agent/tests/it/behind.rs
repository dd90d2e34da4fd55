//! How far the store is behind, in bytes.

use std::time::Duration;

use agent::ToStore;

use crate::fake_store::FakeStore;
use crate::outlets::get;
use crate::support::{Agent, Bus, Init, boot};

/// Room of a segment: positions jump by so much with each start.
const SEGMENT_BYTES: u64 = 1 << 20;
/// What a start of the test writes at most.
const START_BYTES: u64 = 8 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_lacks_is_counted_in_bytes_of_records_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let start = async |listener| {
        Agent::start_with(dir.path(), bus.address, |config| {
            config.store = Some(ToStore { retry_after: Duration::from_millis(200), ..ToStore::default() });
            config.spool.segment_bytes = SEGMENT_BYTES;
            config.http = listener;
        })
        .await
    };
    for number in 1..=4_u16 {
        let agent = start(None).await;
        let socket = agent.register("k3f9", "web", &format!("i{number}")).await;
        let mut init = Init::greet(&socket, boot(number)).await;
        init.lines(&["x".repeat(1000), "y".repeat(1000)]).await;
        init.flush().await;
        let (least, most) = (u64::from(number) * 2000, u64::from(number) * START_BYTES);
        agent
            .wait_for(|status| {
                status.store.as_ref().is_some_and(|store| (least..most).contains(&store.lag_bytes))
            })
            .await;
        agent.stop().await;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let agent = start(Some(listener)).await;
    let mut store = FakeStore::start(&bus).await;
    store.wait_for("the lines of all starts", |kept| kept.lines.len() >= 12).await;
    agent.wait_for(|status| status.store.as_ref().is_some_and(|store| store.lag_bytes == 0)).await;
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("logway_agent_store_behind_bytes 0\n"), "{metrics}");
    agent.stop().await;
    bus.stop().await;
}
