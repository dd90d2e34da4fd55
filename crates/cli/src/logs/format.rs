//! In what form lines are written.

/// The form of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// The bytes of the app's lines alone; what is lost is told on stderr
    Raw,
    /// One compact JSON object a line, as on the bus; the same as --json
    Json,
    /// time=… level=… app=… instance=… region=… msg=…, then the line's own fields
    Logfmt,
    /// For a person: JSON as message and fields, traces together, marks; the default on a terminal
    Pretty,
    /// flyctl's layout, a line each; the default in a pipe
    Plain,
}

impl Format {
    /// What was asked for, or what is usual there.
    pub(super) const fn chosen(asked: Option<Self>, json: bool, for_terminal: bool) -> Self {
        match (asked, json) {
            (Some(format), _) => format,
            (None, true) => Self::Json,
            (None, false) if for_terminal => Self::Pretty,
            (None, false) => Self::Plain,
        }
    }

    /// Whether a person reads it.
    pub(super) const fn is_for_people(self) -> bool {
        matches!(self, Self::Pretty | Self::Plain)
    }
}
