//! The steps over HTTP: choose whose lines, ask, show what is stored, then go on live.

use std::time::Duration;

use anyhow::Result;
use line::{Name, OrgId};
use tokio::time::{sleep, timeout};

use super::args::Args;
use super::asked::{MAX_LINES, Times, question};
use super::door::Way;
use super::exit_wait::{ALSO, ExitWait};
use super::gather::{Gathered, Newest, gather};
use super::item::Item;
use super::known;
use super::local::Local;
use super::older;
use super::pick::{self, Answer};
use super::printer::Printer;
use super::starts;
use super::stream::{Question, Stream};
use super::surrounding::Surrounding;
use super::tail::Scope;
use super::web::{Choice, Ended, Progress, Web, slip};
use super::windows;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Answer as Reply, Server, Trouble};
use crate::output::notice;
use crate::scope::now;
use crate::signals::Signals;

/// After which time it is said that a server is being waited for.
const QUIET: Duration = Duration::from_secs(2);
/// How often a server that has too much to do is asked first, and what it may ask us to wait at most.
const TRIES: usize = 4;
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How many recent lines are looked at, at least, for the start and the end of an app.
const LINES_FOR_EXIT: u32 = 1000;
/// How long before its app Init may have started, in nanoseconds.
const BEFORE_START: i64 = 600_000_000_000;

/// What came of it.
pub(super) enum Outcome {
    /// It is done.
    Done(Exit),
    /// There is no such API, and nothing was shown.
    Absent(Trouble),
}

/// Why the steps cannot be gone.
enum Stop {
    /// There is no such API.
    Absent(Trouble),
    /// Another way to end.
    Failed(anyhow::Error),
    /// Nothing more is wanted.
    Done(Exit),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What is to be read.
struct Plan {
    scope: Scope,
    times: Times,
    query: Option<String>,
    /// The same without what is needed beside it.
    filter: Option<String>,
    exit: Option<ExitWait>,
    follows: bool,
    now: i64,
}

/// Shows the lines.
pub(super) async fn run(args: Args, server: &Server, signals: &mut Signals) -> Result<Outcome> {
    let planned = tokio::select! {
        planned = Box::pin(begin(args, server)) => planned,
        _ = signals.next() => Err(Stop::Done(Exit::Interrupted)),
    };
    let (args, plan, first) = match planned {
        Ok(planned) => planned,
        Err(Stop::Absent(trouble)) => return Ok(Outcome::Absent(trouble)),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Done(exit)) => return Ok(Outcome::Done(exit)),
    };
    Box::pin(show(&args, plan, first, server, signals)).await
}

/// Finds out what is wanted, and asks for it.
async fn begin(mut args: Args, server: &Server) -> Result<(Args, Plan, (Question, Reply)), Stop> {
    choose(&mut args, server).await?;
    let plan = plan(&mut args, server).await?;
    // Who wants what is stored wants what is on its way there, too: that is waited for a moment.
    let follows = !plan.times.is_over(plan.now);
    let question = question(&args, &plan.scope, plan.times, plan.query.as_deref(), follows);
    let patient = args.only_over_http().is_some();
    let asked = ask(&question, server, patient);
    let answer = match timeout(QUIET, Box::pin(asked)).await {
        Ok(answer) => answer,
        Err(_) => {
            notice("◌ waiting for the server");
            ask(&question, server, patient).await
        }
    };
    match answer {
        Ok(answer) => Ok((args, plan, (question, answer))),
        Err(trouble) if is_absent(&trouble) => Err(Stop::Absent(trouble)),
        Err(trouble) => Err(trouble.fail(server.address()).into()),
    }
}

/// Whether what is stored is asked for first, as it is shown with what stands around it, or is more than a tail begins with.
const fn has_two_steps(args: &Args) -> bool {
    args.context.is_some() || matches!(args.lines, Some(lines) if lines > MAX_LINES)
}

