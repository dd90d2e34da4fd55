//! A small set of sequence numbers, as ranges.

/// Sequence numbers of one boot that were shown as lost and may still turn up. Bounded: of more than
/// [`Ranges::MAX`] ranges the oldest is forgotten, and a line of it that comes after all counts as seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The most ranges that are kept for one boot.
    pub(crate) const MAX: usize = 64;

    /// Adds `from..to`. Callers add at the high end, so nothing needs to be merged.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => self.0.push((from, to)),
        }
        if self.0.len() > Self::MAX {
            self.0.remove(0);
        }
    }

    /// Takes `from..to` out, and says whether any of it was there.
    pub(crate) fn take(&mut self, from: u64, to: u64) -> bool {
        let before = std::mem::take(&mut self.0);
        let mut found = false;
        for (low, high) in before {
            if high <= from || to <= low {
                self.0.push((low, high));
                continue;
            }
            found = true;
            let rest = [(low, from.max(low)), (to.min(high), high)];
            self.0.extend(rest.into_iter().filter(|(low, high)| low < high));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone_and_the_rest_stays() {
        let mut lost = Ranges::default();
        lost.add(5, 10);
        lost.add(10, 12);
        lost.add(20, 20);
        lost.add(30, 31);
        assert_eq!(lost.0, [(5, 12), (30, 31)]);
        assert!(lost.take(7, 8) && !lost.take(7, 8) && !lost.take(12, 30));
        assert_eq!(lost.0, [(5, 7), (8, 12), (30, 31)]);
        assert!(lost.take(6, 40));
        assert_eq!(lost.0, [(5, 6)]);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut lost = Ranges::default();
        for at in 0..100 {
            lost.add(at * 10, at * 10 + 1);
        }
        assert!(lost.0.len() == Ranges::MAX && !lost.take(0, 300) && lost.take(990, 991));
    }
}
