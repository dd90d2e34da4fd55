//! Rows gathered by Machine and shard, and handed to the store.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use access::{Action, Grant};
use line::append::{MAX_HOST_BYTES, RowWriter, Run, Writer};
use line::{Address, shard, time};
use tokio::time::{Instant, sleep, timeout_at};

use super::reader::{Row, Why};
use crate::logs::{Batch, Failure};
use crate::reply::Refused;
use crate::serve::{Api, unix_ns};

/// Bytes of rows that are gathered before they go to the store.
const FULL_BYTES: usize = 1 << 20;
/// What a group takes besides its rows: it counts like bytes of rows.
const GROUP_BYTES: usize = 512;
/// How long to wait for a store that is away before it is asked again.
const AWAY: Duration = Duration::from_millis(250);
/// Bytes of text that rows are told in.
const MAX_TOLD_BYTES: usize = 64 * 1024;
/// Characters of a value that are told.
const MAX_TOLD_CHARS: usize = 200;

/// What a line has whose app is not said.
const NO_APP: &str = "import";
/// What a line has whose region or instance is not said.
const NOT_SAID: &str = "none";

/// Rows of one address and host.
struct Group {
    address: Address,
    host: String,
    writer: RowWriter,
    rows: Vec<u8>,
}

/// What became of a batch.
struct Kept {
    rows: u64,
    expired: u64,
}

/// The rows of a request that are not kept yet.
pub(crate) struct Batches<'a> {
    api: &'a Arc<Api>,
    grant: &'a Grant,
    now_s: u64,
    now: i64,
    groups: Vec<Group>,
    /// The group of app, region, instance and host as lines have them, each followed by a zero.
    by_name: HashMap<Vec<u8>, usize>,
    /// The last of these names, whose group is likely to be the next one's.
    last: Option<(Vec<u8>, usize)>,
    name: Vec<u8>,
    bytes: usize,
    kept: u64,
    expired: u64,
    told: String,
    told_rows: u64,
}

impl<'a> Batches<'a> {
    /// For lines of whoever has `grant`, at `now_s` (Unix seconds).
    pub(crate) fn new(api: &'a Arc<Api>, grant: &'a Grant, now_s: u64) -> Self {
        Self {
            api,
            grant,
            now_s,
            now: unix_ns(),
            groups: Vec::new(),
            by_name: HashMap::new(),
            last: None,
            name: Vec::new(),
            bytes: 0,
            kept: 0,
            expired: 0,
            told: String::new(),
            told_rows: 0,
        }
    }

    /// Rows that are on disk.
    pub(crate) const fn kept(&self) -> u64 {
        self.kept
    }

    /// Rows that the store has not taken because they are older than anything that is kept.
    pub(crate) const fn expired(&self) -> u64 {
        self.expired
    }

    /// That the token is still good.
    pub(crate) fn must_stand(&self) -> Result<(), Refused> {
        self.api.logins.must_stand(self.grant)
    }

