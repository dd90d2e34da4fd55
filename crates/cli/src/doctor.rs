//! `logway doctor`: whether all that was produced is stored, what was delivered, and which hosts live.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::sys::HEARTBEAT_SECONDS;
use bytes::Bytes;
use line::{GapReason, Name};
use query::time::End;
use serde::Deserialize;
use tokio::time::sleep;

use crate::context::ContextArgs;
use crate::data::DataArg;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Form, Server, Trouble};
use crate::logs::neutral;
use crate::logs::render::thousands;
use crate::logs::slip;
use crate::output::{self, notice};
use crate::scope::{has_begun, moment, now};
use crate::search::patience;
use crate::signals::Signals;

/// Where it is asked.
const PATH: &str = "/api/v1/doctor";
/// Boots that are named because not all of theirs is stored.
const MAX_NAMED: usize = 20;

/// A reader that is so far behind is named. Seconds.
const SLOW_S: f64 = 1.0;

/// How long the next heartbeat of a host is waited for at most: they come every so often, and it may be on its way.
const HEARTBEAT: Duration = Duration::from_secs(HEARTBEAT_SECONDS + 2);
/// How long to wait for the first line of an app of which there is none.
const FIRST: Duration = Duration::from_secs(2);
/// How long until the server is asked again.
const AGAIN: Duration = Duration::from_millis(250);

/// The arguments of `logway doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of this app only
    #[arg(short, long)]
    app: Option<String>,
    /// What was said from this time on: 15m, 3h, 7d ago, or 2026-11-22, 2026-11-22T10:00Z
    #[arg(long, value_name = "TIME", default_value = "1h", allow_hyphen_values = true)]
    since: String,
    /// The server's answer as one compact JSON object
    #[arg(short, long)]
    json: bool,
    /// How long the server may count
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
  logway doctor                          every app, the last hour
  logway doctor -a web --since 7d
  logway doctor -j | jq '.apps[] | select(.proved | not)'

Each start of a Machine numbers what it says, so all of it can be counted. What was said until now
counts: the next heartbeat of its host is waited for, 5 seconds at most.
  produced  numbers from the first one since then on
  stored    those in lines
  lost      those that a gap record states, with the reason below
  late      those of the lost ones that came after all
  missing   those that are neither stored nor stated: there should be none
  behind    those on the host's disk that are not stored yet
  delivered lines that this server has handed to readers of live logs since it was started, over
            HTTP and NATS, to each reader anew; each further server tells its own
  readers   those who read now. Below stands who catches up, or is slow

Exit codes: 0 all is proved, 1 something is missing or behind, 4 not allowed, 5 no server,
6 a store did not answer, 124 it took too long.";

