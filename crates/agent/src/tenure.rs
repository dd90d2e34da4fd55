//! How long an ephemeral Machine is kept without a connection: as long as its init may come back.
//!
//! Init tries again every two seconds at most, but its process may be stopped, or the host's cgroup frozen, for any time. So
//! the kernel is asked: the process that was connected last is watched by a file descriptor of its own (a pidfd), which no
//! other process with the same number can be taken for. Where it is not known (the agent was started anew, or the
//! process is in a pid namespace that the agent does not see), the Machine is kept for a long time instead.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until};

/// A Machine that never connects is forgotten after this time.
const UNUSED: Duration = Duration::from_secs(600);

/// What a Machine without a connection waits for.
#[derive(Debug)]
pub(crate) struct Tenure {
    /// The process that was connected last, if it can be watched.
    peer: Option<AsyncFd<OwnedFd>>,
    /// Otherwise: when the Machine is given up.
    forget_at: Instant,
    /// Not before this moment in any case: somebody else is about to connect.
    awaited_until: Instant,
    forget_after: Duration,
}

impl Tenure {
    /// That of a Machine whose socket has just been made; `was_seen` if it was connected to an agent before this one.
    pub(crate) fn new(was_seen: bool, forget_after: Duration) -> Self {
        let wait = if was_seen { forget_after } else { UNUSED };
        let now = Instant::now();
        Self { peer: None, forget_at: now + wait, awaited_until: now, forget_after }
    }

    /// It was registered once more: somebody is about to connect. Whoever was connected last may still come back too.
    pub(crate) fn renew(&mut self) {
        self.awaited_until = Instant::now() + UNUSED;
    }

    /// Somebody has connected.
    pub(crate) fn connected(&mut self, stream: &UnixStream) {
        self.watch(stream.peer_cred().ok().and_then(|peer| peer.pid()));
    }

    fn watch(&mut self, pid: Option<i32>) {
        // A process does not outlive itself: nothing is to be learnt from watching the own one.
        let other = pid.filter(|pid| u32::try_from(*pid).is_ok_and(|pid| pid != std::process::id()));
        let watched =
            other.and_then(Pid::from_raw).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that lie about their descriptor; this one owns it"
        )]
        let watch = |fd| AsyncFd::with_interest(fd, Interest::READABLE).ok();
        self.peer = watched.and_then(watch);
    }

    /// The connection has ended; `is_awaited` if there is somebody who was kept out as long as it lasted.
    pub(crate) fn lost(&mut self, is_awaited: bool) {
        let now = Instant::now();
        self.forget_at = now + self.forget_after;
        self.awaited_until = if is_awaited { now + UNUSED } else { now };
    }

    /// Waits until nobody can come back any more, or until it has to be assumed.
    pub(crate) async fn over(&self) {
        match &self.peer {
            // It becomes readable when the process has ended, and stays so.
            Some(peer) => drop(peer.readable().await),
            None => sleep_until(self.forget_at).await,
        }
        sleep_until(self.awaited_until).await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::time::timeout;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test(start_paused = true)]
    async fn a_machine_is_kept_as_long_as_its_process_lives() {
        let mut process = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut tenure = Tenure::new(false, DAY);
        tenure.watch(i32::try_from(process.id()).ok());
        tenure.lost(false);
        timeout(365 * DAY, tenure.over()).await.unwrap_err();
        process.kill().unwrap();
        tenure.over().await;
        process.wait().unwrap();
        tenure.over().await;
        // One who was kept out by it, or has just been announced, gets its time to connect.
        let waits = async |tenure: &Tenure| {
            let start = Instant::now();
            tenure.over().await;
            start.elapsed().as_secs()
        };
        tenure.lost(true);
        assert_eq!(waits(&tenure).await, UNUSED.as_secs());
        tenure.renew();
        assert_eq!(waits(&tenure).await, UNUSED.as_secs());
        // A process that has ended before it could be watched is not known.
        tenure.watch(i32::try_from(process.id()).ok());
        tenure.lost(false);
        timeout(DAY - Duration::from_secs(1), tenure.over()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_whose_process_is_not_known_is_kept_for_the_time_set() {
        let waits = async |tenure: &Tenure| {
            let start = Instant::now();
            tenure.over().await;
            start.elapsed()
        };
        let ms = Duration::from_millis(1);
        for pid in [None, Some(0), Some(-1), i32::try_from(std::process::id()).ok()] {
            let mut tenure = Tenure::new(false, DAY);
            tenure.watch(pid);
            tenure.lost(false);
            assert!((DAY..=DAY + ms).contains(&waits(&tenure).await), "{pid:?}");
            tenure.renew();
            assert!((UNUSED..=UNUSED + ms).contains(&waits(&tenure).await));
        }
        assert!((UNUSED..=UNUSED + ms).contains(&waits(&Tenure::new(false, DAY)).await));
        assert!((DAY..=DAY + ms).contains(&waits(&Tenure::new(true, DAY)).await));
    }
}
