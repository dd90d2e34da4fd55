//! `logway tokens create`.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;
use registry::Limits;
use registry::admin::{Request, Response};

use super::expiry::Expiry;
use super::words;
use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;
use crate::registry_link::{ask, now_ns, strange};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Read lines
    Readonly,
    /// Read lines, and set up their shipping to other services
    Ship,
    /// Insert lines from elsewhere, and read none
    Write,
    /// Everything, and make further tokens
    Admin,
}

/// To what a token is limited.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct LimitArgs {
    /// Of this app only; may be given several times
    #[arg(short, long = "app", value_name = "APP")]
    apps: Vec<String>,
    /// Of this region only; may be given several times
    #[arg(short, long = "region", value_name = "REGION")]
    regions: Vec<String>,
    /// Of this Machine only; may be given several times
    #[arg(short, long = "instance", value_name = "INSTANCE")]
    instances: Vec<String>,
    /// Until when: 24h, 30d, 2026-12-31 [default: it does not end by itself]
    #[arg(long, value_name = "WHEN")]
    expiry: Option<Expiry>,
}

impl LimitArgs {
    /// With these actions; none: all that there are.
    pub(super) fn limits(&self, actions: &[&str]) -> Result<Limits> {
        let now_s = u64::try_from(now_ns()? / 1_000_000_000)?;
        let not_after_s = match self.expiry.map(|expiry| expiry.last_s(now_s)) {
            Some(None) => {
                return Fail::new(Exit::Usage, "the token would have ended already, or never")
                    .hint("give --expiry a time from now, as 30d, or a day to come")
                    .err();
            }
            last_s => last_s.flatten(),
        };
        Ok(Limits {
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            apps: self.apps.clone(),
            regions: self.regions.clone(),
            instances: self.instances.clone(),
            not_after_s,
        })
    }
}

/// The arguments of `logway tokens create`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What it is for
    kind: Kind,
    /// The org's slug or id
    org: String,
    #[command(flatten)]
    limits: LimitArgs,
    /// What you call it, for the list
    #[arg(long, default_value = "")]
    name: String,
}

/// Makes it and prints it.
pub(super) fn run(args: &Args, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    let actions: &[&str] = match args.kind {
        Kind::Readonly => &["read"],
        Kind::Ship => &["read", "ship"],
        Kind::Write => &["write"],
        Kind::Admin => &[],
    };
    let limits = args.limits.limits(actions)?;
    let request = Request::Mint { org: args.org.clone(), limits, name: args.name.clone() };
    match ask(data, request, "the token is not made")? {
        Response::Minted { token, info } => {
            writeln!(out, "{token}")?;
            notice(&format!("for {}: {}", info.slug, words::limits(&info.limits)));
            notice(&format!("to revoke it: logway tokens revoke {}", &info.id[..info.id.len().min(12)]));
            Ok(Exit::Ok)
        }
        other => Err(strange(&other)),
    }
}
