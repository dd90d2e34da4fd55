//! May this be subscribed to? The one place where a pattern that a client wrote meets what its token allows.

use std::collections::BTreeSet;

use line::Name;

use crate::{Action, Scope};

/// Tokens of a line's subject, as clients see it: `logs.<app>.<region>.<instance>`.
const LINE_TOKENS: usize = 4;

impl Scope {
    /// Whether every subject of the org that `pattern` selects may be read. `pattern` is what the client wrote, without the
    /// org's prefix; whether it is a legal one is for the caller to know.
    ///
    /// Nothing is narrowed in silence: a pattern that goes beyond the scope in any token is refused whole, or its reader could
    /// take a part for all. A scope for the whole org takes any pattern, since the prefix keeps it inside. Any other takes
    /// `logs` with each limited token spelled out, and `metrics.<app>.>` if nothing but the apps is limited.
    pub fn may_read(&self, pattern: &str) -> bool {
        if !self.actions.has(Action::Read) {
            return false;
        }
        if self.is_whole_org() {
            return true;
        }
        let mut tokens = pattern.split('.');
        match tokens.next() {
            Some("logs") => {
                let limits = [self.apps.as_ref(), self.regions.as_ref(), self.instances.as_ref()];
                is_within(tokens, &limits, LINE_TOKENS - 1)
            }
            Some("metrics") if self.regions.is_none() && self.instances.is_none() => {
                is_within(tokens, &[self.apps.as_ref()], usize::MAX)
            }
            _ => false,
        }
    }
}

/// Whether `tokens` select only what stands within `limits`, one for each of the first tokens, with `max_tokens` at most.
fn is_within<'a>(
    mut tokens: impl Iterator<Item = &'a str>,
    limits: &[Option<&BTreeSet<Name>>],
    max_tokens: usize,
) -> bool {
    for (index, limit) in limits.iter().enumerate() {
        match (tokens.next(), limit) {
            // The rest is open: it has to be open in the scope too.
            (Some(">"), _) => return tokens.next().is_none() && limits[index..].iter().all(Option::is_none),
            (Some(token), Some(names)) if !names.iter().any(|name| name.as_str() == token) => return false,
            (Some(_), _) => {}
            (None, _) => return false,
        }
    }
    match max_tokens {
        usize::MAX => tokens.next().is_some(),
        _ => tokens.next().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Actions;
    use crate::scope::tests::{any_address, any_scope};
    use proptest::prelude::*;

    fn set(names: &[&str]) -> Option<BTreeSet<Name>> {
        Some(names.iter().map(|name| Name::new("app", name).unwrap()).collect())
    }

    #[test]
    fn patterns_and_scopes() {
        let app = Scope { apps: set(&["web", "api"]), ..Scope::ALL };
        let region = Scope { regions: set(&["lhr"]), ..Scope::ALL };
        let machine = Scope { apps: set(&["web"]), instances: set(&["i1"]), ..Scope::ALL };
        let deaf = Scope { actions: [Action::Write, Action::Admin].into_iter().collect(), ..Scope::ALL };
        let nothing = Scope { apps: set(&[]), ..Scope::ALL };
        let rows: [(&str, [bool; 6]); 22] = [
            // pattern, then: whole org, two apps, a region, a Machine, no reading, no app
            (">", [true, false, false, false, false, false]),
            ("*", [true, false, false, false, false, false]),
            ("*.>", [true, false, false, false, false, false]),
            ("logs.>", [true, false, false, false, false, false]),
            ("logs", [true, false, false, false, false, false]),
            ("logs.web", [true, false, false, false, false, false]),
            ("logs.web.>", [true, true, false, false, false, false]),
            ("logs.web.*.*", [true, true, false, false, false, false]),
            ("logs.web.*", [true, false, false, false, false, false]),
            ("logs.*.lhr.*", [true, false, true, false, false, false]),
            ("logs.*.lhr.>", [true, false, true, false, false, false]),
            ("logs.>.lhr", [true, false, false, false, false, false]),
            ("logs.web.lhr.i1", [true, true, true, true, false, false]),
            ("logs.web.*.i1", [true, true, false, true, false, false]),
            ("logs.web.lhr.i1.x", [true, false, false, false, false, false]),
            ("logs.web.lhr.>", [true, true, true, false, false, false]),
            ("logs.other.>", [true, false, false, false, false, false]),
            ("logs.we*.>", [true, false, false, false, false, false]),
            ("metrics.web.>", [true, true, false, false, false, false]),
            ("metrics.web", [true, false, false, false, false, false]),
            ("o.other.>", [true, false, false, false, false, false]),
            ("", [true, false, false, false, false, false]),
        ];
        for (pattern, wanted) in rows {
            for (scope, wanted) in
                [&Scope::ALL, &app, &region, &machine, &deaf, &nothing].into_iter().zip(wanted)
            {
                assert_eq!(scope.may_read(pattern), wanted, "{pattern} in {scope:?}");
            }
        }
    }

    fn matches(pattern: &str, subject: &str) -> bool {
        let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
        loop {
            match (pattern.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(one), Some(other)) if one == "*" || one == other => {}
                _ => return false,
            }
        }
    }

    proptest! {
        /// The promise itself: whatever pattern was let through, it selects no line that the scope does not allow.
        #[test]
        fn no_pattern_reaches_beyond_its_scope(
            scope in any_scope(),
            address in any_address(),
            tokens in prop::collection::vec(prop::sample::select(&["a", "b", "*", ">", "logs", ""][..]), 0..6),
            from_root in any::<bool>(),
        ) {
            let pattern = tokens.join(".");
            let pattern = if from_root { pattern } else { format!("logs.{pattern}") };
            let subject = line::subject::client(&address);
            if scope.may_read(&pattern) && matches(&pattern, &subject) {
                let ever = Scope { not_after_s: None, ..scope };
                prop_assert!(ever.allows(Action::Read, &address, 0), "{} in {:?}", pattern, ever);
            }
        }
    }

    #[test]
    fn to_be_allowed_nothing_is_to_read_nothing() {
        let scope = Scope { actions: Actions::NONE, ..Scope::ALL };
        assert!(!scope.may_read("logs.web.lhr.i1"));
    }
}
