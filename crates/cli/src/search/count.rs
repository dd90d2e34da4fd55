//! How many rows a query has.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use super::QUERY;
use super::plan::Plan;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Form, Server, Trouble};
use crate::output;
use crate::rows::Row;

/// The pipe that counts, and what it calls the number.
pub(crate) const PIPE: &str = "stats count() matched";
const FIELD: &str = "matched";

/// Prints the number.
pub(super) async fn print(server: &Server, plan: &Plan) -> Result<Exit> {
    let total = match ask(server, &plan.piped(PIPE, server)).await {
        Ok(total) => total,
        Err(trouble) => return trouble.fail(server.address()).err(),
    };
    let Some(total) = total else {
        return Fail::new(Exit::Disconnected, "the server's count is no number")
            .hint("is the address that of Logway's HTTP API?")
            .err();
    };
    let mut out = output::Data::stdout();
    writeln!(out, "{total}")?;
    out.flush()?;
    Ok(if total == 0 { Exit::NothingFound } else { Exit::Ok })
}

/// The number, if it can be had in this time.
pub(super) async fn within(server: &Server, plan: &Plan, time: Duration) -> Option<u64> {
    timeout(time, ask(server, &plan.piped(PIPE, server))).await.ok()?.ok()?
}

/// Asks a question that counts with [`PIPE`]. `None`: what came is no number.
pub(crate) async fn ask(server: &Server, form: &Form) -> Result<Option<u64>, Trouble> {
    let mut answer = server.ask_again(QUERY, form).await?;
    let mut total = Some(0);
    while let Some(line) = answer.line().await? {
        total = Row::read(&line).and_then(|row| row.get(FIELD).parse().ok());
    }
    Ok(total)
}
