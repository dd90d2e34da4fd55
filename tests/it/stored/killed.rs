//! Promise 3 to its end: numbered lines, `kill -9` of all of `up` meanwhile, and each is found once.

use std::collections::BTreeSet;
use std::time::Duration;

use logway_tests::{Up, soak, wait_until};

#[test]
fn promise_3_each_line_is_found_once_after_kills_of_all_of_it() {
    let count = if soak() { 20_000 } else { 4_000 };
    let mut up = Up::start(&[]);
    let script = format!(
        "i=0; while [ $i -lt {count} ]; do j=0; while [ $j -lt 50 ]; do i=$((i+1)); j=$((j+1)); echo n $i; done; sleep 0.04; done"
    );
    let mut app = up.run("run", &["--app", "numbers", "--policy", "block", "--", "sh", "-c", &script]);
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..5 {
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.u64(20..400)));
        up.restart();
    }
    let (status, _, err) = app.wait_with_output();
    assert!(status.success(), "{err}");
    let web = up.web();
    let filter = "app:numbers stream:stdout";
    wait_until("all lines", || (web.count(filter) >= count).then_some(()));

    let sums = web.rows(&format!("{filter} | stats count() n, count_uniq(_msg) u, count_uniq(seq) s"));
    for sum in ["n", "u", "s"] {
        assert_eq!(sums[0][sum], count.to_string(), "{sums:?}");
    }
    let wanted: Vec<String> = (1..=count).map(|number| format!("n {number}")).collect();
    let limit = (count + 10).to_string();
    let listed = up.output("search", &["-j", "-n", &limit, filter]);
    assert_eq!(listed.0, 0, "{}", listed.2);
    let listed: Vec<String> = listed.1.lines().map(message).collect();
    assert!(
        listed == wanted,
        "{} lines, not as they were printed: {:?}",
        listed.len(),
        differing(&listed, &wanted)
    );
    let (code, out, err) = up.output("search", &["-c", filter]);
    assert_eq!((code, out.trim()), (0, count.to_string().as_str()), "{err}");
    // Nor has any been given up for a gap.
    assert_eq!(web.count("gap.reason:* app:numbers"), 0);
}

fn message(row: &str) -> String {
    let row: serde_json::Value = serde_json::from_str(row).unwrap_or_else(|why| panic!("{why}: {row}"));
    row["_msg"].as_str().unwrap_or_default().to_owned()
}

fn differing<'a>(found: &'a [String], wanted: &'a [String]) -> Vec<&'a String> {
    let (have, want): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), wanted.iter().collect());
    have.symmetric_difference(&want).take(20).copied().collect()
}
