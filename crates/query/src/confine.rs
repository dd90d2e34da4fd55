//! What may be seen at most: limits that no text can take away, because they are nodes of the tree above whatever the text
//! became.

use std::collections::BTreeSet;

use line::json::Scanner;
use line::{Name, OrgId};

use crate::error::Error;
use crate::filter::Filter;
use crate::query::Query;

/// Limits of whoever asks. A list that is `None` is no limit; an empty one lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Whose rows.
    pub org: OrgId,
    /// Of which apps.
    pub apps: Option<BTreeSet<Name>>,
    /// From which regions.
    pub regions: Option<BTreeSet<Name>>,
    /// From which Machines.
    pub instances: Option<BTreeSet<Name>>,
    /// What else has to match: `extra_filters` and `extra_stream_filters`.
    pub filters: Vec<Filter>,
}

impl Confinement {
    /// All rows of `org`.
    pub const fn org(org: OrgId) -> Self {
        Self { org, apps: None, regions: None, instances: None, filters: Vec::new() }
    }

    /// The limits as a filter. Names are compared as whole values: a filter for a word would also find `my-app-2` for `my-app`.
    pub fn filter(&self) -> Filter {
        let lists = [("app", &self.apps), ("region", &self.regions), ("instance", &self.instances)];
        let names = lists.into_iter().filter_map(|(field, names)| {
            let names = names.as_ref()?.iter().map(|name| name.as_str().to_owned());
            Some(Filter::one_of(field, names))
        });
        let org = Filter::Orgs(vec![self.org.as_str().to_owned()]);
        Filter::all(std::iter::once(org).chain(names).chain(self.filters.iter().cloned()).collect())
    }
}

impl Query {
    /// Puts the limits on this query and on every query inside of it.
    pub fn confine(&mut self, limits: &Confinement) {
        self.each_query(&mut |query| query.narrow(limits.filter()));
    }
}

impl Query {
    /// Takes the org out of the limits, for the way to another store: what is printed of an org matches nothing. Whoever gets the text
    /// is told the org beside it and puts it on anew ([`Query::confine`]).
    pub fn without_org(&mut self, org: &OrgId) {
        self.each_query(&mut |query| {
            let filter = std::mem::replace(&mut query.filter, Filter::All);
            query.filter = without(filter, org);
        });
    }
}

fn without(filter: Filter, org: &OrgId) -> Filter {
    match filter {
        Filter::Orgs(orgs) if orgs.len() == 1 && orgs.iter().all(|one| one == org.as_str()) => Filter::All,
        Filter::And(all) => Filter::all(all.into_iter().map(|one| without(one, org)).collect()),
        other => other,
    }
}

/// Reads the argument `extra_filters`: a JSON object, each of whose fields has to have its string or one of its strings as
/// the whole value, or a filter. `now` as in [`crate::parse`].
///
/// # Errors
/// [`Error::Limit`] for what is neither, and for what would limit nothing: an object or a list that is empty.
pub fn extra_filters(text: &str, now: i64) -> Result<Filter, Error> {
    read(text, now, "extra_filters")
}

/// Reads the argument `extra_stream_filters`, as [`extra_filters`].
///
/// # Errors
/// As [`extra_filters`].
pub fn extra_stream_filters(text: &str, now: i64) -> Result<Filter, Error> {
    read(text, now, "extra_stream_filters")
}

fn read(text: &str, now: i64, argument: &'static str) -> Result<Filter, Error> {
    let limit = |message: String| Error::Limit { argument, message };
    let text = text.trim();
    if text.is_empty() || text == "{}" {
        return Err(limit(
            "it is empty and would limit nothing: leave the argument out, or say what is to match".into(),
        ));
    }
    if !text.starts_with("{\"") {
        return Filter::parse(text, now).map_err(|why| limit(why.render(text)));
    }
    match json(text) {
        Ok(Some(filters)) => Ok(Filter::all(filters)),
        Ok(None) => Err(limit("a list in it is empty and would limit nothing: name the values".into())),
        // What begins like JSON may be the filter of a stream whose field is quoted.
        Err(why) => Filter::parse(text, now).map_err(|_| limit(why)),
    }
}

/// The filters of `{"field":"value","field":["value","value"]}`; none when a list is empty.
fn json(text: &str) -> Result<Option<Vec<Filter>>, String> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut filters = Vec::new();
    let filled = fields(&mut scanner, &mut filters).and_then(|filled| scanner.end().map(|()| filled));
    let filled = filled.map_err(|why| {
        format!(
            "it has to be a JSON object of strings and lists of strings, or a filter without pipes: {why}"
        )
    })?;
    Ok(filled.then_some(filters))
}

