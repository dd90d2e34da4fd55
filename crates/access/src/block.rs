//! What stands in a block of a token, written and read.
//!
//! Biscuit blocks may hold any Datalog. Logway's hold a fixed vocabulary, each word a check that any Biscuit library would
//! enforce in the same sense:
//!
//! ```text
//! org("k3f9");                                      the first block only, and once
//! check if action($x), {"read", "ship"}.contains($x);
//! check if app($x), {"web"}.contains($x);           and so region, instance
//! check if time($x), $x <= 2026-12-01T00:00:00Z;
//! ```
//!
//! They are read by their words, and no Datalog of a stranger's is ever run. A block with anything else in it is refused:
//! what this version does not understand may be a limit.

use std::collections::BTreeSet;

use line::{Name, OrgId};

use crate::{Action, Actions, Error, Scope};

/// Lines of a block that are looked at; none of ours has more.
const MAX_LINES: usize = 16;
/// Names in one list.
pub(crate) const MAX_NAMES: usize = 64;
/// The last second that a time of ours can name, in 2262.
const MAX_SECONDS: u64 = i64::MAX as u64 / 1_000_000_000;

/// What a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Whose the token is: in the first block, and in no other.
    pub(crate) org: Option<OrgId>,
    pub(crate) scope: Scope,
}

/// The text of a block that limits to `scope`, in Datalog.
pub(crate) fn write(org: Option<&OrgId>, scope: &Scope) -> Result<String, Error> {
    let mut code = org.map(|org| format!("org(\"{org}\");\n")).unwrap_or_default();
    let mut list = |what: &str, items: Vec<&str>| {
        let items: Vec<_> = items.iter().map(|item| format!("\"{item}\"")).collect();
        code.push_str(&format!("check if {what}($x), {{{}}}.contains($x);\n", items.join(", ")));
    };
    if scope.actions == Actions::NONE {
        return Err(Error::Scope("a token that allows no action is of no use"));
    }
    if scope.actions != Actions::ALL {
        list("action", scope.actions.iter().map(Action::as_str).collect());
    }
    for (what, names) in [("app", &scope.apps), ("region", &scope.regions), ("instance", &scope.instances)] {
        let Some(names) = names else { continue };
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(Error::Scope("a list of apps, regions or instances has 1 to 64 names"));
        }
        list(what, names.iter().map(Name::as_str).collect());
    }
    if let Some(seconds) = scope.not_after_s {
        if seconds > MAX_SECONDS {
            return Err(Error::Scope(
                "the expiry is beyond the year 2262; leave it out for a token that does not expire",
            ));
        }
        let time = line::time::rfc3339(i64::try_from(seconds * 1_000_000_000).unwrap_or(i64::MAX));
        let (day, _) = time.split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
        code.push_str(&format!("check if time($x), $x <= {day}Z;\n"));
    }
    Ok(code)
}

/// Reads a block's Datalog as the library prints it; `None` if it says anything but our words.
pub(crate) fn read(source: &str) -> Option<Block> {
    let mut block = Block { org: None, scope: Scope::ALL };
    for (index, line) in source.lines().enumerate() {
        let statement = line.strip_suffix(';').filter(|_| index < MAX_LINES)?;
        if let Some(org) = statement.strip_prefix("org(\"").and_then(|rest| rest.strip_suffix("\")")) {
            if block.org.replace(OrgId::new(org).ok()?).is_some() {
                return None;
            }
            continue;
        }
        let limit = read_check(statement.strip_prefix("check if ")?)?;
        block.scope.narrow(&limit);
    }
    Some(block)
}

fn read_check(check: &str) -> Option<Scope> {
    let (what, rest) = check.split_once('(')?;
    // The printed name of the variable is the writer's choice; it must be the same in both places.
    let (variable, test) = rest.strip_prefix('$')?.split_once("), ")?;
    if variable.is_empty() || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if what == "time" {
        let time = test.strip_prefix(&format!("${variable} <= "))?;
        let nanos = line::time::parse_rfc3339(time).ok()?;
        return Some(Scope { not_after_s: Some(u64::try_from(nanos).ok()? / 1_000_000_000), ..Scope::ALL });
    }
    let items = test.strip_prefix('{')?.strip_suffix(&format!("}}.contains(${variable})"))?;
    let items: Vec<&str> = items.split(", ").map(unquote).collect::<Option<_>>()?;
    if items.len() > MAX_NAMES {
        return None;
    }
    if what == "action" {
        let actions = items.into_iter().map(|item| item.parse::<Action>().ok()).collect::<Option<_>>()?;
        return Some(Scope { actions, ..Scope::ALL });
    }
    let names: BTreeSet<Name> = items.into_iter().map(name).collect::<Option<_>>()?;
    match what {
        "app" => Some(Scope { apps: Some(names), ..Scope::ALL }),
        "region" => Some(Scope { regions: Some(names), ..Scope::ALL }),
        "instance" => Some(Scope { instances: Some(names), ..Scope::ALL }),
        _ => None,
    }
}

