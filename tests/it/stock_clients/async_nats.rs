//! async-nats, the client for Rust.

use std::io::{PipeWriter, Write};
use std::sync::Arc;

use async_nats::{ConnectOptions, Event, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use logway_tests::process::Printed;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::{Client, Login};

/// Where what is printed goes.
type Out = Arc<PipeWriter>;

/// Starts it in this process: it is a library of the tests, pinned by the lock file.
fn start(login: &Login) -> Client {
    let (url, options, pattern, is_at_door) = parts(login);
    tasks(|out| run(url, options, pattern, is_at_door, out))
}

/// The one that asks for more than its token allows.
fn start_narrow(login: &Login) -> Client {
    let (url, options, pattern, _) = parts(login);
    tasks(|out| run_narrow(url, options, pattern, out))
}

fn parts(login: &Login) -> (String, ConnectOptions, &'static str, bool) {
    let options = ConnectOptions::with_user_and_password(login.user.clone(), login.password.clone());
    (login.url.clone(), options, login.pattern, login.is_at_door())
}

fn tasks<F: Future<Output = ()> + Send + 'static>(client: impl FnOnce(Out) -> F) -> Client {
    let runtime = Runtime::new().expect("a runtime");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    runtime.spawn(client(Arc::new(writer)));
    Client::Tasks(Printed::collect(reader), runtime)
}

async fn run(url: String, options: ConnectOptions, pattern: &'static str, is_at_door: bool, out: Out) {
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
    subscribe(&client, pattern, &out).await;
    for word in ["subscribed", "back"] {
        // Its flush does not wait for the server. A request that nobody answers does, behind the subscriptions.
        if !is_at_door {
            let answer = client.request("sys.query.nobody", "".into()).await;
            assert_eq!(answer.expect_err("nobody answers").kind(), RequestErrorKind::NoResponders);
        }
        print(&out, word);
        connected.notified().await;
    }
}

async fn run_narrow(url: String, options: ConnectOptions, pattern: &'static str, out: Out) {
    let (refused, events) = (Arc::new(Notify::new()), Arc::clone(&out));
    let event = Arc::clone(&refused);
    let options = options.event_callback(move |what| {
        match what {
            Event::Connected => {}
            Event::ServerError(why) => {
                print(&events, &format!("refused {why}"));
                event.notify_one();
            }
            other => print(&events, &format!("gone {other}")),
        }
        async {}
    });
    let client = options.connect(url).await.expect("connecting");
    let all = client.subscribe("logs.>").await.expect("subscribing");
    refused.notified().await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.request("some.service", "?".into()).await }
    });
    refused.notified().await;
    asking.abort();
    drop(all);
    subscribe(&client, pattern, &out).await;
    print(&out, "subscribed");
    std::future::pending::<()>().await;
}

async fn subscribe(client: &async_nats::Client, pattern: &'static str, out: &Out) {
    let all = client.subscribe(pattern).await.expect("subscribing");
    let queue = client.queue_subscribe(pattern, "readers".to_owned()).await.expect("subscribing");
    tokio::spawn(show("all", all, Arc::clone(out)));
    tokio::spawn(show("queue", queue, Arc::clone(out)));
}

async fn show(subscription: &str, mut messages: Subscriber, out: Out) {
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

#[test]
fn async_nats_reads_at_front_doors() {
    super::door::clients_read_at_front_doors("async_nats_reads_at_front_doors", start);
}

#[test]
fn async_nats_stays_when_it_is_refused() {
    super::door::clients_stay_when_refused(start_narrow);
}
