//! A disk that becomes full: the store says so and takes nothing, what is there is found, nothing is lost, and when there is room
//! again all goes on.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bus::client::{Client, Delivery, Options};
use bus::roles::Role;
use bus::sys::{AppendAnswer, append_subject};
use line::append::{Envelope, RowWriter, Run, Writer};
use line::{Boot, Level, LevelSource, Name, OrgId};
use logway_tests::{DEADLINE, Process, Web, parts, skip, wait_until};

/// `logway up` on a file system of its own, in a namespace that ends with it.
struct Small {
    process: Process,
    _dir: tempfile::TempDir,
    /// Where the file system is seen from outside.
    root: PathBuf,
}

impl Small {
    /// `None`: there is no such namespace here.
    fn start(bytes: &str) -> Option<Self> {
        let dir = logway_tests::short_dir();
        let script = r#"mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(dir.path()).arg(bytes);
        command.arg(parts::logway()).arg("up").arg("--data").arg(dir.path().join("d"));
        command.args(["--nats-port", "0", "--proxy-port", "0", "--http-port", "0", "--spool-quota", "64MiB"]);
        let mut process = Process::start("unshare", &mut command);
        if process.stderr().find(|line| line.split_whitespace().any(|word| word == "ready")).is_none() {
            let (_, _, err) = process.wait_with_output();
            assert!(!err.contains("error["), "{err}");
            return None;
        }
        let inside = dir.path().strip_prefix("/").expect("an absolute path");
        let root = Path::new("/proc").join(process.pid().to_string()).join("root").join(inside);
        Some(Self { process, _dir: dir, root })
    }

    /// What is in a file of its data.
    fn read(&self, path: &str) -> String {
        let path = self.root.join("d").join(path);
        fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// Where it serves this.
    fn address(&self, what: &str) -> String {
        let context: serde_json::Value =
            serde_json::from_str(&self.read("up.json")).expect("up.json is JSON");
        context[what].as_str().and_then(|url| url.rsplit('/').next()).expect("it says so").to_owned()
    }

    /// Whoever hands over lines, on its bus.
    async fn sender(&self) -> Sender {
        let org: serde_json::Value = serde_json::from_str(&self.read("org")).expect("the org is JSON");
        let org = OrgId::new(org["id"].as_str().expect("an id")).expect("an id");
        let client = Client::start(Options {
            servers: vec![self.address("nats").parse().expect("an address")],
            name: "test".to_owned(),
            credentials: Some(self.read("bus/agent").parse().expect("a credential is user:password")),
            inbox_prefix: Role::Agent.inbox_prefix(),
            tls: None,
        });
        client.connected().await.expect("the client is open");
        let shard = line::shard::of(&org, &Name::new("app", "web").expect("a name"));
        let (key, subject) = (format!("{org}.web.local.i1"), append_subject(shard));
        Sender { client, key, subject, noise: fastrand::Rng::with_seed(1), sent: 0 }
    }

    fn web(&self) -> Web {
        let web = Web::new(&self.address("http"), &self.read("token"));
        wait_until("the HTTP face to let in", || (web.query("*").status == 200).then_some(()));
        web
    }

    /// Writes a file until there is no room for a byte.
    fn fill(&self) {
        let mut filler = fs::File::create(self.root.join("filler")).expect("making a file");
        let mut length = 1 << 20;
        while length > 0 {
            if filler.write_all(&vec![b'x'; length]).is_err() {
                length /= 2;
            }
        }
    }

    fn clear(&self) {
        fs::remove_file(self.root.join("filler")).expect("removing a file");
    }
}

/// Rows of a request. They are noise: compressed they take as much as they are.
const ROWS: u32 = 100;
/// Bytes of each message.
const BYTES: usize = 8_000;

/// Hands over rows as an agent does, each request once or more often.
struct Sender {
    client: Client,
    key: String,
    subject: String,
    noise: fastrand::Rng,
    sent: u64,
}

impl Sender {
    /// A request with the rows from number `sent` on.
    fn request(&mut self) -> Vec<u8> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
        let time = i64::try_from(time).expect("it is not so late");
        let (mut writer, mut rows) = (RowWriter::new(time), Vec::new());
        for row in 0..ROWS {
            let number = (self.sent + u64::from(row)).to_string();
            let noise: String = (0..BYTES).map(|_| self.noise.alphanumeric()).collect();
            let fields = [("n", number.as_bytes())].into_iter();
            let level = (Level::Info, LevelSource::Default);
            writer.push(time, level, noise.as_bytes(), fields, &mut rows).expect("a row that is in bounds");
        }
        let boot = Boot::from_bits(0x019a_0c3f_2b7c_0001);
        let run = Run { first_seq: self.sent + 1, base_time: time, count: ROWS, bytes: &rows };
        let mut body = Writer::default();
        body.import(&self.key, "h1", boot, run).expect("it fits");
        let (body, mut request) = (body.finish(), Vec::new());
        Envelope::of(&body, None).write(&mut request).expect("it fits");
        request
    }

