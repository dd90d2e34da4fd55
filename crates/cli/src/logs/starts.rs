//! The starts of instances that the store knows: which one is the newest, and which one was before it.

use anyhow::Result;
use line::Boot;

use super::tail::Scope;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Form, Server, Trouble};
use crate::rows::Row;
use crate::search::QUERY;

/// How many records of starts and ends are looked at, the newest.
const MOST: usize = 1000;
/// How a start begins, and how one ends.
const BEGINS: [&str; 3] = ["started", "exec_failed", "config_error"];
const ENDS: &str = "exited";

/// One start of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) instance: String,
    pub(super) boot: Boot,
    /// Unix nanoseconds: of the first record of its own that says so.
    pub(super) time: i64,
    has_ended: bool,
}

/// The starts of `scope`, the newest first.
pub(super) async fn of(server: &Server, scope: &Scope) -> Result<Vec<Start>, Trouble> {
    let query = format!("logway.event.kind:in({}, {ENDS})", BEGINS.join(", "));
    let form = Form::new()
        .with("query", &query)
        .with("limit", &MOST.to_string())
        .with_some("extra_stream_filters", scope.filter().as_deref());
    let mut answer = server.ask_again(QUERY, &form).await?;
    let mut rows = Vec::new();
    while let Some(line) = answer.line().await? {
        rows.extend(Row::read(&line));
    }
    Ok(starts(&rows))
}

fn starts(rows: &[Row]) -> Vec<Start> {
    let mut starts: Vec<Start> = Vec::new();
    for row in rows {
        let (Ok(boot), Ok(time)) =
            (Boot::parse(row.get("boot")), line::time::parse_rfc3339(row.get("_time")))
        else {
            continue;
        };
        let has_ended = row.get("logway.event.kind") == ENDS;
        match starts.iter_mut().find(|start| start.boot == boot && start.instance == row.get("instance")) {
            Some(start) => {
                (start.time, start.has_ended) = (start.time.min(time), start.has_ended || has_ended);
            }
            None => starts.push(Start { instance: row.get("instance").to_owned(), boot, time, has_ended }),
        }
    }
    starts.sort_by_key(|start| std::cmp::Reverse((start.time, start.boot)));
    starts
}

/// Of starts, the newest first, the one before the newest: the latest that is over, as it has ended or its instance has started
/// again. A start of another instance that still goes on is none before.
pub(super) fn previous(starts: &[Start]) -> Option<&Start> {
    let is_newest = |at: usize| !starts[..at].iter().any(|newer| newer.instance == starts[at].instance);
    (1..starts.len()).find(|&at| starts[at].has_ended || !is_newest(at)).map(|at| &starts[at])
}

/// That there is none.
pub(super) fn none_before(whose: &str, starts: &[Start]) -> Fail {
    let why = match starts {
        [] => "no start of it is stored".to_owned(),
        [_] => "it has started once".to_owned(),
        _ => "the others still go on".to_owned(),
    };
    Fail::new(Exit::NotFound, format!("there is no start of {whose} before the newest one"))
        .why(why)
        .hint("leave out --previous, or choose another Machine: with -m, or at a terminal with -s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u64, instance: &str, boot: u64, kind: &str) -> Row {
        let json = serde_json::json!({
            "_time": format!("2026-11-22T10:00:{second:02}Z"), "instance": instance, "boot": format!("{boot:016x}"),
            "logway.event.kind": kind,
        });
        Row::read(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_one_before_the_newest() {
        let s = "started";
        for (rows, wanted) in [
            (vec![], None),
            (vec![row(1, "a", 1, s)], None),
            // Of one Machine.
            (vec![row(1, "a", 1, s), row(2, "a", 2, s), row(3, "a", 3, s)], Some(2)),
            (vec![row(3, "a", 3, s), row(4, "a", 3, ENDS), row(1, "a", 1, s)], Some(1)),
            // Of an app whose Machines are new each time.
            (vec![row(1, "a", 1, s), row(2, "a", 1, ENDS), row(3, "b", 2, s)], Some(1)),
            // One that goes on beside the newest is not before it.
            (vec![row(1, "a", 1, s), row(2, "b", 2, s)], None),
            (vec![row(1, "a", 1, s), row(2, "b", 2, s), row(3, "c", 3, s), row(0, "b", 9, ENDS)], Some(9)),
            (vec![row(1, "a", 1, "exec_failed"), row(2, "a", 2, "nonsense")], Some(1)),
        ] {
            let starts = starts(&rows);
            let found = previous(&starts).map(|start| start.boot.to_string());
            assert_eq!(found, wanted.map(|boot: u64| format!("{boot:016x}")), "{rows:?}");
        }
    }

    #[tokio::test]
    async fn they_are_asked_for() {
        use crate::http::fake::{Fake, chunked};
        let rows = r#"{"_time":"2026-11-22T10:00:00Z","instance":"i","boot":"019a0c3f2b7c0001","logway.event.kind":"started"}"#;
        let fake = Fake::of(&[chunked(&[rows])]).await;
        let app = Some(line::Name::new("app", "web").unwrap());
        let org = line::OrgId::mint(7);
        let scope = Scope { org, way: crate::logs::door::Way::Door, app, region: None, instance: None };
        let starts = of(&fake.server(), &scope).await.unwrap();
        assert!(starts.len() == 1 && starts[0].instance == "i", "{starts:?}");
        let asked = fake.asked().remove(0);
        let query = asked.arg("query").unwrap();
        assert_eq!(query, "logway.event.kind:in(started, exec_failed, config_error, exited)");
        assert_eq!(asked.arg("extra_stream_filters").unwrap(), r#"{"app":"web"}"#);
        assert!(query::parse(&query, 0).is_ok());
    }
}
