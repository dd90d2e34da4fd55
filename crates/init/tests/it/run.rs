//! A run of init under a test: which binaries there are, and one of them with its agent.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::agent::{Agent, DEADLINE};

/// A program that is init, and the arguments that make it so.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    path: PathBuf,
    first: &'static [&'static str],
}

impl Binary {
    /// The program with the arguments that make it init.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.first);
        command
    }
}

/// Every binary that can be init: the one just built, the static one, and `logway init`. What is missing is said.
pub(crate) fn binaries(test: &str) -> Vec<Binary> {
    let mut found = vec![Binary { path: env!("CARGO_BIN_EXE_logway-init").into(), first: &[] }];
    for (variable, first) in [("LOGWAY_INIT", &[][..]), ("LOGWAY_BIN", &["init"])] {
        match std::env::var_os(variable).map(PathBuf::from) {
            Some(path) if path.is_file() => found.push(Binary { path, first }),
            Some(path) => panic!("{variable} names {}, which is not there", path.display()),
            None => skip(&format!("{test} with {variable}"), &format!("{variable} is not set")),
        }
    }
    found
}

/// Runs `check` with each binary.
pub(crate) fn each(test: &str, mut check: impl FnMut(&Binary)) {
    for binary in binaries(test) {
        eprintln!("{test}: {} {}", binary.path.display(), binary.first.join(" "));
        check(&binary);
    }
}

/// Whether the long tests run at full length.
pub(crate) fn soak() -> bool {
    std::env::var_os("LOGWAY_SOAK").is_some()
}

/// Says loudly that something was not run.
pub(crate) fn skip(name: &str, reason: &str) {
    eprintln!("\nSKIPPED {name}: {reason}\n");
    if let Some(path) = std::env::var_os("LOGWAY_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{name}: {reason}\n").as_bytes()).unwrap();
    }
}

/// Init at work, with its agent. Dropped, it is killed with all below it.
pub(crate) struct Run {
    pub(crate) agent: Agent,
    child: Child,
    dir: TempDir,
}

impl Run {
    /// Init with an agent, running `script` in a shell.
    pub(crate) fn shell(binary: &Binary, script: &str) -> Self {
        Self::start(binary, &[], &["sh", "-c", script])
    }

    /// The same with options.
    pub(crate) fn start(binary: &Binary, options: &[&str], argv: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let agent = Agent::listen(&dir.path().join("s"));
        Self::with(binary, dir, agent, options, argv)
    }

    /// Init with an agent and `variables` in its own environment.
    pub(crate) fn with_env(binary: &Binary, variables: &[(&str, &str)], argv: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let agent = Agent::listen(&dir.path().join("s"));
        let mut command = Command::new(&binary.path);
        command.envs(variables.iter().copied());
        Self::spawn(command, binary, dir, agent, &[], argv)
    }

    /// Init whose agent is not there yet.
    pub(crate) fn alone(binary: &Binary, options: &[&str], argv: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let agent = Agent::absent(&dir.path().join("s"));
        Self::with(binary, dir, agent, options, argv)
    }

    /// Init started by `wrapper`, which runs its arguments, in a folder that `prepare` has filled.
    pub(crate) fn under(
        binary: &Binary,
        wrapper: &[&str],
        prepare: impl FnOnce(&Path),
        argv: &[&str],
    ) -> Self {
        let dir = TempDir::new().unwrap();
        prepare(dir.path());
        let agent = Agent::listen(&dir.path().join("s"));
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(&binary.path);
        Self::spawn(command, binary, dir, agent, &[], argv)
    }

    fn with(binary: &Binary, dir: TempDir, agent: Agent, options: &[&str], argv: &[&str]) -> Self {
        Self::spawn(Command::new(&binary.path), binary, dir, agent, options, argv)
    }

    fn spawn(
        mut command: Command,
        binary: &Binary,
        dir: TempDir,
        agent: Agent,
        options: &[&str],
        argv: &[&str],
    ) -> Self {
        command.args(binary.first).arg("--socket").arg(dir.path().join("s")).args(options);
        command.arg("--").args(argv).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { agent, child, dir }
    }

    /// A folder for the test's own files; the app runs in it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Init's process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Serves to the goodbye; then init's exit.
    pub(crate) fn finish(&mut self) -> ExitStatus {
        self.agent.serve_until("goodbye", |agent| agent.bye.is_some());
        self.agent.assert_complete();
        self.wait()
    }

    /// Waits for init's exit, without serving it.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < DEADLINE, "init does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Init's exit, if it comes within `time`.
    pub(crate) fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        None
    }

    /// Waits for something that shows outside of the agent, which stands still meanwhile.
    pub(crate) fn until(&self, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < DEADLINE, "no {what}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Whether a process below init waits for room in a pipe.
    pub(crate) fn waits_in_write(&self) -> bool {
        let waits = |pid: &String| read(&format!("/proc/{pid}/wchan")).contains("pipe_write");
        descendants(self.child.id()).iter().any(waits)
    }

    /// What init said on stderr. Only after its end.
    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Sends a signal to init.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    /// A field of init's `/proc/PID/status` in KiB, as `VmRSS`.
    pub(crate) fn status_kb(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The process id of the app, from the event of its start.
    pub(crate) fn app_pid(&mut self) -> i32 {
        self.agent.serve_until("start of the app", |agent| agent.event("started").is_some());
        i32::try_from(self.agent.event("started").unwrap().get_int("pid").unwrap()).unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        kill_with_descendants(&mut self.child);
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// All processes below `ancestor`, parents before children.
fn descendants(ancestor: u32) -> Vec<String> {
    let mut family = vec![ancestor.to_string()];
    let mut at = 0;
    while let Some(pid) = family.get(at) {
        let children = read(&format!("/proc/{pid}/task/{pid}/children"));
        family.extend(children.split_whitespace().map(str::to_owned));
        at += 1;
    }
    family.split_off(1)
}

/// Kills a child and what is below it: an app that waits for a sign of its test would wait for ever.
pub(crate) fn kill_with_descendants(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        // Some may have ended meanwhile, which is as well.
        let mut kill = Command::new("kill");
        let _ = kill.args(["-s", "KILL"]).args(descendants(child.id())).stderr(Stdio::null()).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal by its name.
pub(crate) fn send_signal(pid: i32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// The signal that ended a process, if one did.
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}
