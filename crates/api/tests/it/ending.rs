//! The end: nobody new, and what runs may come to its end.

use crate::support::{Api, Client, Line, Trouble, get, soon};
use query::{Block, Column};

#[tokio::test]
async fn a_request_that_runs_comes_to_its_end() {
    let api = Api::start(vec![Line::new("k3f9", "web", "T10:00:00Z", "a")]).await;
    api.fake.fail(Trouble::Silent);
    let token = api.world.token("k3f9");
    let (address, fake) = (api.address, api.fake.clone());
    let mut client = Client::connect(address).await;
    let request =
        get("/select/logsql/query?query=*").replacen("\r\n", &format!("\r\nAuthorization: {token}\r\n"), 1);
    client.send(request.as_bytes()).await;
    let answering = fake.begun().await;
    let stopping = tokio::spawn(api.stop());
    // One that is idle is closed at once.
    answering.rows(Block::new(1).with("_msg", Column::of("late"))).await;
    answering.as_ref().clone().end(Ok(Default::default())).await;
    let answered = client.answer().await;
    assert!(answered.is_whole && answered.messages() == ["late"], "{answered:?}");
    soon(stopping).await.unwrap();
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let api = Api::start(Vec::new()).await;
    let mut client = Client::connect(api.address).await;
    client.send(get("/health").as_bytes()).await;
    assert_eq!(client.answer().await.status, 200);
    let stopping = tokio::spawn(api.stop());
    assert!(client.is_closed().await);
    soon(stopping).await.unwrap();
}
