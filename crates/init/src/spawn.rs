//! Starting the app, and saying so.

use std::ffi::OsString;
use std::io::ErrorKind;

use line::{Event, Level};

use crate::EXIT_USAGE;
use crate::capture::Capture;
use crate::kernel::{SpawnError, Sys};
use crate::oom::OomWatch;
use crate::serve::{Init, Main};

/// Exit code for a command that was not found, as in a shell.
const EXIT_NOT_FOUND: u8 = 127;
/// Exit code for a command that the kernel will not run, as in a shell.
const EXIT_NOT_EXECUTABLE: u8 = 126;

impl<S: Sys> Init<'_, S> {
    /// Starts the app. If that fails, says why and gives init's exit code.
    pub(crate) fn start_app(&mut self) -> Option<u8> {
        if self.config.argv.is_empty() {
            let message = "there is nothing to run: give the command after `--`";
            self.event(&Event::new("config_error", Level::Error, message).text("code_name", "LI01"));
            self.sys.say(&format!("LI01: {message}"));
            return Some(EXIT_USAGE);
        }
        let command = shown(&self.config.argv);
        let oom = OomWatch::new(self.sys, self.sys.boottime());
        match self.sys.spawn(&self.config.argv) {
            Ok(started) => {
                let message = format!("Preparing to run: `{command}`");
                let event = Event::new("started", Level::Info, message)
                    .int("pid", started.pid.into())
                    .text("argv", command.as_str());
                self.event(&event);
                self.capture = Some(Capture::new(started.pipe_bytes));
                self.main = Some(Main { pid: started.pid, started: self.sys.boottime(), oom });
                None
            }
            Err(error) => Some(self.say_unstarted(&error, &command)),
        }
    }

    fn say_unstarted(&mut self, error: &SpawnError, command: &str) -> u8 {
        let (code, code_name, hint) = match error {
            SpawnError::Exec { source, .. } => match source.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    (EXIT_NOT_FOUND, "LI02", "check the path, PATH, and the interpreter in its first line")
                }
                _ => (EXIT_NOT_EXECUTABLE, "LI03", "check that it has mode +x and is built for this machine"),
            },
            SpawnError::Process(_) => (EXIT_USAGE, "", "check the limits of processes and open files"),
        };
        let mut event =
            Event::new("exec_failed", Level::Error, format!("{error}; {hint}")).text("argv", command);
        if let SpawnError::Exec { path, .. } = error {
            event = event.text("path", path.as_str()).text("code_name", code_name);
        }
        self.event(&event);
        let separator = if code_name.is_empty() { "" } else { ": " };
        self.sys.say(&format!("{code_name}{separator}{error}; {hint}"));
        code
    }
}

/// The command as a person would type it: arguments with spaces or quotes in quotes.
fn shown(argv: &[OsString]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=/.,:+@%".contains(c);
    let quoted = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        if !arg.is_empty() && arg.chars().all(plain) {
            arg.into_owned()
        } else {
            format!("'{}'", arg.replace('\'', r"'\''"))
        }
    };
    argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        for (argv, wanted) in [
            (&["sh", "-c", "echo hi"][..], "sh -c 'echo hi'"),
            (&["/bin/a", "--x=1,2", ""], "/bin/a --x=1,2 ''"),
            (&["echo", "it's"], r"echo 'it'\''s'"),
        ] {
            let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
            assert_eq!(shown(&argv), wanted);
        }
    }
}