/// The answer.
#[derive(Debug, Deserialize)]
struct Report {
    apps: Vec<App>,
    hosts: Vec<Host>,
    #[serde(default)]
    missing: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct App {
    app: String,
    #[serde(flatten)]
    sum: Sum,
    boots: Vec<Boot>,
    /// `None`: not for this token, or an older server.
    #[serde(default)]
    delivered: Option<Delivered>,
}

/// What readers of live logs were given.
#[derive(Debug, Deserialize)]
struct Delivered {
    lines: Option<u64>,
    readers: u64,
    catching_up: u64,
    behind_s: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Boot {
    instance: String,
    boot: String,
    host: String,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Debug, Deserialize)]
struct Sum {
    produced: u64,
    stored: u64,
    gaps: BTreeMap<String, u64>,
    late: u64,
    missing: u64,
    behind: u64,
    lag_s: f64,
    proved: bool,
}

#[derive(Debug, Deserialize)]
struct Host {
    host: String,
    region: String,
    age_s: Option<f64>,
    alive: bool,
}

/// Asks, and shows it.
pub(crate) async fn run(args: &Args) -> Result<Exit> {
    if let Some(app) = &args.app
        && let Err(error) = Name::new("app", app)
    {
        return Fail::new(Exit::Usage, "--app cannot be used").code("LA12").why(error).err();
    }
    let data = args.data.dir()?;
    let mut signals = Signals::listen()?;
    let form = question(args.app.as_deref(), &args.since, now()?)?;
    let server = args.context.server(&data, args.data.is_named(), args.timeout)?;
    let document = tokio::select! {
        document = ask(&server, &form) => document,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    let document = match document {
        Ok(document) => document,
        Err(trouble) => return trouble.fail(server.address()).err(),
    };
    let report: Report =
        serde_json::from_slice(&document).context("the server's answer is not what doctor asks for")?;
    let mut out = output::Data::stdout();
    if args.json {
        out.write_all(&document)?;
        writeln!(out)?;
    } else {
        out.write_all(report.shown().as_bytes())?;
    }
    out.flush()?;
    if let (Some(app), []) = (&args.app, report.apps.as_slice()) {
        slip(&server, app).await;
    }
    Ok(report.exit())
}

/// Asks until the answer is about what was said until now: a Machine that has just ended may be known by its host alone, and until that is
/// heard nothing would seem to lack.
async fn ask(server: &Server, form: &Form) -> Result<Bytes, Trouble> {
    let (begun, mut is_told) = (Instant::now(), false);
    loop {
        let asked = begun.elapsed();
        let document = server.get(PATH, form, "application/json").await?.document().await?;
        let report = serde_json::from_slice::<Report>(&document);
        if report.map_or(true, |report| report.is_good(asked)) {
            return Ok(document);
        }
        if !is_told && asked > FIRST {
            is_told = true;
            notice("◌ waiting for the heartbeat of a host, which tells what was said until now");
        }
        sleep(AGAIN).await;
    }
}

/// What is asked. The time goes as it is written: an hour ago is that by the server's clock, which stamps the lines. By ours it
/// could be the server's future, of which nothing is missing.
fn question(app: Option<&str>, since: &str, now: i64) -> Result<Form> {
    has_begun(moment("--since", since, now, End::Start)?, now)?;
    Ok(Form::new().with_some("app", app).with("since", since.trim()))
}

impl Report {
    /// Whether it tells, as far as can be waited for, what was said until so long ago.
    fn is_good(&self, asked: Duration) -> bool {
        let is_old = |host: &Host| host.alive && host.age_s.is_some_and(|age| age > asked.as_secs_f64());
        match self.apps.is_empty() {
            true => asked >= FIRST,
            false => asked >= HEARTBEAT || !self.hosts.iter().any(is_old),
        }
    }

    fn exit(&self) -> Exit {
        for why in &self.missing {
            notice(&format!("warning: this is not all there is: {why}"));
        }
        match (self.missing.is_empty(), self.apps.iter().all(|app| app.sum.proved)) {
            (false, _) => Exit::Partial,
            (true, true) => Exit::Ok,
            (true, false) => Exit::Failure,
        }
    }

    /// The tables.
    fn shown(&self) -> String {
        let mut out = String::new();
        if self.apps.is_empty() {
            out.push_str("nothing was said in this time\n");
            return out;
        }
        let heads = [
            "app",
            "boots",
            "produced",
            "stored",
            "lost",
            "late",
            "missing",
            "behind",
            "lag",
            "proved",
            "delivered",
            "readers",
        ];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(self.apps.iter().map(App::cells));
        write_table(&rows, &mut out);
        self.apps.iter().for_each(|app| app.write_reasons(&mut out));
        self.apps.iter().for_each(|app| app.write_readers(&mut out));
        let boots = self.apps.iter().flat_map(|app| app.boots.iter().map(move |boot| (app, boot)));
        let unproved: Vec<_> = boots.filter(|(_, boot)| !boot.sum.proved).collect();
        for (app, boot) in unproved.iter().take(MAX_NAMED) {
            boot.write(&app.app, &mut out);
        }
        if unproved.len() > MAX_NAMED {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "and {} boots more", unproved.len() - MAX_NAMED);
        }
        self.hosts.iter().for_each(|host| host.write(&mut out));
        out
    }
}

impl Sum {
    /// Numbers that are lost for good.
    fn lost(&self) -> u64 {
        self.gaps.values().sum::<u64>().saturating_sub(self.late)
    }

    fn lag(&self) -> String {
        if self.behind == 0 { "-".to_owned() } else { format!("{:.1}s", self.lag_s) }
    }
}

impl App {
    fn cells(&self) -> [String; 12] {
        let sum = &self.sum;
        let proved = if sum.proved { "✓" } else { "no" };
        let count = |count| thousands(count);
        let (lines, readers) =
            self.delivered.as_ref().map_or((None, None), |of| (of.lines, Some(of.readers)));
        let known = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), thousands);
        [
            neutral::plain(&self.app),
            count(self.boots.len() as u64),
            count(sum.produced),
            count(sum.stored),
            count(sum.lost()),
            count(sum.late),
            count(sum.missing),
            count(sum.behind),
            sum.lag(),
            proved.to_owned(),
            known(lines),
            known(readers),
        ]
    }

    /// Which readers are behind.
    fn write_readers(&self, out: &mut String) {
        let Some(Delivered { readers, catching_up, behind_s, .. }) = &self.delivered else { return };
        let behind = behind_s.unwrap_or(0.0);
        if *catching_up == 0 && behind < SLOW_S {
            return;
        }
        let (app, readers, late) = (neutral::plain(&self.app), thousands(*readers), thousands(*catching_up));
        let _ =
            writeln!(out, "{app}: of {readers} readers {late} catching up, the slowest {behind:.1}s behind");
    }

    /// Why numbers are lost.
    fn write_reasons(&self, out: &mut String) {
        for (name, count) in &self.sum.gaps {
            let reason = GapReason::from_name(name);
            let (app, count, lines) = (neutral::plain(&self.app), thousands(*count), plural(*count, "line"));
            let _ =
                writeln!(out, "{app}: {count} {lines} lost: {} ({})", reason.sentence(), reason.code_name());
        }
    }
}

