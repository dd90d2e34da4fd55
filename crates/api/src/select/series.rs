//! Which columns of a statistic are names of series and which are their values.

use query::Pipe;
use query::field::TIME;
use query::names::Name;

use crate::reply::Refused;

/// The fields of a query's answer that tell series apart. All other columns are values, one series for each.
///
/// The query has to end in `stats`, with nothing behind it but what leaves a row a row.
pub(crate) fn labels(pipes: &[Pipe]) -> Result<Vec<String>, Refused> {
    let Some(at) = pipes.iter().rposition(|pipe| matches!(pipe, Pipe::Stats(_))) else {
        let text = "LQ01: the query has to end in a statistic: write '… | stats count()', or ask /select/logsql/query";
        return Err(Refused::bad(text));
    };
    let (before, behind) = pipes.split_at(at + 1);
    let mut labels = match before.last() {
        Some(Pipe::Stats(stats)) => stats.by.iter().map(|by| by.field.clone()).collect(),
        _ => Vec::new(),
    };
    behind.iter().try_for_each(|pipe| follow(pipe, &mut labels))?;
    Ok(labels)
}

/// What a pipe makes of the names.
fn follow(pipe: &Pipe, labels: &mut Vec<String>) -> Result<(), Refused> {
    match pipe {
        Pipe::Sort(_)
        | Pipe::Limit(_)
        | Pipe::Offset(_)
        | Pipe::Filter(_)
        | Pipe::First(_)
        | Pipe::Last(_) => {}
        Pipe::Fields(keep) => labels.retain(|label| keep.names.matches(label)),
        Pipe::Delete(delete) => labels.retain(|label| !delete.names.matches(label)),
        Pipe::Math(math) => {
            for (_, result) in &math.entries {
                not_over(result, labels)?;
            }
        }
        Pipe::Format(format) => {
            if !labels.contains(&format.result) {
                labels.push(format.result.clone());
            }
        }
        Pipe::Rename(rename) => {
            for pair in &rename.pairs {
                let (from, to) = (exact(&pair.from)?, exact(&pair.to)?);
                let was_label = labels.iter().any(|label| label == from);
                labels.retain(|label| label != from && label != to);
                if was_label {
                    labels.push(to.to_owned());
                }
            }
        }
        Pipe::Copy(copy) => {
            for pair in &copy.pairs {
                let (from, to) = (exact(&pair.from)?, exact(&pair.to)?);
                let is_label = labels.iter().any(|label| label == from);
                labels.retain(|label| label != to);
                if is_label {
                    labels.push(to.to_owned());
                }
            }
        }
        other => {
            let text = format!(
                "LQ01: behind 'stats' only sort, limit, offset, filter, math, fields, delete, copy, rename, format, first and \
                 last may stand, and '{other}' is none of these"
            );
            return Err(Refused::bad(text));
        }
    }
    Ok(())
}

fn not_over(result: &str, labels: &[String]) -> Result<(), Refused> {
    if labels.iter().any(|label| label == result) {
        let text = format!(
            "LQ01: '{result}' is what rows are grouped by, and 'math' would overwrite it: call its result otherwise"
        );
        return Err(Refused::bad(text));
    }
    Ok(())
}

fn exact(name: &Name) -> Result<&str, Refused> {
    match name {
        Name::Exact(name) => Ok(name),
        Name::Prefix(prefix) => {
            let text =
                format!("LQ01: behind 'stats' each name has to be written out, and '{prefix}*' is not");
            Err(Refused::bad(text))
        }
    }
}

/// That a series over time has its time.
pub(crate) fn must_have_time(labels: &[String]) -> Result<(), Refused> {
    if labels.iter().any(|label| label == TIME) {
        return Ok(());
    }
    Err(Refused::bad("LQ01: what stands behind 'stats' takes _time away, and a series over time needs it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(text: &str) -> Result<String, String> {
        let query = query::parse(text, 0).unwrap_or_else(|error| panic!("{}", error.render(text)));
        labels(&query.pipes).map(|labels| labels.join(" ")).map_err(|refused| refused.text)
    }

    #[test]
    fn names_of_series() {
        for (text, wanted) in [
            ("* | stats by (a, _time:1m) count()", "a _time"),
            ("* | stats count()", ""),
            ("* | stats by (a) count() x | sort by (x) desc | limit 3 | filter x:>1", "a"),
            ("* | stats by (a, b) count() x | rename a as c | delete b", "c"),
            ("* | stats by (a) count() x | copy a as b | format '<a>' as f", "a b f"),
            ("* | stats by (a) count() x | math x * 2 as y", "a"),
            ("* | stats by (a, b) count() x | fields b, x", "b"),
        ] {
            assert_eq!(labels_of(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in [
            "*",
            "* | fields a",
            "* | stats by (a) count() x | uniq by (a)",
            "* | stats by (a) count() x | math x * 2 as a",
        ] {
            assert!(labels_of(text).is_err(), "{text}");
        }
    }
}
