//! The tenant that a client of VictoriaLogs names in its headers. The token has decided it already: the headers may agree or be
//! left out.

use hyper::{HeaderMap, StatusCode};

use crate::logins::Caller;
use crate::reply::Refused;

const HEADERS: [&str; 2] = ["accountid", "projectid"];

/// Whether the request names a tenant.
pub(crate) fn is_named(headers: &HeaderMap) -> bool {
    HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// 403 if the headers name another tenant than the token's; 400 if they are no numbers.
pub(crate) fn check(headers: &HeaderMap, caller: &Caller) -> Result<(), Refused> {
    let [account, project] = [number(headers, 0)?, number(headers, 1)?];
    let is_own = account == 0 || caller.account == Some(account);
    if is_own && project == 0 {
        return Ok(());
    }
    let text = format!(
        "LR13: the token decides whose lines are seen, and it is not of the tenant {account}:{project}: leave AccountID and ProjectID out"
    );
    Err(Refused::new(StatusCode::FORBIDDEN, text))
}

fn number(headers: &HeaderMap, which: usize) -> Result<u32, Refused> {
    let name = HEADERS[which];
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(0) };
    let text = value.to_str().unwrap_or("?").trim();
    match (text, values.next()) {
        ("", None) => Ok(0),
        (text, None) => {
            text.parse().map_err(|_| Refused::bad(format!("the header {name} is not a number of 32 bits")))
        }
        (_, Some(_)) => Err(Refused::bad(format!("the header {name} comes more than once"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{Grant, Scope};
    use hyper::header::HeaderName;
    use line::OrgId;
    use std::sync::Arc;

    #[test]
    fn only_the_own_tenant() {
        let grant =
            Grant { org: OrgId::new("k").unwrap(), scope: Scope::ALL, revocation_ids: Vec::new(), key_id: 1 };
        let caller = Caller { grant: Arc::new(grant), account: Some(7) };
        for (headers, wanted) in [
            (&[][..], None),
            (&[("accountid", "0"), ("projectid", "0")], None),
            (&[("accountid", "7")], None),
            (&[("accountid", "7"), ("projectid", "")], None),
            (&[("accountid", "8")], Some(403)),
            (&[("accountid", "7"), ("projectid", "1")], Some(403)),
            (&[("projectid", "1")], Some(403)),
            (&[("accountid", "-1")], Some(400)),
            (&[("accountid", "4294967296")], Some(400)),
            (&[("accountid", "7"), ("accountid", "8")], Some(400)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            let found = check(&map, &caller).err().map(|refused| refused.status.as_u16());
            assert_eq!(found, wanted, "{headers:?}");
            assert_eq!(is_named(&map), !headers.is_empty());
        }
    }
}
