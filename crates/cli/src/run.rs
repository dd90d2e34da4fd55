//! `logway run`: registers an app with the host agent and becomes its init.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use agent::admin::{self, Registered, Registration, Request, Response};
use anyhow::{Context, Result};
use line::Name;

use crate::data::{Data, DataArg, random};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;
use crate::registry_link;

/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the end waits for the agent under `--policy block`.
const BLOCK_FLUSH: &str = "30s";
/// The region when neither the person nor a running `logway up` names one.
pub(crate) const DEFAULT_REGION: &str = "local";

/// The arguments of `logway run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app that the lines belong to
    #[arg(short, long)]
    app: String,
    /// The org whose lines they are, its slug or its id [default: that of this machine, 'personal']
    #[arg(long)]
    org: Option<String>,
    /// The region [default: that of 'logway up']
    #[arg(short, long)]
    region: Option<String>,
    /// The Machine's id [default: a fresh one]
    #[arg(short, long)]
    instance: Option<String>,
    /// What happens when the host cannot take lines as fast as the app writes them: drop-oldest never makes the app wait and
    /// says how many lines were lost; block makes it wait and loses none; block:2s waits so long at most
    #[arg(long, default_value = "drop-oldest", value_name = "drop-oldest|block|block:TIME", value_parser = policy)]
    policy: String,
    /// Lines a second that the app may write; more become a gap record [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How long the end may wait until the agent has all lines on disk, as 30s [default: 5s; with --policy block 30s]
    #[arg(long, value_name = "TIME", value_parser = flush_timeout)]
    flush_timeout: Option<String>,
    /// The user that runs the app, when init will not run as you
    #[arg(long)]
    uid: Option<u32>,
    /// The command, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    data: DataArg,
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway run --app web -- ./server --port 80
  logway run --app web --region lhr --instance 148e36 -- ./server
  logway run --org acme --app web -- ./server              lines of an org of its own
  logway run --app ledger --policy block -- ./job          lose no line, wait instead
  logway run --app hello -- sh -c 'echo hello; exit 3'     ends with 3

The app's output goes to its readers ('logway logs -a web'), not to this terminal.
Ends with the app's own code; 125 nothing to run, 126 not executable, 127 not found,
128+N killed by signal N.";

/// Refuses what init would refuse, before anything is registered.
fn checked<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<String, String> {
    read(text).map(|_| text.to_owned())
}

fn policy(text: &str) -> Result<String, String> {
    checked(text, str::parse::<init::Policy>)
}

fn flush_timeout(text: &str) -> Result<String, String> {
    checked(text, init::parse_time)
}

/// Registers, then replaces this process by init. Returns only if that fails.
pub(crate) fn run(args: &Args) -> Result<Exit> {
    let data = &args.data.dir()?;
    if args.command.first().is_none_or(|program| program.is_empty()) {
        return Fail::new(Exit::NoCommand, "there is no command to run")
            .code("LI01")
            .hint("give it after '--', as in: logway run --app web -- ./server")
            .err();
    }
    let registration = registration(args, data)?;
    let registered = match register(data, registration)? {
        Response::Registered(registered) => registered,
        other => anyhow::bail!("the agent answered something else than it was asked: {other:?}"),
    };
    Err(become_init(args, &registered))
}

fn registration(args: &Args, data: &Data) -> Result<Registration> {
    let app = name("app", &args.app)?;
    let org = match &args.org {
        Some(name) => org_id(data, name)?,
        None => data.org()?.id,
    };
    // An 'up' that is just starting again has not said it anew.
    let region = args.region.clone().or(data.said()?.map(|up| up.region));
    let region = name("region", region.as_deref().unwrap_or(DEFAULT_REGION))?;
    let instance = match &args.instance {
        Some(instance) => name("instance", instance)?,
        None => Name::new("instance", &fresh_instance()?)?,
    };
    let text = |name: Name| name.as_str().to_owned();
    Ok(Registration {
        org,
        app: text(app),
        region: text(region),
        instance: text(instance),
        uid: args.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw()),
        rate: args.rate,
        ephemeral: true,
    })
}

