//! Figures for whoever asks: tenants share the port, and the names of orgs and apps are not for others.

use std::collections::BTreeMap;

use access::{Action, Grant};

/// What is shown of figures in OpenMetrics text. Without a token, and with one that does not administer all of its org, the series of
/// apps are summed up, so that no name is in them; an admin sees those of its own org instead.
pub(crate) fn shown(text: &str, grant: Option<&Grant>) -> String {
    let org = grant.filter(|grant| is_admin(grant)).map(|grant| grant.org.as_str());
    let mut out = String::with_capacity(text.len());
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        // A metric's series stand together, and end where the next one is described.
        if line.starts_with('#') {
            write_sums(&mut sums, &mut out);
        }
        match Series::read(line) {
            Some(series) if org.is_some_and(|org| org == series.org) => push(line, &mut out),
            Some(_) if org.is_some() => {}
            Some(series) => *sums.entry(series.without_names()).or_insert(0.0) += series.value,
            None => push(line, &mut out),
        }
    }
    write_sums(&mut sums, &mut out);
    out
}

fn is_admin(grant: &Grant) -> bool {
    let scope = &grant.scope;
    let is_whole = scope.apps.is_none() && scope.regions.is_none() && scope.instances.is_none();
    is_whole && scope.actions.has(Action::Admin)
}

fn push(line: &str, out: &mut String) {
    out.push_str(line);
    out.push('\n');
}

fn write_sums(sums: &mut BTreeMap<String, f64>, out: &mut String) {
    for (series, sum) in std::mem::take(sums) {
        push(&format!("{series} {sum}"), out);
    }
}

/// One series with an org among its labels.
struct Series<'t> {
    name: &'t str,
    labels: Vec<(&'t str, &'t str)>,
    org: &'t str,
    value: f64,
}

impl<'t> Series<'t> {
    /// `None`: it is another line.
    fn read(line: &'t str) -> Option<Self> {
        let (name, rest) = line.split_once('{')?;
        if name.contains([' ', '#']) {
            return None;
        }
        let (labels, rest) = labels(rest)?;
        let org = labels.iter().find(|(name, _)| *name == "org")?.1;
        // What cannot be summed up counts for nothing rather than being shown.
        let value = rest.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(0.0);
        Some(Self { name, labels, org, value })
    }

    fn without_names(&self) -> String {
        let labels = self.labels.iter().filter(|(name, _)| !["org", "app"].contains(name));
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        if labels.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}{{{}}}", self.name, labels.join(","))
        }
    }
}

/// Names and values (as they are escaped) up to the brace that closes, and what is behind it.
fn labels(text: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let (mut labels, mut rest) = (Vec::new(), text);
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, value) = rest.split_once("=\"")?;
        let mut is_escaped = false;
        let end = value.find(|letter| {
            let ends = letter == '"' && !is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            ends
        })?;
        labels.push((name, value.get(..end)?));
        rest = value.get(end + 1..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use access::Scope;
    use line::{Name, OrgId};

    const TEXT: &str = "# HELP a_lines Lines, {org=\"x\"} and others.\n# TYPE a_lines counter\n\
        a_lines_total{org=\"k3f9\",app=\"web\"} 3\n\
        a_lines_total{org=\"m7x2\",app=\"shop\"} 4\n\
        # TYPE a_gaps counter\n\
        a_gaps_total{org=\"k3f9\",app=\"web\",reason=\"full\"} 1\n\
        a_gaps_total{org=\"m7x2\",app=\"s\\\"}\",reason=\"full\"} 2\n\
        a_gaps_total{org=\"m7x2\",app=\"shop\",reason=\"hole\"} 5\n\
        # TYPE a_wait histogram\na_wait_bucket{le=\"1.0\"} 7\na_open 2\n# EOF\n";

    fn grant(change: impl FnOnce(&mut Scope)) -> Grant {
        let mut scope = Scope::ALL;
        change(&mut scope);
        Grant { org: OrgId::new("k3f9").unwrap(), scope, revocation_ids: Vec::new(), key_id: 1 }
    }

    #[test]
    fn nobody_is_named_to_strangers() {
        let open = "# HELP a_lines Lines, {org=\"x\"} and others.\n# TYPE a_lines counter\na_lines_total 7\n\
            # TYPE a_gaps counter\na_gaps_total{reason=\"full\"} 3\na_gaps_total{reason=\"hole\"} 5\n\
            # TYPE a_wait histogram\na_wait_bucket{le=\"1.0\"} 7\na_open 2\n# EOF\n";
        assert_eq!(shown(TEXT, None), open);
        let narrow = grant(|scope| scope.apps = Some(BTreeSet::from([Name::new("app", "web").unwrap()])));
        assert_eq!(shown(TEXT, Some(&narrow)), open);
        let reader = grant(|scope| scope.actions = [Action::Read].into_iter().collect());
        assert_eq!(shown(TEXT, Some(&reader)), open);
        // An admin has its own.
        let own = shown(TEXT, Some(&grant(|_| {})));
        assert!(own.contains("a_lines_total{org=\"k3f9\",app=\"web\"} 3\n"), "{own}");
        assert!(!own.contains("m7x2") && !own.contains("shop"), "{own}");
        assert!(own.contains("a_open 2\n") && own.ends_with("# EOF\n"), "{own}");
    }
}
