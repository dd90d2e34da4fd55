//! `logway explain`: what a code means.

use std::io::Write;

use anyhow::Result;
use line::codes::{self, Code};

use crate::exit::Exit;
use crate::fail::Fail;

/// Codes that are shown when the one asked for does not exist.
const NEAREST: usize = 3;

/// The arguments of `logway explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code, as it stands in an error or a line: LA02
    #[arg(required_unless_present = "all")]
    code: Option<String>,
    /// List all codes with their titles
    #[arg(long, conflicts_with = "code")]
    all: bool,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway explain LA02
  logway explain --all";

/// Prints the entry, or the list.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(wanted) = &args.code else {
        for entry in codes::ALL {
            writeln!(out, "{}  {}", entry.code, entry.title)?;
        }
        return Ok(Exit::Ok);
    };
    let Some(entry) = codes::find(wanted) else {
        let names: Vec<_> = nearest(wanted).iter().map(|c| format!("{} ({})", c.code, c.title)).collect();
        return Fail::new(Exit::NotFound, format!("there is no code '{}'", wanted.escape_debug()))
            .hint(format!("the nearest are {}; 'logway explain --all' lists all", names.join(", ")))
            .err();
    };
    writeln!(out, "{}: {}\n\n{}\n\nWhat to do: {}", entry.code, entry.title, entry.cause, entry.remedy)?;
    Ok(Exit::Ok)
}

/// The codes that differ least from `wanted`.
fn nearest(wanted: &str) -> Vec<&'static Code> {
    let wanted = wanted.trim().to_ascii_uppercase();
    let mut all: Vec<_> = codes::ALL.iter().collect();
    all.sort_by_key(|entry| distance(&wanted, entry.code));
    all.truncate(NEAREST);
    all
}

/// How many characters must be put in, taken out or changed to make one of the other (Levenshtein).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(32).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::describe;

    fn explain(code: &str) -> Result<String> {
        let mut out = Vec::new();
        run(&Args { code: Some(code.to_owned()), all: false }, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn a_code_is_explained() {
        let text = explain("la02").unwrap();
        assert!(text.starts_with("LA02: Machine vanished\n\n") && text.contains("\nWhat to do: "), "{text}");
    }

    #[test]
    fn an_unknown_code_names_its_neighbours() {
        for (typed, meant) in [("LA2", "LA02"), ("LAO2", "LA02"), ("LB99", "LB0"), ("ai07", "LI07")] {
            let (text, exit) = describe(&explain(typed).unwrap_err());
            assert!(exit == Exit::NotFound && text.contains(meant), "{typed}: {text}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, wanted) in [("", "abc", 3), ("abc", "abc", 0), ("abd", "abc", 1), ("xabc", "abc", 1)] {
            assert_eq!(distance(a, b), wanted);
        }
    }

    #[test]
    fn all_are_listed() {
        let mut out = Vec::new();
        run(&Args { code: None, all: true }, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), codes::ALL.len());
    }
}
