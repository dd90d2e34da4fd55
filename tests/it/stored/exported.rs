//! A large export that is killed while it writes, and whose file is then torn: it goes on, and in the end the file is the same as
//! that of an export that nobody disturbed.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use logway_tests::{Process, Up, wait_until};
use rustix::process::Signal;

/// Lines of the export: seven windows or more, of which each kill takes two or three.
const LINES: usize = 150_000;
/// How often it is killed.
const KILLS: usize = 2;
/// What is written counts after so long.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

#[test]
fn an_export_that_is_killed_while_it_writes_is_in_the_end_as_a_whole_one() {
    let up = Up::start(&[]);
    let web = up.web();
    // A line each 2 ms: five minutes, of which a first window is one.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let begin = now.as_millis() - 3_600_000;
    for chunk in 0..LINES / 10_000 {
        let lines = (chunk * 10_000..(chunk + 1) * 10_000).map(|n| {
            let (time, pad) = (begin + 2 * n as u128, "x".repeat(n % 300));
            format!("{{\"_time\":{time},\"app\":\"big\",\"_msg\":\"line {n} {pad}\"}}\n")
        });
        let reply = web.insert(&lines.collect::<String>());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let (whole, broken) = (up.files().join("whole.ndjson"), up.files().join("broken.ndjson"));
    kill_and_tear(&up, &broken);
    export(&up, &broken);
    export(&up, &whole);
    let (whole, broken) = (read(&whole), read(&broken));
    assert_eq!(whole.lines().count(), LINES);
    let messages: HashSet<String> = whole.lines().map(message).collect();
    assert_eq!(messages.len(), LINES, "each line once");
    assert!(whole == broken, "the files differ");
}

/// Begins the export, and kills it again and again while it writes.
fn kill_and_tear(up: &Up, out: &Path) {
    let mut kept = 0;
    for kill in 0..KILLS {
        let mut process = start(up, out);
        if kill > 0 {
            process.wait_for_stderr("where it goes on", |line| line.starts_with("going on at "));
        }
        wait_until("it to write", || (length(out) > kept && resume(out).exists()).then_some(()));
        // However quick the machine is, what comes next is old enough to count.
        process.signal(Signal::STOP);
        let since = Instant::now();
        wait_until("the time to pass", || (since.elapsed() > COMMIT_EVERY).then_some(()));
        process.signal(Signal::CONT);
        // Something more than last time counts, and behind it there is more.
        wait_until("it to be in the middle of writing", || {
            let counts = counting(out).expect("it has not come to its end");
            (counts > kept && length(out) > counts).then_some(())
        });
        process.kill();
        kept = counting(out).expect("it has not come to its end");
        tear(out, kept, kill);
    }
}

/// Leaves a last line that is not whole behind what counts: cut off, or begun.
fn tear(out: &Path, kept: u64, kill: usize) {
    let len = length(out);
    let mut file = OpenOptions::new().append(true).open(out).expect("opening the export");
    if kill.is_multiple_of(2) && len > kept + 1 {
        file.set_len(kept + (len - kept) / 2 + 1).expect("cutting the export");
    }
    file.write_all(b"{\"_msg\":\"half a li").expect("writing half a line");
}

fn start(up: &Up, out: &Path) -> Process {
    let out = out.to_str().expect("the path is text");
    up.run("export", &["-a", "big", "--since", "2h", "--out", out, "--resume"])
}

fn export(up: &Up, out: &Path) {
    let (status, _, err) = start(up, out).wait_with_output();
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(!resume(out).exists(), "it is done");
}

fn resume(out: &Path) -> PathBuf {
    out.with_extension("ndjson.resume")
}

/// How many bytes of the file count; `None`: there is nothing to go on with.
fn counting(out: &Path) -> Option<u64> {
    let text = fs::read_to_string(resume(out)).ok()?;
    let state: serde_json::Value = serde_json::from_str(&text).expect("the small file is always whole");
    state["bytes"].as_u64()
}

fn length(out: &Path) -> u64 {
    fs::metadata(out).map_or(0, |metadata| metadata.len())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("reading an export")
}

fn message(row: &str) -> String {
    let row: serde_json::Value = serde_json::from_str(row).unwrap_or_else(|why| panic!("{why}: {row}"));
    row["_msg"].as_str().expect("a message").to_owned()
}
