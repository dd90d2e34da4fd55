//! What is asked for, and what kind of rows will come.

use anyhow::Result;
use query::{Marks, Query};

use crate::http::{Form, Server};
use crate::scope::{Range, ScopeArgs};

/// What rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines, as a query without pipes gives.
    Lines,
    /// Lines, or what pipes that look at one line at a time make of them.
    Piped,
    /// What pipes count, sort or choose.
    Table,
}

/// A query with its limits.
pub(crate) struct Plan {
    text: String,
    filter: Option<String>,
    range: Range,
    kind: Kind,
    marks: Marks,
}

impl Plan {
    /// The query `text` within `scope` and `range`. What is wrong with the text is for the server to say, which may know more of the
    /// language than this program.
    ///
    /// # Errors
    /// When a name of the scope is none.
    pub(crate) fn new(text: &str, scope: &ScopeArgs, range: Range) -> Result<Self> {
        let text = if text.trim().is_empty() { "*" } else { text.trim() };
        let parsed = query::parse(text, range.to).ok();
        let marks = parsed.as_ref().map(|query| Marks::new(&query.filter, "_msg")).unwrap_or_default();
        let kind = kind(text, parsed.as_ref());
        Ok(Self { text: text.to_owned(), filter: scope.filter()?, range, kind, marks })
    }

    /// What rows will be.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// What to mark.
    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Of which time.
    pub(crate) const fn range(&self) -> Range {
        self.range
    }

    /// The arguments of the question.
    pub(crate) fn form(&self, server: &Server) -> Form {
        self.form_of(self.text.clone(), self.range, server)
    }

    /// The same for the query with `pipe` behind it.
    pub(crate) fn piped(&self, pipe: &str, server: &Server) -> Form {
        self.form_of(self.text_with(pipe), self.range, server)
    }

    /// The same for a part of the time.
    pub(crate) fn piped_within(&self, pipe: &str, range: Range, server: &Server) -> Form {
        self.form_of(self.text_with(pipe), range, server)
    }

    /// The query with a pipe behind it, on a line of its own: the query may end with a comment.
    fn text_with(&self, pipe: &str) -> String {
        format!("{}\n| {pipe}", self.text.trim_end().trim_end_matches(';'))
    }

    fn form_of(&self, query: String, range: Range, server: &Server) -> Form {
        Form::new()
            .with("query", &query)
            .with("start", &line::time::rfc3339(range.from))
            .with("end", &line::time::rfc3339(range.to))
            .with("timeout", &format!("{}s", server.patience().as_secs().max(1)))
            .with_some("extra_stream_filters", self.filter.as_deref())
    }
}

fn kind(text: &str, parsed: Option<&Query>) -> Kind {
    match parsed {
        Some(query) if query.pipes.is_empty() => Kind::Lines,
        Some(query) if query.pipes.iter().all(query::Pipe::is_row_local) => Kind::Piped,
        Some(_) => Kind::Table,
        None if text.contains('|') => Kind::Piped,
        None => Kind::Lines,
    }
}
