//! The recent lines that the store has. What it has not yet, the agents have: they are asked for the rest, and both are joined
//! by id.

use std::time::Duration;

use tokio::time::timeout;

use super::item::Item;
use super::question::Answer;
use super::tail::Scope;
use crate::http::{Form, Server, Trouble};
use crate::rows::Row;
use crate::search::QUERY;

/// How long the store may take. Without it there are the agents.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The newest `n` lines of `scope`, or that there are none to be had.
pub(super) async fn newest(server: Server, scope: Scope, n: usize) -> Answer {
    match timeout(PATIENCE, ask(&server, &scope, n)).await {
        Ok(Ok(items)) => Answer::Stored(items),
        // No search at that address, or nothing at all: as before there was a store.
        Ok(Err(Trouble::Away(_) | Trouble::Refused { status: 404 | 405 | 501, .. })) => Answer::NoStore(None),
        Ok(Err(trouble)) => Answer::NoStore(Some(trouble.fail(server.address()).to_string())),
        Err(_) => Answer::NoStore(Some(format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

async fn ask(server: &Server, scope: &Scope, n: usize) -> Result<Vec<Item>, Trouble> {
    let form = Form::new()
        .with("query", "*")
        .with("limit", &n.to_string())
        .with_some("extra_stream_filters", scope.filter().as_deref());
    let mut answer = server.ask(QUERY, &form).await?;
    let mut items = Vec::new();
    while let Some(line) = answer.line().await? {
        items.extend(Row::read(&line).and_then(|row| row.item()));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use line::{Name, OrgId};

    use super::*;
    use crate::http::fake::{Fake, chunked, refusal, unfinished};
    use crate::logs::door::Way;

    const ROW: &str = r#"{"_time":"2026-11-22T10:00:00Z","_msg":"x","app":"web","boot":"019a0c3f2b7c0001","host":"h","instance":"i","level":"info","provider":"app","region":"lhr","seq":"42","stream":"stdout"}"#;

    fn scope() -> Scope {
        let app = Some(Name::new("app", "web").unwrap());
        Scope { org: OrgId::mint(7), way: Way::Door, app, region: None, instance: None }
    }

    #[tokio::test]
    async fn rows_become_lines_with_their_ids() {
        let fake = Fake::of(&[chunked(&[ROW, "{}"])]).await;
        let Answer::Stored(items) = newest(fake.server(), scope(), 5).await else { panic!("no lines") };
        let [item] = &items[..] else { panic!("{items:?}") };
        assert_eq!((item.source().unwrap().instance.as_ref(), item.message.entry.seq), ("i", 42));
        let asked = fake.asked().remove(0);
        assert_eq!(asked.arg("extra_stream_filters").unwrap(), r#"{"app":"web"}"#);
        assert_eq!((asked.arg("query").as_deref(), asked.arg("limit").as_deref()), (Some("*"), Some("5")));
    }

    #[tokio::test]
    async fn where_there_is_no_store_nothing_is_said_and_where_it_fails_that_is() {
        for (reply, has_reason) in [
            (refusal(404, "", ""), false),
            (String::new(), false),
            (refusal(503, "", "busy"), true),
            (refusal(401, "", ""), true),
            (unfinished(&[ROW]), true),
        ] {
            let fake = Fake::of(std::slice::from_ref(&reply)).await;
            let answer = newest(fake.server(), scope(), 5).await;
            let Answer::NoStore(why) = answer else { panic!("{answer:?}") };
            assert_eq!(why.is_some(), has_reason, "{reply}: {why:?}");
        }
    }
}
