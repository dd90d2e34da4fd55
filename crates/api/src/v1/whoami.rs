//! `/api/v1/whoami`: what the token stands for.

use std::collections::BTreeSet;
use std::sync::Arc;

use line::Name;
use serde_json::{Value, json};

use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked};

pub(crate) fn answer(api: &Arc<Api>, asked: &Asked) -> Result<Reply, Refused> {
    let grant = &asked.caller.grant;
    let scope = &grant.scope;
    let actions: Vec<_> = scope.actions.iter().map(access::Action::as_str).collect();
    let body = json!({
        "org": { "slug": api.logins.slug(&grant.org) },
        "actions": actions,
        "apps": names(&scope.apps),
        "regions": names(&scope.regions),
        "instances": names(&scope.instances),
        "expires": scope.not_after_s.map(expires),
    });
    Ok(reply::ok(reply::JSON, body.to_string()))
}

/// `null`: all of them.
pub(super) fn names(names: &Option<BTreeSet<Name>>) -> Option<Vec<&str>> {
    names.as_ref().map(|names| names.iter().map(Name::as_str).collect())
}

/// The last second of a token, as a time.
pub(super) fn expires(last_s: u64) -> Value {
    let nanos = i64::try_from(last_s).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    nanos.map(line::time::rfc3339).into()
}