fn unquote(item: &str) -> Option<&str> {
    item.strip_prefix('"')?.strip_suffix('"')
}

/// A name that stands there in its escaped form, and nothing else.
fn name(text: &str) -> Option<Name> {
    Name::new("name", text).ok().filter(|name| name.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::tests::any_scope;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_ours_is_not_read() {
        for (source, is_ours) in [
            ("", true),
            ("org(\"k3f9\");\n", true),
            ("check if app($x), {\"web\", \"api\"}.contains($x);\n", true),
            ("check if app($app), {\"web\"}.contains($app);\n", true),
            ("check if time($x), $x <= 2026-12-01T00:00:00Z;\n", true),
            (
                "check if action($x), {\"read\"}.contains($x);\ncheck if action($x), {\"ship\"}.contains($x);\n",
                true,
            ),
            ("org(\"k3f9\")", false),
            ("org(\"k3f9\");\norg(\"k3f9\");\n", false),
            ("org(\"K\");\n", false),
            ("right(\"read\");\n", false),
            ("check if true;\n", false),
            ("check all app($x), {\"web\"}.contains($x);\n", false),
            ("reject if app($x), {\"web\"}.contains($x);\n", false),
            ("check if app($x), {\"web\"}.contains($y);\n", false),
            ("check if app($x), {\"web\"}.contains($x) or true;\n", false),
            ("check if app($x), {\"web\"}.contains($x), $x != \"a\";\n", false),
            ("check if app($x), {}.contains($x);\n", false),
            ("check if app($x), {,}.contains($x);\n", false),
            ("check if app($x), {\"We b\"}.contains($x);\n", false),
            ("check if app($x), {1}.contains($x);\n", false),
            ("check if app($x), !{\"web\"}.contains($x);\n", false),
            ("check if user($x), {\"web\"}.contains($x);\n", false),
            ("check if action($x), {\"fly\"}.contains($x);\n", false),
            ("check if time($x), $x < 2026-12-01T00:00:00Z;\n", false),
            ("check if time($x), $x >= 2026-12-01T00:00:00Z;\n", false),
            ("check if time($x), $x <= 1950-12-01T00:00:00Z;\n", false),
            ("check if time($x), $x <= 3;\n", false),
            ("app(\"web\") <- org($x);\n", false),
        ] {
            assert_eq!(read(source).is_some(), is_ours, "{source}");
        }
        assert_eq!(read(&"check if app($x), {\"web\"}.contains($x);\n".repeat(MAX_LINES + 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(scope in any_scope(), has_org in any::<bool>()) {
            let org = has_org.then(|| OrgId::new("k3f9").unwrap());
            let is_empty = |names: &Option<BTreeSet<Name>>| names.as_ref().is_some_and(BTreeSet::is_empty);
            let is_useless = scope.actions == Actions::NONE
                || is_empty(&scope.apps) || is_empty(&scope.regions) || is_empty(&scope.instances);
            match write(org.as_ref(), &scope) {
                Ok(code) => prop_assert_eq!(read(&code), Some(Block { org, scope })),
                Err(_) => prop_assert!(is_useless),
            }
        }

        #[test]
        fn any_text_can_be_read(text in ".*", tail in "[a-z($){}\", .;\n<=]*") {
            let _ = read(&text);
            let _ = read(&format!("check if {tail}"));
        }
    }

    #[test]
    fn a_time_beyond_all_times_is_not_written() {
        assert!(write(None, &Scope { not_after_s: Some(u64::MAX), ..Scope::ALL }).is_err());
        let code = write(None, &Scope { not_after_s: Some(MAX_SECONDS), ..Scope::ALL }).unwrap();
        assert_eq!(read(&code).unwrap().scope.not_after_s, Some(MAX_SECONDS));
    }
}
