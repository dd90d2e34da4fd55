//! A terminal for a child.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A pseudo-terminal.
pub struct Pty;

impl Pty {
    /// Runs `command` to its end with stdout and stderr on a terminal, and gives what it showed there.
    pub fn run(command: &mut Command) -> String {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("opening a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlocking a terminal");
        let name = ptsname(&master, Vec::new()).expect("naming a terminal");
        let path = std::path::PathBuf::from(name.to_str().expect("a terminal's name is text"));
        let slave =
            || File::options().read(true).write(true).open(&path).expect("opening the terminal's end");
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
