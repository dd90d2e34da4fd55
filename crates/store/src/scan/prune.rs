//! Which units can have a row that matches. Never too few.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use line::{Name, OrgId};
use query::{FieldTest, Predicate};

use super::Unit;
use crate::part::{Lookup, Part, tokens};
use crate::rows::{Kind, Source, is_of_kind, is_of_source, source_value};

/// The commit order from its beginning to its end.
pub(crate) const ALL: Range<u64> = 0..u64::MAX;

/// What is searched, and for what.
pub(crate) struct Wanted<'a> {
    /// Whose rows.
    pub(crate) org: &'a OrgId,
    /// Which of them.
    pub(crate) predicate: &'a Predicate,
    /// Only rows of this time or later, Unix nanoseconds.
    pub(crate) from: i64,
    /// Only rows before this time.
    pub(crate) to: i64,
    /// Only rows whose pos is in it.
    pub(crate) pos: Range<u64>,
}

impl Wanted<'_> {
    /// Whether rows of `source` can match.
    pub(crate) fn may_have(&self, app: &Name, source: &Source) -> bool {
        let value = |field: &str| source_value(field, self.org, app, source);
        decide(self.predicate, &mut |test| value(test.field()).map(|value| test.matches(value.as_bytes())))
            != Some(false)
    }

    /// Which apps of `part`, by their numbers, can have such a row; `None`: none of them.
    pub(crate) fn apps_of(&self, part: &Part) -> Option<Vec<bool>> {
        let mut apps = vec![false; part.apps().len()];
        match names(self.predicate, "app") {
            // A part may have thousands of apps: those that are named are looked up.
            Some(names) => {
                let names =
                    names.iter().filter_map(|name| Name::new("app", std::str::from_utf8(name).ok()?).ok());
                let numbers = names.filter_map(|name| part.app_number(self.org, &name));
                numbers.for_each(|number| apps[number] = true);
            }
            None => {
                for (may, (org, app)) in apps.iter_mut().zip(part.apps()) {
                    *may = org == self.org && self.may_have_app(app);
                }
            }
        }
        apps.contains(&true).then_some(apps)
    }

    /// Whether rows of `app` can match, whatever else they are.
    fn may_have_app(&self, app: &Name) -> bool {
        let mut test =
            |test: &FieldTest| (test.field() == "app").then(|| test.matches(app.as_str().as_bytes()));
        decide(self.predicate, &mut test) != Some(false)
    }

    /// Bit `i`: rows of the level with code `i` can match.
    fn levels(&self) -> u8 {
        line::Level::ALL.into_iter().fold(0, |bits, level| {
            let kind = Kind { level, ..Kind::PLAIN };
            let mut value = |test: &FieldTest| {
                let text = (test.field() == "level").then(|| kind.value("level")).flatten()?;
                Some(test.matches(text.as_bytes()))
            };
            let may = decide(self.predicate, &mut value) != Some(false);
            bits | u8::from(may) << level.code()
        })
    }

    /// The units of `rows` that can have such a row.
    pub(crate) fn in_memory(&self, rows: &[Arc<crate::Rows>], into: &mut Vec<Unit>) {
        for rows in rows {
            let is_in_time = rows.time_range().is_some_and(|(from, to)| from < self.to && to >= self.from);
            let is_between =
                rows.pos_range().is_some_and(|(from, to)| from < self.pos.end && to >= self.pos.start);
            let has_source = || rows.sources().iter().any(|source| self.may_have(rows.app(), source));
            if rows.org() == self.org && is_in_time && is_between && has_source() {
                into.push(Unit::Memory(Arc::clone(rows)));
            }
        }
    }

    /// The frames of `part` that can have such a row.
    pub(crate) fn in_part(&self, part: &Arc<Part>, into: &mut Vec<Unit>) {
        let summary = part.summary();
        let is_in_time = summary.time.0 < self.to && summary.time.1 >= self.from;
        if !is_in_time || summary.pos.1 < self.pos.start || summary.pos.0 >= self.pos.end {
            return;
        }
        let Some(apps) = self.apps_of(part) else { return };
        let sources = part.source_mask(&apps, |_, app, source| self.may_have(app, source));
        if !sources.contains(&true) {
            return;
        }
        let lookup = Lookup {
            sources: Some(sources),
            from: self.from,
            to: self.to.saturating_sub(1),
            pos_above: self.pos.start.checked_sub(1),
            pos_below: Some(self.pos.end),
            levels: self.levels(),
            needs: needs(self.predicate),
        };
        // What cannot be read of the filters excludes nothing.
        let frames = part.candidates(&lookup).unwrap_or_default();
        into.extend(frames.into_iter().map(|frame| Unit::Frame(Arc::clone(part), frame)));
    }
}

