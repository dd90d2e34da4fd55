//! What was acknowledged and is not in parts yet: rows by app, readable at once.

use crate::rows::Rows;
use line::{Name, OrgId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of an app are sealed at so many bytes of text: they are not copied any more when a query looks at them.
pub(crate) const SEAL_BYTES: usize = 256 << 10;
/// And at so many rows.
pub(crate) const SEAL_ROWS: usize = 8 << 10;

/// Rows by org and app.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    apps: BTreeMap<(OrgId, Name), AppRows>,
    heap_bytes: usize,
    rows: u64,
}

/// Rows of one app.
#[derive(Debug)]
struct AppRows {
    sealed: Vec<Arc<Rows>>,
    open: Arc<Rows>,
}

impl Memtable {
    /// Lets `push` add rows to those of an app; `push` is called again with fresh rows whenever it says that it is not done:
    /// the former ones are sealed then.
    pub(crate) fn with_app(&mut self, org: &OrgId, app: &Name, mut push: impl FnMut(&mut Rows) -> bool) {
        let fresh = || Arc::new(Rows::new(org.clone(), app.clone()));
        let key = (org.clone(), app.clone());
        let rows = self.apps.entry(key).or_insert_with(|| AppRows { sealed: Vec::new(), open: fresh() });
        let mut before = (rows.open.heap_bytes(), rows.open.len());
        loop {
            // A query that holds these rows keeps them as they are; this makes a copy then.
            let open = Arc::make_mut(&mut rows.open);
            let done = push(open);
            let full = open.text_bytes() >= SEAL_BYTES || open.len() >= SEAL_ROWS || open.is_wide() || !done;
            if full {
                open.sort();
            }
            self.heap_bytes += open.heap_bytes().saturating_sub(before.0);
            self.rows += open.len().saturating_sub(before.1) as u64;
            if full && !open.is_empty() {
                rows.sealed.push(std::mem::replace(&mut rows.open, fresh()));
                before = (0, 0);
            }
            if done {
                return;
            }
        }
    }

    /// All rows, by org and app. Those of one app follow each other.
    pub(crate) fn snapshot(&self, into: &mut Vec<Arc<Rows>>) {
        for rows in self.apps.values() {
            into.extend(rows.sealed.iter().cloned());
            if !rows.open.is_empty() {
                into.push(Arc::clone(&rows.open));
            }
        }
    }

    /// Bytes of heap, nearly.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// How many rows there are.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }
}
