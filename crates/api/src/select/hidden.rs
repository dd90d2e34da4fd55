//! `hidden_fields_filters`: fields that are not there for whoever asks, neither to be looked for nor to be seen.

use std::collections::BTreeSet;
use std::ops::Bound::{Included, Unbounded};

use query::field::{ALIASES, STREAM_FIELDS};
use query::names::{Name, Names};
use query::{Filter, Pipe, Predicate, Query, field};

use crate::args::{Args, split_list};
use crate::reply::Refused;

/// Names of fields, and beginnings of names with `*` behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// By the names that rows have.
    names: BTreeSet<String>,
    /// None of them begins with another one.
    prefixes: BTreeSet<String>,
}

/// Most names that a request hides.
const MAX_HIDDEN: usize = 1000;

impl Hidden {
    /// What the request says: a comma list, or a list in JSON; more than once if it likes.
    pub(crate) fn read(args: &Args) -> Result<Self, Refused> {
        let mut names = Vec::new();
        for text in args.all("hidden_fields_filters") {
            let text = text.trim();
            if text.starts_with('[') {
                let list: Vec<String> = serde_json::from_str(text).map_err(|_| {
                    Refused::bad("LQ04: hidden_fields_filters wants names with commas between them, or a JSON list of names")
                })?;
                names.extend(list);
            } else {
                names.extend(split_list(text));
            }
        }
        if names.len() > MAX_HIDDEN {
            let text = format!(
                "LQ04: hidden_fields_filters has {} names, at most {MAX_HIDDEN} are taken: use beginnings of names with '*'",
                names.len()
            );
            return Err(Refused::bad(text));
        }
        Ok(Self::of(&names))
    }

    fn of(names: &[String]) -> Self {
        let mut hidden = Self::default();
        for name in names {
            let Some(prefix) = name.strip_suffix('*') else {
                hidden.names.insert(field::resolve(name).to_owned());
                continue;
            };
            hidden.prefixes.insert(prefix.to_owned());
            // Whoever hides fly.* hides what is called so.
            let aliased = ALIASES.iter().filter(|(alias, _)| alias.starts_with(prefix));
            hidden.names.extend(aliased.map(|(_, name)| (*name).to_owned()));
        }
        let mut last: Option<String> = None;
        hidden.prefixes.retain(|prefix| {
            let is_new = !last.as_ref().is_some_and(|last| prefix.starts_with(last.as_str()));
            if is_new {
                last = Some(prefix.clone());
            }
            is_new
        });
        // What is made of other fields would tell them.
        if STREAM_FIELDS.iter().any(|part| hidden.has(part)) {
            hidden.names.extend([field::STREAM, field::STREAM_ID].map(str::to_owned));
        }
        hidden
    }

    /// Whether nothing is hidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        let name = field::resolve(name);
        // Whatever lies between a prefix and a name that begins with it begins with it too, so that it is the last one before it.
        let before = self.prefixes.range::<str, _>((Unbounded, Included(name))).next_back();
        self.names.contains(name) || before.is_some_and(|prefix| name.starts_with(prefix.as_str()))
    }

    /// The same as a list for a pipe.
    fn list(&self) -> Names {
        let names = self.names.iter().cloned().map(Name::Exact);
        Names(names.chain(self.prefixes.iter().cloned().map(Name::Prefix)).collect())
    }

    /// Takes the fields out of all rows, before anything looks at them. A filter of a hidden field sees an empty one.
    pub(crate) fn hide(&self, query: &mut Query) -> Result<(), Refused> {
        if self.is_empty() {
            return Ok(());
        }
        let mut deletes = query::parse("* | delete x", 0).map_err(said)?.pipes;
        if let Some(Pipe::Delete(delete)) = deletes.first_mut() {
            delete.names = self.list();
        }
        let mut failed = None;
        query.each_query(&mut |query| {
            if let Err(error) = self.blind(&mut query.filter) {
                failed = Some(error);
            }
            query.pipes.splice(0..0, deletes.iter().cloned());
        });
        failed.map_or(Ok(()), |error| Err(said(error)))
    }

    fn blind(&self, filter: &mut Filter) -> Result<(), query::Error> {
        match filter {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter_mut().try_for_each(|filter| self.blind(filter))
            }
            Filter::Not(filter) => self.blind(filter),
            other => {
                let mut sees = false;
                other.each_field(&mut |name| sees |= self.has(name));
                if sees {
                    *other = match other.compile()? {
                        Predicate::All => Filter::All,
                        Predicate::Field(test) if test.matches_empty() => Filter::All,
                        _ => Filter::Not(Box::new(Filter::All)),
                    };
                }
                Ok(())
            }
        }
    }
}

fn said(error: query::Error) -> Refused {
    Refused::bad(format!("{}: {error}", error.code()))
}

#[cfg(test)]
mod random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_empty() {
        let args =
            Args::read("hidden_fields_filters=a,b*,fly.app.name&hidden_fields_filters=[\"c\"]", b"").unwrap();
        let hidden = Hidden::read(&args).unwrap();
        for (text, wanted) in [
            ("a:x d:y", "!* d:y"),
            ("a:!=x", "!!*"),
            ("!bb:x or c:\"\"", "!!* or *"),
            ("{app=\"x\"}", "!*"),
            ("d:x", "d:x"),
        ] {
            let mut query = query::parse(text, 0).unwrap();
            hidden.hide(&mut query).unwrap();
            assert_eq!(query.filter.to_string(), wanted, "{text}");
            assert_eq!(query.pipes.len(), 1);
        }
        let hidden = Hidden::read(&Args::read("hidden_fields_filters=region", b"").unwrap()).unwrap();
        for text in ["_stream:~lhr", "_stream_id:*", "fly.region:lhr", "{region=\"lhr\"}"] {
            let mut query = query::parse(text, 0).unwrap();
            hidden.hide(&mut query).unwrap();
            assert!(["!*", "*"].contains(&query.filter.to_string().as_str()), "{text}: {}", query.filter);
        }
        let many = format!("hidden_fields_filters={}", "x,".repeat(MAX_HIDDEN + 1));
        assert!(Hidden::read(&Args::read(&many, b"").unwrap()).is_err());
        let bad = Args::read("hidden_fields_filters=[1]", b"").unwrap();
        assert!(Hidden::read(&bad).is_err());
    }

    #[test]
    fn names_and_beginnings() {
        let names = ["a", "b.", "c*", "ca*", "cab", "fly.r*", "x.y*"].map(str::to_owned);
        let hidden = Hidden::of(&names);
        for (name, wanted) in [
            ("a", true),
            ("ab", false),
            ("b", false),
            ("b.", true),
            ("c", true),
            ("cb", true),
            ("caz", true),
            ("d", false),
            ("region", true),
            ("fly.region", true),
            ("_stream", true),
            ("app", false),
            ("x.y.z", true),
            ("x.x", false),
        ] {
            assert_eq!(hidden.has(name), wanted, "{name}");
        }
    }
}
