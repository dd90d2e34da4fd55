//! `logway search`: what is stored, by a query in LogsQL.

pub(crate) mod count;
mod histogram;
pub(crate) mod plan;
mod print;
mod table;
pub(crate) mod value;

use std::time::Duration;

use anyhow::Result;

use self::histogram::Histogram;
use self::plan::{Kind, Plan};
use self::print::Printer;
use crate::context::ContextArgs;
use crate::data::DataArg;
use crate::exit::Exit;
use crate::fail::{Fail, describe};
use crate::http::Server;
use crate::logs::render::{Style, thousands};
use crate::logs::slip;
use crate::number::from_one;
use crate::output::{self, aside, is_reader_gone, notice};
use crate::progress::Progress;
use crate::scope::{Range, ScopeArgs, now};
use crate::signals::Signals;

/// Where rows are asked for.
pub(crate) const QUERY: &str = "/select/logsql/query";
/// How many lines are shown if nothing is said.
const DEFAULT_LIMIT: u64 = 100;
/// How long may be counted what was not shown, beside the answer itself.
const COUNT_PATIENCE: Duration = Duration::from_secs(3);

/// The arguments of `logway search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to look for, in LogsQL; several words are one query [default: all lines]
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// From this time on: 15m, 3h, 7d ago, or 2026-11-22, 2026-11-22T10:00Z
    #[arg(long, value_name = "TIME", default_value = "24h", allow_hyphen_values = true)]
    since: String,
    /// Up to this time, without it [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// How many lines, the newest [default: 100; with pipes that count or sort, all rows]
    #[arg(short = 'n', long, visible_alias = "lines", value_name = "N", value_parser = from_one::<10_000_000>, allow_negative_numbers = true)]
    limit: Option<u64>,
    /// One compact JSON object per row, as the server gives it
    #[arg(short, long)]
    json: bool,
    /// Print only how many lines there are
    #[arg(short, long, conflicts_with = "limit")]
    count: bool,
    /// Neither colours nor marks
    #[arg(long)]
    no_color: bool,
    /// How long the server may search
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = patience, allow_hyphen_values = true)]
    timeout: Duration,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    data: DataArg,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway search timeout -a web                       the newest 100 lines with this word, of a day
  logway search '\"connection refused\" !retry' --since 7d
  logway search 'level:error path:=\"/pay\"' -a web -r lhr -n 1000
  logway search '~\"user-[0-9]+\"' -a web -j | jq -r ._msg
  logway search -c error --since 2026-11-01 --until 2026-11-08
  logway search 'error | stats by (app) count() n | sort by (n desc)'

Query:
  LogsQL, the language of VictoriaLogs; docs/logsql.md has all of it. error = the word, err* = how
  it begins, \"a b\" = words in a row, ~\"a.*b\" = an expression, i(Error) = in any case,
  level:warn = a field, a b = both, a or b, !a. -a, -r and -i hold whatever the query says.
  A query that begins with a dash comes after --.

Shown:
  Lines as 'logway logs' shows them, oldest first; what was looked for is marked. Other rows as a
  table on a terminal, as name=value elsewhere. On stderr: how many more there are, and on a
  terminal how they lie in time.

Exit codes, as of grep: 0 found, 1 nothing found, 2 wrong query or another failure, 4 not allowed,
5 no server, 6 a part is missing (it is said which), 124 it took too long, 130 Ctrl-C, which ends
the search on the server too.";

/// A time that is not none, as `90s`.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    let nanos = query::number::duration(text).and_then(|nanos| u64::try_from(nanos).ok());
    let time = nanos.map(Duration::from_nanos).filter(|time| (1..=86_400).contains(&time.as_secs()));
    time.ok_or_else(|| "give it as 30s or 5m, up to a day".to_owned())
}

/// Shows what there is.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    match search(args).await {
        // 1 means that nothing was found.
        Err(error) if !is_reader_gone(&error) && describe(&error).1 == Exit::Failure => {
            Fail::new(Exit::Usage, format!("{error:#}")).err()
        }
        done => done,
    }
}

