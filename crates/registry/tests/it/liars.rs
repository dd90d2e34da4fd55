//! Whatever comes in the registry's name, a follower takes the right state or keeps the one it has.

use bus::client::{Client, Delivery, Subscription};
use bus::roles::Role;
use bus::sys::{REGISTRY, REGISTRY_SNAPSHOT, RegistryMark, SnapshotPage, SnapshotRequest};
use registry::Digest;

use crate::support::{Bus, Follower, Home, within};

/// A registry that says what the test has it say.
struct Puppet {
    client: Client,
    questions: Subscription,
}

impl Puppet {
    async fn start(bus: &Bus) -> Self {
        let client = bus.client(Role::Registry).await;
        let questions = client.subscribe(REGISTRY_SNAPSHOT, None).await.unwrap();
        Self { client, questions }
    }

    async fn announce(&self, mark: &RegistryMark) {
        self.client.publish(REGISTRY, None, &serde_json::to_vec(mark).unwrap()).await.unwrap();
    }

    /// The next question, answered with `page` of it.
    async fn answer(&mut self, page: impl FnOnce(SnapshotRequest) -> Vec<u8>) {
        let Some(Delivery::Message(message)) = within("a question", self.questions.next()).await else {
            panic!()
        };
        let reply = std::str::from_utf8(message.reply.as_deref().unwrap()).unwrap().to_owned();
        let page = page(serde_json::from_slice(&message.payload).unwrap());
        self.client.publish(&reply, None, &page).await.unwrap();
    }
}

fn page(mark: &RegistryMark, json: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let head =
        SnapshotPage { mark: mark.clone(), total_bytes: json.len() as u64, offset: range.start as u64 };
    [&serde_json::to_vec(&head).unwrap(), &b"\n"[..], &json[range]].concat()
}

/// The snapshot of a state with an org of this name, and its mark.
fn state(slug: &str) -> (Vec<u8>, RegistryMark) {
    Home::new().change(|registry| {
        registry.create_org(slug, 0).unwrap();
        let json = registry.state().snapshot().to_json();
        let mark = RegistryMark { version: registry.version(), digest: Digest::of(&json).to_string() };
        (json, mark)
    })
}

#[tokio::test]
async fn what_is_garbled_is_fetched_again_with_the_next_announcement() {
    let bus = Bus::start().await;
    let mut puppet = Puppet::start(&bus).await;
    let mut follower = Follower::start(&bus, Role::Proxy).await;
    let (json, mark) = state("good");
    let len = json.len();
    let flipped: Vec<u8> = json.iter().map(|byte| byte ^ u8::from(*byte == b'g')).collect();
    let other = RegistryMark { digest: "0".repeat(64), ..mark.clone() };
    // Each is the answer to the first question of a try; the next try begins with an announcement.
    let lies: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("noise", b"\xff\x00noise".to_vec()),
        ("a byte of it", page(&mark, &flipped, 0..len)),
        ("another digest", page(&other, &json, 0..len)),
        ("another version", page(&RegistryMark { version: 9, ..mark.clone() }, &json, 0..len)),
        ("a page from the middle", page(&mark, &json, 10..len)),
    ];
    for (what, lie) in lies {
        puppet
            .answer(|request| {
                assert_eq!(request, SnapshotRequest::default(), "{what}");
                lie
            })
            .await;
        assert!(follower.followed.borrow().is_none(), "{what}");
        puppet.announce(&mark).await;
    }
    puppet.answer(|_| page(&mark, &json, 0..100)).await;
    puppet
        .answer(|request| {
            assert_eq!(request, SnapshotRequest { digest: Some(mark.digest.clone()), offset: 100 });
            page(&mark, &json, 100..len)
        })
        .await;
    follower.wait_for_org("good").await;
    // A lie about the next state leaves this one as it is, and its time too.
    let (held, at) = follower.followed.borrow_and_update().clone().unwrap();
    puppet.announce(&other).await;
    puppet.answer(|_| page(&other, &json, 0..len)).await;
    puppet.announce(&other).await;
    puppet.answer(|_| page(&other, &json, 0..len)).await;
    let (still, still_at) = follower.followed.borrow().clone().unwrap();
    assert!(std::sync::Arc::ptr_eq(&held, &still) && at == still_at);
}

#[tokio::test]
async fn a_change_between_two_pages_begins_again() {
    let bus = Bus::start().await;
    let mut puppet = Puppet::start(&bus).await;
    let mut follower = Follower::start(&bus, Role::Agent).await;
    let ((old, old_mark), (new, new_mark)) = (state("old"), state("newer"));
    puppet.answer(|_| page(&old_mark, &old, 0..100)).await;
    puppet.answer(|_| page(&new_mark, &new, 0..100)).await;
    puppet
        .answer(|request| {
            assert_eq!(request, SnapshotRequest { digest: Some(new_mark.digest.clone()), offset: 100 });
            page(&new_mark, &new, 100..new.len())
        })
        .await;
    let directory = follower.wait_for_org("newer").await;
    assert!(directory.org("old").is_none());
}
