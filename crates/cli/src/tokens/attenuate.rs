//! `logway tokens attenuate`: a narrower token of one, without asking anybody.

use std::io::Write;

use access::Scope;
use anyhow::Result;
use registry::Limits;

use super::create::LimitArgs;
use super::{given, unusable, words};
use crate::exit::Exit;
use crate::output::notice;

/// The arguments of `logway tokens attenuate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token; '-' reads it from stdin [default: LOGWAY_TOKEN]
    #[arg(long)]
    token: Option<String>,
    /// For reading only
    #[arg(long)]
    readonly: bool,
    /// For this action only: read, write, ship or admin; may be given several times
    #[arg(long = "only", value_name = "ACTION", conflicts_with = "readonly")]
    only: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Makes it and prints it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let only: Vec<&str> = args.only.iter().map(String::as_str).collect();
    let limits = args.limits.limits(if args.readonly { &["read"] } else { &only })?;
    let what = "the token is not narrowed";
    let scope = limits.scope().map_err(|error| unusable(what, error))?;
    let token =
        access::attenuate(&given(args.token.as_deref())?, &scope).map_err(|error| unusable(what, error))?;
    writeln!(out, "{token}")?;
    let mut all = Scope::ALL;
    access::inspect(&token)
        .map_err(|error| unusable(what, error))?
        .blocks
        .iter()
        .for_each(|block| all.narrow(block));
    notice(&format!("it allows: {}", words::limits(&Limits::of(&all))));
    Ok(Exit::Ok)
}
