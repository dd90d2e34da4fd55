//! `logway tokens list`.

use std::io::Write;

use anyhow::Result;
use registry::admin::{Request, Response, TokenInfo};

use super::words;
use crate::data::Data;
use crate::exit::Exit;
use crate::output::notice;
use crate::registry_link::{ask, strange};

/// Digits of an id that are shown: enough to name it by.
const SHOWN_DIGITS: usize = 12;

/// The arguments of `logway tokens list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this org only, by its slug or its id
    org: Option<String>,
    /// One compact JSON object per line
    #[arg(short, long)]
    json: bool,
}

/// The tokens, oldest first.
pub(super) fn tokens(data: &Data, org: Option<String>) -> Result<Vec<TokenInfo>> {
    match ask(data, Request::Tokens { org }, "the tokens cannot be listed")? {
        Response::Tokens(tokens) => Ok(tokens),
        other => Err(strange(&other)),
    }
}

/// Prints them.
pub(super) fn run(args: &Args, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    let tokens = tokens(data, args.org.clone())?;
    for token in &tokens {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(token)?)?;
            continue;
        }
        let TokenInfo { id, slug, name, standing, .. } = token;
        let (id, made) = (&id[..id.len().min(SHOWN_DIGITS)], words::when(token.created_ns));
        let name = if name.is_empty() { String::new() } else { format!("  '{name}'") };
        writeln!(out, "{id}  {slug:<16} {standing:<11} {made}  {}{name}", words::limits(&token.limits))?;
    }
    if tokens.is_empty() {
        notice("no token was made here; 'logway tokens create KIND ORG' makes one");
    }
    Ok(Exit::Ok)
}
