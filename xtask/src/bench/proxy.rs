//! The NATS front door against nats-server itself: the same readers hear the same messages from either, in turn, within one run.

mod client;
mod crowd;
mod idle;
mod load;
mod logins;
mod place;
mod runs;

use anyhow::Result;

use super::Bench;
use super::table::Row;
use load::Pace;
use place::{Place, Via};
use runs::{Load, Taken, run};

/// How many readers, and messages a second at which latency is measured: few when each goes to many.
const READERS: [(usize, u32); 3] = [(1, 2000), (10, 1000), (100, 100)];
/// Bytes of payload: too short for a line, and a line of usual length.
const PAYLOADS: [usize; 2] = [128, 512];

/// Deliveries, latency and CPU for each number of readers; then what slow readers, idle ones and logins cost.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let place = Place::start(bench, 1)?;
    let mut rows = Vec::new();
    for (readers, rate) in READERS {
        for payload_bytes in PAYLOADS {
            let load = Load { readers, payload_bytes, pace: Pace::AsRead, stalled: false };
            rows.extend(deliveries(bench, &place, load)?);
            rows.extend(latency(bench, &place, Load { pace: Pace::PerSecond(rate), ..load }, rate)?);
        }
    }
    rows.extend(flat_out(bench, &place)?);
    rows.extend(beside_a_stalled_one(bench, &place)?);
    drop(place);
    rows.extend(idle::measure(bench)?);
    rows.extend(logins::measure(bench)?);
    Ok(rows)
}

/// Runs `load` on both, in turn, as often as asked for.
fn side_by_side(bench: &Bench, place: &Place, load: Load) -> Result<Vec<(Taken, Taken)>> {
    bench.repeat(|| {
        let direct = run(bench, place, Via::NatsServer, load)?;
        Ok((direct, run(bench, place, Via::Door, load)?))
    })
}

/// A figure of each pair.
fn column(pairs: &[(Taken, Taken)], pick: impl Fn(&Taken, &Taken) -> f64) -> Vec<f64> {
    pairs.iter().map(|(direct, door)| pick(direct, door)).collect()
}

fn deliveries(bench: &Bench, place: &Place, load: Load) -> Result<Vec<Row>> {
    let pairs = side_by_side(bench, place, load)?;
    let Load { readers, payload_bytes, .. } = load;
    let ratio = Row::new(
        format!("{readers} at once, {payload_bytes} bytes: the front door against nats-server"),
        &column(&pairs, |direct, door| door.rate / direct.rate),
        "times",
    );
    Ok(vec![
        if readers > 1 { ratio.at_least(0.9) } else { ratio },
        Row::new("  nats-server itself", &column(&pairs, |direct, _| direct.rate), "deliveries/s"),
        Row::new("  the front door", &column(&pairs, |_, door| door.rate), "deliveries/s"),
        Row::new(
            "  CPU of nats-server itself",
            &column(&pairs, |direct, _| direct.nats_micros),
            "µs/delivery",
        ),
        Row::new("  CPU of the front door", &column(&pairs, |_, door| door.door_micros), "µs/delivery"),
        Row::new(
            "  CPU of nats-server behind it",
            &column(&pairs, |_, door| door.nats_micros),
            "µs/delivery",
        ),
        lost(&pairs),
    ])
}

/// Messages that are missing and that no gap record stands for.
fn lost(pairs: &[(Taken, Taken)]) -> Row {
    Row::new("  missing without a gap record", &column(pairs, |_, door| door.lost), "messages").at_most(0.0)
}

fn latency(bench: &Bench, place: &Place, load: Load, rate: u32) -> Result<Vec<Row>> {
    let pairs = side_by_side(bench, place, load)?;
    let mut rows = Vec::new();
    for (index, percent) in [(0, 50), (1, 99)] {
        let more = column(&pairs, |direct, door| door.ages[index] - direct.ages[index]);
        let what = format!("  at {rate} messages/s, p{percent}: what the front door adds");
        let more = Row::new(what, &more, "µs");
        rows.push(if percent == 50 { more.at_most(50.0) } else { more });
        rows.push(Row::new("    nats-server itself", &column(&pairs, |direct, _| direct.ages[index]), "µs"));
    }
    Ok(rows)
}

/// More is published than readers take.
fn flat_out(bench: &Bench, place: &Place) -> Result<Vec<Row>> {
    let load = Load { readers: 10, payload_bytes: 512, pace: Pace::FlatOut, stalled: false };
    let pairs = side_by_side(bench, place, load)?;
    Ok(vec![
        Row::new(
            "10 at once, 512 bytes, published without regard: the front door against nats-server",
            &column(&pairs, |direct, door| door.rate / direct.rate),
            "times",
        ),
        Row::new(
            "  of what was published to it, in gap records",
            &column(&pairs, |_, door| 100.0 * door.skipped_part),
            "%",
        ),
        lost(&pairs),
    ])
}

/// One that reads beside one that does not.
fn beside_a_stalled_one(bench: &Bench, place: &Place) -> Result<Vec<Row>> {
    let load = Load { readers: 1, payload_bytes: 512, pace: Pace::AsRead, stalled: false };
    let pairs = bench.repeat(|| {
        let alone = run(bench, place, Via::Door, load)?;
        Ok((alone, run(bench, place, Via::Door, Load { stalled: true, ..load })?))
    })?;
    Ok(vec![
        Row::new(
            "1 at once, 512 bytes, beside one that does not read, against alone",
            &column(&pairs, |alone, beside| beside.rate / alone.rate),
            "times",
        )
        .at_least(0.95),
        lost(&pairs),
    ])
}

#[cfg(test)]
mod tests {
    use super::load::Shape;
    use super::*;

    #[test]
    fn every_payload_has_room_for_its_numbers() {
        for payload_bytes in PAYLOADS {
            assert_eq!(Shape::new(payload_bytes).unwrap().payload_bytes(), payload_bytes);
        }
    }
}
