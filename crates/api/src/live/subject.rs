//! Which subjects a filter can have rows on.

use std::collections::BTreeSet;

use line::{Name, OrgId, subject};
use query::Predicate;

/// The narrowest pattern of the bus on which all rows come that match.
pub(crate) fn pattern(org: &OrgId, predicate: &Predicate) -> String {
    let only = |field: &'static str| {
        let names = names(predicate, field)?;
        let mut names = names.iter();
        let first = std::str::from_utf8(names.next()?).ok()?;
        // Two cost a subscription each: all of them together are one.
        if names.next().is_some() { None } else { Name::new(field, first).ok() }
    };
    let (app, region, instance) = (only("app"), only("region"), only("instance"));
    subject::inner_pattern(org, app.as_ref(), region.as_ref(), instance.as_ref())
}

/// The values one of which `field` has in every row that matches; `None`: it may have any.
fn names(predicate: &Predicate, field: &str) -> Option<BTreeSet<Vec<u8>>> {
    match predicate {
        Predicate::Field(test) if test.field() == field => {
            Some(test.values()?.into_iter().map(<[u8]>::to_vec).collect())
        }
        Predicate::None => Some(BTreeSet::new()),
        Predicate::And(all) => {
            all.iter().filter_map(|predicate| names(predicate, field)).reduce(|a, b| &a & &b)
        }
        Predicate::Or(any) => any
            .iter()
            .map(|predicate| names(predicate, field))
            .try_fold(BTreeSet::new(), |all, names| Some(&all | &names?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let org = OrgId::new("k3f9").unwrap();
        for (text, wanted) in [
            ("*", "o.k3f9.logs.>"),
            ("app:=web", "o.k3f9.logs.web.*.*"),
            ("fly.app.name:=web error", "o.k3f9.logs.web.*.*"),
            ("{app=\"web\",region=\"lhr\"}", "o.k3f9.logs.web.lhr.*"),
            ("app:in(web, db) app:=db", "o.k3f9.logs.db.*.*"),
            ("app:=web or app:=web error", "o.k3f9.logs.web.*.*"),
            ("app:=web or error", "o.k3f9.logs.>"),
            ("app:in(web, db)", "o.k3f9.logs.>"),
            ("!app:=web", "o.k3f9.logs.>"),
            ("app:web", "o.k3f9.logs.>"),
            ("instance:=i1", "o.k3f9.logs.*.*.i1"),
            ("app:=\"a.*\"", "o.k3f9.logs.a%2E%2A.*.*"),
            ("app:=\"\"", "o.k3f9.logs.>"),
            ("app:=a app:=b", "o.k3f9.logs.>"),
        ] {
            let predicate = query::parse(text, 0).unwrap().predicate().unwrap();
            assert_eq!(pattern(&org, &predicate), wanted, "{text}");
        }
    }
}
