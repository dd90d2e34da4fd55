//! What a login costs the front door: with a token that it sees for the first time, with one that it knows, with one that is not good.

use std::time::Instant;

use anyhow::Result;

use super::super::calibrate::percentile;
use super::super::table::Row;
use super::super::{Bench, usage};
use super::place::Place;

/// Logins of each kind in one run.
const LOGINS: usize = 200;

/// CPU and time of each kind.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let runs = bench.repeat(|| {
        let place = Place::start(bench, LOGINS)?;
        let known = place.with_token(0);
        Ok([
            take(&place, |number| place.with_token(number).connect("").map(drop))?,
            take(&place, |_| known.connect("").map(drop))?,
            take(&place, |number| known.spoiled(number).be_refused())?,
        ])
    })?;
    let kinds = ["a token that it has not seen", "a token that it knows", "a token that is not good"];
    let mut rows = Vec::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        let column = |pick: fn(&Login) -> f64| runs.iter().map(|run| pick(&run[index])).collect::<Vec<_>>();
        rows.push(Row::new(format!("login, {kind}: CPU"), &column(|login| login.cpu_micros), "µs"));
        rows.push(Row::new("  from connecting to the answer, p50", &column(|login| login.p50_micros), "µs"));
    }
    Ok(rows)
}

/// What logins of one kind take, on average.
struct Login {
    cpu_micros: f64,
    p50_micros: f64,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn take(place: &Place, log_in: impl Fn(usize) -> Result<()>) -> Result<Login> {
    let (before, mut times) = (usage::cpu(place.door_pid())?, Vec::new());
    for number in 0..LOGINS {
        let begun = Instant::now();
        log_in(number)?;
        times.push(begun.elapsed());
    }
    let cpu = usage::cpu(place.door_pid())?.saturating_sub(before);
    let p50 = percentile(&mut times, 50);
    Ok(Login { cpu_micros: cpu.as_secs_f64() * 1e6 / LOGINS as f64, p50_micros: p50.as_secs_f64() * 1e6 })
}
