//! `/api/v1/whoami`: what the token stands for.

use std::collections::BTreeSet;
use std::sync::Arc;

use access::{Action, Scope};
use line::Name;
use serde_json::{Value, json};

use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked};

pub(crate) fn answer(api: &Arc<Api>, asked: &Asked) -> Result<Reply, Refused> {
    let grant = &asked.caller.grant;
    let mut body = limits(&grant.scope);
    if let Some(object) = body.as_object_mut() {
        object.insert("org".to_owned(), json!({ "slug": api.logins.slug(&grant.org) }));
    }
    Ok(reply::ok(reply::JSON, body.to_string()))
}

/// What a scope allows.
pub(super) fn limits(scope: &Scope) -> Value {
    let actions: Vec<_> = scope.actions.iter().map(Action::as_str).collect();
    json!({
        "actions": actions,
        "apps": names(&scope.apps),
        "regions": names(&scope.regions),
        "instances": names(&scope.instances),
        "expires": scope.not_after_s.map(expires),
    })
}

/// `null`: all of them.
fn names(names: &Option<BTreeSet<Name>>) -> Option<Vec<&str>> {
    names.as_ref().map(|names| names.iter().map(Name::as_str).collect())
}

/// The last second of a token, as a time.
fn expires(last_s: u64) -> Value {
    let nanos = i64::try_from(last_s).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    nanos.map(line::time::rfc3339).into()
}
