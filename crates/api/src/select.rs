//! Questions: what stands in the request becomes a query, and what the store answers becomes what VictoriaLogs would say.

mod hidden;
mod hits;
pub(crate) mod json;
pub(crate) mod question;
mod rows;
mod series;
mod stats;
mod tail;
mod values;

use std::sync::Arc;

use access::Action;
use hyper::StatusCode;
use serde_json::json;

use crate::reply::{self, Refused, Reply, refusal_of};
use crate::route::Route;
use crate::serve::{Api, Asked};
use crate::tenant;
pub(crate) use question::{PARTIAL, note_end, own_limits};
pub(crate) use tail::open_end;

/// What a token has to allow for it.
pub(crate) fn action(route: Route) -> Action {
    if route == Route::ForceFlush { Action::Admin } else { Action::Read }
}

/// The answer to a question.
pub(crate) async fn answer(api: &Arc<Api>, route: Route, mut asked: Asked) -> Result<Reply, Refused> {
    match route {
        Route::Query => rows::answer(api, &mut asked).await,
        Route::Tail => tail::answer(api, &mut asked).await,
        Route::Hits => hits::answer(api, &mut asked).await,
        Route::StatsQuery => stats::at_once(api, &mut asked).await,
        Route::StatsQueryRange => stats::over_time(api, &mut asked).await,
        Route::FieldNames
        | Route::FieldValues
        | Route::StreamFieldNames
        | Route::StreamFieldValues
        | Route::Streams
        | Route::StreamIds => values::answer(api, route, &mut asked).await,
        Route::TenantIds => tenant_ids(&asked),
        Route::ForceFlush => {
            // It may have to wait, and is no query.
            drop(asked.place.take());
            api.flushes.flush(&api.logs).await.map_err(|failure| refusal_of(&failure, ""))?;
            Ok(reply::ok(reply::TEXT, ""))
        }
        // The rest is answered before it comes here.
        _ => Err(Refused::bad("LQ02: facets are not supported yet: docs/http.md says what is")),
    }
}

/// Does what takes long on a thread outside of the runtime, so that others are served meanwhile.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        let text = "the request could not be prepared, which is a fault of the server: its log says more";
        Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, text))
    })
}

/// The token's own tenant, the only one that it can see.
fn tenant_ids(asked: &Asked) -> Result<Reply, Refused> {
    if tenant::is_named(&asked.headers) {
        return Err(Refused::bad(
            "the headers AccountID and ProjectID are not taken here: the token says whose tenants",
        ));
    }
    let own = asked.caller.account.map(|account| json!({ "account_id": account, "project_id": 0 }));
    let list: Vec<_> = own.into_iter().collect();
    Ok(reply::ok(reply::JSON, json!(list).to_string()))
}
