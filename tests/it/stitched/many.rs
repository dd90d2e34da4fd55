//! Many tails at once, and the parts restarted under them.

use std::time::Duration;

use logway_tests::{Form, Habits, Tailing, wait_until};

use super::world::{APP, Part, World, must_be_whole};

const NAME: &str = "promise_4_two_hundred_tails_go_on_after_restarts";
const TAILS: u64 = 200;
const LINES: usize = 600;

#[test]
fn promise_4_two_hundred_tails_go_on_after_restarts() {
    let Some(mut world) = World::start(NAME) else { return };
    let web = world.web();
    let tails: Vec<Tailing> = (0..TAILS)
        .map(|number| {
            let form = if number % 2 == 0 { Form::Sse } else { Form::Ndjson };
            let habits = Habits {
                name: format!("tail {number}"),
                form,
                path: format!("/api/v1/apps/{APP}/logs/tail?lines=0"),
                leaves: 0,
                stalls: 0,
                stall: Duration::ZERO,
                buffer: 0,
            };
            Tailing::start(&web, habits, number)
        })
        .collect();
    let all = |what: &str, is_so: &dyn Fn(&Tailing) -> bool| {
        for tail in &tails {
            wait_until(&format!("{what}: {}", tail.name()), || is_so(tail).then_some(()));
        }
    };
    all("live", &|tail| tail.has().states.contains("live"));
    let script = format!("i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo n $i; sleep 0.01; done");
    let mut app = world.app("one", &["--policy", "block"], &script);
    for (round, part) in (1..).zip([Part::Store, Part::Bus, Part::Http]) {
        all("lines", &|tail| tail.has().records.len() > round * LINES / 5);
        world.restart(&[part], Duration::from_millis(200));
    }
    let (status, _, err) = app.wait_with_output();
    assert!(status.success(), "{err}");
    let wanted: Vec<String> = (1..=LINES).map(|number| format!("n {number}")).collect();
    must_be_whole(&web, &tails, 1);
    for tail in &tails {
        let has = tail.has();
        let mut texts: Vec<&str> = has.texts("one").collect();
        texts.sort_by_key(|text| text[2..].parse::<usize>().ok());
        assert!(texts == wanted, "{}: {texts:?}", tail.name());
        assert!(has.connections > 1, "its server was killed");
    }
}
