//! What is wrong, as a client of the Logs API is told. flyctl ends for ever at 401 and 404, and tries anything else again.

use access::{Action, Scope};
use api::logs::Failure;
use std::time::Duration;

use crate::support::{Api, Line, Trouble, get, scope};

fn lines() -> Vec<Line> {
    vec![Line::new("k3f9", "web", "T10:00:00Z", "a"), Line::new("m7x2", "web", "T10:00:01Z", "of others")]
}

#[tokio::test]
async fn requests_that_are_wrong() {
    let api = Api::start(lines()).await;
    let over = Scope { not_after_s: Some(1), ..Scope::ALL };
    let [all, other_app, write, over] =
        [Scope::ALL, scope(&["db"], &[Action::Read]), scope(&[], &[Action::Write]), over]
            .map(|scope| api.world.token_for("k3f9", &scope));
    let path = |app: &str, args: &str| get(&format!("/api/v1/apps/{app}/logs{args}"));
    let long = "a".repeat(64);
    for (token, request, status, wanted) in [
        (&all, path("web", "?next_token=soon"), 400, "the argument next_token=\"soon\" is none of ours"),
        (&all, path("web", "?next_token=00000000000000000001"), 400, "a time in Unix nanoseconds"),
        (&all, path("web", "?next_token=-1"), 400, "is none of ours"),
        (&all, path(&long, "?next_token="), 400, "63"),
        (&all, path("%zz", "?next_token="), 400, "escaped"),
        // Whether the app is there makes no difference.
        (&other_app, path("web", "?next_token="), 403, "the token does not allow the app"),
        (&other_app, path("nothing", "?next_token="), 403, "the token does not allow the app"),
        (&write, path("web", "?next_token="), 403, "the token does not allow 'read'"),
        (&over, path("web", "?next_token="), 401, "send it as 'Authorization: Bearer TOKEN'"),
        (&all, path("web", "").replacen("GET", "DELETE", 1), 405, "DELETE is not taken here"),
        (&all, path("web", "").replacen("GET", "POST", 1), 405, "POST is not taken here"),
        (&all, get("/api/v1/apps/web/log"), 404, "there is no path"),
    ] {
        let answered = api.ask_as(token, &request).await;
        assert_eq!(answered.status, status, "{request}: {answered:?}");
        assert_eq!(answered.header("content-type"), Some("application/json"), "{request}");
        let said = answered.json();
        assert!(said["error"].as_str().is_some_and(|text| text.contains(wanted)), "{request}: {said}");
    }
    assert_eq!(api.send(path("web", "").as_bytes()).await.status, 401);
    api.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_an_empty_page() {
    let api = Api::start(lines()).await;
    let region = Scope { regions: Some([line::Name::new("region", "ams").unwrap()].into()), ..Scope::ALL };
    let [all, region] = [Scope::ALL, region].map(|scope| api.world.token_for("k3f9", &scope));
    for (token, app, args, wanted) in [
        (&all, "web", "next_token=0", 1),
        (&all, "nothing", "next_token=0", 0),
        (&all, "web", "next_token=0&region=lhr&instance=i1", 1),
        (&all, "web", "next_token=0&region=&instance=", 1),
        (&all, "web", "next_token=0&region=LHR", 0),
        (&all, "web", "next_token=0&region=nowhere", 0),
        (&all, "web", "next_token=0&instance=i2", 0),
        (&all, "web", "next_token=0&instance=%00", 0),
        (&region, "web", "next_token=0", 0),
        (&region, "web", "next_token=0&region=lhr", 0),
        // A time to come, and a position that no store has reached: it waits.
        (&all, "web", "next_token=9999999999999999999", 0),
        (&all, "web", "next_token=0000000000000000000393536359218446744073709551615", 0),
        // The lines of the test are older than a day.
        (&all, "web", "", 0),
    ] {
        let request = get(&format!("/api/v1/apps/{app}/logs?{args}"));
        let answered = api.ask_as(token, &request).await;
        assert_eq!(answered.status, 200, "{args}: {answered:?}");
        let page = answered.json();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(wanted), "{args}: {page}");
        let given = args.split('&').find_map(|arg| arg.strip_prefix("next_token=")).unwrap_or_default();
        if given.len() > 1 {
            assert_eq!(page["meta"]["next_token"], given, "it stays where it is");
        }
    }
    api.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_or_busy() {
    let api = Api::start(lines()).await;
    let busy = Failure::Busy { retry_after: Duration::from_secs(3), reason: "too much".into() };
    for (failure, status, after) in [
        (Failure::Away("the bus is away".into()), 503, "1"),
        (busy, 503, "3"),
        (Failure::Rejected { code: "LS08".into(), reason: "no".into() }, 503, "2"),
    ] {
        api.fake.fail(Trouble::Fails(failure));
        for next in ["", "5", "0000000000000000005393536359200000000000000000007"] {
            let answered = api.ask(&get(&format!("/api/v1/apps/web/logs?next_token={next}"))).await;
            assert_eq!(
                (answered.status, answered.header("retry-after")),
                (status, Some(after)),
                "{next} {answered:?}"
            );
        }
    }
    // Pieces of a store that are damaged: what is there is given, and that it is not all is said.
    api.fake.fail(Trouble::Missing(vec!["a part is damaged".into()]));
    let answered = api.ask(&get("/api/v1/apps/web/logs?next_token=5")).await;
    assert_eq!(answered.header("logway-partial"), Some("a part is damaged"), "{answered:?}");
    let page = answered.json();
    let last = &page["data"].as_array().unwrap()[1]["attributes"];
    assert_eq!(last["message"], "lines may be missing here: a part is damaged");
    api.stop().await;
}

#[tokio::test]
async fn too_many_at_once() {
    let api = Api::start_with(lines(), |config| {
        config.limits.queries.each = 1;
        config.limits.waiting_per_org = 0;
    })
    .await;
    api.fake.fail(Trouble::Silent);
    let mut first = crate::support::Client::connect(api.address).await;
    let request = get("/api/v1/apps/web/logs?next_token=");
    let with = request.replacen("\r\n", &format!("\r\nAuthorization: {}\r\n", api.world.token("k3f9")), 1);
    first.send(with.as_bytes()).await;
    let held = api.fake.begun().await;
    let answered = api.ask(&request).await;
    assert_eq!((answered.status, answered.header("retry-after")), (429, Some("1")), "{answered:?}");
    assert!(answered.json()["error"].as_str().unwrap().contains("try again later"));
    drop((first, held));
    api.stop().await;
}
