//! `logway tokens`: who may do what with whose lines.

mod attenuate;
mod create;
mod expiry;
mod inspect;
mod keys;
mod list;
mod revoke;
pub(crate) mod words;

use std::io::{Read, Write};

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::context;
use crate::data::DataArg;
use crate::exit::Exit;
use crate::fail::Fail;

/// The arguments of `logway tokens`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token for an org
    Create(create::Args),
    /// Make a narrower token of one, offline
    Attenuate(attenuate::Args),
    /// Say what a token allows
    Inspect(inspect::Args),
    /// Revoke a token, with all that was made of it
    Revoke(revoke::Args),
    /// List the tokens that were made here
    List(list::Args),
    /// List the keys that sign tokens
    Keys(keys::Args),
    /// Have a new key sign tokens; those of the keys before it stay good for a while
    Rotate(keys::RotateArgs),
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway tokens create readonly acme --app web --expiry 30d    prints the token, and nothing else
  logway tokens create ship acme --name shipper > token
  logway tokens attenuate --token - --app web < token          narrower, without asking anybody
  logway tokens inspect --token - < token
  logway tokens list acme
  logway tokens revoke 3f09c2d81b77                            by the id in the list, or the token
  logway tokens rotate --retire-after 7d

A token is said once and kept nowhere: what is kept is its id, name and limits. Whoever has one
can make narrower ones of it. Arguments can be seen by other users of a machine: give tokens in
LOGWAY_TOKEN, or on stdin with '--token -'.";

/// Does it.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let data = &args.data.dir()?;
    match &args.command {
        Command::Create(args) => create::run(args, data, out),
        Command::Attenuate(args) => attenuate::run(args, out),
        Command::Inspect(args) => inspect::run(args, data, out),
        Command::Revoke(args) => revoke::run(args, data, out),
        Command::List(args) => list::run(args, data, out),
        Command::Keys(args) => keys::run(args, data, out),
        Command::Rotate(args) => keys::rotate(args, data, out),
    }
}

/// Bytes of stdin that are read for a token.
const MAX_STDIN_BYTES: u64 = 64 << 10;

/// The token that a person gave: as an argument, `-` for stdin, or in the environment.
pub(crate) fn given(token: Option<&str>) -> Result<String> {
    let text = match token {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_STDIN_BYTES)
                .read_to_string(&mut text)
                .context("reading the token from stdin")?;
            text
        }
        Some(token) => token.to_owned(),
        None => std::env::var(context::TOKEN).unwrap_or_default(),
    };
    let bare = access::bare(&text);
    if bare.is_empty() {
        return Fail::new(Exit::Usage, "there is no token")
            .hint(format!("give it with --token TOKEN, on stdin with '--token -', or in {}", context::TOKEN))
            .err();
    }
    Ok(bare.to_owned())
}

/// What is wrong with a token or a limit, for who gave it.
fn unusable(what: &str, error: impl std::fmt::Display) -> anyhow::Error {
    Fail::new(Exit::Usage, what).code("LR07").why(error).into()
}
