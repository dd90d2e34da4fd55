//! `logway tokens attenuate`: a narrower token of one, without asking anybody.

use std::io::Write;

use access::Scope;
use anyhow::Result;
use registry::Limits;

use super::create::LimitArgs;
use super::{given, unusable, words};
use crate::exit::Exit;
use crate::fail::Fail;
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
    let scope = limits.scope().map_err(|error| match error {
        registry::Error::Name(why) => no_limit(what, why),
        error => no_limit(what, error),
    })?;
    let given = given(args.token.as_deref())?;
    let token = access::attenuate(&given, &scope).map_err(|error| match error {
        access::Error::Scope(why) => no_limit(what, why),
        error => unusable(what, error),
    })?;
    let mut left = Scope::ALL;
    let claims = access::inspect(&token).map_err(|error| unusable(what, error))?;
    claims.blocks.iter().for_each(|block| left.narrow(block));
    if left.is_nothing() {
        return Err(no_limit(
            what,
            "nothing would be left of it: it does not allow what it would be narrowed to",
        ));
    }
    writeln!(out, "{token}")?;
    notice(&format!("it allows: {}", words::limits(&Limits::of(&left))));
    Ok(Exit::Ok)
}

/// That a token cannot be narrowed so, whichever it is or to what it allows.
fn no_limit(what: &str, why: impl std::fmt::Display) -> anyhow::Error {
    Fail::new(Exit::Usage, what)
        .code("LR07")
        .why(why)
        .hint("'logway tokens inspect' says what the token allows, 'logway tokens attenuate --help' how to narrow it")
        .into()
}
