//! How much text a pipe may make of a block. A query can ask for very much of very little: `format "<a><a>" as a` a few
//! dozen times, or a replacement of half a megabyte for every letter.

/// Most bytes of text that one pipe makes of one block, and most bytes of a block between two pipes. Blocks of a store have
/// a small part of that. Tests make do with less, to be done sooner.
pub(crate) const MOST: usize = if cfg!(test) { 2 << 20 } else { 64 << 20 };

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    full: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: MOST, full: false }
    }
}

impl Room {
    /// Appends `bytes`, if there is room for them.
    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.take(bytes.len()) {
            out.extend_from_slice(bytes);
        }
    }

    /// Notes `bytes` of new text. False if there is no room for it.
    pub(super) const fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) if !self.full => {
                self.left = left;
                true
            }
            _ => {
                self.full = true;
                false
            }
        }
    }

    /// Whether it was not enough: the block is then of no use.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use crate::block::tests::table;
    use crate::{Flow, Limits, Pipeline, Side, parse};

    #[test]
    fn floods_of_text_end_the_query() {
        let letter = "x".repeat(10_000);
        let row: &[&str] = &[&letter];
        for (pipes, wanted) in [
            (format!("replace (x, \"{letter}\")"), "'replace (\"x\", "),
            (format!("replace_regexp (x, \"{letter}\")"), "'replace_regexp (\"x\", "),
            (format!("format \"{}\"", "<_msg>".repeat(1000)), "'format "),
            (
                vec!["format \"<_msg><_msg>\""; 40].join(" | "),
                "'format \"<_msg><_msg>\"' needs more than the 2097152 bytes",
            ),
            (vec!["pack_json"; 60].join(" | "), "'pack_json' "),
            (
                (0..60).map(|at| format!("pack_logfmt as f{at}")).collect::<Vec<_>>().join(" | "),
                "'pack_logfmt as f",
            ),
        ] {
            let query = parse(&format!("* | {pipes}"), 0).unwrap();
            let pipeline = Pipeline::new(&query, Limits::default(), Side::Whole).unwrap();
            let pushed = pipeline.worker().push(table(&["_msg"], &[row]), &mut |_| {});
            let is_json = pipes.starts_with("pack_json");
            match pushed {
                // JSON in JSON grows by its escapes alone.
                Ok(flow) => assert!(is_json && flow == Flow::More, "{wanted}"),
                Err(error) => assert!(error.to_string().starts_with(wanted), "{error:.200}"),
            }
        }
    }
}