/// Whether nobody is there who has a tail.
fn is_absent(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Away(_) | Trouble::Tls(_) => true,
        // Without a store or a registry there may still be lines on the bus.
        Trouble::Refused { status: 404 | 405 | 500..=599, .. } => true,
        // As a VictoriaLogs or an older Logway says it.
        Trouble::Refused { status: 400, text, .. } => text.contains("unsupported path"),
        _ => false,
    }
}

/// Asks, again if the server has too much to do; with `patient`, also if it cannot answer at the moment.
async fn ask(question: &Question, server: &Server, patient: bool) -> Result<Reply, Trouble> {
    for _ in 1..TRIES {
        match question.ask(server).await {
            Err(trouble) if patient || matches!(trouble, Trouble::Refused { status: 429, .. }) => {
                let Some(wait) = trouble.retry_after() else { return Err(trouble) };
                let wait = wait.min(MAX_WAIT);
                notice(&format!("◌ the server is busy; asking again in {} s", wait.as_secs().max(1)));
                sleep(wait).await;
            }
            answer => return answer,
        }
    }
    question.ask(server).await
}

/// Asks the person for the app or the Machine, where that is wanted and somebody is there.
async fn choose(args: &mut Args, server: &Server) -> Result<(), Stop> {
    let known = |known: Result<_, Trouble>| known.map_err(|trouble| stop(trouble, server));
    if args.app.is_none() && args.machine.is_none() && pick::is_somebody_there() {
        let apps = known(known::apps(server).await)?;
        match apps.len() {
            0 | 1 => {}
            _ => match pick::ask("Which app?", &apps, Some("all")).await {
                Some(Answer::One(at)) => args.app = Some(apps[at].name.clone()),
                Some(_) => {}
                None => return Err(Stop::Done(Exit::Interrupted)),
            },
        }
    }
    if !args.select {
        return Ok(());
    }
    let scope = scope(args)?;
    let machines = known(known::machines(server, &scope).await)?;
    if machines.is_empty() {
        let fail = Fail::new(Exit::NotFound, format!("no Machine of {} is known", scope.describe()));
        return Err(fail.hint("check the name; 'logway logs' at a terminal lists the apps").into());
    }
    match pick::ask("Which Machine?", &machines, None).await {
        Some(Answer::One(at)) => args.machine = Some(machines[at].name.clone()),
        _ => {
            let names: Vec<&str> = machines.iter().take(10).map(|machine| machine.name.as_str()).collect();
            let fail = Fail::new(Exit::Usage, "--select asks at a terminal, and there is none");
            return Err(fail
                .hint(format!("name the Machine with -m; there are {}", names.join(", ")))
                .into());
        }
    }
    Ok(())
}

fn stop(trouble: Trouble, server: &Server) -> Stop {
    match is_absent(&trouble) {
        true => Stop::Absent(trouble),
        false => trouble.fail(server.address()).into(),
    }
}

fn scope(args: &Args) -> Result<Scope> {
    // The org is that of the token.
    args.scope(OrgId::mint(0), Way::Door)
}

async fn plan(args: &mut Args, server: &Server) -> Result<Plan, Stop> {
    let now = now()?;
    let mut times = Times::new(args.since.as_deref(), args.until.as_deref(), now)?;
    let filters = args.filters();
    if args.context.is_some() && filters.is_open() {
        let fail = Fail::new(Exit::Usage, "--context goes with what lines are looked for");
        return Err(fail.hint("give --grep, --level, --field or --query too").into());
    }
    let filter = filters.text(None, now)?;
    let mut query = filters.text(args.until_exit.then_some(ALSO), now)?;
    let mut scope = scope(args)?;
    let mut follows = !args.no_tail && !times.is_over(now);
    let mut exit = None;
    if args.previous {
        if scope.app.is_none() && scope.instance.is_none() {
            let fail =
                Fail::new(Exit::Usage, "--previous is the start before the newest of an app or a Machine");
            return Err(fail.hint("name the app with -a, or the Machine with -m").into());
        }
        let starts = starts::of(server, &scope).await.map_err(|trouble| stop(trouble, server))?;
        let Some(start) = starts::previous(&starts) else {
            return Err(starts::none_before(&scope.describe(), &starts).into());
        };
        scope.instance = Name::new("instance", &start.instance).ok();
        let boot = format!("boot:=\"{}\"", start.boot);
        // Init says that the app starts a little after it has started itself.
        times.since = Some(start.time.saturating_sub(BEFORE_START));
        query = Some(query.map_or_else(|| boot.clone(), |query| format!("{boot} ({query})")));
        follows = false;
    } else if args.until_exit {
        exit = Some(exit_wait(&scope, times.since.unwrap_or(now), server).await?);
        args.lines = args.lines().map(|lines| lines.max(LINES_FOR_EXIT));
    }
    Ok(Plan { scope, times, query, filter, exit, follows, now })
}

