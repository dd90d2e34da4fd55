//! The file that says how much orgs and addresses may have.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use line::OrgId;
use proxy::{Limits, OrgLimits};
use serde::Deserialize;

use crate::exit::Exit;
use crate::fail::Fail;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    org: Org,
    orgs: HashMap<String, Org>,
    connections_per_address: Option<u32>,
    connects_per_s: Option<u32>,
    failures_per_min: Option<u32>,
    total_pending_bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Org {
    connections: Option<u32>,
    subscriptions: Option<u32>,
    pending_bytes: Option<usize>,
}

impl Org {
    fn over(&self, base: OrgLimits) -> OrgLimits {
        OrgLimits {
            connections: self.connections.unwrap_or(base.connections),
            subscriptions: self.subscriptions.unwrap_or(base.subscriptions),
            pending_bytes: self.pending_bytes.unwrap_or(base.pending_bytes),
        }
    }
}

/// What the file says, over the usual limits.
pub(super) fn read(path: Option<&Path>) -> Result<Limits> {
    let Some(path) = path else { return Ok(Limits::default()) };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return Fail::new(Exit::Usage, format!("cannot read {}", path.display())).why(error).err();
        }
    };
    match parse(&text) {
        Ok(limits) => Ok(limits),
        Err(why) => Fail::new(Exit::Usage, format!("{} cannot be used", path.display()))
            .why(why)
            .hint("'logway proxy --help' shows all of it")
            .err(),
    }
}

fn parse(text: &str) -> Result<Limits, String> {
    if !text.trim_start().starts_with('{') {
        return Err("it is no JSON object".to_owned());
    }
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.org = file.org.over(limits.org);
    for (id, org) in &file.orgs {
        let id = OrgId::new(id).map_err(|error| format!("{error}; 'logway orgs list' shows ids"))?;
        limits.orgs.insert(id, org.over(limits.org));
    }
    for (limit, asked) in [
        (&mut limits.connections_per_address, file.connections_per_address),
        (&mut limits.connects_per_s, file.connects_per_s),
        (&mut limits.failures_per_min, file.failures_per_min),
    ] {
        *limit = asked.unwrap_or(*limit);
    }
    limits.total_pending_bytes = file.total_pending_bytes.unwrap_or(limits.total_pending_bytes);
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_as_usual() {
        let limits = parse(
            r#"{"org":{"connections":10},"orgs":{"k3f9":{"subscriptions":7}},"connects_per_s":3,"total_pending_bytes":99}"#,
        )
        .unwrap();
        let usual = Limits::default();
        assert_eq!((limits.org.connections, limits.org.subscriptions), (10, usual.org.subscriptions));
        let own = limits.of(&OrgId::new("k3f9").unwrap());
        assert_eq!((own.connections, own.subscriptions, own.pending_bytes), (10, 7, usual.org.pending_bytes));
        assert_eq!((limits.connects_per_s, limits.total_pending_bytes), (3, 99));
        assert_eq!(limits.failures_per_min, usual.failures_per_min);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("{", "EOF"),
            (r#"{"connection":1}"#, "unknown field `connection`"),
            (r#"{"org":{"connections":-1}}"#, "invalid value"),
            (r#"{"orgs":{"Acme Inc":{}}}"#, "logway orgs list"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
