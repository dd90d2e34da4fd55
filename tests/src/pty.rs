//! A terminal for a child.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::process::Printed;

/// A pseudo-terminal.
pub struct Pty;

impl Pty {
    /// Runs `command` to its end with stdout and stderr on a terminal, and gives what it showed there.
    pub fn run(command: &mut Command) -> String {
        let (master, slave) = open();
        command.stdin(Stdio::null()).stdout(slave()).stderr(slave());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        // The command has the terminal's end open until it is given another.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut shown = Vec::new();
        let mut buffer = [0; 4096];
        let mut master = File::from(master);
        // Behind the last byte of a terminal that nobody has open there is an error, not an end.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
        }
        child.wait().expect("waiting for the child");
        String::from_utf8_lossy(&shown).into_owned()
    }
}

/// Somebody at a terminal: a child that has one for stdin, stdout and stderr, and what is typed there. Dropped, the child is killed.
pub struct Seat {
    child: Child,
    master: File,
    shown: Printed,
}

impl Seat {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let (master, slave) = open();
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = File::from(master);
        let shown = Printed::collect(master.try_clone().expect("a terminal's other end"));
        Self { child, master, shown }
    }

    /// What it showed.
    pub const fn shown(&self) -> &Printed {
        &self.shown
    }

    /// Types `text`.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typing");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // It may have ended, which is as well.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
    }

    /// Waits for its end, and gives all that it showed.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status =
            crate::wait_until("the end of who sits there", || self.child.try_wait().expect("waiting"));
        (status, self.shown.all())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a terminal; the second one as often as it is wanted.
fn open() -> (OwnedFd, impl Fn() -> File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("opening a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlocking a terminal");
    let name = ptsname(&master, Vec::new()).expect("naming a terminal");
    let path = std::path::PathBuf::from(name.to_str().expect("a terminal's name is text"));
    let slave =
        move || File::options().read(true).write(true).open(&path).expect("opening the terminal's end");
    (master, slave)
}