async fn exit_wait(scope: &Scope, from: i64, server: &Server) -> Result<ExitWait, Stop> {
    if scope.instance.is_none() {
        if scope.app.is_none() {
            let fail = Fail::new(Exit::Usage, "--until-exit follows one Machine");
            return Err(fail.hint("name it with -m, or with -a the app whose next start is meant").into());
        }
        return Ok(ExitWait::of_next(from));
    }
    let starts = starts::of(server, scope).await.map_err(|trouble| stop(trouble, server))?;
    Ok(ExitWait::of_machine(starts.first().map(|start| (start.instance.clone(), start.boot))))
}

/// Shows what comes.
async fn show(
    args: &Args,
    plan: Plan,
    (question, answer): (Question, Reply),
    server: &Server,
    signals: &mut Signals,
) -> Result<Outcome> {
    let mut printer = args.printer(OrgId::mint(0), plan.now);
    let mut stream = Stream::new(server.clone(), question, answer);
    let mut shown = Shown { choice: choice(&plan)?, cursor: None };
    if !plan.follows || has_two_steps(args) {
        let stored = tokio::select! {
            stored = Box::pin(show_stored(args, &plan, &mut stream, server, &mut printer)) => stored?,
            _ = signals.next() => return Ok(Outcome::Done(Exit::Interrupted)),
        };
        shown = match stored {
            Ok(shown) => shown,
            Err(why) => return Ok(storeless(why)),
        };
        if !plan.follows {
            return end(args, &plan, server, &printer).await.map(Outcome::Done);
        }
        let question = second_question(args, &plan, shown.cursor.clone());
        let answer = ask(&question, server, true).await.map_err(|trouble| trouble.fail(server.address()))?;
        stream = Stream::new(server.clone(), question, answer);
    }
    let mut web = Web {
        server: server.clone(),
        printer,
        choice: shown.choice,
        exit: plan.exit.clone(),
        whose: plan.scope.describe(),
        app: plan.scope.app.as_ref().map(|app| app.as_str().to_owned()),
        has_end: plan.times.until.is_some(),
        tells_cursor: args.is_json() || args.resume.is_some(),
        progress: Progress::at(shown.cursor),
    };
    match web.read(stream, signals).await? {
        Ended::With(exit) => Ok(Outcome::Done(exit)),
        Ended::Storeless(why) => Ok(storeless(why)),
    }
}

/// Without a store there are the agents, who are asked over NATS.
fn storeless(why: String) -> Outcome {
    Outcome::Absent(Trouble::Refused { status: 503, text: why, retry_after: None })
}

fn choice(plan: &Plan) -> Result<Choice> {
    match (&plan.filter, &plan.exit) {
        (Some(filter), Some(_)) => Ok(Choice::Matching(Local::new(filter, plan.now)?)),
        _ => Ok(Choice::All),
    }
}

/// All that is stored was shown.
async fn end(args: &Args, plan: &Plan, server: &Server, printer: &Printer) -> Result<Exit> {
    if printer.lines() == 0 && args.lines() != Some(0) {
        notice(&nothing(args, plan));
        if let Some(app) = &plan.scope.app {
            slip(server, app.as_str()).await;
        }
    }
    Ok(Exit::Ok)
}

