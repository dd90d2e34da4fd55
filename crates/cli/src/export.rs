//! `logway export`: all lines of a time, oldest first, as NDJSON: complete, or an error that says what is missing.

mod output;
mod pace;
mod state;
mod window;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use self::output::Output;
use self::pace::Pace;
use self::state::{Question, State};
use self::window::{Stop, Window};
use crate::context::ContextArgs;
use crate::data::DataArg;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::Server;
use crate::logs::render::thousands;
use crate::output::{done, notice};
use crate::progress::Progress;
use crate::scope::{Range, ScopeArgs, now};
use crate::search::count;
use crate::search::patience;
use crate::search::plan::{Kind, Plan};
use crate::signals::Signals;

/// How often the same window is asked for when it fails, and how long is waited before the second time; twice as long each time.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How old a line is when it is in the store for certain, twice what is promised.
const SETTLED_NANOS: i64 = 2_000_000_000;

/// The arguments of `logway export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which lines, in LogsQL [default: all]
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// From this time on: 7d ago, or 2026-11-22, 2026-11-22T10:00Z
    #[arg(long, value_name = "TIME", required_unless_present = "resume", allow_hyphen_values = true)]
    since: Option<String>,
    /// Up to this time, without it [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Write to this file, which must not be there yet [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on with the file of --out where an export of the same stopped; begin if there is none
    #[arg(long, requires = "out")]
    resume: bool,
    /// How long the server may search at once; with less of it, smaller pieces are asked for
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
  logway export -a web --since 7d --out web.ndjson
  logway export -a web --since 7d --out web.ndjson --resume     goes on, or begins
  logway export error --since 2026-11-01 --until 2026-11-08 | zstd > errors.ndjson.zst

One JSON object per line, oldest first, with all fields; QUERY chooses the lines. Each piece of
the time is written when all of it has come: an answer that is not complete is asked for again,
and in the end is an error that says what is missing. Then the lines are counted once more.
With --out, FILE.resume keeps how far it came. After a crash or Ctrl-C, --resume cuts the file
back to there and goes on: no line is twice in it, none is missing. Times such as 7d are those of
the first start.

Exit codes: 0 all lines; 5 no server; 6 a part is missing or came late, and it is said which; 130
Ctrl-C. Progress is shown on stderr if that is a terminal.";

/// Writes the lines.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let data = args.data.dir()?;
    let mut signals = Signals::listen()?;
    // A time that is none is said before anybody is asked.
    args.since.as_ref().map_or(Ok(()), |_| range(args).map(drop))?;
    let server = args.context.server(&data, args.data.is_named(), args.timeout)?;
    let question = Question { query: args.query.join(" "), filter: args.scope.filter()? };
    let (mut output, state) = match &args.out {
        Some(path) if args.resume => Output::resume(path, &question, || range(args))?,
        Some(path) => Output::create(path, State::new(question, range(args)?))?,
        None => Output::stdout(State::new(question, range(args)?)),
    };
    let plan = Plan::new(&state.question.query, &args.scope, state.range())?;
    if plan.kind() == Kind::Table {
        return Fail::new(
            Exit::Usage,
            "an export has lines, and the pipes of this query make something else of them",
        )
        .hint("use 'logway search -j'")
        .err();
    }
    let progress = Progress::new();
    let walk = Box::pin(walk(&server, &plan, &mut output, &progress, FIRST_WAIT));
    match progress.watch(&mut signals, walk).await {
        Some(Ok(exit)) => Ok(exit),
        Some(Err(error)) => {
            output.commit()?;
            tell_how_to_go_on(args, &output);
            Err(error)
        }
        None => {
            output.commit()?;
            tell_how_to_go_on(args, &output);
            Ok(Exit::Interrupted)
        }
    }
}

/// The range that was asked for, which ends now at the latest.
fn range(args: &Args) -> Result<Range> {
    let Some(since) = &args.since else {
        return Fail::new(Exit::Usage, "there is nothing to resume, and no time to begin with")
            .hint("give --since")
            .err();
    };
    let now = now()?;
    let range = Range::new(since, args.until.as_deref(), now)?;
    Range { to: range.to.min(now), ..range }.checked()
}

fn tell_how_to_go_on(args: &Args, output: &Output) {
    if args.out.is_some() {
        let lines = thousands(output.state().lines);
        notice(&format!("{lines} lines are written; the same command with --resume goes on from there"));
    }
}

