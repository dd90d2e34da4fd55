//! A bus that answers and does not hear: the front door misses the hosts, and goes to another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::client::Client;

use crate::support::{Broker, Front, World};

const LINE: &str = "o.k3f9.logs.web.lhr.i1";

/// Has three hosts say every five seconds that they live, as long as they are to.
fn beat(agent: Client, is_heard: Arc<AtomicBool>) {
    tokio::spawn(async move {
        loop {
            for host in ["h1", "h2", "h3"] {
                if is_heard.load(Ordering::Relaxed) {
                    agent.publish(&format!("sys.hb.lhr.{host}"), None, b"{}").await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn when_most_hosts_are_not_heard_another_server_is() {
    let (near, far, world) = (Broker::start().await, Broker::start().await, World::new());
    let other = far.address;
    let change = |config: &mut proxy::Config| config.upstream.servers.push(other.into());
    let front = Front::start_with(&near, &world, change).await;
    let token = world.token("k3f9");
    let mut client = front.client("acme", &token).await;
    client.send("SUB logs.> 1\r\n").await;
    client.flush().await;

    // Two clusters that have lost each other, and the hosts are heard in both at first.
    let (near, far) = (near.agent().await, far.agent().await);
    let is_heard_near = Arc::new(AtomicBool::new(true));
    beat(near.clone(), Arc::clone(&is_heard_near));
    beat(far.clone(), Arc::new(AtomicBool::new(true)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    near.publish(LINE, None, b"near").await.unwrap();
    client.expect("MSG logs.web.lhr.i1 1 4\r\nnear\r\n").await;

    is_heard_near.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(20)).await;
    near.publish(LINE, None, b"near").await.unwrap();
    // Something may be missing: clients are told by a close, and come back.
    assert_eq!(client.rest().await, "");
    let mut client = front.client("acme", &token).await;
    client.send("SUB logs.> 1\r\n").await;
    client.flush().await;
    far.publish(LINE, None, b"far").await.unwrap();
    client.expect("MSG logs.web.lhr.i1 1 3\r\nfar\r\n").await;

    // There they are heard, so there it stays.
    tokio::time::sleep(Duration::from_secs(120)).await;
    far.publish(LINE, None, b"far").await.unwrap();
    client.expect("MSG logs.web.lhr.i1 1 3\r\nfar\r\n").await;
    client.flush().await;
    front.stop().await;
}