/// The id of the org that is called `name`, or whose id it is. The registry of this machine knows.
fn org_id(data: &Data, name: &str) -> Result<String> {
    const WHAT: &str = "the app is not run";
    if !data.registry().join(registry::JOURNAL).exists() && data.running()?.is_some() {
        return Fail::new(Exit::Failure, WHAT)
            .code("LR11")
            .why("--org is looked up in the registry, and that of this 'logway up --no-registry' is on another machine")
            .hint("run apps of that org beside the registry, or register the Machine with the org's id at the agent's socket")
            .err();
    }
    let orgs = match registry_link::ask(data, registry::admin::Request::Orgs {}, WHAT)? {
        registry::admin::Response::Orgs(orgs) => orgs,
        other => return Err(registry_link::strange(&other)),
    };
    let by_slug = orgs.iter().find(|org| org.slug.as_str() == name);
    let org = by_slug.or_else(|| orgs.iter().find(|org| org.id.as_str() == name));
    match org {
        Some(org) => Ok(org.id.to_string()),
        None => Fail::new(Exit::NotFound, WHAT)
            .code("LR05")
            .why(format!("no org is called '{}'", name.chars().take(64).collect::<String>().escape_debug()))
            .err(),
    }
}

/// 14 hexadecimal digits, as Fly's Machines have them.
fn fresh_instance() -> Result<String> {
    Ok(random::<7>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name in its escaped form, with a notice if it is another than was given.
fn name(what: &'static str, raw: &str) -> Result<Name> {
    let name = match Name::new(what, raw) {
        Ok(name) => name,
        Err(error) => {
            return Fail::new(Exit::Usage, format!("--{what} cannot be used")).code("LA12").why(error).err();
        }
    };
    if name.as_str() != raw {
        notice(&format!(
            "note: the {what} '{}' is written {name} wherever lines name it",
            raw.escape_debug()
        ));
    }
    Ok(name)
}

fn register(data: &Data, registration: Registration) -> Result<Response> {
    let instance = registration.instance.clone();
    let what = format!("the agent does not register the Machine {instance}");
    match admin::call(&data.admin_socket(), &Request::Register(registration), ANSWER) {
        Ok(response) => Ok(response),
        Err(admin::Error::NotRunning { .. }) => Err(data.not_running()),
        Err(admin::Error::Refused { code, message }) => {
            let known = line::codes::find(&code).map(|entry| entry.code);
            let exit = if matches!(known, Some("LA07" | "LA10")) { Exit::Refused } else { Exit::Failure };
            let fail = Fail::new(exit, what).why(message);
            if let Some(known) = known { fail.code(known).err() } else { fail.err() }
        }
        Err(error) => Err(error).context(what),
    }
}

/// Becomes init, which runs the command. Gives back why that is not possible.
fn become_init(args: &Args, registered: &Registered) -> anyhow::Error {
    let this = match std::env::current_exe().context("finding this program's own file") {
        Ok(this) => this,
        Err(error) => return error,
    };
    let beside = this.with_file_name("logway-init");
    let mut command = init_command(&this, &beside);
    command.arg("--socket").arg(&registered.socket).arg("--instance").arg(&registered.instance);
    // Whoever rather waits than loses a line while the app runs does so at its end too.
    let block = args.policy.starts_with("block").then_some(BLOCK_FLUSH);
    if let Some(time) = args.flush_timeout.as_deref().or(block) {
        command.arg("--flush-timeout").arg(time);
    }
    command.arg("--policy").arg(&args.policy).arg("--").args(&args.command);
    let error = command.exec();
    anyhow::Error::new(error).context(format!("starting {}", PathBuf::from(command.get_program()).display()))
}

/// The small static init if it lies beside this program, else this program in its place.
fn init_command(this: &Path, beside: &Path) -> Command {
    if beside.is_file() {
        return Command::new(beside);
    }
    let mut command = Command::new(this);
    command.arg("init");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_instances_are_names_and_differ() {
        let (a, b) = (fresh_instance().unwrap(), fresh_instance().unwrap());
        assert!(a.len() == 14 && a != b && Name::new("instance", &a).unwrap().as_str() == a);
    }

    #[test]
    fn what_init_would_refuse_is_refused_before() {
        assert_eq!(policy("block:2s"), Ok("block:2s".to_owned()));
        assert_eq!(flush_timeout("1500ms"), Ok("1500ms".to_owned()));
        for bad in ["", "drop-newest", "block:", "block:2", "block:99h"] {
            assert!(policy(bad).is_err(), "{bad}");
        }
        for bad in ["", "s", "-1s", "1d", "25h", "1.5s", "10", "99999999999999999999s"] {
            assert!(flush_timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_init_beside_is_preferred() {
        let dir = tempfile::tempdir().unwrap();
        let beside = dir.path().join("logway-init");
        let this = dir.path().join("logway");
        assert_eq!(init_command(&this, &beside).get_program(), this.as_os_str());
        assert_eq!(init_command(&this, &beside).get_args().next().unwrap(), "init");
        std::fs::write(&beside, "").unwrap();
        assert_eq!(init_command(&this, &beside).get_program(), beside.as_os_str());
    }
}
