//! `logway orgs`: the organisations that lines belong to.

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;
use registry::Org;
use registry::admin::{Request, Response};

use crate::data::{Data, DataArg};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;
use crate::registry_link::{ask, strange};
use crate::tokens::words::when;

/// The arguments of `logway orgs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an org
    Create {
        /// What it is called: 1 to 63 of a-z, 0-9 and '-'
        slug: String,
    },
    /// Call an org something else; its lines and its tokens stay its own
    Rename {
        /// Its slug or its id
        org: String,
        /// What it is called from now on
        slug: String,
    },
    /// List the orgs
    List {
        /// One compact JSON object per line
        #[arg(short, long)]
        json: bool,
    },
    /// End an org for good: its tokens let nobody in any more, and its id is never used again
    End {
        /// Its slug or its id
        org: String,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
    },
}

/// Examples, for the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  logway orgs create acme
  logway orgs rename acme acme-corp     slugs change, ids do not
  logway orgs list -j                   compact JSON, one object a line
  logway orgs end acme-corp --yes       there is no way back

Works beside a running 'logway up' and without it, for the user that owns the data directory.";

/// Does it.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let data = &args.data.dir()?;
    match &args.command {
        Command::Create { slug } => {
            let request = Request::CreateOrg { slug: slug.clone() };
            org(data, request, "the org is not made", out, |org| format!("made the org {}", org.slug))
        }
        Command::Rename { org: name, slug } => {
            let request = Request::RenameOrg { org: name.clone(), slug: slug.clone() };
            org(data, request, "the org is not renamed", out, |org| {
                format!("the org is called {} now", org.slug)
            })
        }
        Command::List { json } => list(data, *json, out),
        Command::End { org, yes } => end(data, org, *yes),
    }
}

/// Prints the id of what was made or changed.
fn org(
    data: &Data,
    request: Request,
    what: &str,
    out: &mut dyn Write,
    say: impl FnOnce(&Org) -> String,
) -> Result<Exit> {
    match ask(data, request, what)? {
        Response::Org(org) => {
            writeln!(out, "{}", org.id)?;
            notice(&say(&org));
            Ok(Exit::Ok)
        }
        other => Err(strange(&other)),
    }
}

fn list(data: &Data, as_json: bool, out: &mut dyn Write) -> Result<Exit> {
    let mut orgs = match ask(data, Request::Orgs {}, "the orgs cannot be listed")? {
        Response::Orgs(orgs) => orgs,
        other => return Err(strange(&other)),
    };
    orgs.sort_by_key(|org| org.account);
    for org in &orgs {
        if as_json {
            writeln!(out, "{}", serde_json::to_string(org)?)?;
        } else {
            writeln!(
                out,
                "{:<20} {}  account {:<5} since {}",
                org.slug.as_str(),
                org.id,
                org.account,
                when(org.created_ns)
            )?;
        }
    }
    if orgs.is_empty() {
        notice("there is no org; 'logway orgs create SLUG' makes one");
    }
    Ok(Exit::Ok)
}

fn end(data: &Data, org: &str, is_sure: bool) -> Result<Exit> {
    if !is_sure {
        return Fail::new(
            Exit::Usage,
            format!("the org '{}' is not ended without --yes", org.escape_debug()),
        )
        .hint("all its tokens let nobody in any more, and there is no way back; add --yes if that is meant")
        .err();
    }
    match ask(data, Request::EndOrg { org: org.to_owned() }, "the org is not ended")? {
        Response::Ok {} => {
            notice("the org has ended: its tokens let nobody in any more, and its slug is free");
            Ok(Exit::Ok)
        }
        other => Err(strange(&other)),
    }
}
