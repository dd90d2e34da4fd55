use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::fail::describe;
use crate::http::fake::{Asked, Fake, chunked, partial, refusal, unfinished};

/// A store with lines at these times, which answers as the real one does.
fn answer(times: &[i64], asked: &Asked) -> String {
    let bound = |name: &str| line::time::parse_rfc3339(&asked.arg(name).unwrap()).unwrap();
    let (from, to) = (bound("start"), bound("end"));
    let within: Vec<_> = times.iter().filter(|time| (from..to).contains(*time)).collect();
    if asked.arg("query").unwrap().ends_with(count::PIPE) {
        return chunked(&[&format!(r#"{{"matched":"{}"}}"#, within.len())]);
    }
    let row = |time: &&i64| format!(r#"{{"_msg":"m","_time":"{}"}}"#, line::time::rfc3339(**time));
    let rows: Vec<String> = within.iter().map(row).collect();
    chunked(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

fn times() -> Vec<i64> {
    (0..5000).map(|number| number * 1_000_000_000 / 7).collect()
}

fn range() -> Range {
    Range { from: 0, to: 1_000_000_000_000 }
}

fn question() -> Question {
    Question { query: "a".to_owned(), filter: None }
}

async fn export(fake: &Fake, path: &Path) -> Result<Exit> {
    let (mut output, state) = Output::resume(path, &question(), || Ok(range()))?;
    let plan = Plan::new("a", &ScopeArgs::default(), state.range())?;
    walk(&fake.server(), &plan, &mut output, &Progress::new(), Duration::from_millis(1)).await
}

fn rows(path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap();
    let time = |line: &str| {
        let row = crate::rows::Row::read(line.as_bytes()).unwrap();
        line::time::parse_rfc3339(row.get("_time")).unwrap()
    };
    text.lines().map(time).collect()
}

#[tokio::test]
async fn all_lines_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let fake = Fake::start(|asked| answer(&times(), asked).into_bytes()).await;
    assert_eq!(export(&fake, &path).await.unwrap(), Exit::Ok);
    assert_eq!(rows(&path), times());
    assert!(!state::path(&path).exists());
    let asked = fake.asked().remove(0);
    assert_eq!(asked.arg("query").unwrap(), "a\n| sort by (_time)");
    // What is finished is not begun again.
    let (text, _) = describe(&export(&fake, &path).await.unwrap_err());
    assert!(text.contains("nothing to resume"), "{text}");
}

#[tokio::test]
async fn a_large_answer_is_asked_for_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    // Over 10 s at once the server takes too long; over 5 s it needs too much memory; over 2 s it never ends.
    let fake = Fake::start(|asked| {
        let bound = |name: &str| line::time::parse_rfc3339(&asked.arg(name).unwrap()).unwrap();
        let seconds = (bound("end") - bound("start")) / 1_000_000_000;
        let is_count = asked.arg("query").unwrap().ends_with(count::PIPE);
        match seconds {
            10.. if !is_count => refusal(503, "", "the query was ended after 30 s"),
            5.. if !is_count => refusal(400, "", "LQ05: memory"),
            _ => answer(&times(), asked),
        }
        .into_bytes()
    })
    .await;
    assert_eq!(export(&fake, &path).await.unwrap(), Exit::Ok);
    assert_eq!(rows(&path), times());
}

#[tokio::test]
async fn many_lines_at_one_moment_are_found_by_one_look() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    // All in a tenth of a second, far behind the beginning.
    let times: Vec<i64> = (0..70_000).map(|number| 900_000_000_000 + number * 1000).collect();
    let wanted = times.clone();
    let fake = Fake::start(move |asked| answer(&times, asked).into_bytes()).await;
    assert_eq!(export(&fake, &path).await.unwrap(), Exit::Ok);
    assert_eq!(rows(&path), wanted);
    assert!(fake.asked().len() < 20, "{}", fake.asked().len());
}

#[tokio::test]
async fn what_is_not_whole_is_asked_for_again_and_then_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let fake = Fake::start(move |asked| {
        match counted.fetch_add(1, Ordering::Relaxed) {
            1 => unfinished(&[]),
            2 => partial(&[], "store s2"),
            3 => String::new(),
            4 => refusal(429, "Retry-After: 0\r\n", "busy"),
            _ => answer(&times(), asked),
        }
        .into_bytes()
    })
    .await;
    assert_eq!(export(&fake, &path).await.unwrap(), Exit::Ok);
    assert_eq!(rows(&path), times());

    let path = dir.path().join("other");
    let fake = Fake::start(|_| partial(&[], "store s2").into_bytes()).await;
    let (text, exit) = describe(&export(&fake, &path).await.unwrap_err());
    assert!(exit == Exit::Partial && text.contains("store s2"), "{text}");
    assert_eq!((fake.asked().len(), rows(&path).len()), (TRIES as usize, 0));
}

#[tokio::test]
async fn an_export_that_was_killed_goes_on_where_it_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let allowed = Arc::new(Mutex::new(1_usize));
    let fake = {
        let allowed = Arc::clone(&allowed);
        Fake::start(move |asked| {
            let mut allowed = allowed.lock().unwrap();
            if *allowed == 0 {
                return refusal(403, "", "not now").into_bytes();
            }
            *allowed -= 1;
            answer(&times(), asked).into_bytes()
        })
        .await
    };
    for round in 0.. {
        match export(&fake, &path).await {
            Ok(exit) => {
                assert!(exit == Exit::Ok && round > 2);
                break;
            }
            Err(error) => assert!(describe(&error).1 == Exit::Refused, "{error:#}"),
        }
        // What was written and not noted is cut off, whatever it is.
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"_time\":\"half");
        fs::write(&path, text).unwrap();
        *allowed.lock().unwrap() = 1 + round;
    }
    assert_eq!(rows(&path), times());
}

