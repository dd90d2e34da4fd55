//! What can go wrong with a query, and where in its text.

use std::ops::Range;

/// Why a query is refused or ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no LogsQL.
    #[error("{message} (at byte {offset})")]
    Syntax {
        /// Where, in bytes from the start of the text.
        offset: usize,
        /// How many bytes are meant; 0 when something is missing there.
        len: usize,
        /// What is wrong, and what to do.
        message: String,
    },
    /// LogsQL of VictoriaLogs that Logway does not have.
    #[error("{what} is not supported yet (at byte {offset}): docs/logsql.md lists what is")]
    NotSupported {
        /// Where, in bytes from the start of the text.
        offset: usize,
        /// How many bytes are meant.
        len: usize,
        /// Its name, with its kind before it.
        what: String,
    },
    /// More than is taken, of whatever.
    #[error("{message} (at byte {offset})")]
    TooLarge {
        /// Where, in bytes from the start of the text.
        offset: usize,
        /// How many bytes are meant.
        len: usize,
        /// Of what there is too much, what the bound is, and what to do.
        message: String,
    },
    /// A limit that was to be put on the query says nothing that can be obeyed.
    #[error("{argument}: {message}")]
    Limit {
        /// The argument that it came in.
        argument: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// What has to be remembered between rows is more than the query may use.
    #[error(
        "'{pipe}' needs more than the {limit} bytes that this query may use: narrow the filter or the time, or group by fewer fields"
    )]
    Memory {
        /// The pipe, as it is written.
        pipe: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// What has to be remembered between rows is more than is left while other queries run.
    #[error(
        "'{pipe}' needs memory that other queries hold at the moment: try again later, or narrow the filter or the time"
    )]
    Crowded {
        /// The pipe, as it is written.
        pipe: String,
    },
    /// A partial result of another store that this one cannot read.
    #[error("a partial result of another store is not readable ({0}): run the same version everywhere")]
    Partial(&'static str),
}

impl Error {
    /// The code of the catalogue.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "LQ01",
            Self::NotSupported { .. } => "LQ02",
            Self::TooLarge { .. } => "LQ03",
            Self::Limit { .. } => "LQ04",
            Self::Memory { .. } => "LQ05",
            Self::Partial(_) => "LQ06",
            Self::Crowded { .. } => "LQ08",
        }
    }

    /// Where in the text it is, in bytes; none for what is not about the text.
    pub fn range(&self) -> Option<Range<usize>> {
        match self {
            Self::Syntax { offset, len, .. }
            | Self::NotSupported { offset, len, .. }
            | Self::TooLarge { offset, len, .. } => Some(*offset..offset.saturating_add(*len)),
            Self::Limit { .. } | Self::Memory { .. } | Self::Crowded { .. } | Self::Partial(_) => None,
        }
    }

    /// The message, and below it the part of `query` that is meant with carets under it: the line of the text that it is in,
    /// at most about 100 columns. Control characters are shown as spaces, so that a terminal is safe from them.
    pub fn render(&self, query: &str) -> String {
        let mut out = self.to_string();
        let Some(range) = self.range().filter(|range| range.start <= query.len()) else { return out };
        let (text, before, marked) = excerpt(query, &range);
        out.push_str("\n  ");
        out.push_str(&text);
        out.push_str("\n  ");
        out.extend(std::iter::repeat_n(' ', before));
        out.extend(std::iter::repeat_n('^', marked));
        out
    }
}

/// Columns before and after the start of what is meant.
const AROUND: (usize, usize) = (48, 50);

/// The text around `range`, how many columns of it stand before it, and how many of it are shown, at least one.
fn excerpt(query: &str, range: &Range<usize>) -> (String, usize, usize) {
    let start = query.floor_char_boundary(range.start);
    let end = query.ceil_char_boundary(range.end.min(query.len()));
    let (head, tail) = query.split_at(start);
    let line = head.rsplit('\n').next().unwrap_or(head);
    let columns = line.chars().count();
    let mut text = String::new();
    if columns > AROUND.0 {
        text.push('…');
    }
    text.extend(line.chars().skip(columns.saturating_sub(AROUND.0)).map(visible));
    let before = text.chars().count();
    let rest = tail.split('\n').next().unwrap_or(tail);
    let shown: Vec<char> = rest.chars().take(AROUND.1).map(visible).collect();
    text.extend(&shown);
    if rest.chars().nth(AROUND.1).is_some() {
        text.push('…');
    }
    let marked = query.get(start..end).unwrap_or("").chars().take_while(|&c| c != '\n').count();
    (text, before, marked.clamp(1, shown.len().max(1)))
}

fn visible(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax(offset: usize, len: usize) -> Error {
        Error::Syntax { offset, len, message: "no".into() }
    }

    #[track_caller]
    fn shows(error: &Error, query: &str, wanted: &str) {
        let text = error.render(query);
        let (_, shown) = text.split_once('\n').unwrap();
        assert_eq!(shown, wanted);
    }

    #[test]
    fn carets() {
        shows(&syntax(2, 3), "a bcd e", "  a bcd e\n    ^^^");
        shows(&syntax(3, 0), "a b", "  a b\n     ^");
        shows(&syntax(0, 0), "", "  \n  ^");
        shows(&syntax(4, 9), "a\nb cé\u{7}d\nx", "  b cé d\n    ^^^^");
        shows(&syntax(3, 1), "aé\tb", "  aé b\n    ^");
        let long = "x".repeat(300);
        let shown = syntax(200, 100).render(&long);
        assert!(shown.lines().all(|line| line.chars().count() <= 110), "{shown}");
        assert_eq!(syntax(9, 1).render("a"), "no (at byte 9)");
    }

    #[test]
    fn all_have_a_code_of_the_catalogue() {
        let all = [
            syntax(0, 0),
            Error::NotSupported { offset: 0, len: 0, what: "x".into() },
            Error::TooLarge { offset: 0, len: 0, message: "x".into() },
            Error::Limit { argument: "extra_filters", message: "x".into() },
            Error::Memory { pipe: "sort".into(), limit: 1 },
            Error::Partial("short"),
        ];
        for error in all {
            assert!(line::codes::find(error.code()).is_some(), "{error}");
        }
    }
}
