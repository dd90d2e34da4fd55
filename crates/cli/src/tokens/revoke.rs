//! `logway tokens revoke`.

use std::io::Write;

use anyhow::Result;
use registry::admin::{Request, Response};

use super::given;
use super::list::tokens;
use crate::data::Data;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;
use crate::registry_link::{ask, strange};

/// Digits of a whole revocation id.
const ID_DIGITS: usize = 64;
/// Fewest digits by which a token of the list can be named.
const LEAST_DIGITS: usize = 8;

/// The arguments of `logway tokens revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token, its revocation id, or the first 8 or more digits of that; '-' reads it from stdin [default: LOGWAY_TOKEN]
    #[arg(value_name = "TOKEN|ID")]
    token: Option<String>,
}

/// Revokes it and prints the revocation id.
pub(super) fn run(args: &Args, data: &Data, out: &mut dyn Write) -> Result<Exit> {
    let named = given(args.token.as_deref())?;
    let is_short =
        (LEAST_DIGITS..ID_DIGITS).contains(&named.len()) && named.bytes().all(|b| b.is_ascii_hexdigit());
    if named.len() < LEAST_DIGITS && named.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Fail::new(Exit::Usage, format!("{named} is too short for the id of a token"))
            .hint(format!("give {LEAST_DIGITS} or more digits of it; 'logway tokens list' has them"))
            .err();
    }
    let token = if is_short { whole(data, &named)? } else { named };
    match ask(data, Request::Revoke { token }, "the token is not revoked")? {
        Response::Revoked { id, is_known } => {
            writeln!(out, "{id}")?;
            notice("revoked, with all that was made of it: sessions end within 5 seconds");
            if !is_known {
                notice(
                    "note: no token of this id was made here; if it is not one that was narrowed, look at the id again",
                );
            }
            Ok(Exit::Ok)
        }
        other => Err(strange(&other)),
    }
}

/// The whole id of the one token whose id begins so.
fn whole(data: &Data, digits: &str) -> Result<String> {
    let digits = digits.to_ascii_lowercase();
    let mut found = tokens(data, None)?.into_iter().filter(|token| token.id.starts_with(&digits));
    match (found.next(), found.next()) {
        (Some(token), None) => Ok(token.id),
        (None, _) => Fail::new(Exit::NotFound, format!("no token's id begins with {digits}"))
            .hint("'logway tokens list' names the tokens that were made here")
            .err(),
        (Some(_), Some(_)) => Fail::new(Exit::Usage, format!("several tokens' ids begin with {digits}"))
            .hint("give more digits of it")
            .err(),
    }
}
