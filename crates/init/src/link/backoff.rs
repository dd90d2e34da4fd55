//! How long to wait before the next try to connect.

/// The first wait, in nanoseconds.
const FIRST_NS: i64 = 50_000_000;
/// The longest.
const LAST_NS: i64 = 2_000_000_000;

/// Waits of 50 ms, doubling to 2 s, each up to a quarter longer or shorter, so that the inits of a host do not come at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait, in nanoseconds.
    pub(super) fn next_ns(&mut self, random: u64) -> i64 {
        let wait = (FIRST_NS << self.tries.min(6)).min(LAST_NS);
        self.tries += 1;
        let quarter = wait / 4;
        let jitter = i64::try_from(random >> 1).unwrap_or(0) % (2 * quarter);
        wait - quarter + jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_seconds_with_a_quarter_of_jitter() {
        let mut backoff = Backoff::default();
        for wanted_ms in [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000] {
            for random in [0, u64::MAX, 12_345_678_901_234] {
                let wait = Backoff { tries: backoff.tries }.next_ns(random);
                let wanted = wanted_ms * 1_000_000;
                assert!((wanted * 3 / 4..wanted * 5 / 4).contains(&wait), "{wait} for {wanted}");
            }
            backoff.next_ns(0);
        }
    }
}
