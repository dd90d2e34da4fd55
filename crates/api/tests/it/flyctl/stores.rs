//! An app whose lines are in more stores than one, as when its shard has moved.

use std::sync::{Arc, Mutex};

use api::logs::{Answer, Ask, Failure, Logs};
use line::Name;

use crate::support::{Api, Fake, Line, Trouble, get};

use super::client::Fly;

/// Stores by name.
struct Stores(Mutex<Vec<(Name, Arc<Fake>)>>);

impl Stores {
    fn add(&self, name: &str, lines: Vec<Line>) -> Arc<Fake> {
        let fake = Arc::new(Fake::new(lines));
        self.0.lock().unwrap().push((Name::new("store", name).unwrap(), Arc::clone(&fake)));
        fake
    }
}

impl Logs for Stores {
    fn query(&self, ask: Ask) -> Answer {
        let name = ask.store.clone().expect("all at once are not asked here");
        let stores = self.0.lock().unwrap();
        stores.iter().find(|(known, _)| *known == name).expect("such a store").1.query(ask)
    }

    fn stores(&self) -> Result<Vec<Name>, Failure> {
        let mut names: Vec<_> = self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        Ok(names)
    }
}

fn lines(from: usize, count: usize) -> Vec<Line> {
    (from..from + count).map(|at| Line::new("k3f9", "web", "T10:00:00Z", &format!("line {at:03}"))).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("line {at:03}")).collect()
}

#[tokio::test]
async fn each_store_has_a_place_of_its_own_in_the_token() {
    let stores = Arc::new(Stores(Mutex::default()));
    let old = stores.add("m", lines(0, 130));
    let api = Api::start_on(stores.clone(), Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let token = api.world.token("k3f9");
    let mut fly = Fly::new(&api, &token, "web").await.at(0);
    assert_eq!(fly.drain().await, numbers(130));

    // A second store: the token of the first one goes on.
    let new = stores.add("a", lines(130, 90));
    assert_eq!(fly.drain().await, numbers(220)[130..]);
    // What comes to either is found, and what comes with a third one too.
    new.lines.lock().unwrap().extend(lines(220, 3));
    old.lines.lock().unwrap().extend(lines(223, 2));
    assert_eq!(fly.drain().await, ["line 220", "line 221", "line 222", "line 223", "line 224"]);
    let third = stores.add("k", lines(225, 1));
    assert_eq!(fly.drain().await, ["line 225"]);

    // One that is away holds up no other, and what it had comes later.
    third.fail(Trouble::Fails(Failure::Away("it is not there".into())));
    third.lines.lock().unwrap().extend(lines(226, 1));
    new.lines.lock().unwrap().extend(lines(227, 1));
    assert_eq!(fly.poll().await[0].message, "line 227");
    let answered = fly.ask().await;
    assert_eq!(
        (answered.status, answered.header("logway-partial")),
        (200, Some("no store can be reached: it is not there"))
    );
    *third.trouble.lock().unwrap() = None;
    assert_eq!(fly.drain().await, ["line 226"]);

    for (_, fake) in &*stores.0.lock().unwrap() {
        fake.fail(Trouble::Fails(Failure::Away("it is not there".into())));
    }
    for next in ["", "0", &fly.next] {
        assert_eq!(api.ask(&get(&format!("/api/v1/apps/web/logs?next_token={next}"))).await.status, 503);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_store_with_very_many_lines_holds_up_no_other() {
    let stores = Arc::new(Stores(Mutex::default()));
    let busy = stores.add("a", lines(0, 100));
    let quiet = [stores.add("b", Vec::new()), stores.add("c", Vec::new())];
    let api = Api::start_on(stores.clone(), Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let token = api.world.token("k3f9");
    let mut fly = Fly::new(&api, &token, "web").await.at(0);
    assert_eq!(fly.drain().await, numbers(100));

    let mut came = Vec::new();
    for round in 0..4 {
        // More than a page has room for, at each poll.
        busy.lines.lock().unwrap().extend(lines(100 + round * 150, 150));
        quiet[0].lines.lock().unwrap().extend(lines(800 + round, 1));
        quiet[1].lines.lock().unwrap().extend(lines(900 + round * 5, 5));
        let page: Vec<_> = fly.poll().await.into_iter().map(|entry| entry.message).collect();
        // No room is left, and none of it is taken from those who have little.
        assert_eq!(page.len(), 100, "{page:?}");
        for at in (900 + round * 5..905 + round * 5).chain([800 + round]) {
            assert!(page.contains(&format!("line {at:03}")), "{round}: {at} in {page:?}");
        }
        came.extend(page);
    }
    came.extend(fly.drain().await);
    came.sort();
    let wanted = (100..700).chain(800..804).chain(900..920).map(|at| format!("line {at:03}"));
    assert_eq!(came, wanted.collect::<Vec<_>>());
    api.stop().await;
}
