//! What a process has used, from /proc.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks in a second in /proc: Linux shows 100 to programs on every architecture that we build for.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time, user and system, of all threads of `pid`, living and gone.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat has another form"))?;
    let coarse = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    // To the nanosecond, but of living threads alone: the larger one is nearer to the truth.
    let mut fine = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
        fine += Duration::from_nanos(nanos.unwrap_or(0));
    }
    Ok(coarse.max(fine))
}

/// User and system ticks in the text of a `stat` file. The name may hold blanks and brackets, so the count is from its end.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().skip(11);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

/// Memory of `pid` that is in RAM, in bytes.
pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most memory that `pid` ever had in RAM, in bytes.
pub(super) fn peak_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("/proc/{pid}/status has no {name}"))? * 1024)
}

/// `pid` and all that descend from it whose program's name begins with `logway`.
pub(super) fn logway_processes(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut queue = vec![pid];
    while let Some(pid) = queue.pop() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.starts_with("logway") {
            found.push(pid);
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            queue.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(12));
        assert_eq!(ticks("12 a"), None);
    }

    #[test]
    fn of_this_process() {
        let pid = std::process::id();
        let before = cpu(pid).unwrap();
        let mut sum = 0_u64;
        while cpu(pid).unwrap() < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(resident_bytes(pid).unwrap() > 100 * 1024);
        assert!(peak_bytes(pid).unwrap() > 100 * 1024);
        assert!(cpu(u32::MAX).is_err());
    }
}
