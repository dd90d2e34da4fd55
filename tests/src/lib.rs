//! Support for the tests of the whole path: finding what they start, starting it, waiting for what it says.
//!
//! Nothing here sleeps to let something happen: every wait is for an event and ends with a panic that shows all
//! that the process said, when the event does not come within [`DEADLINE`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on ends here, and says why where people look"
)]

pub mod cluster;
pub mod dirs;
pub mod http;
pub mod lines;
pub mod nats;
pub mod network;
pub mod parts;
pub mod process;
pub mod pty;
pub mod tailing;
pub mod up;
pub mod web;

pub use cluster::Cluster;
pub use dirs::short_dir;
pub use http::{HttpStandIn, write_refusal, write_rows};
pub use nats::{NatsServer, NatsVersion};
pub use parts::{logway, logway_init, skip, soak};
pub use process::Process;
pub use pty::{Pty, Seat};
pub use tailing::{Form, Got, Habits, Tailing};
pub use up::Up;
pub use web::{Reply, Web};

use std::time::{Duration, Instant};

/// The longest that a test waits for one event. Reached only when the event never comes, so a slow machine does no harm.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks `look` until it gives something, for events that nobody announces (a file appears, a counter reaches a value).
/// Where a process prints a line, wait for the line instead. Panics after [`DEADLINE`], naming `what`.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
