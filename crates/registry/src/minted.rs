//! Which tokens were made here: enough to list them and to revoke one by its name, and never the tokens themselves.

use std::collections::{BTreeMap, BTreeSet};

use access::{Action, Scope};
use line::{Name, OrgId};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::{Error, State, text};

/// What a token is limited to, in words. An empty list is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// What may be done: `read`, `write`, `ship`, `admin`. Empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// With which apps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apps: Vec<String>,
    /// In which regions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// With which Machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// Until which second, Unix time, that one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_s: Option<u64>,
}

impl Limits {
    /// The same as a scope; names are escaped where they have to be.
    ///
    /// # Errors
    /// `Access` for a word that is no action, `Name`.
    pub fn scope(&self) -> Result<Scope, Error> {
        let names = |what, list: &[String]| {
            let names: Result<BTreeSet<_>, _> = list.iter().map(|name| Name::new(what, name)).collect();
            names.map(|names| Some(names).filter(|names| !names.is_empty()))
        };
        let actions: Result<Vec<Action>, _> = self.actions.iter().map(|word| word.parse()).collect();
        let actions = actions?;
        Ok(Scope {
            actions: if actions.is_empty() { Scope::ALL.actions } else { actions.into_iter().collect() },
            apps: names("app", &self.apps)?,
            regions: names("region", &self.regions)?,
            instances: names("instance", &self.instances)?,
            not_after_s: self.not_after_s,
        })
    }

    /// What `scope` is in words; all its actions are named. A list that allows nothing has no words, and is the empty name.
    #[must_use]
    pub fn of(scope: &Scope) -> Self {
        let names = |names: &Option<BTreeSet<Name>>| match names {
            Some(names) if names.is_empty() => vec![String::new()],
            Some(names) => names.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let actions: Vec<String> = scope.actions.iter().map(|action| action.to_string()).collect();
        Self {
            actions: if actions.is_empty() { vec![String::new()] } else { actions },
            apps: names(&scope.apps),
            regions: names(&scope.regions),
            instances: names(&scope.instances),
            not_after_s: scope.not_after_s,
        }
    }
}

/// A token that was made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// By what it is revoked, and all that was made of it.
    #[serde(with = "text::hex")]
    pub id: Vec<u8>,
    /// Whose it is.
    #[serde(with = "text::org_id")]
    pub org: OrgId,
    /// What its maker calls it, at most [`Minted::MAX_NAME_BYTES`]; may be empty.
    pub name: String,
    /// What it allows.
    pub limits: Limits,
    /// The number of the key that signed it.
    pub key: u32,
    /// When it was made, in Unix nanoseconds.
    pub created_ns: i64,
}

impl Minted {
    /// Longest name in bytes.
    pub const MAX_NAME_BYTES: usize = 128;

    /// When it ends by itself, in Unix nanoseconds; `i64::MAX`: it does not.
    #[must_use]
    pub fn until_ns(&self) -> i64 {
        until_ns(self.limits.not_after_s)
    }
}

/// The first moment, in Unix nanoseconds, at which what is good until `not_after_s` is good no more.
pub(crate) fn until_ns(not_after_s: Option<u64>) -> i64 {
    let end = |last: u64| i64::try_from(last).ok()?.checked_add(1)?.checked_mul(1_000_000_000);
    not_after_s.and_then(end).unwrap_or(i64::MAX)
}

/// All of them, by revocation id.
#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<Vec<u8>, Minted>);

impl Book {
    /// Makes a change to a state that is `before` it.
    pub(crate) fn apply(&mut self, change: &Change, before: &State) {
        match change {
            Change::Token(token) => _ = self.0.insert(token.id.clone(), token.clone()),
            Change::TokensForgotten { now_ns } => {
                self.0.retain(|id, token| token.until_ns() > *now_ns && !before.is_revoked(id));
            }
            // Nothing of it is good any more.
            Change::OrgEnded(org) => self.0.retain(|_, token| token.org != org.id),
            _ => {}
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn tokens(&self) -> impl ExactSizeIterator<Item = &Minted> {
        self.0.values()
    }

    pub(crate) fn token(&self, id: &[u8]) -> Option<&Minted> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u8, org: &str, not_after_s: Option<u64>) -> Minted {
        let limits = Limits { not_after_s, ..Limits::default() };
        let org = OrgId::new(org).unwrap();
        Minted { id: vec![id; 32], org, name: "ci".into(), limits, key: 1, created_ns: 0 }
    }

    #[test]
    fn what_is_over_is_forgotten_and_nothing_else() {
        let (mut book, mut state) = (Book::default(), State::new().unwrap());
        for token in
            [token(1, "a", Some(9)), token(2, "a", Some(10)), token(3, "a", None), token(4, "b", None)]
        {
            book.apply(&Change::Token(token), &state);
        }
        let left = |book: &Book| book.tokens().map(|token| token.id[0]).collect::<Vec<_>>();
        let revocation = crate::Revocation { id: vec![3; 32], until_ns: i64::MAX };
        state.apply(1, Change::Revocation(revocation));
        book.apply(&Change::TokensForgotten { now_ns: 10_000_000_000 }, &state);
        assert_eq!(left(&book), [2, 4]);
        let ended = crate::EndedOrg { id: OrgId::new("b").unwrap(), account: 1, ended_ns: 0 };
        book.apply(&Change::OrgEnded(ended), &state);
        assert_eq!((left(&book), book.len()), (vec![2], 1));
    }

    #[test]
    fn limits_and_scopes() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let limits = Limits {
            actions: words(&["read", "ship"]),
            apps: words(&["api", "we.b"]),
            not_after_s: Some(7),
            ..Limits::default()
        };
        let scope = limits.scope().unwrap();
        assert_eq!(Limits::of(&scope), Limits { apps: words(&["api", "we%2Eb"]), ..limits });
        assert_eq!(Limits::default().scope().unwrap(), Scope::ALL);
        for (limits, code) in [
            (Limits { actions: words(&["fly"]), ..Limits::default() }, "LR07"),
            (Limits { apps: words(&[""]), ..Limits::default() }, "LA12"),
            (Limits { regions: words(&[&"x".repeat(64)]), ..Limits::default() }, "LA12"),
        ] {
            assert_eq!(limits.scope().unwrap_err().code(), Some(code), "{limits:?}");
        }
        let nothing = Scope { apps: Some(BTreeSet::new()), ..Scope::ALL };
        assert!(Limits::of(&nothing).scope().is_err());
        for (not_after_s, wanted) in [(None, i64::MAX), (Some(0), 1_000_000_000), (Some(u64::MAX), i64::MAX)]
        {
            assert_eq!(until_ns(not_after_s), wanted);
        }
    }
}
