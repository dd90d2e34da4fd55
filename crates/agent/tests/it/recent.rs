//! `sys.recent`.

use bus::sys::{Mark, Page, RecentRequest};

use crate::support::{Agent, Bus, Init, Tail, assert_covers, boot, gaps, seqs, text};

fn org(org: &str) -> RecentRequest {
    RecentRequest { org: org.into(), ..RecentRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_filter_selects_and_no_other_org_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let tail = Tail::start(&bus, "o.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let mut between = 0;
    for (owner, app, instance) in
        [("k3f9", "web", "i1"), ("k3f9", "web", "i2"), ("k3f9", "api", "i3"), ("k3f", "web", "i4")]
    {
        let socket = agent.register(owner, app, instance).await;
        let mut init = Init::greet(&socket, boot(1)).await;
        let texts: Vec<String> = (1..=10).map(|i| format!("{owner} {app} {instance} {i}")).collect();
        init.lines(&texts).await;
        init.flush().await;
        if instance == "i2" {
            between = crate::support::now_ns();
        }
        init.bye().await;
    }
    let check = async |request: RecentRequest, prefix: &str, count: usize| {
        let (lines, end) = tail.recent(&request).await;
        assert_eq!((lines.len(), end.sent, end.error), (count, count as u64, None), "{request:?}");
        assert!(lines.iter().all(|line| text(line).starts_with(prefix)), "{request:?}: {lines:?}");
        assert_eq!(end.host, "h1");
        (lines, end.truncated)
    };
    check(org("k3f9"), "k3f9 ", 30).await;
    check(org("k3f"), "k3f ", 10).await;
    check(org("k3"), "", 0).await;
    check(RecentRequest { app: Some("web".into()), ..org("k3f9") }, "k3f9 web ", 20).await;
    check(RecentRequest { instance: Some("i2".into()), ..org("k3f9") }, "k3f9 web i2 ", 10).await;
    check(RecentRequest { instance: Some("i4".into()), ..org("k3f9") }, "", 0).await;
    check(RecentRequest { region: Some("ams".into()), ..org("k3f9") }, "", 0).await;
    check(RecentRequest { n: Some(0), ..org("k3f9") }, "", 0).await;
    let (newest, truncated) = check(RecentRequest { n: Some(12), ..org("k3f9") }, "k3f9 ", 12).await;
    assert_eq!((text(&newest[0]), text(&newest[11]), truncated), ("k3f9 web i2 9", "k3f9 api i3 10", false));
    let (_, truncated) = check(RecentRequest { n: Some(1000), ..org("k3f9") }, "k3f9 ", 30).await;
    assert!(!truncated);
    check(RecentRequest { since: Some(between), ..org("k3f9") }, "k3f9 api i3 ", 10).await;
    let mark = Mark { instance: "i1".into(), boot: boot(1).to_string(), next_seq: 8 };
    let (lines, truncated) =
        check(RecentRequest { since: Some(i64::MAX), after: vec![mark], ..org("k3f9") }, "k3f9 web i1 ", 3)
            .await;
    assert_eq!((seqs(&lines[0]).0, truncated), (8, false));
    agent.stop().await;
    bus.stop().await;
}

/// One Machine with 300 lines of 10,000 bytes: three pages.
async fn long_lines(init: &mut Init) {
    for first in (1..=300).step_by(20) {
        let texts: Vec<String> = (first..first + 20).map(|i| format!("{i} {}", "x".repeat(10_000))).collect();
        init.lines(&texts).await;
    }
    init.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_comes_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let tail = Tail::start(&bus, "o.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    long_lines(&mut init).await;
    let mark = Mark { instance: "i1".into(), boot: boot(1).to_string(), next_seq: 290 };
    let mut written = 300;
    for (request, first) in [
        (org("k3f9"), Some(1)),
        (RecentRequest { n: Some(1000), ..org("k3f9") }, Some(1)),
        (RecentRequest { n: Some(233), ..org("k3f9") }, None),
        (RecentRequest { n: Some(233), after: vec![mark.clone()], ..org("k3f9") }, Some(290)),
        (RecentRequest { after: vec![mark], since: Some(i64::MAX), ..org("k3f9") }, Some(290)),
    ] {
        let last = written;
        let first = first.unwrap_or(last - 233 + 1);
        let (mut page, mut next, mut pages) = (None, first, 0);
        loop {
            let (lines, end) = tail.page(&RecentRequest { page, ..request.clone() }).await;
            assert_eq!((lines.len() as u64, end.error, end.truncated), (end.sent, None, false));
            let bytes: usize = lines.iter().map(|line| text(line).len()).sum();
            assert!(bytes < 1200 << 10, "{bytes} bytes on a page");
            for line in &lines {
                assert_eq!(seqs(line), (next, 1), "{request:?}");
                next += 1;
            }
            pages += 1;
            let Some(from) = end.more else { break };
            // What comes now is not asked for.
            init.lines(&[format!("after {pages}")]).await;
            init.flush().await;
            written += 1;
            page = Some(Page { host: "h1".into(), from });
        }
        assert_eq!((next, pages > 1), (last + 1, first < 100), "{request:?}: {pages} pages");
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_with_an_error_and_what_is_not_for_us_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let tail = Tail::start(&bus, "o.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let page = |host: &str, from: &str| Some(Page { host: host.into(), from: from.into() });
    tail.recent(&org("k3f9")).await;
    let other = serde_json::to_vec(&RecentRequest { page: page("h2", "0-9"), ..org("k3f9") }).unwrap();
    let mut lines = tail.client.subscribe("o.>", None).await.unwrap();
    let request = serde_json::to_vec(&org("k3f9")).unwrap();
    tail.client.publish(bus::sys::RECENT, Some("o.k3f9.logs.web.lhr.i1"), &request).await.unwrap();
    let mut unanswered = tail.client.request_many(bus::sys::RECENT, &other).await.unwrap();
    for bad in ["", "*", "o.k3f9"] {
        let (lines, end) = tail.recent(&org(bad)).await;
        assert!(lines.is_empty() && end.error.is_some(), "{bad}");
    }
    for bad in ["", "1", "1-x", "-"] {
        let (lines, end) = tail.recent(&RecentRequest { page: page("h1", bad), ..org("k3f9") }).await;
        assert!(lines.is_empty() && end.error.is_some(), "{bad}");
    }
    for odd in ["5-1", "0-18446744073709551615", "18446744073709551614-18446744073709551615", "7-999"] {
        let (lines, end) = tail.recent(&RecentRequest { page: page("h1", odd), ..org("k3f9") }).await;
        assert!(lines.is_empty() && end.error.is_none(), "{odd}: {end:?}");
    }
    assert_eq!((unanswered.try_next(), lines.try_next()), (None, None));
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_the_bus_does_not_take_is_a_gap_in_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start_with(|config| config.session.limits.payload_bytes = 4096).await;
    let mut tail = Tail::start(&bus, "o.>").await;
    let agent = Agent::start(dir.path(), bus.address).await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    init.lines(&["short".to_owned(), "x".repeat(5000), "short too".to_owned()]).await;
    init.flush().await;
    let live = tail.take(3).await;
    let (recent, end) = tail.recent(&org("k3f9")).await;
    assert_eq!(end.error, None);
    for lines in [live, recent] {
        assert_eq!(gaps(&lines), [(2, 1, "unknown".to_owned())]);
        assert_covers(&lines, 1, 4);
    }
    agent.stop().await;
    bus.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_no_longer_there_are_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::start().await;
    let mut tail = Tail::start(&bus, "o.>").await;
    let agent = Agent::start_with(dir.path(), bus.address, |config| {
        config.spool.segment_bytes = 64 << 10;
        config.keep_bytes = 0;
    })
    .await;
    let socket = agent.register("k3f9", "web", "i1").await;
    let mut init = Init::greet(&socket, boot(1)).await;
    let mut round = 0;
    loop {
        let texts: Vec<String> = (0..100).map(|_| "x".repeat(1000)).collect();
        init.lines(&texts).await;
        tail.take(100).await;
        round += 1;
        let (lines, end) = tail.recent(&RecentRequest { n: Some(100_000), ..org("k3f9") }).await;
        if end.truncated {
            assert!(lines.len() < round * 100);
            break;
        }
    }
    let mark = Mark { instance: "i1".into(), boot: boot(1).to_string(), next_seq: 2 };
    let (_, end) = tail.recent(&RecentRequest { after: vec![mark], ..org("k3f9") }).await;
    assert!(end.truncated);
    agent.stop().await;
    bus.stop().await;
}