    async fn send(&mut self, request: &[u8]) -> AppendAnswer {
        let mut answers = self.client.request_many(&self.subject, request).await.expect("the bus takes it");
        let answer = tokio::time::timeout(DEADLINE, answers.next()).await.expect("an answer in time");
        let Some(Delivery::Message(message)) = answer else { panic!("{answer:?} instead of an answer") };
        let answer = serde_json::from_slice(&message.payload).expect("an answer of a store");
        if matches!(answer, AppendAnswer::Acked { .. }) {
            self.sent += u64::from(ROWS);
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_nothing_is_lost() {
    let started = tokio::task::block_in_place(|| Small::start("320m"));
    let Some(up) = started else {
        return skip("a_full_disk_is_said_and_nothing_is_lost", "no tmpfs can be mounted in a namespace");
    };
    let web = tokio::task::block_in_place(|| up.web());
    let mut sender = up.sender().await;
    let request = sender.request();
    assert!(matches!(sender.send(&request).await, AppendAnswer::Acked { .. }));
    up.fill();
    // The log has room of its own for a while, and what is kept back; then it is said.
    let (refused, reason) = loop {
        let request = sender.request();
        match sender.send(&request).await {
            AppendAnswer::Acked { .. } => {
                assert!(sender.sent < 50_000, "it takes more than there is room for")
            }
            AppendAnswer::Busy { reason, .. } => break (request, reason),
            AppendAnswer::Rejected { code, reason } => panic!("a good request is refused: {code} {reason}"),
        }
    };
    assert!(reason.contains("LS0"), "{reason}");
    // Reads are served, and all that was acknowledged is there, once.
    let all = |web: &Web| {
        let sums = web.rows("app:web | stats count() n, count_uniq(n) u").remove(0);
        (sums["n"].as_str().map(str::to_owned), sums["u"].as_str().map(str::to_owned))
    };
    let kept = Some(sender.sent.to_string());
    tokio::task::block_in_place(|| {
        assert_eq!(all(&web), (kept.clone(), kept.clone()));
        assert_eq!(web.ask("/health", &[]).status, 503, "somebody has to be told");
    });

    up.clear();
    // The same request again, as its sender would.
    let begun = Instant::now();
    while !matches!(sender.send(&refused).await, AppendAnswer::Acked { .. }) {
        assert!(begun.elapsed() < DEADLINE, "with room there is no end of it");
    }
    let kept = Some(sender.sent.to_string());
    tokio::task::block_in_place(|| {
        assert_eq!(all(&web), (kept.clone(), kept));
        wait_until("that all is well", || (web.ask("/health", &[]).status == 200).then_some(()));
    });
    assert!(!up.process.stderr().text().contains("panic"), "{}", up.process.said());
}