    /// Adds a row to its group.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), Why> {
        let at = self.group(row)?;
        let group = &mut self.groups[at];
        let before = group.rows.len();
        group
            .writer
            .push(row.time, row.level, row.message, row.fields(), &mut group.rows)
            .map_err(|error| Why::from(error.to_string()))?;
        self.bytes += group.rows.len() - before;
        Ok(())
    }

    fn group(&mut self, row: &Row<'_>) -> Result<usize, Why> {
        self.name.clear();
        for part in [row.app, row.region, row.instance, row.host] {
            self.name.extend_from_slice(part);
            self.name.push(0);
        }
        if let Some((name, at)) = &self.last
            && *name == self.name
        {
            return Ok(*at);
        }
        let at = match self.by_name.get(&self.name) {
            Some(at) => *at,
            None => self.new_group(row)?,
        };
        self.last = Some((self.name.clone(), at));
        Ok(at)
    }

    fn new_group(&mut self, row: &Row<'_>) -> Result<usize, Why> {
        let address = self.address(row)?;
        self.api.streams.note(&address, self.now_s)?;
        let host =
            String::from_utf8_lossy(if row.host.is_empty() { self.api.host.as_bytes() } else { row.host });
        let host = host[..host.floor_char_boundary(MAX_HOST_BYTES)].to_owned();
        let at = self.groups.len();
        let writer = RowWriter::new(self.now);
        self.groups.push(Group { address, host, writer, rows: Vec::new() });
        self.by_name.insert(self.name.clone(), at);
        self.bytes += GROUP_BYTES;
        Ok(at)
    }

    /// Where a row belongs, if the token allows to write there.
    fn address(&self, row: &Row<'_>) -> Result<Address, Why> {
        let or = |text: &[u8], default: &'static str| match text {
            [] => default.to_owned(),
            text => String::from_utf8_lossy(text).into_owned(),
        };
        let (app, region, instance) =
            (or(row.app, NO_APP), or(row.region, NOT_SAID), or(row.instance, NOT_SAID));
        let address = Address::new(self.grant.org.clone(), &app, &region, &instance)
            .map_err(|error| Why::from(error.to_string()))?;
        if self.grant.scope.allows(Action::Write, &address, self.now_s) {
            return Ok(address);
        }
        let text = format!(
            "the token does not allow to write to app {}, region {}, instance {}",
            address.app, address.region, address.instance
        );
        Err(text.into())
    }

    /// Says what would be kept of a row.
    pub(crate) fn tell(&mut self, row: &Row<'_>) -> Result<(), Why> {
        let address = self.address(row)?;
        self.told_rows += 1;
        if self.told.len() > MAX_TOLD_BYTES {
            return Ok(());
        }
        let (time, level) = (time::rfc3339(row.time), row.level.0.as_str());
        let Address { app, region, instance, .. } = address;
        // Writing into a string does not fail.
        let _ = write!(self.told, "_time={time} app={app} region={region} instance={instance} level={level}");
        for (name, value) in std::iter::once(("_msg", row.message)).chain(row.fields()) {
            let shown: String = String::from_utf8_lossy(value).chars().take(MAX_TOLD_CHARS).collect();
            let _ = write!(self.told, " {name:?}={shown:?}");
        }
        self.told.push('\n');
        Ok(())
    }

    /// What was told of rows.
    pub(crate) fn told(&self) -> String {
        format!("{}{} lines are good, and none was kept: debug is on\n", self.told, self.told_rows)
    }

    /// Whether it is time to hand over what there is.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES
    }

    /// Hands all rows to the store, and waits until they are on disk.
    pub(crate) async fn send_all(&mut self) -> Result<(), Failure> {
        let groups = std::mem::take(&mut self.groups);
        (self.by_name, self.last, self.bytes) = Default::default();
        let deadline = Instant::now() + self.api.limits.insert_time;
        let batches = self.batches(groups)?;
        let waits: Vec<_> = batches
            .into_iter()
            .map(|batch| tokio::spawn(keep(Arc::clone(self.api), batch, deadline)))
            .collect();
        let mut result = Ok(());
        for waits in waits {
            match waits.await.unwrap_or(Err(Failure::Broken)) {
                Ok(kept) => {
                    self.kept += kept.rows;
                    self.expired += kept.expired;
                }
                Err(why) => result = Err(why),
            }
        }
        result
    }

    /// The groups by shard, each in as few bodies as hold them.
    fn batches(&self, mut groups: Vec<Group>) -> Result<Vec<Batch>, Failure> {
        let org = &self.grant.org;
        groups.retain(|group| group.writer.count() > 0);
        groups.sort_by_cached_key(|group| (shard::of_address(&group.address), group.address.key()));
        let mut batches: Vec<(u8, u64, Writer)> = Vec::new();
        for group in groups {
            let shard = shard::of_address(&group.address);
            let count = group.writer.count();
            let rows = u64::from(count);
            let (boot, first_seq) = self.api.seqs.take(org, &group.address.instance, rows, unix_ns());
            let fits = |batch: &(u8, u64, Writer)| batch.0 == shard && batch.2.fits(group.rows.len());
            if !batches.last().is_some_and(fits) {
                batches.push((shard, 0, Writer::with_capacity(group.rows.len() + 256)));
            }
            let run = Run { first_seq, base_time: self.now, count, bytes: &group.rows };
            if let Some((_, batch_rows, writer)) = batches.last_mut() {
                writer
                    .import(&group.address.key(), &group.host, boot, run)
                    .map_err(|error| Failure::Rejected { code: "LS".into(), reason: error.to_string() })?;
                *batch_rows += rows;
            }
        }
        let batch = |(shard, rows, writer): (u8, u64, Writer)| Batch {
            org: org.clone(),
            shard,
            rows,
            body: Arc::new(writer.finish()),
        };
        Ok(batches.into_iter().map(batch).collect())
    }
}

/// Hands a batch to the store until it is on disk, and says how many rows that are. It is harmless to hand it over again.
async fn keep(api: Arc<Api>, batch: Batch, deadline: Instant) -> Result<Kept, Failure> {
    let began = Instant::now();
    loop {
        let rows = batch.rows;
        let failure = match timeout_at(deadline, api.logs.append(batch.clone())).await {
            Ok(Ok(receipt)) => {
                let expired = receipt.expired.min(rows);
                return Ok(Kept { rows: rows - expired, expired });
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                return Err(Failure::Away(format!(
                    "no answer came in {:.1} s",
                    began.elapsed().as_secs_f64()
                )));
            }
        };
        let again = match failure {
            Failure::Busy { retry_after, .. } => retry_after,
            Failure::Away(_) | Failure::Broken => AWAY,
            _ => return Err(failure),
        };
        if Instant::now() + again >= deadline {
            return Err(failure);
        }
        sleep(again).await;
    }
}
