//! The real agent in the place of the one that the tests play.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use line::frame::{Frame, Parsed, parse};
use tempfile::TempDir;

use crate::agent::DEADLINE;
use crate::run::{Binary, each, kill_with_descendants, skip};

/// `logway up` with a data directory of its own, and a Machine registered there. Dropped, all that it started is killed.
struct Host {
    logway: PathBuf,
    dir: TempDir,
    children: Vec<Child>,
}

impl Host {
    /// Starts it; without the program says that `test` is skipped.
    fn start(test: &str) -> Option<Self> {
        let Some(logway) = std::env::var_os("LOGWAY_BIN").map(PathBuf::from) else {
            skip(test, "LOGWAY_BIN is not set");
            return None;
        };
        let mut host = Self { logway, dir: TempDir::new().unwrap(), children: Vec::new() };
        let mut up = host.logway("up");
        up.args(["--http-port", "0", "--nats-port", "0", "--proxy-port", "0"]).stderr(Stdio::piped());
        let stderr = host.spawn(&mut up).stderr.take().unwrap();
        wait_for("ready", &lines_of(stderr));
        Some(host)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("d")
    }

    fn logway(&self, command: &str) -> Command {
        let mut logway = Command::new(&self.logway);
        logway.arg(command).arg("--data").arg(self.data());
        logway
    }

    fn spawn(&mut self, command: &mut Command) -> &mut Child {
        self.children.push(command.stdin(Stdio::null()).spawn().unwrap());
        self.children.last_mut().unwrap()
    }

    /// Registers a Machine and gives its socket.
    fn register(&self) -> PathBuf {
        let org = text_after(&fs::read_to_string(self.data().join("org")).unwrap(), "id");
        let uid = fs::metadata(self.dir.path()).unwrap().uid();
        let asked = format!(
            r#"{{"register":{{"org":"{org}","app":"web","region":"lhr","instance":"i1","uid":{uid}}}}}"#
        );
        let mut admin = UnixStream::connect(self.data().join("agent/admin.sock")).unwrap();
        admin.write_all(format!("{asked}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        admin.read_to_string(&mut answer).unwrap();
        text_after(&answer, "socket").into()
    }

    /// Starts init with `script`, which runs in the host's folder.
    fn run(&mut self, binary: &Binary, socket: &Path, options: &[&str], script: &str) {
        let mut init = binary.command();
        init.arg("--socket").arg(socket).args(options).args(["--", "sh", "-c", script]);
        init.current_dir(self.dir.path());
        self.spawn(&mut init);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.children.iter_mut().rev().for_each(kill_with_descendants);
    }
}

/// The text of a field in flat JSON.
fn text_after(json: &str, field: &str) -> String {
    let (_, rest) = json.split_once(&format!("\"{field}\":")).unwrap();
    rest.trim_start().trim_start_matches('"').split('"').next().unwrap().to_owned()
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(64);
    std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        // Nobody may listen any more; what is printed is taken all the same.
        lines.for_each(|line| drop(sender.send(line)));
    });
    receiver
}

fn wait_for(what: &str, lines: &Receiver<String>) {
    while !lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no {what}")).contains(what) {}
}

#[test]
fn a_long_line_passes_a_small_ring_to_the_real_agent() {
    each("real agent", |binary| {
        for options in [&["--ring", "256K"][..], &["--ring", "512K", "--policy", "block"]] {
            let Some(mut host) = Host::start("real agent") else { return };
            let socket = host.register();
            let script = "seq 1 2000; head -c 400000 /dev/zero | tr '\\0' x; echo; echo after; \
                          while [ ! -e go ]; do sleep 0.02; done";
            host.run(binary, &socket, options, script);
            let mut logs = host.logway("logs");
            logs.args(["-a", "web", "-j"]).stdout(Stdio::piped()).stderr(Stdio::null());
            let lines = lines_of(host.spawn(&mut logs).stdout.take().unwrap());
            wait_for("\"message\":\"after\"", &lines);
        }
    });
}

#[test]
fn what_a_machine_costs_the_real_agent_with_garbage_is_bounded() {
    let Some(host) = Host::start("garbage") else { return };
    let mut machine = UnixStream::connect(host.register()).unwrap();
    machine.set_read_timeout(Some(DEADLINE)).unwrap();
    // Headers of the longest frame, each of which begins within the one before: all are checked to their claimed end.
    machine.write_all(&b"LW\x63\0\0\0\x04\0".repeat(300 * 1024 / 8)).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while let Ok(len @ 1..) = machine.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..len]);
    }
    let Parsed::Frame { frame: Frame::Refused(refused), .. } = parse(&answer) else { panic!("{answer:?}") };
    assert_eq!(refused.code, "LA08");
}
