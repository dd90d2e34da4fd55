//! `logway tokens keys` and `rotate`: what signs tokens.

use std::io::Write;

use anyhow::Result;
use registry::admin::{KeyInfo, Request, Response};

use super::{expiry, words};
use crate::data::Data;
use crate::exit::Exit;
use crate::output::notice;
use crate::registry_link::{ask, strange};

/// The arguments of `logway tokens keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One compact JSON object per line
    #[arg(short, long)]
    json: bool,
}

/// The arguments of `logway tokens rotate`.
#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// How long tokens of the keys before are good: 7d, 12h; 0s if a key was stolen. A time that was set for a key before, and is
    /// earlier, stays
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = seconds)]
    retire_after: u64,
    /// One compact JSON object per line
    #[arg(short, long)]
    json: bool,
}

fn seconds(text: &str) -> Result<u64, String> {
    expiry::seconds(text).ok_or_else(|| "give a time as 7d, 12h or 0s".to_owned())
}

/// Prints the keys.
pub(super) fn run(args: &Args, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    show(ask(data, Request::Keys {}, "the keys cannot be listed")?, args.json, out)
}

/// Has a new key sign, and prints the keys.
pub(super) fn rotate(args: &RotateArgs, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    let request = Request::Rotate { retire_after_s: args.retire_after };
    let exit = show(ask(data, request, "there is no new key")?, args.json, out)?;
    notice("a new key signs from now on; make new tokens in time for whoever has one of the keys before");
    Ok(exit)
}

fn show(response: Response, as_json: bool, out: &mut dyn Write) -> Result<Exit> {
    let keys = match response {
        Response::Keys(keys) => keys,
        other => return Err(strange(&other)),
    };
    for key in &keys {
        if as_json {
            writeln!(out, "{}", serde_json::to_string(key)?)?;
        } else {
            let KeyInfo { id, public, .. } = key;
            writeln!(out, "key {id:<3} {public}  {}", standing(key))?;
        }
    }
    Ok(Exit::Ok)
}

fn standing(key: &KeyInfo) -> String {
    match (key.signs, key.is_valid, key.retired_ns) {
        (true, ..) => "signs".to_owned(),
        (false, true, Some(retired_ns)) => format!("good until {}", words::when(retired_ns)),
        (false, true, None) => "good".to_owned(),
        (false, false, _) => "retired".to_owned(),
    }
}
