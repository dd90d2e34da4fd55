//! What a token is to allow, as a request says it.

use std::collections::BTreeSet;

use access::{Action, Scope};
use hyper::StatusCode;
use line::Name;
use line::time::{SECOND, parse_rfc3339};
use serde_json::Value;

use crate::args::short;
use crate::reply::Refused;

/// What was asked for. What is not said is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What its maker calls it.
    pub(super) name: String,
    actions: Vec<Action>,
    apps: Option<BTreeSet<Name>>,
    regions: Option<BTreeSet<Name>>,
    instances: Option<BTreeSet<Name>>,
    expires: Option<Expiry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// So many seconds from now.
    After(u64),
    /// The last second, Unix time.
    At(u64),
}

/// Whether `scope` allows nothing that `of` does not.
pub(super) fn is_within(scope: &Scope, of: &Scope) -> bool {
    let mut both = scope.clone();
    both.narrow(of);
    both == *scope
}

impl Wanted {
    /// Reads the body of a request: an object, or nothing. What it says that is not known is refused: it may be a limit that is misspelt.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refused> {
        let mut wanted = Self::default();
        if body.trim_ascii().is_empty() {
            return Ok(wanted);
        }
        let parsed: Result<Value, _> = serde_json::from_slice(body);
        let Ok(Value::Object(fields)) = parsed else {
            let text = r#"the body is no JSON object: send one as {"name":"ci","actions":["read"],"apps":["web"],"expires":"30d"}"#;
            return Err(Refused::bad(text));
        };
        for (name, value) in &fields {
            match name.as_str() {
                _ if value.is_null() => {}
                "name" => wanted.name = text(name, value)?.to_owned(),
                "actions" => wanted.actions = actions(name, value)?,
                "apps" => wanted.apps = Some(names("app", name, value)?),
                "regions" => wanted.regions = Some(names("region", name, value)?),
                "instances" => wanted.instances = Some(names("instance", name, value)?),
                "expires" => wanted.expires = Some(expiry(text(name, value)?)?),
                other => {
                    let known = "name, actions, apps, regions, instances and expires";
                    return Err(Refused::bad(format!("{} is not known here, but {known} are", short(other))));
                }
            }
        }
        Ok(wanted)
    }

    /// What is said, as limits.
    fn said(&self, now_s: u64) -> Result<Scope, Refused> {
        let not_after_s = match self.expires {
            None => None,
            Some(Expiry::After(seconds)) => now_s.checked_add(seconds),
            Some(Expiry::At(last_s)) if last_s <= now_s => {
                return Err(Refused::bad(
                    "LR07: the token would have ended already: give 'expires' a time to come",
                ));
            }
            Some(Expiry::At(last_s)) => Some(last_s),
        };
        Ok(Scope {
            actions: match self.actions.is_empty() {
                true => Scope::ALL.actions,
                false => self.actions.iter().copied().collect(),
            },
            apps: self.apps.clone(),
            regions: self.regions.clone(),
            instances: self.instances.clone(),
            not_after_s,
        })
    }

    /// The scope of a new token, made by who has `own`: what is said, and no more than `own` where nothing is said. 403 if more is said.
    pub(super) fn scope(&self, own: &Scope, now_s: u64) -> Result<Scope, Refused> {
        let said = self.said(now_s)?;
        let mut scope = said.clone();
        scope.narrow(own);
        let is_less = (!self.actions.is_empty() && scope.actions != said.actions)
            || (said.apps.is_some() && scope.apps != said.apps)
            || (said.regions.is_some() && scope.regions != said.regions)
            || (said.instances.is_some() && scope.instances != said.instances)
            || (said.not_after_s.is_some() && scope.not_after_s != said.not_after_s);
        if is_less {
            let text =
                "LR13: a token makes none that allows more than itself: ask for less, or with another token";
            return Err(Refused::new(StatusCode::FORBIDDEN, text));
        }
        Ok(scope)
    }

    /// What makes a token of `own` narrower. 400 if that would be nothing, or leave nothing.
    pub(super) fn narrowing(&self, own: &Scope, now_s: u64) -> Result<Scope, Refused> {
        let said = self.said(now_s)?;
        let mut left = own.clone();
        left.narrow(&said);
        if left.is_nothing() {
            let text = "LR07: nothing would be left of the token: name actions, apps, regions or Machines that it allows";
            return Err(Refused::bad(text));
        }
        Ok(said)
    }
}

fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, Refused> {
    value.as_str().ok_or_else(|| Refused::bad(format!("'{name}' is no text: send it in quotes")))
}

fn texts<'v>(name: &str, value: &'v Value) -> Result<Vec<&'v str>, Refused> {
    let list = value.as_array().map(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let list = list.flatten().filter(|list| !list.is_empty());
    list.ok_or_else(|| {
        Refused::bad(format!(
            "'{name}' is no list of texts with something in it: leave it out if it limits nothing"
        ))
    })
}

fn actions(name: &str, value: &Value) -> Result<Vec<Action>, Refused> {
    let actions: Result<_, _> = texts(name, value)?.iter().map(|word| word.parse()).collect();
    actions.map_err(|error: access::Error| Refused::bad(format!("LR07: {error}")))
}

fn names(what: &'static str, name: &str, value: &Value) -> Result<BTreeSet<Name>, Refused> {
    let names: Result<_, _> = texts(name, value)?.iter().map(|name| Name::new(what, name)).collect();
    names.map_err(|error| Refused::bad(format!("LA12: {error}")))
}

