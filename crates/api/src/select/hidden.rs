//! `hidden_fields_filters`: fields that are not there for whoever asks, neither to be looked for nor to be seen.

use query::field::STREAM_FIELDS;
use query::names::{Name, Names};
use query::{Filter, Pipe, Predicate, Query, field};

use crate::args::{Args, split_list};
use crate::reply::Refused;

/// Names of fields, and beginnings of names with `*` behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hidden(Vec<String>);

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
        Ok(Self(names))
    }

    /// Whether nothing is hidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        let name = field::resolve(name);
        self.0.iter().any(|hidden| match hidden.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => field::resolve(hidden) == name,
        })
    }

    /// Takes the fields out of all rows, before anything looks at them. A filter of a hidden field sees an empty one.
    pub(crate) fn hide(&self, query: &mut Query) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut names: Vec<Name> = self.0.iter().map(|name| name_of(name)).collect();
        // What is made of other fields would tell them.
        if STREAM_FIELDS.iter().any(|part| self.has(part)) {
            names.extend([field::STREAM, field::STREAM_ID].map(|name| Name::Exact(name.to_owned())));
        }
        let mut deletes = query::parse("* | delete x", 0).map_err(said)?.pipes;
        if let Some(Pipe::Delete(delete)) = deletes.first_mut() {
            delete.names = Names(names);
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

fn name_of(name: &str) -> Name {
    match name.strip_suffix('*') {
        Some(prefix) => Name::Prefix(prefix.to_owned()),
        None => Name::Exact(field::resolve(name).to_owned()),
    }
}

fn said(error: query::Error) -> Refused {
    Refused::bad(format!("{}: {error}", error.code()))
}

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
        let bad = Args::read("hidden_fields_filters=[1]", b"").unwrap();
        assert!(Hidden::read(&bad).is_err());
    }
}
