//! The NATS subjects of lines: `logs.<app>.<region>.<instance>` for clients, with `o.<orgid>.` before it inside.

use crate::{Address, Error, Name, OrgId};

/// What stands before every client subject on the inner bus: `o.<orgid>.`.
pub fn org_prefix(org: &OrgId) -> String {
    format!("o.{org}.")
}

/// The subject that clients see.
pub fn client(address: &Address) -> String {
    format!("logs.{}.{}.{}", address.app, address.region, address.instance)
}

/// The subject on the inner bus.
pub fn inner(address: &Address) -> String {
    format!("o.{}.{}", address.org, client(address))
}

/// Reads a subject of the inner bus; [`Error::Subject`] unless it is `o.<orgid>.logs.<app>.<region>.<instance>` with
/// names in their escaped form.
pub fn parse_inner(subject: &str) -> Result<Address, Error> {
    let bad = || Error::Subject(subject.to_owned());
    let rest = subject.strip_prefix("o.").ok_or_else(bad)?;
    let (org, rest) = rest.split_once('.').ok_or_else(bad)?;
    let rest = rest.strip_prefix("logs.").ok_or_else(bad)?;
    Address::from_key(&format!("{org}.{rest}")).map_err(|_| bad())
}

/// The pattern that selects the lines of an org, narrowed by whatever is given, on the inner bus: see [`client_pattern`].
pub fn inner_pattern(
    org: &OrgId,
    app: Option<&Name>,
    region: Option<&Name>,
    instance: Option<&Name>,
) -> String {
    format!("{}{}", org_prefix(org), client_pattern(app, region, instance))
}

/// The same as clients write it: the four tokens that flyctl builds, `*` for each that is not given. Ends in `>` only when
/// all three are open, so that it is one token shorter to match.
pub fn client_pattern(app: Option<&Name>, region: Option<&Name>, instance: Option<&Name>) -> String {
    let token = |name: Option<&Name>| name.map_or("*", Name::as_str).to_owned();
    if app.is_none() && region.is_none() && instance.is_none() {
        return "logs.>".to_owned();
    }
    format!("logs.{}.{}.{}", token(app), token(region), token(instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::new(OrgId::new("k3f9").unwrap(), "my.app", "lhr", "i1").unwrap()
    }

    #[test]
    fn subjects_round_trip() {
        assert_eq!(client(&address()), "logs.my%2Eapp.lhr.i1");
        assert_eq!(inner(&address()), "o.k3f9.logs.my%2Eapp.lhr.i1");
        assert_eq!(parse_inner(&inner(&address())), Ok(address()));
        assert!(inner(&address()).starts_with(&org_prefix(&address().org)));
    }

    #[test]
    fn whatever_is_not_a_line_s_subject_is_refused() {
        for bad in [
            "",
            "o",
            "o.k3f9",
            "o.k3f9.logs.a.b",
            "o.k3f9.metrics.a.b.c",
            "o.k3f9.logs.a.b.c.d",
            "o.k3f9.logs.*.b.c",
        ] {
            assert_eq!(parse_inner(bad), Err(Error::Subject(bad.to_owned())));
        }
    }

    #[test]
    fn patterns_name_what_is_given() {
        let org = OrgId::new("k3f9").unwrap();
        let (web, lhr) = (Name::new("app", "web").unwrap(), Name::new("region", "lhr").unwrap());
        assert_eq!(inner_pattern(&org, None, None, None), "o.k3f9.logs.>");
        assert_eq!(inner_pattern(&org, Some(&web), None, None), "o.k3f9.logs.web.*.*");
        assert_eq!(inner_pattern(&org, None, Some(&lhr), None), "o.k3f9.logs.*.lhr.*");
    }
}
