//! `logway`: every role and every command that a person types.

#[macro_use]
mod exit;
mod bus_link;
mod context;
mod data;
mod demo;
mod doctor;
mod explain;
mod export;
mod fail;
mod http;
mod login;
mod logs;
mod number;
mod orgs;
mod output;
mod progress;
mod proxy;
mod registry_link;
mod rows;
mod run;
mod scope;
mod search;
mod signals;
mod store;
mod store_link;
mod tokens;
mod up;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Carries what programs print to the people who need to read it, and can prove that no line was lost.
#[derive(Debug, Parser)]
#[command(name = "logway", version, after_help = TOP_HELP, max_term_width = 120, propagate_version = true)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const TOP_HELP: &str = concat!(
    "\
Examples:
  logway demo                                see it work, in a temporary directory
  logway up                                  agent and bus on this machine
  logway run --app web -- ./server           run your app; its output goes to its readers
  logway logs -a web                         recent lines, then live
  logway search timeout -a web               what is stored, up to 30 days back
  logway tokens create readonly personal     a token for who may read

stdout is data, stderr is notices. NO_COLOR and CLICOLOR_FORCE are honoured.

",
    exit_table!()
);

#[derive(Debug, Subcommand)]
enum Command {
    /// Start agent, bus and registry on this machine
    #[command(after_help = up::EXAMPLES)]
    Up(up::Args),
    /// Run an app and carry its output
    #[command(after_help = run::EXAMPLES)]
    Run(run::Args),
    /// Show recent lines, then live ones
    #[command(after_help = logs::EXAMPLES)]
    Logs(logs::Args),
    /// Find what is stored, by a query
    #[command(after_help = search::EXAMPLES)]
    Search(search::Args),
    /// Say whether all that was produced is stored, and which hosts live
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Args),
    /// Write all lines of a time to a file
    #[command(after_help = export::EXAMPLES)]
    Export(export::Args),
    /// Say which store keeps what, give shards to one, look after its files
    #[command(after_help = store::EXAMPLES)]
    Store(store::Args),
    /// Let clients with a token read over NATS, before a cluster
    #[command(after_help = proxy::EXAMPLES)]
    Proxy(proxy::Args),
    /// Make, narrow, list and revoke tokens
    #[command(after_help = tokens::EXAMPLES)]
    Tokens(tokens::Args),
    /// Make, rename, list and end orgs
    #[command(after_help = orgs::EXAMPLES)]
    Orgs(orgs::Args),
    /// Keep a front door and a token for the commands to go to
    #[command(after_help = login::EXAMPLES)]
    Login(login::Args),
    /// Forget the login
    #[command(after_help = login::LOGOUT_EXAMPLES)]
    Logout(login::LogoutArgs),
    /// Say what an error code means and what to do
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Args),
    /// Show all of it at work: three sample apps, their lines, and the sum at the end
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Args),
    /// A sample app of the demo
    #[command(hide = true)]
    DemoApp(demo::app::Args),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    // Init has its own reader of arguments, and must have the process for itself: no runtime, no threads.
    if args.next().is_some_and(|first| first == "init") {
        return init::main_with_args(args);
    }
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(exit) => exit.into(),
        Err(error) if output::is_reader_gone(&error) => Exit::Ok.into(),
        Err(error) => {
            let (text, exit) = fail::describe(&error);
            output::notice(text.trim_end());
            exit.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Up(args) => {
            log_to_stderr();
            block_on(Box::pin(up::run(args)))
        }
        Command::Proxy(args) => {
            log_to_stderr();
            block_on(Box::pin(proxy::run(args)))
        }
        Command::Run(args) => run::run(args),
        Command::Logs(args) => block_on(Box::pin(logs::run(args))),
        Command::Search(args) => block_on(Box::pin(search::run(args))),
        Command::Doctor(args) => block_on(Box::pin(doctor::run(args))),
        Command::Export(args) => block_on(Box::pin(export::run(args))),
        Command::Store(args) => printed(|out| store::run(args, out)),
        Command::Tokens(args) => printed(|out| tokens::run(args, out)),
        Command::Orgs(args) => printed(|out| orgs::run(args, out)),
        Command::Login(args) => block_on(login::run(args)),
        Command::Logout(args) => login::logout(args),
        Command::Explain(args) => printed(|out| explain::run(args, out)),
        Command::Demo(args) => block_on(Box::pin(demo::run(args))),
        Command::DemoApp(args) => block_on(Box::pin(demo::app::run(args))),
    }
}

/// Does what writes to stdout and is done.
fn printed(work: impl FnOnce(&mut dyn Write) -> Result<Exit>) -> Result<Exit> {
    let mut out = output::Data::stdout();
    let exit = work(&mut out)?;
    out.flush()?;
    Ok(exit)
}

/// Two workers: one reads and writes sockets while the other one waits for the disk or the terminal.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("starting the runtime")?;
    let result = runtime.block_on(work);
    // What still blocks (a name that is being looked up) must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Our own log: warnings and errors, more with `LOGWAY_LOG`.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("LOGWAY_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    subscriber.with_ansi(false).with_target(false).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_examples() {
        let mut top = Cli::command();
        assert!(top.render_help().to_string().contains("Exit codes:"));
        for command in
            top.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help")
        {
            let name = command.get_name().to_owned();
            let help = command.render_help().to_string();
            assert!(help.contains("Examples:") && help.contains(&format!("logway {name}")), "{name}: {help}");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // Clap breaks what is wider where it is not told the width of a terminal, and examples do not bear that.
            let wide = after.lines().find(|line| line.chars().count() > 98);
            assert_eq!(wide, None, "{name}");
        }
    }
}