/// Goes over the time, window by window, and counts at the end.
async fn walk(
    server: &Server,
    plan: &Plan,
    output: &mut Output,
    progress: &Progress,
    wait: Duration,
) -> Result<Exit> {
    let range = output.state().range();
    let mut pace = Pace::new(range);
    let before = output.state().lines;
    while output.state().next < range.to {
        let from = output.state().next;
        let part = Range { from, to: pace.end(from, range.to) };
        settled(part.to).await?;
        match fetch(server, plan, part, pace.is_least(), wait).await? {
            Fetched::All(window) => {
                pace.done(window.lines, window.bytes.len());
                output.write(&window.bytes, window.lines, part.to)?;
            }
            Fetched::TooMuch(enough) => pace.shrink(enough),
        }
        progress.say(words(output.state(), before, progress.elapsed()));
    }
    output.finish()?;
    progress.say("counting".to_owned());
    let exit = check(server, plan, output.state()).await?;
    progress.clear();
    let state = output.state();
    let size = mib(state.bytes);
    if exit == Exit::Ok {
        done(&format!("{} lines, {size}: all that the store has of this time", thousands(state.lines)));
    }
    Ok(exit)
}

/// Waits until lines of up to `end` are in the store.
async fn settled(end: i64) -> Result<()> {
    let wait = end.saturating_add(SETTLED_NANOS).saturating_sub(now()?);
    if let Ok(wait @ 1..) = u64::try_from(wait) {
        sleep(Duration::from_nanos(wait)).await;
    }
    Ok(())
}

/// What came of a question.
enum Fetched {
    All(Window),
    /// There are too many lines; behind so many nanoseconds, if that is known, there are enough.
    TooMuch(Option<i64>),
}

/// The lines of `part`. What may pass is waited for.
async fn fetch(
    server: &Server,
    plan: &Plan,
    part: Range,
    is_least: bool,
    mut wait: Duration,
) -> Result<Fetched> {
    let mut tries = 1;
    loop {
        let trouble = match Window::fetch(server, plan, part, is_least).await {
            Ok(window) => return Ok(Fetched::All(window)),
            Err(Stop::TooLarge(enough)) => return Ok(Fetched::TooMuch(enough)),
            Err(Stop::Wrong(fail)) => return fail.err(),
            Err(Stop::Trouble(trouble)) => trouble,
        };
        if tries == TRIES || !window::may_pass(&trouble) {
            return Err(trouble.fail(server.address()).into());
        }
        let from = line::time::rfc3339(part.from);
        notice(&format!("◌ at {from}: {}; trying again", trouble.fail(server.address())));
        sleep(trouble.retry_after().unwrap_or(wait).min(Duration::from_secs(60))).await;
        (tries, wait) = (tries + 1, wait * 2);
    }
}

/// Counts the lines in the store once more: some may have come late, when their time was written already.
async fn check(server: &Server, plan: &Plan, state: &State) -> Result<Exit> {
    let form = plan.piped_within(count::PIPE, state.range(), server);
    let total = match count::ask(server, &form).await {
        Ok(Some(total)) => total,
        Ok(None) => state.lines,
        Err(trouble) => {
            notice(&format!(
                "note: the lines could not be counted again: {}",
                trouble.fail(server.address())
            ));
            return Ok(Exit::Ok);
        }
    };
    match total.checked_sub(state.lines) {
        Some(0) => Ok(Exit::Ok),
        Some(late) => {
            let (late, lines) = (thousands(late), thousands(state.lines));
            notice(&format!(
                "warning: {lines} lines are written, and {late} more have come meanwhile, late, for a time that was written already"
            ));
            notice("hint: export again to have them in their place");
            Ok(Exit::Partial)
        }
        None => {
            let (lines, total) = (thousands(state.lines), thousands(total));
            notice(&format!(
                "note: {lines} lines are written, and the store has {total} by now: some have reached their age"
            ));
            Ok(Exit::Ok)
        }
    }
}

/// How far it has come, in words.
fn words(state: &State, before: u64, elapsed: Duration) -> String {
    let range = state.range();
    let percent = state.next.saturating_sub(range.from) as f64 / range.nanos().max(1) as f64 * 100.0;
    let rate = state.lines.saturating_sub(before) as f64 / elapsed.as_secs_f64().max(0.001);
    let lines = thousands(state.lines);
    format!("{lines} lines, {}, {percent:.0} % of the time, {rate:.0} lines/s", mib(state.bytes))
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests;