async fn search(args: &Args) -> Result<Exit> {
    let data = args.data.dir()?;
    let mut signals = Signals::listen()?;
    let now = now()?;
    let range = Range::new(&args.since, args.until.as_deref(), now)?;
    let server = args.context.server(&data, args.data.is_named(), args.timeout)?;
    let plan = Plan::new(&args.query.join(" "), &args.scope, range)?;
    let progress = Progress::new();
    progress.say("searching".to_owned());
    let work = async {
        if args.count {
            return count::print(&server, &plan).await;
        }
        show(args, &server, &plan, &progress).await
    };
    let done = progress.watch(&mut signals, Box::pin(work)).await;
    done.unwrap_or(Ok(Exit::Interrupted))
}

async fn show(args: &Args, server: &Server, plan: &Plan, progress: &Progress) -> Result<Exit> {
    let (for_terminal, has_colour) = output::terminal();
    let has_colour = has_colour && !args.no_color;
    let limit = args.limit.or((plan.kind() != Kind::Table).then_some(DEFAULT_LIMIT));
    let style = Style { has_colour, for_terminal, with_app: args.scope.app.is_none() };
    let mut printer = Printer::new(style, args.json, plan);
    let form = plan.form(server).with_some("limit", limit.map(|limit| limit.to_string()).as_deref());
    // How they lie in time is for who looks at a terminal, and asked for at the same time.
    let wants_histogram = for_terminal && !args.json && plan.kind() == Kind::Lines;
    let histogram = async {
        match wants_histogram {
            true => Some(Histogram::ask(server, plan, COUNT_PATIENCE.max(args.timeout)).await),
            false => None,
        }
    };
    let rows = async {
        let answer = rows(server, &form, &mut printer, progress).await;
        // What came is shown even if not all came.
        progress.clear();
        printer.finish()?;
        answer
    };
    let (rows, histogram) = tokio::join!(rows, histogram);
    rows?;
    progress.clear();
    let shown = printer.rows();
    let is_cut = limit.is_some_and(|limit| shown >= limit) && plan.kind() != Kind::Table;
    match histogram {
        Some(Ok(histogram)) => histogram.show(shown),
        Some(Err(_)) | None if is_cut && !args.json => {
            let total = count::within(server, plan, COUNT_PATIENCE).await;
            tell_of_more(shown, total);
        }
        _ => {}
    }
    if shown == 0 {
        nothing(args, plan);
        if let Some(app) = &args.scope.app {
            slip(server, app).await;
        }
        return Ok(Exit::NothingFound);
    }
    Ok(Exit::Ok)
}

/// Takes all rows.
async fn rows(
    server: &Server,
    form: &crate::http::Form,
    printer: &mut Printer<'_>,
    progress: &Progress,
) -> Result<()> {
    let failed = |trouble: crate::http::Trouble| anyhow::Error::from(trouble.fail(server.address()));
    let mut answer = server.ask_again(QUERY, form).await.map_err(failed)?;
    while let Some(line) = answer.line().await.map_err(failed)? {
        if printer.is_first() {
            progress.clear();
            progress.say(String::new());
        }
        printer.row(&line)?;
        if !answer.has_line() {
            printer.flush()?;
        }
    }
    Ok(())
}

/// Says how many lines there are beside those that are shown.
fn tell_of_more(shown: u64, total: Option<u64>) {
    match total {
        Some(total) if total > shown => {
            let (shown, total) = (thousands(shown), thousands(total));
            notice(&format!("the newest {shown} of {total} lines; --limit shows more"));
        }
        Some(_) => {}
        None => {
            notice(&format!("the newest {} lines; there may be more: --limit shows them", thousands(shown)))
        }
    }
}

fn nothing(args: &Args, plan: &Plan) {
    let until = args.until.as_deref().map_or(String::new(), |until| format!(" until {until}"));
    let whose = args.scope.describe();
    aside(&format!("nothing found since {}{until}{whose}; --since looks further back", args.since));
    if plan.kind() == Kind::Lines && args.query.iter().any(|word| word.contains(['"', '\'', ' '])) {
        return;
    }
    if args.query.len() > 1 {
        aside("several words are to be in the same line; for words in a row write them in quotes: '\"a b\"'");
    }
}

#[cfg(test)]
mod tests;
