//! What is wrong though lines are taken and found: for whoever asks how the store is.

use super::{Engine, Stats};

impl Engine {
    /// What is missing or damaged, a sentence each; empty if nothing is. Why no lines are taken is not among it: see [`Stats::trouble`].
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        sentences(&self.stats(), self.shared.report.is_lossy_for_good())
    }
}

fn sentences(stats: &Stats, was_lossy: bool) -> Vec<String> {
    let mut said = Vec::new();
    if stats.absent_parts > 0 {
        let (parts, rows) = (stats.absent_parts, stats.absent_rows);
        said.push(format!(
            "{parts} parts cannot be read at the moment, with {rows} lines: look at the disk (LS03)"
        ));
    }
    if stats.damaged_parts > 0 {
        let parts = stats.damaged_parts;
        said.push(format!(
            "{parts} parts are damaged inside: stop the store and run 'logway store repair' (LS04)"
        ));
    }
    if was_lossy && stats.lost_rows + stats.lost_batches + stats.unreadable_log_bytes > 0 {
        let (rows, batches, bytes) = (stats.lost_rows, stats.lost_batches, stats.unreadable_log_bytes);
        said.push(format!(
            "the start found files missing or damaged, with {rows} lines of parts, {batches} batches of the log and {bytes} bytes of it \
             that the disk does not give (LS04)"
        ));
    } else if was_lossy {
        said.push("the start set files aside that lines may be missing with (LS04)".to_owned());
    }
    if stats.is_clock_doubted {
        said.push(
            "the host's clock was set by more than an hour: what is too old is told by the time before for a day, and what is from the future for a week"
                .to_owned(),
        );
    }
    if stats.set_aside > 0 {
        let files = stats.set_aside;
        said.push(format!(
            "{files} files lie in the store's folder 'damaged': look at them, then remove them (LS04)"
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let sound = Stats { parts: 7, part_rows: 9, ..Stats::default() };
        for (stats, was_lossy, wanted) in [
            (sound.clone(), false, &[][..]),
            (Stats { absent_parts: 2, absent_rows: 30, ..sound.clone() }, false, &["2 parts cannot be read"]),
            (Stats { damaged_parts: 1, ..sound.clone() }, false, &["1 parts are damaged inside"]),
            (
                Stats { lost_rows: 5, set_aside: 1, ..sound.clone() },
                true,
                &["the start found files missing", "1 files lie in"],
            ),
            (Stats { unreadable_log_bytes: 4096, ..sound.clone() }, true, &["the start found"]),
            (Stats { is_clock_doubted: true, ..sound.clone() }, false, &["the host's clock was set"]),
            (sound, true, &["the start set files aside"]),
        ] {
            let said = sentences(&stats, was_lossy);
            assert_eq!(said.len(), wanted.len(), "{said:?}");
            assert!(said.iter().zip(wanted).all(|(said, wanted)| said.starts_with(wanted)), "{said:?}");
        }
    }
}
