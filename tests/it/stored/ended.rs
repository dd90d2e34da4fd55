//! An org that is ended: nobody finds its lines any more, and they go from the disk.

use std::fs;
use std::path::Path;

use logway_tests::{Up, Web, wait_until};

/// Files of parts, and the bytes in them.
fn parts(dir: &Path) -> (usize, u64) {
    let mut found = (0, 0);
    for day in fs::read_dir(dir.join("store/parts")).into_iter().flatten().flatten() {
        for part in fs::read_dir(day.path()).into_iter().flatten().flatten() {
            found.0 += 1;
            // It may just have gone.
            found.1 += part.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    found
}

fn print(up: &Up, org: &str, text: &str) {
    let args = ["--org", org, "--app", "web", "--", "sh", "-c", text];
    let (code, _, err) = up.output("run", &args);
    assert_eq!(code, 0, "{err}");
}

fn flush(web: &Web) {
    assert_eq!(web.ask("/internal/force_flush", &[]).status, 200);
}

#[test]
fn its_lines_are_no_more() {
    let mut up = Up::start(&[]);
    let own = up.web();
    let id = up.make_org("acme");
    let acme = own.with_token(&up.make_token(&["admin", "acme"]));
    wait_until("the token to be let in", || (acme.query("*").status == 200).then_some(()));
    // Some 400 KB that do not compress: what they take can be seen.
    print(&up, "acme", "head -c 300000 /dev/urandom | base64");
    print(&up, "personal", "echo ours");
    wait_until("the lines", || (acme.count("stream:stdout") > 5000 && own.count("=ours") == 1).then_some(()));
    flush(&acme);
    let (_, before) = parts(&up.data());
    assert!(before > 300_000, "{before} bytes");

    let (code, _, err) = up.output("orgs", &["end", "acme", "--yes"]);
    assert_eq!(code, 0, "{err}");
    wait_until("the token to be let in no more", || (acme.query("*").status == 401).then_some(()));
    wait_until("the lines to go from the disk", || (parts(&up.data()).1 < before - 300_000).then_some(()));
    assert_eq!(own.messages("=ours"), ["ours"]);
    assert_eq!(own.count(&format!("acme or \"\\x00org\":={id}")), 0);

    // Nor do they come back with the log.
    up.restart();
    let own = up.web();
    flush(&own);
    assert!(parts(&up.data()).1 < before - 300_000);
    assert_eq!(own.messages("=ours"), ["ours"]);
}
