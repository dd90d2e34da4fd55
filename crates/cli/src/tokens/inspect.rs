//! `logway tokens inspect`: what a token says, and whether it is good as far as anybody here knows.

use std::io::Write;

use access::{Claims, Scope};
use anyhow::Result;
use registry::Limits;
use registry::admin::{Request, Response, Verdict};
use serde::Serialize;

use super::{given, unusable, words};
use crate::data::Data;
use crate::exit::Exit;
use crate::registry_link::ask;

/// The arguments of `logway tokens inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token; '-' reads it from stdin [default: LOGWAY_TOKEN]
    #[arg(long)]
    token: Option<String>,
    /// One compact JSON object
    #[arg(short, long)]
    json: bool,
}

/// A token's content as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    org: &'a str,
    slug: Option<&'a str>,
    allows: &'a Limits,
    blocks: Vec<Block>,
    /// Whether the registry here lets it in; null if there is none to ask.
    verified: Option<bool>,
    refusal: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Block {
    limits: Limits,
    revocation_id: String,
}

/// Prints it.
pub(super) fn run(args: &Args, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    let token = given(args.token.as_deref())?;
    let claims = access::inspect(&token).map_err(|error| unusable("the token cannot be read", error))?;
    // Whatever keeps the registry from answering, what the token says can be said.
    let verdict = match ask(data, Request::Verify { token }, "the token is not checked") {
        Ok(Response::Verdict(verdict)) => Some(verdict),
        _ => None,
    };
    let mut scope = Scope::ALL;
    claims.blocks.iter().for_each(|block| scope.narrow(block));
    let allows = Limits::of(&scope);
    if args.json {
        json(&claims, &allows, verdict.as_ref(), out)?;
    } else {
        text(&claims, &allows, verdict.as_ref(), out)?;
    }
    Ok(Exit::Ok)
}

fn json(claims: &Claims, allows: &Limits, verdict: Option<&Verdict>, out: &mut dyn Write) -> Result<()> {
    let blocks = claims.blocks.iter().zip(&claims.revocation_ids);
    let blocks = blocks.map(|(scope, id)| Block { limits: Limits::of(scope), revocation_id: id.to_string() });
    let shown = Shown {
        org: claims.org.as_str(),
        slug: verdict.and_then(|verdict| verdict.slug.as_deref()),
        allows,
        blocks: blocks.collect(),
        verified: verdict.map(|verdict| verdict.refusal.is_none()),
        refusal: verdict.and_then(|verdict| verdict.refusal.as_deref()),
    };
    Ok(writeln!(out, "{}", serde_json::to_string(&shown)?)?)
}

fn text(claims: &Claims, allows: &Limits, verdict: Option<&Verdict>, out: &mut dyn Write) -> Result<()> {
    let slug = verdict.and_then(|verdict| verdict.slug.as_deref());
    let slug = slug.map(|slug| format!(" ({slug})")).unwrap_or_default();
    writeln!(out, "org      {}{slug}", claims.org)?;
    writeln!(out, "allows   {}", words::limits(allows))?;
    for (number, (scope, id)) in claims.blocks.iter().zip(&claims.revocation_ids).enumerate() {
        let what = if number == 0 { "made for" } else { "narrowed to" };
        writeln!(out, "block {number}  {what} {}", words::limits(&Limits::of(scope)))?;
        writeln!(out, "         revoked by {id}")?;
    }
    let standing = match verdict.map(|verdict| verdict.refusal.as_deref()) {
        Some(None) => "good: the registry here lets it in".to_owned(),
        Some(Some(refusal)) => format!("not good: {refusal}"),
        None => {
            "not verified: there is no registry here to ask, and anybody can write such a text".to_owned()
        }
    };
    Ok(writeln!(out, "standing {standing}")?)
}
