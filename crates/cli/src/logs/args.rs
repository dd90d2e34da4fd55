//! The arguments of `logway logs`.

use std::path::PathBuf;

use super::filter::Levels;
use super::format::Format;
use super::logsql::{FieldFilter, Filters};
use super::word::is_cursor;
use crate::context::ContextArgs;
use crate::data::DataArg;
use crate::number;

/// How many recent lines are shown if nothing is said.
const LINES: u32 = 100;

/// The arguments of `logway logs`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Lines of this app; without it you choose on a terminal, elsewhere all apps, each line with its app's name
    #[arg(short, long)]
    pub(super) app: Option<String>,
    /// Lines of the app that this fly.toml names
    #[arg(short, long, value_name = "FILE", conflicts_with = "app")]
    pub(super) config: Option<PathBuf>,
    /// Lines of this region only
    #[arg(short, long)]
    pub(super) region: Option<String>,
    /// Lines of this Machine only
    #[arg(short, long, visible_alias = "instance", visible_short_alias = 'i', value_name = "INSTANCE")]
    pub(super) machine: Option<String>,
    /// Choose the Machine from a list
    #[arg(short, long, conflicts_with = "machine")]
    pub(super) select: bool,
    /// Show recent lines and end
    #[arg(short, long)]
    pub(super) no_tail: bool,
    /// One compact JSON object per line, as it came from the bus: the same as -o json
    #[arg(short, long, conflicts_with = "output")]
    pub(super) json: bool,
    /// In this form [default: pretty on a terminal, plain elsewhere]
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) output: Option<Format>,
    /// From this time on: 15m, 3h, 7d ago, or 2026-11-22, 2026-11-22T10:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) since: Option<String>,
    /// Up to this time, without it
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) until: Option<String>,
    /// How many recent lines to show first [default: 100; with --since or --previous all]
    #[arg(long, value_name = "N", value_parser = number::up_to::<1_000_000>, allow_negative_numbers = true)]
    pub(super) lines: Option<u32>,
    /// Lines of this level, or of a range of levels: warn, '>=warn', '<error'
    #[arg(long)]
    pub(super) level: Option<Levels>,
    /// Lines that contain this text
    #[arg(long, value_name = "TEXT")]
    pub(super) grep: Option<String>,
    /// With --grep: lines that do not contain it
    #[arg(short = 'v', long, requires = "grep")]
    pub(super) invert: bool,
    /// With --grep: upper and lower case are the same
    #[arg(long, requires = "grep")]
    pub(super) ignore_case: bool,
    /// Lines with this value in a field: name=value, name!=value, name~expression, name!~expression; may come several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) field: Vec<FieldFilter>,
    /// Lines that this filter in LogsQL finds
    #[arg(short, long, value_name = "LOGSQL")]
    pub(super) query: Option<String>,
    /// So many lines before and after each line that is found, of the same instance
    #[arg(short = 'C', long, value_name = "N", value_parser = number::up_to::<1000>, allow_negative_numbers = true)]
    pub(super) context: Option<u32>,
    /// Lines of the start before the newest one of the Machine or the app, as after a crash
    #[arg(long, conflicts_with_all = ["since", "until", "until_exit", "resume"])]
    pub(super) previous: bool,
    /// Follow one Machine until its app exits, and end with the app's exit code; without -m the next that starts
    #[arg(long, conflicts_with_all = ["no_tail", "until"])]
    pub(super) until_exit: bool,
    /// Go on behind this cursor, which an earlier 'logway logs' gave at its end
    #[arg(long, value_name = "CURSOR", value_parser = cursor, conflicts_with_all = ["lines", "since"])]
    pub(super) resume: Option<String>,
    /// Show each line of a stack trace by itself
    #[arg(long)]
    pub(super) no_join: bool,
    /// Of a line's own fields show these: with -o pretty and -o logfmt
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = field_name)]
    pub(super) fields: Option<Vec<String>>,
    /// Read from this NATS server, or these with commas between them, instead of over HTTP
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "token", "ca", "api"])]
    pub(super) nats: Option<String>,
    /// What stands alone, as the name of an app without -a: it is refused with what is missing before it.
    #[arg(hide = true, value_name = "WORD")]
    pub(super) words: Vec<String>,
    #[command(flatten)]
    pub(super) server: ContextArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway logs -a web                            recent lines, then live until Ctrl-C
  logway logs -a web -n --lines 500             500 recent lines, then end
  logway logs -a web --since 2h --until 1h      of that hour
  logway logs -a web -n -j | jq -r .message     compact JSON, one object a line
  logway logs -a web --level '>=warn' --grep timeout -C 3
  logway logs -a web --field path=/pay --query 'took:>1s'
  logway logs -a web -r lhr -i 148e36           one region, one Machine
  logway logs -a web -s                         choose the Machine from a list
  logway logs -a web --previous                 why did it crash?
  logway logs -i 148e36 --until-exit            wait for the end, take its exit code

Format:
  TIME PROVIDER[INSTANCE] REGION [LEVEL] MESSAGE: that of flyctl, and a blank before the message
  2026-11-22T10:00:00Z app[148e36] lhr [info] listening on port 80
  On a terminal, JSON is shown as message and fields, lines of a stack trace stand together, lines
  of stderr begin with a faint '2>', and control sequences of apps are shown, not obeyed.

Missing lines:
  Each line has a number. What nobody has is drawn as '— 12 lines lost: why —'; such records pass
  every filter. After a disconnect the tail goes on where it was, and what was missed comes first.

Notices on stderr: '● live', '◌ reconnecting', '■ ended: why'. More: docs/logs.md.

Exit codes: 0 ended, also by Ctrl-C; with --until-exit the app's own, 128+N by signal N; 2 wrong
command line, 3 not found, 4 wrong token or not allowed, 5 no server, or the connection is gone.";

fn cursor(text: &str) -> Result<String, String> {
    match is_cursor(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("it is no cursor: they are letters, digits and _ . : ~ -, as printed behind --resume"
                .to_owned())
        }
    }
}

fn field_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is empty: give the fields' names with commas between them".to_owned()),
        name => Ok(name.to_owned()),
    }
}

impl Args {
    /// How many recent lines to show first; `None`: all of the time that is asked for.
    pub(super) fn lines(&self) -> Option<u32> {
        let is_of_a_time = self.since.is_some() || self.previous || self.resume.is_some();
        self.lines.or((!is_of_a_time).then_some(LINES))
    }

    /// What lines must fulfil.
    pub(super) fn filters(&self) -> Filters<'_> {
        Filters {
            levels: self.level,
            text: self.grep.as_deref(),
            is_inverted: self.invert,
            ignores_case: self.ignore_case,
            fields: &self.field,
            query: self.query.as_deref(),
        }
    }

    /// The first option that only the HTTP API has, if one is there.
    pub(super) fn only_over_http(&self) -> Option<&'static str> {
        let options = [
            ("--query", self.query.is_some()),
            ("--field", !self.field.is_empty()),
            ("--context", self.context.is_some()),
            ("--since", self.since.is_some()),
            ("--until", self.until.is_some()),
            ("--previous", self.previous),
            ("--until-exit", self.until_exit),
            ("--resume", self.resume.is_some()),
            ("--select", self.select),
        ];
        options.into_iter().find_map(|(name, is_there)| is_there.then_some(name))
    }
}
