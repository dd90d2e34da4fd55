//! A child process that ends with the test, and what it prints.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::DEADLINE;

/// A child in a process group of its own. Dropped, it is killed with all of its group: no test leaves one behind.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Printed,
    stderr: Printed,
}

impl Process {
    /// Starts `command`. Its stdin is a pipe (see [`Process::close_stdin`]), its stdout and stderr are collected.
    /// Panics when it cannot start.
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("starting {name} ({command:?}): {error}"));
        let stdin = child.stdin.take();
        let stdout = Printed::collect(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Printed::collect(child.stderr.take().expect("stderr is a pipe"));
        Self { name: name.to_owned(), child, stdin, stdout, stderr }
    }

    /// The process id, which is the id of its group too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout.
    pub fn stdout(&self) -> &Printed {
        &self.stdout
    }

    /// What it wrote to stderr.
    pub fn stderr(&self) -> &Printed {
        &self.stderr
    }

    /// Writes `bytes` to its stdin. Panics when it does not read.
    pub fn write_stdin(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin.write_all(bytes).unwrap_or_else(|error| panic!("writing to {}: {error}", self.name));
    }

    /// Ends its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line of stderr for which `is_it` holds, past or to come, and gives it.
    pub fn wait_for_stderr(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_for(&self.stderr, what, is_it)
    }

    /// Waits for a line of stdout for which `is_it` holds, past or to come, and gives it.
    pub fn wait_for_stdout(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_for(&self.stdout, what, is_it)
    }

    fn wait_for(&self, printed: &Printed, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let found = printed.find(is_it);
        found.unwrap_or_else(|| panic!("{} did not print {what}\n{}", self.name, self.said()))
    }

    /// Sends `signal` to the process alone. Nothing happens when that has ended.
    pub fn signal(&self, signal: Signal) {
        // It may have ended, which is as well.
        let _ = rustix::process::kill_process(self.id(), signal);
    }

    /// Kills the process alone, as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Waits for its end. Panics after [`DEADLINE`].
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_up_to(DEADLINE)
    }

    /// The same with another limit, for what waits for something itself. The panic shows what it said.
    pub fn wait_up_to(&mut self, limit: Duration) -> ExitStatus {
        self.close_stdin();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < limit, "waited {limit:?} in vain for the end\n{}", self.said());
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Waits for its end and for the end of its output. Panics after [`DEADLINE`].
    pub fn wait_with_output(&mut self) -> (ExitStatus, String, String) {
        let status = self.wait();
        (status, self.stdout.all(), self.stderr.all())
    }

    /// Everything it printed so far, for a person.
    pub fn said(&self) -> String {
        format!(
            "--- stdout of {}\n{}\n--- stderr\n{}\n---",
            self.name,
            self.stdout.text(),
            self.stderr.text()
        )
    }

    /// Its status, when it has ended. It is reaped only when this guard is dropped: until then its id, and that of
    /// its group, stay ours, and a signal cannot reach a stranger.
    fn ended(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status =
            rustix::process::waitid(WaitId::Pid(self.id()), options).expect("asking for the child's end")?;
        let code = status.exit_status().map(|code| code << 8);
        code.or(status.terminating_signal()).map(ExitStatus::from_raw)
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A group that is gone already is as well.
        let _ = rustix::process::kill_process_group(self.id(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a process printed on one stream. A thread collects it, so that the process never waits for the test.
#[derive(Clone)]
pub struct Printed {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    is_complete: bool,
}

impl Printed {
    /// Collects what comes from `stream`, to its end.
    pub fn collect(mut stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Collected::default()), Condvar::new()));
        let printed = Self { shared: Arc::clone(&shared) };
        thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                let mut collected = shared.0.lock().expect("no test panics with this lock");
                collected.bytes.extend_from_slice(&buffer[..count]);
                collected.is_complete = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        printed
    }

    /// All bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// All text so far; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// All text up to the end of the stream. Panics when that does not come within [`DEADLINE`].
    pub fn all(&self) -> String {
        assert!(
            self.wait_while(|collected| !collected.is_complete),
            "the stream does not end\n{}",
            self.text()
        );
        self.text()
    }

    /// Waits until there are `count` whole lines, and gives all lines so far. Panics after [`DEADLINE`].
    pub fn wait_for_lines(&self, count: usize) -> Vec<String> {
        let lines = |collected: &Collected| collected.bytes.iter().filter(|byte| **byte == b'\n').count();
        self.wait_while(|collected| lines(collected) < count && !collected.is_complete);
        let text = self.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let found: Vec<String> = whole.lines().map(str::to_owned).collect();
        assert!(found.len() >= count, "{} lines, not {count}\n{text}", found.len());
        found
    }

    /// The first whole line for which `is_it` holds, waiting for more. `None` at the end of the stream or after
    /// [`DEADLINE`]. Each line is looked at once.
    pub fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let (mut found, mut seen) = (None, 0);
        self.wait_while(|collected| {
            while let Some(end) = collected.bytes[seen..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&collected.bytes[seen..seen + end]).into_owned();
                seen += end + 1;
                if is_it(&line) {
                    found = Some(line);
                    return false;
                }
            }
            !collected.is_complete
        });
        found
    }

    /// Waits while `go_on` holds; false when [`DEADLINE`] passed.
    fn wait_while(&self, mut go_on: impl FnMut(&Collected) -> bool) -> bool {
        let (lock, change) = &*self.shared;
        let guard = lock.lock().expect("no test panics with this lock");
        let waited = change.wait_timeout_while(guard, DEADLINE, |collected| go_on(collected));
        !waited.expect("no test panics with this lock").1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.shared.0.lock().expect("no test panics with this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_status_and_input() {
        let mut process = shell("echo one; echo two >&2; read word; echo got $word; exit 3");
        assert_eq!(process.wait_for_stdout("one", |line| line.starts_with("on")), "one");
        assert_eq!(process.wait_for_stderr("two", |line| line == "two"), "two");
        process.write_stdin(b"three\n");
        assert_eq!(process.stdout().wait_for_lines(2), ["one", "got three"]);
        let (status, out, err) = process.wait_with_output();
        assert_eq!((status.code(), out.as_str(), err.as_str()), (Some(3), "one\ngot three\n", "two\n"));
        assert_eq!(process.wait().code(), Some(3));
    }

    #[test]
    #[should_panic(expected = "sh did not print a word\n--- stdout of sh\nnothing\n")]
    fn a_line_that_never_comes() {
        shell("echo nothing").wait_for_stdout("a word", |line| line == "word");
    }

    #[test]
    fn a_signal_is_a_status_too() {
        let mut process = shell("echo up; sleep 1000");
        process.wait_for_stdout("up", |line| line == "up");
        assert_eq!(process.kill().signal(), Some(9));
    }

    #[test]
    fn the_group_dies_with_the_guard() {
        let process = shell("sleep 1000 & echo $!; wait");
        let child: i32 = process.wait_for_stdout("a pid", |_| true).parse().unwrap();
        drop(process);
        // The killed grandchild is reaped by whoever inherits it, which may take a moment.
        crate::wait_until("the grandchild's end", || {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            (state.is_empty() || state.contains(") Z ")).then_some(())
        });
    }
}