/// That there are no lines, of those that were asked for.
fn nothing(args: &Args, plan: &Plan) -> String {
    let whose = plan.scope.describe();
    if plan.filter.is_some() {
        format!("no lines of {whose} match")
    } else if args.resume.is_some() {
        format!("no lines of {whose} behind that cursor")
    } else if args.since.is_some() || args.until.is_some() {
        format!("no lines of {whose} in that time")
    } else {
        format!("no lines yet of {whose} (if that is a surprise, check the name)")
    }
}

/// What is left when all that is stored was shown.
struct Shown {
    choice: Choice,
    cursor: Option<String>,
}

/// Takes all that is stored, and shows it with what belongs to it. The inner error is why there is no store.
async fn show_stored(
    args: &Args,
    plan: &Plan,
    stream: &mut Stream,
    server: &Server,
    printer: &mut Printer,
) -> Result<Result<Shown, String>> {
    let gathered = match args.lines() {
        // As many as there are: they are shown as they come.
        None if args.context.is_none() => {
            gather(stream, server, |item| printer.item(&item, item.message.entry.span)).await?
        }
        lines => {
            let mut newest = Newest::new(lines.map_or(usize::MAX, |lines| lines.min(MAX_LINES) as usize));
            let add = |item| {
                newest.add(item);
                Ok(())
            };
            let gathered = gather(stream, server, add).await?;
            if gathered.storeless().is_none() {
                let items = newest.into_lines();
                match args.context {
                    Some(n) => return surrounded(args, plan, n, items, gathered, server, printer).await,
                    None => show_with_older(args, plan, items, server, printer).await?,
                }
            }
            gathered
        }
    };
    printer.finish()?;
    if let Some(why) = gathered.storeless() {
        return Ok(Err(why.to_owned()));
    }
    gathered.check()?;
    Ok(Ok(Shown { choice: Choice::All, cursor: gathered.cursor }))
}

/// Shows lines, and before them those for which a tail has no room.
async fn show_with_older(
    args: &Args,
    plan: &Plan,
    items: Vec<Item>,
    server: &Server,
    printer: &mut Printer,
) -> Result<()> {
    let n = args.lines().filter(|&n| n > MAX_LINES);
    let older = match n {
        None => Vec::new(),
        Some(n) => {
            let query = plan.query.as_deref().unwrap_or("*");
            let older =
                older::than(&items, server, &plan.scope, plan.times, query, usize::try_from(n)?).await;
            older.map_err(|trouble| trouble.fail(server.address()))?
        }
    };
    for item in older.iter().chain(&items) {
        printer.item(item, item.message.entry.span)?;
    }
    Ok(())
}

/// Shows lines with what stands around them.
async fn surrounded(
    args: &Args,
    plan: &Plan,
    n: u32,
    items: Vec<Item>,
    gathered: Gathered,
    server: &Server,
    printer: &mut Printer,
) -> Result<Result<Shown, String>> {
    let n = usize::try_from(n)?;
    let local = Local::new(plan.filter.as_deref().unwrap_or("*"), plan.now)?;
    let mut surrounding = Surrounding::new(n, local);
    windows::show(server, &plan.scope, n, items, &mut surrounding, printer).await?;
    printer.finish()?;
    gathered.check()?;
    let follows = !args.no_tail && plan.follows && n > 0;
    if follows && windows::keep_newest(server, &plan.scope, &mut surrounding).await.is_err() {
        notice("note: the first matches may have fewer lines before them: the store does not answer");
    }
    Ok(Ok(Shown { choice: Choice::Surrounded(Box::new(surrounding)), cursor: gathered.cursor }))
}

/// On from where the first step ended; what stands around matches is chosen here, so all lines are asked for.
fn second_question(args: &Args, plan: &Plan, cursor: Option<String>) -> Question {
    let query = plan.query.as_deref().filter(|_| args.context.is_none());
    let args = Args { resume: cursor, lines: Some(0), ..args.clone() };
    let times = Times { since: None, ..plan.times };
    question(&args, &plan.scope, times, query, true)
}
