//! Who listens, for parts of the broker's own process.

use bus::client::Client;
use bus::roles::Role;

use crate::support::{Broker, config, soon};

const LINE: &str = "o.k.logs.web.lhr.i";

#[tokio::test]
async fn what_is_heard_is_known_beside_the_broker() {
    let config = config();
    let interest = config.interest.clone();
    let broker = Broker::start(config).await;
    let is_heard = |subject: &'static str| interest.is_heard(&bytes::Bytes::from_static(subject.as_bytes()));
    assert!(!is_heard(LINE));
    let api = Client::start(broker.options(Role::Api));
    soon(api.connected()).await.unwrap();
    let lines = soon(api.subscribe("o.k.logs.web.>", None)).await.unwrap();
    let group = soon(api.subscribe("o.k.logs.db.*.*", Some("q"))).await.unwrap();
    soon(api.flush()).await.unwrap();
    assert_eq!([LINE, "o.k.logs.db.lhr.i", "o.k.logs.api.lhr.i"].map(is_heard), [true, true, false]);
    drop((lines, group));
    while is_heard(LINE) || is_heard("o.k.logs.db.lhr.i") {
        soon(api.flush()).await.unwrap();
    }
    broker.stop().await;
}