/// Whether every list has something in it.
fn fields(scanner: &mut Scanner<'_>, filters: &mut Vec<Filter>) -> Result<bool, line::Error> {
    let mut filled = true;
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key()? {
        let field = key.decode()?.into_owned();
        let mut values = Vec::new();
        if scanner.peek() == Some(b'[') {
            scanner.begin_array()?;
            while scanner.next_item()? {
                values.push(scanner.string()?.decode()?.into_owned());
            }
        } else {
            values.push(scanner.string()?.decode()?.into_owned());
        }
        filled &= !values.is_empty();
        filters.push(Filter::one_of(&field, values));
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::any_filter;
    use crate::predicate::Row;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Line {
        org: &'static str,
        app: &'static str,
        region: &'static str,
        msg: &'static str,
        time: i64,
    }

    impl Row for Line {
        fn time(&self) -> i64 {
            self.time
        }

        fn org(&self) -> &str {
            self.org
        }

        fn value<'a>(&'a self, field: &str, _: &'a mut Vec<u8>) -> &'a [u8] {
            match field {
                "app" => self.app.as_bytes(),
                "region" => self.region.as_bytes(),
                // An app may write whatever it likes into the fields of its own rows.
                "org" | "\0org" => b"k",
                "_msg" => self.msg.as_bytes(),
                _ => b"",
            }
        }
    }

    fn any_line() -> impl Strategy<Value = Line> {
        let names = |names: &'static [&'static str]| prop::sample::select(names);
        (
            names(&["k", "l", "kk"]),
            names(&["a", "b", "a-b", "foo"]),
            names(&["lhr", "ams"]),
            names(&["a b", "foo error", "", "k"]),
            0..100_000_000_000_000_i64,
        )
            .prop_map(|(org, app, region, msg, time)| Line { org, app, region, msg, time })
    }

    fn names(what: &'static str, names: &[&str]) -> Option<BTreeSet<Name>> {
        Some(names.iter().map(|name| Name::new(what, name).unwrap()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn limits_only_narrow(
            filter in any_filter(),
            lines in proptest::collection::vec(any_line(), 1..40),
            by_app in any::<bool>(),
            extra in prop::option::of(any_filter()),
        ) {
            let mut limits = Confinement::org(OrgId::new("k").unwrap());
            if by_app {
                limits.apps = names("app", &["a", "foo"]);
                limits.regions = names("region", &["lhr"]);
            }
            limits.filters.extend(extra.clone());
            let mut query = Query { options: Default::default(), filter: filter.clone(), pipes: Vec::new() };
            query.confine(&limits);
            let (free, confined) = (filter.compile().unwrap(), query.predicate().unwrap());
            let extra = extra.map(|extra| extra.compile().unwrap());
            for line in &lines {
                let mut allowed = line.org == "k";
                if by_app {
                    allowed &= ["a", "foo"].contains(&line.app) && line.region == "lhr";
                }
                allowed &= extra.as_ref().is_none_or(|extra| extra.matches(line));
                prop_assert_eq!(confined.matches(line), allowed && free.matches(line), "{}", query);
                prop_assert!(!confined.matches(line) || confined.has_org(line.org));
            }
        }

        #[test]
        fn limits_that_went_through_text_let_nothing_through(filter in any_filter(), line in any_line()) {
            let mut query = Query { options: Default::default(), filter, pipes: Vec::new() };
            query.confine(&Confinement::org(OrgId::new("k").unwrap()));
            let again = crate::parse(&query.to_string(), 0).unwrap();
            prop_assert!(!again.predicate().unwrap().matches(&line));
        }
    }

    #[test]
    fn or_does_not_escape() {
        let mut limits = Confinement::org(OrgId::new("k").unwrap());
        limits.apps = names("app", &["my-app"]);
        let mut query = crate::parse("a or * or !x:y", 0).unwrap();
        query.confine(&limits);
        let predicate = query.predicate().unwrap();
        let line = |org, app| Line { org, app, region: "lhr", msg: "a", time: 1 };
        assert!(predicate.matches(&line("k", "my-app")));
        for (org, app) in [("l", "my-app"), ("k", "my-app-2"), ("k", "x-my-app"), ("k", ""), ("", "my-app")] {
            assert!(!predicate.matches(&line(org, app)), "{org} {app}");
        }
        limits.apps = names("app", &[]);
        query.confine(&limits);
        assert!(!query.predicate().unwrap().matches(&line("k", "my-app")));
    }

    #[test]
    fn extra() {
        for (text, wanted) in [
            (r#"{"f":"v"}"#, "f:in(v)"),
            (r#"{"f":"v","g h":["a","b\"c"]}"#, r#"f:in(v) "g h":in(a,"b\"c")"#),
            (r#" { "f":"v"}"#, ""),
            ("f:=v or g:x", "f:=v or g:x"),
            (r#"{app in ("nginx","x")}"#, "{app in (nginx,x)}"),
            (
                r#"_stream:{app in ("nginx")} AND _stream:{host not_in ("h")}"#,
                "{app in (nginx)} {host not_in (h)}",
            ),
            (r#"{"app"="x"}"#, r#"{app="x"}"#),
            ("{}", ""),
            ("", ""),
            (r#"{"f":[]}"#, ""),
            (r#"{"f":"v","g":[]}"#, ""),
            (r#"{"f":1}"#, ""),
            (r#"{"f":["a",1]}"#, ""),
            (r#"{"f":"v"} x"#, ""),
            ("* | limit 5", ""),
            ("a)", ""),
            ("a) or (*", ""),
        ] {
            let found = extra_filters(text, 0);
            match found {
                Ok(filter) => assert_eq!(filter.to_string(), wanted, "{text}"),
                Err(Error::Limit { argument, .. }) => {
                    assert!(wanted.is_empty() && argument == "extra_filters", "{text}")
                }
                Err(error) => panic!("{text}: {error}"),
            }
            assert_eq!(extra_stream_filters(text, 0).is_ok(), !wanted.is_empty());
        }
    }
}
