//! async-nats, the client for Rust.

use std::io::{PipeWriter, Write};
use std::sync::Arc;

use async_nats::{ConnectOptions, Event, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use logway_tests::process::Printed;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::{Client, Login};

/// Starts it in this process: it is a library of the tests, pinned by the lock file.
fn start(login: &Login) -> Client {
    let runtime = Runtime::new().expect("a runtime");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let options = ConnectOptions::with_user_and_password(login.user.clone(), login.password.clone());
    runtime.spawn(run(login.url.clone(), options, Arc::new(writer)));
    Client::Tasks(Printed::collect(reader), runtime)
}

async fn run(url: String, options: ConnectOptions, out: Arc<PipeWriter>) {
    let connected = Arc::new(Notify::new());
    let event = Arc::clone(&connected);
    let options = options.custom_inbox_prefix("_INBOX.proxy").event_callback(move |what| {
        if matches!(what, Event::Connected) {
            event.notify_one();
        }
        async {}
    });
    let client = options.connect(url).await.expect("connecting");
    connected.notified().await;
    let all = client.subscribe("o.*.logs.>").await.expect("subscribing");
    let queue = client.queue_subscribe("o.*.logs.>", "readers".to_owned()).await.expect("subscribing");
    tokio::spawn(show("all", all, Arc::clone(&out)));
    tokio::spawn(show("queue", queue, Arc::clone(&out)));
    for word in ["subscribed", "back"] {
        // Its flush does not wait for the server. A request that nobody answers does, behind the subscriptions.
        let answer = client.request("sys.query.nobody", "".into()).await;
        assert_eq!(answer.expect_err("nobody answers").kind(), RequestErrorKind::NoResponders);
        print(&out, word);
        connected.notified().await;
    }
}

async fn show(subscription: &str, mut messages: Subscriber, out: Arc<PipeWriter>) {
    while let Some(message) = messages.next().await {
        let payload = String::from_utf8(message.payload.into()).expect("text");
        print(&out, &format!("{subscription} {} {payload}", message.subject));
    }
}

/// One write for each line: those of two tasks do not mix, as no line is longer than what a pipe takes whole.
fn print(mut out: &PipeWriter, line: &str) {
    out.write_all(format!("{line}\n").as_bytes()).expect("printing");
}

#[test]
fn async_nats_reads_from_the_embedded_broker() {
    super::reads_from_the_embedded_broker(start);
}

#[test]
fn async_nats_reads_from_real_servers() {
    super::reads_from_real_servers("async_nats_reads_from_real_servers", start);
}