impl Boot {
    /// What is not proved of it.
    fn write(&self, app: &str, out: &mut String) {
        let [app, instance, boot, host] = [app, &self.instance, &self.boot, &self.host].map(neutral::plain);
        let (missing, behind) = (thousands(self.sum.missing), thousands(self.sum.behind));
        let _ = writeln!(out, "{app}: {instance} boot {boot} on {host}: {missing} missing, {behind} behind");
    }
}

impl Host {
    fn write(&self, out: &mut String) {
        let said = match (self.age_s, self.alive) {
            (Some(age), true) => format!("✓ its heartbeat was heard {age:.0} s ago"),
            (Some(age), false) => format!("silent for {age:.0} s: see that it and its 'logway up' run"),
            (None, _) => "not heard since this server was started".to_owned(),
        };
        let (host, region) = (neutral::plain(&self.host), neutral::plain(&self.region));
        let _ = writeln!(out, "host {host} in {region}: {said}");
    }
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Appends rows with their cells one under another: the first column to the left, numbers to the right.
fn write_table<const N: usize>(rows: &[[String; N]], out: &mut String) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match at {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        serde_json::from_str(text).unwrap()
    }

    const WHOLE: &str = r#"{"since":"x","apps":[{"app":"web","produced":1200,"stored":1200,"gaps":{},"late":0,"missing":0,"behind":0,
        "lag_s":0.0,"proved":true,"boots":[],
        "delivered":{"since":"x","lines":2400,"last":"x","readers":2,"live":2,"catching_up":0,"behind_s":0.02}}],"hosts":[{"host":"h1","region":"lhr","age_s":2.4,"alive":true}]}"#;

    const HOLES: &str = r#"{"apps":[{"app":"we\u001bb","produced":12,"stored":8,"gaps":{"ring_full":2,"vanished":1},"late":1,"missing":2,
        "behind":3,"lag_s":1.25,"proved":false,"boots":[{"instance":"i1","region":"lhr","boot":"01","host":"h1","produced":12,"stored":8,
        "gaps":{},"late":1,"missing":2,"behind":3,"lag_s":1.25,"proved":false}],
        "delivered":{"lines":null,"readers":3,"catching_up":1,"behind_s":12.34}}],
        "hosts":[{"host":"h1","region":"lhr","age_s":61.0,"alive":false},{"host":"h2","region":"lhr","age_s":null,"alive":false}]}"#;

    #[test]
    fn the_server_is_asked_for_a_time_by_its_own_clock() {
        const HOUR: i64 = 3_600_000_000_000;
        for now in [0, 400_000 * HOUR, 500_000 * HOUR] {
            let asked = |since| question(Some("web"), since, now).unwrap().text().to_owned();
            assert_eq!(asked(" 1h "), "app=web&since=1h");
            assert_eq!(asked("-15m"), "app=web&since=-15m");
        }
        assert!(question(None, "soon", 0).is_err() && question(None, "2099-01-01", 0).is_err());
        let day = question(None, "2020-01-01", 500_000 * HOUR).unwrap();
        assert_eq!(day.text(), "since=2020-01-01");
    }

    #[test]
    fn what_was_said_until_now_is_waited_for() {
        let seconds = Duration::from_secs_f64;
        // Heard before it was asked first; since then; never again.
        for (asked, wanted) in [(0.0, false), (2.3, false), (2.5, true), (7.0, true)] {
            assert_eq!(report(WHOLE).is_good(seconds(asked)), wanted, "{asked}");
        }
        // Hosts that are silent are not waited for.
        assert!(report(HOLES).is_good(Duration::ZERO));
        let nothing = report(r#"{"apps":[],"hosts":[]}"#);
        assert!(!nothing.is_good(seconds(1.9)) && nothing.is_good(FIRST));
    }

    #[test]
    fn what_is_proved() {
        let report = report(WHOLE);
        assert_eq!(report.exit(), Exit::Ok);
        assert_eq!(
            report.shown(),
            "app  boots  produced  stored  lost  late  missing  behind  lag  proved  delivered  readers\n\
             web      0     1,200   1,200     0     0        0       0    -       ✓      2,400        2\n\
             host h1 in lhr: ✓ its heartbeat was heard 2 s ago\n"
        );
    }

    #[test]
    fn what_is_missing() {
        let report = report(HOLES);
        assert_eq!(report.exit(), Exit::Failure);
        let shown = report.shown();
        assert!(!shown.contains('\u{1b}'), "{shown}");
        for wanted in [
            "2 lines lost: the Machine's buffer was full while the host could not take more (LI04)",
            "1 line lost: the Machine ended without saying goodbye (LA02)",
            "i1 boot 01 on h1: 2 missing, 3 behind",
            "host h1 in lhr: silent for 61 s",
            "host h2 in lhr: not heard",
            "1.2s",
            "of 3 readers 1 catching up, the slowest 12.3s behind",
        ] {
            assert!(shown.contains(wanted), "{wanted} in {shown}");
        }
    }

    #[test]
    fn what_is_not_all() {
        let report = report(r#"{"apps":[],"hosts":[],"missing":["the store main did not answer"]}"#);
        assert_eq!(
            (report.exit(), report.shown().as_str()),
            (Exit::Partial, "nothing was said in this time\n")
        );
    }
}
