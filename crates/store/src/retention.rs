//! How long rows are kept, and which are to be seen.

use crate::clock::DAY;
use crate::part::Floor;
use line::OrgId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long the rows of an org are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Days by the rows' own time, 1 to [`Keep::MAX_DAYS`]; others are brought into these bounds.
    pub days: u32,
    /// Most bytes of an org's rows in parts; beyond, the oldest are not to be seen, a frame at a time, and are removed when they are
    /// a quarter of their part. `None`: no bound.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Most days: ten years.
    pub const MAX_DAYS: u32 = 3660;

    fn time(self) -> i64 {
        i64::from(self.days.clamp(1, Self::MAX_DAYS)) * DAY
    }
}

impl Default for Keep {
    /// 30 days, whatever their size.
    fn default() -> Self {
        Self { days: 30, bytes: None }
    }
}

/// How long rows are kept, org by org.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// For orgs that are not among `orgs`.
    pub default: Keep,
    /// For these.
    pub orgs: BTreeMap<OrgId, Keep>,
}

impl Retention {
    /// How long rows of `org` are kept.
    #[must_use]
    pub fn of(&self, org: &OrgId) -> Keep {
        self.orgs.get(org).copied().unwrap_or(self.default)
    }

    /// The longest time that rows of anybody are kept, nanoseconds.
    pub(crate) fn longest(&self) -> i64 {
        self.orgs.values().chain([&self.default]).map(|keep| keep.time()).max().unwrap_or_default()
    }
}

/// Which rows are to be seen: the others are gone for everybody, though their bytes may go later.
#[derive(Clone, Debug)]
pub struct Visible {
    pub(crate) now: i64,
    pub(crate) retention: Arc<Retention>,
    /// Orgs with a bound of bytes: rows before that time are beyond it.
    pub(crate) byte_floors: Arc<BTreeMap<OrgId, i64>>,
    /// Deleted orgs: rows below that pos are gone.
    pub(crate) deleted: Arc<BTreeMap<OrgId, u64>>,
}

impl Visible {
    /// Rows of `org` before this time, Unix nanoseconds, are not to be seen.
    #[must_use]
    pub fn floor(&self, org: &OrgId) -> i64 {
        let by_time = self.now.saturating_sub(self.retention.of(org).time());
        self.byte_floors.get(org).map_or(by_time, |by_bytes| by_time.max(*by_bytes))
    }

    /// Rows of `org` below this pos are not to be seen.
    #[must_use]
    pub fn floor_pos(&self, org: &OrgId) -> u64 {
        self.deleted.get(org).copied().unwrap_or(0)
    }

    /// Both: what decides which frames and rows of `org` a merge keeps, and whether one is worth while.
    pub(crate) fn floors(&self, org: &OrgId) -> Floor {
        Floor { time: self.floor(org), pos: self.floor_pos(org) }
    }

    /// Whether a row of `org` is to be seen.
    #[must_use]
    pub fn shows(&self, org: &OrgId, time: i64, pos: u64) -> bool {
        time >= self.floor(org) && pos >= self.floor_pos(org)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_seen_by_time_bytes_and_deletion() {
        let org = |name: &str| OrgId::new(name).unwrap();
        let keep = |days| Keep { days, bytes: None };
        let visible = Visible {
            now: 100 * DAY,
            retention: Arc::new(Retention {
                default: keep(30),
                orgs: BTreeMap::from([(org("short"), keep(0)), (org("big"), keep(90))]),
            }),
            byte_floors: Arc::new(BTreeMap::from([(org("big"), 50 * DAY)])),
            deleted: Arc::new(BTreeMap::from([(org("gone"), 7)])),
        };
        for (name, day, pos, shown) in [
            ("any", 70, 0, true),
            ("any", 69, 0, false),
            ("any", 3000, 0, true),
            ("short", 99, 0, true),
            ("short", 98, 0, false),
            ("big", 50, 0, true),
            ("big", 49, 0, false),
            ("gone", 90, 6, false),
            ("gone", 90, 7, true),
        ] {
            assert_eq!(visible.shows(&org(name), day * DAY, pos), shown, "{name} {day} {pos}");
        }
        assert_eq!(visible.retention.longest(), 90 * DAY);
    }
}
