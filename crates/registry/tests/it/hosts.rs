//! Hosts are noted by their heartbeats.

use bus::roles::Role;
use bus::sys::{REGISTRY, RegistryMark};
use disk::fault::Call;

use crate::support::{Bus, Home, Running, within};

#[tokio::test]
async fn a_host_is_noted_once() {
    let (bus, home) = (Bus::start().await, Home::new());
    let running = Running::start(&bus, &home).await;
    let (agent, proxy) = (bus.client(Role::Agent).await, bus.client(Role::Proxy).await);
    let mut marks = proxy.subscribe(REGISTRY, None).await.unwrap();
    let mut syncs = 0;
    for (round, subject) in
        ["sys.hb.lhr.h1", "sys.hb.lhr.h1", "sys.hb.lhr", "sys.hb.ams.h%2E2"].into_iter().enumerate()
    {
        agent.publish(subject, None, b"not looked at").await.unwrap();
        agent.flush().await.unwrap();
        if round == 0 {
            wait_for_version(&mut marks, 2).await;
            syncs = home.disk.calls(Call::Sync);
        }
    }
    wait_for_version(&mut marks, 3).await;
    assert_eq!(home.disk.calls(Call::Sync), syncs + 1);
    running.stop().await;
    let hosts = home.change(|registry| {
        let host = |host: &registry::Host| format!("{} {}", host.region, host.name);
        registry.state().hosts().map(host).collect::<Vec<_>>()
    });
    assert_eq!(hosts, ["ams h%2E2", "lhr h1"]);
}

async fn wait_for_version(marks: &mut bus::client::Subscription, wanted: u64) {
    within("the version", async {
        while let Some(delivery) = marks.next().await {
            let bus::client::Delivery::Message(message) = delivery else { continue };
            if serde_json::from_slice::<RegistryMark>(&message.payload).unwrap().version == wanted {
                return;
            }
        }
    })
    .await;
}
