//! Requests that a store can never take: each is answered so, nothing of it is kept, and lines of others go their way.

use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::roles::Role;
use bus::sys::{AppendAnswer, append_subject};
use line::append::{Envelope, Run, Writer};
use logway_tests::{DEADLINE, Up, wait_until};

async fn ask(client: &Client, request: &[u8]) -> AppendAnswer {
    let mut answers = client.request_many(&append_subject(7), request).await.expect("the bus takes it");
    let answer = tokio::time::timeout(DEADLINE, answers.next()).await.expect("an answer in time");
    let Some(Delivery::Message(message)) = answer else { panic!("{answer:?} instead of an answer") };
    serde_json::from_slice(&message.payload).expect("an answer of a store")
}

fn request(body: &[u8], sent: Option<&[u8]>) -> Vec<u8> {
    let mut request = Vec::new();
    Envelope::of(body, sent).write(&mut request).expect("a body that has a length");
    request
}

fn group(key: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    let boot = line::Boot::from_bits(0x019a_0c3f_2b7c_0001);
    let run = Run { first_seq: 1, base_time: 1_700_000_000_000_000_000, count: 3, bytes };
    writer.machine(key, "h1", boot, false, run).expect("it fits");
    writer.finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_holds_up_nobody() {
    let up = Up::start(&[]);
    let web = tokio::task::block_in_place(|| up.web());
    let client = up.client(Role::Agent).await;
    let org = up.org();
    let key = format!("{org}.web.local.i1");
    let mut flipped = request(&group(&key, b"abc"), None);
    *flipped.last_mut().expect("it has bytes") ^= 1;
    for (what, bad) in [
        ("nothing", Vec::new()),
        ("no envelope", b"hello".to_vec()),
        ("another magic", b"LWA9\0\x01\0\0\0\0\0\0\0x".to_vec()),
        ("a body that is not there", request(b"x", None)[..13].to_vec()),
        ("a body of noise", request(&[0xff; 300], None)),
        ("a flipped bit", flipped),
        ("what is no zstd", request(&[1; 100], Some(b"not a frame"))),
        ("entries of noise", request(&group(&key, &[0xff; 40]), None)),
        ("fewer entries than it says", request(&group(&key, b""), None)),
        ("no address", request(&group("nonsense", b"abc"), None)),
    ] {
        let answer = ask(&client, &bad).await;
        let AppendAnswer::Rejected { code, reason } = answer else { panic!("{what}: {answer:?}") };
        assert!(code.starts_with("LS") && !reason.is_empty(), "{what}: {code} {reason}");
        let word = format!("after{}", what.replace(' ', ""));
        tokio::task::block_in_place(|| {
            let (code, _, err) = up.output("run", &["--app", "web", "--", "echo", &word]);
            assert_eq!(code, 0, "{err}");
        });
    }
    tokio::task::block_in_place(|| {
        wait_until("the lines after each", || (web.count("after* stream:stdout") == 10).then_some(()));
        assert_eq!(web.count("instance:i1"), 0, "nothing of what was refused is kept");
    });
    let closed = tokio::time::timeout(Duration::from_secs(10), client.close()).await;
    closed.expect("the connection ends");
}
