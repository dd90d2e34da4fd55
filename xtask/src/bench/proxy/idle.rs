//! Memory of the front door for clients that listen and hear nothing.

use std::net::TcpStream;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::table::Row;
use super::super::{Bench, usage};
use super::place::Place;

/// Clients, if the system lets us have so many sockets.
const CLIENTS: u64 = 10_000;
/// Files that are open besides.
const OTHER_FILES: u64 = 100;
/// What a client may take.
const LIMIT_BYTES: f64 = 8000.0;

/// Memory that is resident, for each client.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let clients = raise_file_limit()?.saturating_sub(OTHER_FILES).min(CLIENTS);
    let runs = bench.repeat(|| {
        // A front door of its own, which has not grown yet. The servers inherit the limit.
        let place = Place::start(bench, 1)?;
        let login = place.with_token(0);
        let first = login.connect("SUB logs.> 1\r\n")?;
        let before = usage::resident_bytes(place.door_pid())?;
        let open = (0..clients)
            .map(|number| login.connect(&format!("SUB logs.app-{}.> 1\r\n", number % 16)))
            .collect::<Result<Vec<TcpStream>>>()?;
        let after = usage::resident_bytes(place.door_pid())?;
        drop((first, open));
        Ok(after.saturating_sub(before) as f64 / clients as f64)
    })?;
    Ok(vec![
        Row::new(format!("memory for each of {clients} idle clients"), &runs, "bytes").at_most(LIMIT_BYTES),
    ])
}

/// Has this process, and those that it starts, open as many files as the system lets it. Gives how many.
fn raise_file_limit() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the number of open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}
