//! What is there at one moment.

use super::{Engine, lock};
use crate::manifest::PartEntry;
use crate::part::Part;
use crate::retention::Visible;
use crate::rows::Rows;
use crate::search::Partial;
use std::sync::Arc;

/// What is there at one moment. Holding it keeps the files of its parts readable, though their names may be gone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Rows that are not in parts yet: by org and app, those of one app following each other. Some may not be sorted.
    pub rows: Vec<Arc<Rows>>,
    /// Parts, by day and pos. No row is in two of them, nor in `rows` too.
    pub parts: Vec<Arc<Part>>,
    /// All rows below this pos are in it: a cursor.
    pub pos: u64,
    /// Which of the rows are to be seen.
    pub visible: Visible,
    /// Parts that cannot be read at the moment.
    pub(super) absent: Vec<PartEntry>,
}

impl Snapshot {
    /// Why a search for rows of that time, from that pos on, does not see all there is. Whose rows a part has that cannot be read is not
    /// known: it may be anybody's.
    #[must_use]
    pub fn absent_in(&self, (from, to): (i64, i64), pos_from: u64) -> Option<Partial> {
        let is_asked =
            |entry: &&PartEntry| entry.time.0 < to && entry.time.1 >= from && entry.pos.1 >= pos_from;
        let absent: Vec<_> = self.absent.iter().filter(is_asked).collect();
        let first = absent.first()?;
        let first = format!("a part of {} rows, which the disk does not give at the moment", first.rows);
        Some(Partial::Damaged { pieces: absent.len(), first })
    }
}

impl Engine {
    /// What is there now. Costs a reference for each app and part.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.shared.now();
        let core = lock(&self.shared.core);
        let mut rows = Vec::new();
        if let Some(frozen) = &core.frozen {
            frozen.memtable.snapshot(&mut rows);
        }
        core.active.snapshot(&mut rows);
        let parts = core.parts.iter().map(|stored| Arc::clone(&stored.part)).collect();
        let (pos, visible, absent) = (core.readable_pos, core.visible(now), core.absent.clone());
        drop(core);
        // Two memtables, each in order.
        rows.sort_by(|a, b| (a.org(), a.app()).cmp(&(b.org(), b.app())));
        Snapshot { rows, parts, pos, visible, absent }
    }
}
