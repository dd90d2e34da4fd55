//! `logway logs`: recent lines, then live ones; over HTTP, or over NATS where that is asked for or all there is.

mod args;
mod asked;
mod door;
mod exit_wait;
mod filter;
mod fly_toml;
mod format;
mod gather;
mod highlight;
mod history;
pub(crate) mod item;
mod joiner;
mod known;
mod local;
mod logfmt;
mod logsql;
pub(crate) mod neutral;
mod older;
mod over_http;
mod pick;
mod pretty;
mod printer;
mod question;
mod ranges;
mod raw;
pub(crate) mod render;
mod sse;
mod starts;
mod stitch;
mod stored;
mod stream;
mod surrounding;
mod tail;
mod trace;
mod web;
mod windows;
mod word;

use anyhow::Result;
use bus::client::Client;
use bus::roles::Role;
use line::{Name, OrgId};

pub(crate) use self::args::{Args, EXAMPLES};
use self::door::Way;
use self::filter::Filter;
use self::format::Format;
use self::over_http::Outcome;
use self::printer::{Look, Printer};
use self::render::Style;
use self::tail::{Scope, Tail};
pub(crate) use self::web::slip;
use crate::bus_link;
use crate::context::Chosen;
use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Server, Trouble};
use crate::login;
use crate::output::{self, notice};
use crate::scope::now;
use crate::signals::Signals;

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

    fn format(&self) -> Format {
        Format::chosen(self.output, self.json, output::terminal().0)
    }

    /// Whether programs read it.
    fn is_json(&self) -> bool {
        self.format() == Format::Json
    }

    /// What writes lines of `org` that the server has chosen.
    fn printer(&self, org: OrgId, now: i64) -> Printer {
        self.printer_with(org, now, Filter::default())
    }

    fn printer_with(&self, org: OrgId, now: i64, filter: Filter) -> Printer {
        let (for_terminal, has_colour) = output::terminal();
        let style = Style { has_colour, for_terminal, with_app: self.app.is_none() };
        let marks = if self.invert { query::Marks::default() } else { self.filters().marks(now) };
        let (format, joins, fields) = (self.format(), !self.no_join, self.fields.clone());
        Printer::new(output::Data::stdout(), Look { style, format, filter, marks, joins, fields }, org)
    }

    /// What options say that do not go together.
    fn check(&self) -> Result<()> {
        if let Some(word) = self.words.first() {
            return self.stray(word).err();
        }
        if self.fields.is_some() && !matches!(self.format(), Format::Pretty | Format::Logfmt) {
            return Fail::new(Exit::Usage, "--fields chooses what is shown with -o pretty and -o logfmt")
                .hint("add one of them, or take out --fields; with -j, jq chooses")
                .err();
        }
        Ok(())
    }

    /// That `word` belongs to no option.
    fn stray(&self, word: &str) -> Fail {
        match self.select {
            true => Fail::new(Exit::Usage, format!("{word:?} stands alone: --select takes no name, it asks"))
                .hint("name the Machine with -m instead"),
            false => Fail::new(Exit::Usage, format!("{word:?} stands alone"))
                .hint("name an app with -a, a Machine with -m, a text that lines contain with --grep"),
        }
    }
}

/// Shows the lines.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    let data = &args.data.dir()?;
    let mut signals = Signals::listen()?;
    let mut args = args.clone();
    args.check()?;
    if let Some(file) = &args.config {
        args.app = Some(fly_toml::app(file)?);
    }
    let mut note = None;
    if args.nats.is_none() {
        match args.server.server(data, args.data.is_named(), stream::PATIENCE) {
            Ok(server) => match Box::pin(over_http::run(args.clone(), &server, &mut signals)).await? {
                Outcome::Done(exit) => return Ok(exit),
                Outcome::Absent(trouble) => {
                    let text = args.falls_back(data, &server, &trouble)?;
                    // Of an API that was only guessed nothing is said unless lines come without it.
                    match args.server.guesses_api() {
                        true => note = Some(text),
                        false => notice(&text),
                    }
                }
            },
            // Without a token of its own there is the bus, for whoever has its credentials.
            Err(error) if args.only_over_http().is_some() || args.server.names_api() => return Err(error),
            Err(_) => {}
        }
    }
    args.refuse_over_nats()?;
    over_nats(&args, data, signals, note).await
}

impl Args {
    /// What to say when lines come another way; or that there is none for what was asked for.
    fn falls_back(&self, data: &Data, server: &Server, trouble: &Trouble) -> Result<String> {
        let is_elsewhere = || self.server.is_elsewhere(data, self.data.is_named(), server.address());
        if self.only_over_http().is_some() || is_elsewhere() {
            return trouble.fail(server.address()).err();
        }
        Ok(format!("note: reading over NATS: {}", trouble.fail(server.address())))
    }

    fn refuse_over_nats(&self) -> Result<()> {
        let Some(option) = self.only_over_http() else { return Ok(()) };
        Fail::new(Exit::Usage, format!("{option} needs the HTTP API, and lines come over NATS here"))
            .hint("leave out --nats, or take out that option; over NATS there are --level and --grep")
            .err()
    }
}

/// Shows the lines that come over the bus or through a front door, and says why they come that way.
async fn over_nats(args: &Args, data: &Data, mut signals: Signals, note: Option<String>) -> Result<Exit> {
    let chosen = match &args.nats {
        Some(_) => Chosen::Local,
        None => args.server.chosen(data, args.data.is_named())?,
    };
    let store = match &chosen {
        Chosen::Local => None,
        // Without an address for it there are the agents, who have the lines too.
        Chosen::Door(_) | Chosen::Here(_) => {
            args.server.server(data, args.data.is_named(), stored::PATIENCE).ok()
        }
    };
    let (client, org, way) = tokio::select! {
        connected = connect(args, data, &chosen) => connected?,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    if let Some(note) = note {
        notice(&note);
    }
    let (scope, now) = (args.scope(org.clone(), way)?, now()?);
    let filter = Filter::new(args.level, args.grep.as_deref(), args.invert, args.ignore_case);
    let printer = args.printer_with(org, now, filter);
    let tail = Tail::new(client, scope, usize::try_from(args.lines().unwrap_or_default())?, printer, now)
        .with_store(store);
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
