//! What the kernel says in `/proc` and `/sys/fs/cgroup`: who descends from us, who holds a pipe open, how much memory there
//! is, who was killed for lack of it. Everything here is best effort: a file that is missing or odd is passed over.

use std::collections::HashSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::kernel::{Pid, Process};

/// All processes below `ancestor`, zombies excepted, parents before children.
pub(crate) fn descendants(ancestor: u32) -> Vec<Process> {
    let all: Vec<Stat> = pids().filter_map(|pid| Stat::parse(&read(&format!("/proc/{pid}/stat"))?)).collect();
    below(Pid::try_from(ancestor).unwrap_or(0), &all)
}

fn below(ancestor: Pid, all: &[Stat]) -> Vec<Process> {
    let mut family = HashSet::from([ancestor]);
    let mut found = Vec::new();
    loop {
        let before = family.len();
        for stat in all {
            if family.contains(&stat.parent) && family.insert(stat.pid) && stat.state != 'Z' {
                found.push(Process { pid: stat.pid, comm: stat.comm.clone() });
            }
        }
        if family.len() == before {
            return found;
        }
    }
}

/// A line of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: Pid,
    comm: String,
    state: char,
    parent: Pid,
}

impl Stat {
    /// The name stands in parentheses and may itself hold parentheses and spaces: the last one ends it.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (comm, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        Some(Self {
            pid: pid.parse().ok()?,
            comm: comm.to_owned(),
            state,
            parent: fields.next()?.parse().ok()?,
        })
    }
}

/// The inode of a pipe of ours.
pub(crate) fn inode(pipe: &OwnedFd) -> Option<u64> {
    let file = fs::File::from(pipe.as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().map(|meta| meta.ino())
}

/// The processes, ourselves excepted, that have one of the pipes `inodes` open.
pub(crate) fn holders(inodes: &[u64]) -> Vec<Process> {
    let names: Vec<PathBuf> = inodes.iter().map(|inode| format!("pipe:[{inode}]").into()).collect();
    let own = Pid::try_from(std::process::id()).unwrap_or(0);
    let holds = |pid: &Pid| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        *pid != own && fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|link| names.contains(&link))
    };
    let named = |pid| {
        let comm = read(&format!("/proc/{pid}/comm")).unwrap_or_default();
        Process { pid, comm: comm.trim_end().to_owned() }
    };
    pids().filter(holds).map(named).collect()
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn read(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The memory limit of our cgroup in bytes, if it has one.
pub(crate) fn cgroup_memory_bytes() -> Option<u64> {
    let (v2, v1) = (cgroup_file("", "memory.max"), cgroup_file("memory", "memory.limit_in_bytes"));
    v2.or(v1)?.trim().parse().ok()
}

/// How many processes the kernel killed for lack of memory: in our cgroup, else (no such counter) on the whole system.
pub(crate) fn oom_kills() -> u64 {
    let sources = [
        || cgroup_file("", "memory.events"),
        || cgroup_file("memory", "memory.oom_control"),
        || read("/proc/vmstat"),
    ];
    sources.iter().find_map(|source| count_of(&source()?, "oom_kill")).unwrap_or(0)
}

/// The number after `name` in lines of names and numbers.
fn count_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A file of our cgroup: of version 2 if `controller` is empty, else of that controller of version 1.
fn cgroup_file(controller: &str, file: &str) -> Option<String> {
    let path = cgroup_path(&read("/proc/self/cgroup")?, controller)?;
    let roots: &[&str] = match controller {
        "" => &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
        _ => &["/sys/fs/cgroup/memory"],
    };
    let inside = |root: &&str| {
        let folder = Path::new(root).join(path.trim_start_matches('/'));
        // In a container that sees only its own part, the path of the host is not there but its root is.
        [folder.join(file), Path::new(root).join(file)].iter().find_map(|path| read(path.to_str()?))
    };
    roots.iter().find_map(inside)
}

/// The path of the hierarchy of `controller` in `/proc/self/cgroup`.
fn cgroup_path(text: &str, controller: &str) -> Option<String> {
    let hierarchy = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let names = parts.next()?;
        names.split(',').any(|name| name == controller).then(|| parts.next().map(str::to_owned))?
    };
    text.lines().find_map(hierarchy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let stat = Stat::parse("42 (a (b) c) S 7 42 42 0 -1").unwrap();
        assert_eq!(stat, Stat { pid: 42, comm: "a (b) c".into(), state: 'S', parent: 7 });
        for odd in ["", "42", "42 (a", "42 (a) S", "x (a) S 1 2"] {
            assert_eq!(Stat::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn descendants_are_found_in_whatever_order_and_zombies_are_not() {
        let stat = |pid, parent, state| Stat { pid, comm: format!("p{pid}"), state, parent };
        // 5 <- 3 <- 1 is ours, with a dead 4 between 1 and 6; 9 is not.
        let all = [stat(5, 3, 'S'), stat(6, 4, 'R'), stat(3, 1, 'S'), stat(4, 1, 'Z'), stat(9, 2, 'S')];
        let mut found: Vec<_> = below(1, &all).into_iter().map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 5, 6]);
    }

    #[test]
    fn counters_and_paths() {
        assert_eq!(count_of("oom 1\noom_kill 3\n", "oom_kill"), Some(3));
        assert_eq!(count_of("oom_kill_disable 0\nunder_oom 0\noom_kill 2", "oom_kill"), Some(2));
        assert_eq!(count_of("oom_kill_disable 0", "oom_kill"), None);
        let text = "12:cpu,memory:/a/b\n1:name=systemd:/x\n0::/user:slice\n";
        assert_eq!(cgroup_path(text, "").as_deref(), Some("/user:slice"));
        assert_eq!(cgroup_path(text, "memory").as_deref(), Some("/a/b"));
        assert_eq!(cgroup_path(text, "io"), None);
    }
}