/// A time from now (`24h`, `30d`), a day with all of it (`2026-12-31`), or a moment.
fn expiry(text: &str) -> Result<Expiry, Refused> {
    let after = query::number::duration(text).map(|nanos| nanos / SECOND);
    let after = after.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    if let Some(seconds) = after {
        return Ok(Expiry::After(seconds));
    }
    let moment = if text.len() == 10 { format!("{text}T23:59:59Z") } else { text.to_owned() };
    let at = parse_rfc3339(&moment).ok().and_then(|nanos| u64::try_from(nanos / SECOND).ok());
    at.map(Expiry::At).ok_or_else(|| {
        let forms = "give a time as 24h or 30d, a day as 2026-12-31, or a moment as 2026-12-31T12:00:00Z";
        Refused::bad(format!("'expires' is {}: {forms}", short(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(body: &str, own: &Scope) -> Result<Scope, u16> {
        let wanted = Wanted::read(body.as_bytes()).map_err(|refused| refused.status.as_u16())?;
        wanted.scope(own, 1000).map_err(|refused| refused.status.as_u16())
    }

    fn of(apps: &[&str], actions: &[Action], not_after_s: Option<u64>) -> Scope {
        let apps = apps.iter().map(|app| Name::new("app", app).unwrap()).collect();
        Scope { apps: Some(apps), actions: actions.iter().copied().collect(), not_after_s, ..Scope::ALL }
    }

    #[test]
    fn what_is_not_said_is_as_ones_own() {
        assert_eq!(scope("", &Scope::ALL), Ok(Scope::ALL));
        assert_eq!(scope(r#"{"apps":null}"#, &Scope::ALL), Ok(Scope::ALL));
        let own = of(&["db", "web"], &[Action::Read, Action::Admin], Some(5000));
        assert_eq!(scope("{}", &own), Ok(own.clone()));
        let read = of(&["web"], &[Action::Read], Some(1060));
        assert_eq!(scope(r#"{"apps":["web"],"actions":["read"],"expires":"1m"}"#, &own), Ok(read));
        for more in [
            r#"{"apps":["web","other"]}"#,
            r#"{"apps":["other"]}"#,
            r#"{"actions":["read","write"]}"#,
            r#"{"expires":"30d"}"#,
            r#"{"expires":"2100-01-01"}"#,
        ] {
            assert_eq!(scope(more, &own), Err(403), "{more}");
        }
    }

    #[test]
    fn what_cannot_be_read() {
        for bad in [
            "x",
            "[]",
            "{\"apps\":[]}",
            "{\"apps\":\"web\"}",
            "{\"apps\":[1]}",
            "{\"apps\":[\"\"]}",
            "{\"app\":[\"web\"]}",
            "{\"actions\":[\"all\"]}",
            "{\"expires\":\"0d\"}",
            "{\"expires\":\"soon\"}",
            "{\"expires\":1}",
            "{\"name\":1}",
            "{\"expires\":\"1970-01-01T00:00:01Z\"}",
        ] {
            assert_eq!(scope(bad, &Scope::ALL), Err(400), "{bad}");
        }
        assert_eq!(
            scope(r#"{"expires":"2026-12-31"}"#, &Scope::ALL).unwrap().not_after_s,
            Some(1_798_761_599)
        );
    }

    #[test]
    fn what_is_left_of_a_narrowed_token() {
        let own = of(&["db", "web"], &[Action::Read], None);
        for (body, is_good) in [
            (r#"{"apps":["web"]}"#, true),
            (r#"{"apps":["web","other"]}"#, true),
            (r#"{"regions":["lhr"]}"#, true),
            (r#"{"apps":["other"]}"#, false),
            (r#"{"actions":["write"]}"#, false),
        ] {
            let left = Wanted::read(body.as_bytes()).unwrap().narrowing(&own, 1000);
            assert_eq!(left.is_ok(), is_good, "{body}");
        }
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let names = || {
            let some = prop::sample::subsequence(&["a", "b", "c"][..], 1..=3);
            let set =
                some.prop_map(|names| names.iter().map(|name| Name::new("app", name).unwrap()).collect());
            prop::option::of(set)
        };
        let actions = prop::sample::subsequence(&Action::ALL[..], 1..=4);
        (actions, names(), names(), names(), prop::option::of(1001_u64..1010)).prop_map(
            |(actions, apps, regions, instances, not_after_s)| Scope {
                actions: actions.into_iter().collect(),
                apps,
                regions,
                instances,
                not_after_s,
            },
        )
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_one_has(own in any_scope(), said in any_scope()) {
            let wanted = Wanted {
                actions: said.actions.iter().collect(),
                apps: said.apps.clone(),
                regions: said.regions.clone(),
                instances: said.instances.clone(),
                expires: said.not_after_s.map(Expiry::At),
                ..Wanted::default()
            };
            if let Ok(scope) = wanted.scope(&own, 1000) {
                prop_assert!(is_within(&scope, &own) && is_within(&scope, &said));
            } else {
                prop_assert!(!is_within(&said, &own));
            }
        }

        #[test]
        fn any_bytes_are_wanted_or_refused(body in "\\PC{0,60}") {
            let _ = Wanted::read(body.as_bytes());
        }
    }
}
