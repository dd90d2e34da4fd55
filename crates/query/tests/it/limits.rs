//! Limits hold whatever stands in a query, its pipes included.

use std::collections::BTreeSet;

use line::{Name, OrgId};
use query::{Confinement, Row};

use crate::NOW;

struct Line {
    org: &'static str,
    app: &'static str,
}

impl Row for Line {
    fn time(&self) -> i64 {
        NOW - 1
    }

    fn org(&self) -> &str {
        self.org
    }

    fn value<'a>(&'a self, field: &str, _: &'a mut Vec<u8>) -> &'a [u8] {
        match field {
            "app" => self.app.as_bytes(),
            "_msg" => b"foo bar",
            _ => b"",
        }
    }
}

#[test]
fn nothing_in_a_query_widens_what_may_be_seen() {
    let mut limits = Confinement::org(OrgId::new("k").unwrap());
    limits.apps = Some(BTreeSet::from([Name::new("app", "web").unwrap()]));
    limits.filters.push(query::extra_filters("foo or bar", NOW).unwrap());
    for text in [
        "*",
        "a or *",
        "!a",
        "!(!*)",
        "fly.app.name:=web or fly.app.name:=other",
        "{app=\"other\"} or {app in (*)}",
        "app:* or !app:*",
        "_org:in(l) or *",
        "options(ignore_global_time_filter=true) *",
        "* | filter app:=other or *",
        "* | hidden:x or app:*",
        "* | stats by (app) count() if (app:=other or *)",
    ] {
        let mut query = query::parse(text, NOW).unwrap_or_else(|why| panic!("{}", why.render(text)));
        query.confine(&limits);
        query.hoist();
        let predicate = query.predicate().unwrap();
        for (org, app) in
            [("l", "web"), ("k", "web-2"), ("k", "other"), ("k", ""), ("", "web"), ("kk", "web")]
        {
            assert!(!predicate.matches(&Line { org, app }), "{text}: {org} {app}");
        }
        assert!(predicate.matches(&Line { org: "k", app: "web" }), "{text}");
    }
}