#[tokio::test]
async fn lines_that_come_late_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let fake = Fake::start(|asked| {
        let mut times = times();
        if asked.arg("query").unwrap().ends_with(count::PIPE) {
            times.push(5);
        }
        answer(&times, asked).into_bytes()
    })
    .await;
    assert_eq!(export(&fake, &path).await.unwrap(), Exit::Partial);
}

#[tokio::test]
async fn an_answer_in_another_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, rows, wanted) in [
        (
            "a",
            &[r#"{"_time":"1970-01-01T00:00:02Z"}"#, r#"{"_time":"1970-01-01T00:00:01Z"}"#][..],
            "not in order",
        ),
        ("b", &[r#"{"_time":"2001-01-01T00:00:01Z"}"#], "not in order"),
        ("c", &[r#"{"_msg":"x"}"#], "has no time"),
    ] {
        let reply = chunked(rows);
        let fake = Fake::start(move |_| reply.clone().into_bytes()).await;
        let (text, _) = describe(&export(&fake, &dir.path().join(name)).await.unwrap_err());
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn what_a_file_must_be_to_go_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let begin = || Output::create(&path, State::new(question(), range()));
    let (mut output, _) = begin().unwrap();
    assert!(describe(&begin().map(drop).unwrap_err()).0.contains("--resume"));
    output.write(b"{}\n", 1, 7).unwrap();
    output.commit().unwrap();
    let resume = |question: &Question| Output::resume(&path, question, || Ok(range()));
    assert!(describe(&resume(&question()).map(drop).unwrap_err()).0.contains("another export"));
    drop(output);
    let other = Question { query: "b".to_owned(), filter: None };
    assert!(describe(&resume(&other).map(drop).unwrap_err()).0.contains("another query"));
    assert_eq!(resume(&question()).unwrap().1.next, 7);
    fs::write(&path, "").unwrap();
    assert!(describe(&resume(&question()).map(drop).unwrap_err()).0.contains("has 0 bytes"));
    fs::write(state::path(&path), "{}").unwrap();
    assert!(describe(&resume(&question()).map(drop).unwrap_err()).0.contains("export anew"));
}

#[test]
fn only_a_file_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, gone) = (dir.path().to_owned(), dir.path().join("none").join("x.ndjson"));
    for (path, wanted) in [
        (folder.as_path(), "is a folder\nhint: name a file in it"),
        (Path::new("/dev/null"), "/dev/null is no file\nhint: leave --out away, and write '> /dev/null'"),
        (&gone, "x.ndjson.resume cannot be written: "),
    ] {
        for opened in [
            Output::create(path, State::new(question(), range())),
            Output::resume(path, &question(), || Ok(range())),
        ] {
            let (text, exit) = describe(&opened.err().unwrap());
            assert!(exit == Exit::Failure && text.contains(wanted) && text.contains("hint: "), "{text}");
        }
    }
}