/// What a predicate is where some of its tests are decided: `None` if that depends on the others.
pub(crate) fn decide(
    predicate: &Predicate,
    test: &mut dyn FnMut(&FieldTest) -> Option<bool>,
) -> Option<bool> {
    match predicate {
        Predicate::All => Some(true),
        Predicate::None => Some(false),
        Predicate::And(all) => {
            let mut whole = Some(true);
            for one in all {
                match decide(one, test) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => whole = None,
                }
            }
            whole
        }
        Predicate::Or(any) => {
            let mut whole = Some(false);
            for one in any {
                match decide(one, test) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => whole = None,
                }
            }
            whole
        }
        Predicate::Not(one) => decide(one, test).map(|is| !is),
        Predicate::Field(one) => test(one),
        _ => None,
    }
}

/// The values one of which `field` has in every row that matches; `None`: it may have any.
fn names(predicate: &Predicate, field: &str) -> Option<BTreeSet<Vec<u8>>> {
    match predicate {
        Predicate::Field(test) if test.field() == field => {
            Some(test.values()?.into_iter().map(<[u8]>::to_vec).collect())
        }
        Predicate::And(all) => all.iter().filter_map(|one| names(one, field)).reduce(|a, b| &a & &b),
        Predicate::Or(any) => any
            .iter()
            .map(|one| names(one, field))
            .try_fold(BTreeSet::new(), |all, names| Some(&all | &names?)),
        _ => None,
    }
}

/// Sets of hashes of tokens: of each member of the list, a row that matches has all of one set.
type Needs = Vec<Vec<Vec<u64>>>;

/// What token filters can be asked.
fn needs(predicate: &Predicate) -> Needs {
    match predicate {
        Predicate::And(all) => all.iter().flat_map(needs).collect(),
        Predicate::Or(any) => {
            let mut sets = Vec::new();
            for one in any {
                // Of each branch one need, the one that says most; a branch that says nothing lets everything through.
                match needs(one).into_iter().max_by_key(|need| need.iter().map(Vec::len).min()) {
                    Some(need) => sets.extend(need),
                    None => return Vec::new(),
                }
            }
            if sets.len() > MAX_SETS { Vec::new() } else { vec![sets] }
        }
        Predicate::Field(test) => need(test).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// With more sets than this it is cheaper to look.
const MAX_SETS: usize = 256;

fn need(test: &FieldTest) -> Option<Vec<Vec<u64>>> {
    let field = test.field();
    // Only messages and further fields are in the filters. An empty value has no tokens.
    let is_platform = crate::rows::PLATFORM_FIELDS.contains(&field) && field != "_msg";
    if is_platform || is_of_source(field) || is_of_kind(field) || test.matches_empty() {
        return None;
    }
    let hashes = |set: &Vec<Box<[u8]>>| set.iter().filter_map(|token| tokens::hash(field, token)).collect();
    let sets: Vec<Vec<u64>> = test.tokens().sets().iter().map(hashes).collect();
    (!sets.iter().any(Vec::is_empty)).then_some(sets)
}
