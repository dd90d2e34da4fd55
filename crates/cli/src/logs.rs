//! `logway logs`: recent lines, then live ones.

mod door;
mod filter;
mod history;
pub(crate) mod item;
pub(crate) mod neutral;
mod printer;
mod question;
mod ranges;
pub(crate) mod render;
mod stitch;
mod stored;
mod tail;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bus::client::Client;
use bus::roles::Role;
use line::{Name, OrgId};

use self::door::Way;
use self::filter::{Filter, Levels};
use self::printer::Printer;
use self::render::Style;
use self::tail::{Scope, Tail};
use crate::bus_link;
use crate::context::{Chosen, ContextArgs};
use crate::data::{Data, DataArg};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::login;
use crate::output::{self, notice};
use crate::signals::Signals;

/// The arguments of `logway logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Lines of this app; without it, of all apps, each line with its app's name
    #[arg(short, long)]
    app: Option<String>,
    /// Lines of this region only
    #[arg(short, long)]
    region: Option<String>,
    /// Lines of this Machine only
    #[arg(short, long, visible_alias = "instance", visible_short_alias = 'i', value_name = "INSTANCE")]
    machine: Option<String>,
    /// Show recent lines and end
    #[arg(short, long)]
    no_tail: bool,
    /// One compact JSON object per line, as it came from the bus
    #[arg(short, long)]
    json: bool,
    /// Lines of this level, or of a range of levels: warn, '>=warn', '<error'
    #[arg(long)]
    level: Option<Levels>,
    /// Lines that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// With --grep: lines that do not contain it
    #[arg(short = 'v', long, requires = "grep")]
    invert: bool,
    /// With --grep: upper and lower case are the same
    #[arg(long, requires = "grep")]
    ignore_case: bool,
    /// How many recent lines to show first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    lines: u32,
    /// Read from this NATS server, or these with commas between them, instead of those that 'logway up' uses
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    data: DataArg,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway logs -a web                            recent lines, then live until Ctrl-C
  logway logs -a web -n --lines 500             500 recent lines, then end
  logway logs -a web -n -j | jq -r .message     compact JSON, one object a line
  logway logs -a web --level '>=warn' --grep timeout
  logway logs -a web -r lhr -i 148e36           one region, one Machine
  logway logs -a web --server nats://h:4223     through a front door, with LOGWAY_TOKEN

Format:
  TIME PROVIDER[INSTANCE] REGION [LEVEL] MESSAGE: that of flyctl, and a blank before the message
  2026-11-22T10:00:00Z app[148e36] lhr [info] listening on port 80
  On a terminal, lines of stderr begin with a faint '2>', and control sequences of apps are shown,
  not obeyed.

Missing lines:
  Each line has a number. What is missing is asked for; what nobody has is drawn as
  '— 12 lines lost: why —'.
  Such records pass every filter. Of recent lines, the newest 20,000 are looked through.
  Recent lines come from the store, and what it has not yet from the agents.

Notices on stderr: '● live', '◌ reconnecting', '■ ended'. A tail ended by Ctrl-C ends with 0.";

impl Args {
    fn scope(&self, org: OrgId, way: Way) -> Result<Scope> {
        Ok(Scope {
            org,
            way,
            app: name("app", self.app.as_deref())?,
            region: name("region", self.region.as_deref())?,
            instance: name("instance", self.machine.as_deref())?,
        })
    }

    fn printer(&self, org: OrgId) -> Printer {
        let (for_terminal, has_colour) = output::terminal();
        let style = Style { has_colour, for_terminal, with_app: self.app.is_none() };
        let filter = Filter::new(self.level, self.grep.as_deref(), self.invert, self.ignore_case);
        Printer::new(output::Data::stdout(), style, self.json, filter, org)
    }
}

/// Shows the lines.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let data = &args.data.dir()?;
    let mut signals = Signals::listen()?;
    let chosen = match &args.nats {
        Some(_) => Chosen::Local,
        None => args.context.chosen(data, args.data.is_named())?,
    };
    let store = match &chosen {
        Chosen::Local => None,
        // Without an address for it there are the agents, who have the lines too.
        Chosen::Door(_) | Chosen::Here(_) => {
            args.context.server(data, args.data.is_named(), stored::PATIENCE).ok()
        }
    };
    let (client, org, way) = tokio::select! {
        connected = connect(args, data, &chosen) => connected?,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    let scope = args.scope(org.clone(), way)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let now = i64::try_from(now.as_nanos()).context("the clock is beyond 2262")?;
    let lines = usize::try_from(args.lines)?;
    let tail = Tail::new(client, scope, lines, args.printer(org), now).with_store(store);
    if args.no_tail { Box::pin(tail.recent(signals)).await } else { Box::pin(tail.follow(signals)).await }
}

/// A client that is connected to what was chosen, whose lines are meant, and which way it is.
async fn connect(args: &Args, data: &Data, chosen: &Chosen) -> Result<(Client, OrgId, Way)> {
    match chosen {
        Chosen::Door(door) => {
            let org = login::claims(&door.token)?.org;
            Ok((door::connect(door).await?, org, Way::Door))
        }
        Chosen::Here(door) => match door::connect(door).await {
            Ok(client) => Ok((client, login::claims(&door.token)?.org, Way::Door)),
            // Whoever owns the data may read the bus too, and it says better what is wrong.
            Err(_) => {
                let beside = beside(args, data).await?;
                notice("note: the front door of 'logway up' does not let us in; reading beside it");
                Ok(beside)
            }
        },
        Chosen::Local => beside(args, data).await,
    }
}

/// The same, straight on the bus.
async fn beside(args: &Args, data: &Data) -> Result<(Client, OrgId, Way)> {
    let org = OrgId::new(&data.org()?.id)?;
    let url = match &args.nats {
        Some(url) => url.clone(),
        None => data.running()?.ok_or_else(|| data.not_running())?.nats,
    };
    let options = bus_link::options(data, &url, Role::Api, "logway logs")?;
    Ok((bus_link::connect(data, options).await?, org, Way::Bus))
}

fn name(what: &'static str, raw: Option<&str>) -> Result<Option<Name>> {
    let Some(raw) = raw else { return Ok(None) };
    match Name::new(what, raw) {
        Ok(name) => Ok(Some(name)),
        Err(error) => {
            Fail::new(Exit::Usage, format!("--{what} cannot be used")).code("LA12").why(error).err()
        }
    }
}
