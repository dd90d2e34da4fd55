//! What a token allows, in words.

use registry::Limits;

/// A moment, to the second.
pub(crate) fn when(ns: i64) -> String {
    let text = line::time::rfc3339(ns);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// Until when, if there is an end.
pub(crate) fn until(not_after_s: Option<u64>) -> String {
    let ns = |last: u64| i64::try_from(last).ok()?.checked_mul(1_000_000_000);
    match not_after_s.map(ns) {
        Some(Some(ns)) => format!("until {}", when(ns)),
        _ => "for ever".to_owned(),
    }
}

/// `read, ship; apps api, web; until 2026-12-31T23:59:59Z`.
pub(crate) fn limits(limits: &Limits) -> String {
    let actions = match limits.actions.as_slice() {
        [] => "everything".to_owned(),
        [one] if one.is_empty() => "nothing".to_owned(),
        all if all.len() == access::Action::ALL.len() => "everything".to_owned(),
        some => some.join(", "),
    };
    let mut parts = vec![actions];
    for (what, names) in
        [("apps", &limits.apps), ("regions", &limits.regions), ("instances", &limits.instances)]
    {
        match names.as_slice() {
            [] => {}
            [one] if one.is_empty() => parts.push(format!("no {what}")),
            names => parts.push(format!("{what} {}", names.join(", "))),
        }
    }
    parts.push(until(limits.not_after_s));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (given, wanted) in [
            (Limits::default(), "everything; for ever"),
            (
                Limits { actions: words(&["read", "write", "ship", "admin"]), ..Limits::default() },
                "everything; for ever",
            ),
            (
                Limits {
                    actions: words(&["read"]),
                    apps: words(&["api", "web"]),
                    not_after_s: Some(1_798_761_599),
                    ..Limits::default()
                },
                "read; apps api, web; until 2026-12-31T23:59:59Z",
            ),
            (Limits { actions: words(&[""]), ..Limits::default() }, "nothing; for ever"),
            (
                Limits { regions: words(&[""]), instances: words(&["i"]), ..Limits::default() },
                "everything; no regions; instances i; for ever",
            ),
        ] {
            assert_eq!(limits(&given), wanted);
        }
    }
}
