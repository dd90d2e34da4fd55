//! A store as far as the bus shows: it takes requests, keeps lines in memory, and answers as a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bus::client::{Client, Delivery, Message};
use bus::roles::Role;
use bus::sys::{APPEND_PREFIX, AppendAnswer};
use line::Body;
use line::append::{Envelope, Group, Groups};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::support::{Bus, options, within};

/// A line or a gap record, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) key: String,
    pub(crate) boot: u64,
    pub(crate) seq: u64,
    pub(crate) span: u64,
    /// The text of a line; the reason of a gap record.
    pub(crate) what: Result<String, &'static str>,
}

/// What a request holds, and what was wrong with it.
pub(crate) fn read(message: &[u8]) -> Result<Vec<Line>, String> {
    let envelope = Envelope::read(message).map_err(|error| error.to_string())?;
    let body = match envelope.is_compressed {
        true => zstd::bulk::decompress(envelope.sent, envelope.body_bytes).map_err(|e| e.to_string())?,
        false => envelope.sent.to_vec(),
    };
    envelope.check(&body).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for group in Groups::new(&body) {
        let Group::Machine(machine) = group.map_err(|error| error.to_string())? else {
            return Err("an agent imports nothing".to_owned());
        };
        assert_eq!(machine.whose.host, "h1");
        assert_eq!(machine.entries().count(), machine.run.count as usize);
        for entry in machine.entries() {
            let entry = entry.map_err(|error| error.to_string())?;
            let what = match &entry.body {
                Body::Line(text) => Ok(String::from_utf8_lossy(&text.bytes).into_owned()),
                Body::Event(event) => Ok(event.message.to_string()),
                Body::Gap(gap) => Err(gap.reason.as_str()),
            };
            let (key, boot) = (machine.whose.key.to_owned(), machine.whose.boot.bits());
            lines.push(Line { key, boot, seq: entry.seq, span: entry.span, what });
        }
    }
    Ok(lines)
}

/// What to do with a request.
pub(crate) enum Reaction {
    /// Keep it and say so.
    Keep,
    /// Keep it and say nothing: the answer is lost.
    KeepSilently,
    /// Say this.
    Say(AppendAnswer),
    /// Say something that is no answer.
    Nonsense,
    /// Say nothing.
    Silence,
}

/// A request that refused something.
pub(crate) fn rejected() -> Reaction {
    Reaction::Say(AppendAnswer::Rejected { code: "LS99".into(), reason: "the test says so".into() })
}

/// A request, decoded.
pub(crate) struct Request {
    /// How many there were before.
    pub(crate) number: usize,
    pub(crate) lines: Vec<Line>,
}

/// What the store has.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    /// By Machine, boot and seq.
    pub(crate) lines: BTreeMap<(String, u64, u64), Line>,
    /// Those that came again.
    pub(crate) repeated: usize,
    pub(crate) requests: usize,
}

impl Kept {
    fn keep(&mut self, lines: Vec<Line>) {
        for line in lines {
            let id = (line.key.clone(), line.boot, line.seq);
            match self.lines.get(&id) {
                Some(known) if known.what.is_ok() || line.what.is_err() => self.repeated += 1,
                known => {
                    // In order: nothing of the boot above it is there, unless it fills what was missing.
                    let above =
                        (line.key.clone(), line.boot, line.seq + 1)..=(line.key.clone(), line.boot, u64::MAX);
                    assert!(
                        known.is_some() || self.lines.range(above).next().is_none(),
                        "out of order: {line:?}"
                    );
                    self.lines.insert(id, line);
                }
            }
        }
    }

    /// What there is of an app's Machine in org `k3f9`, in order of boot and seq.
    pub(crate) fn of(&self, app: &str) -> Vec<Line> {
        let prefix = format!("k3f9.{app}.");
        self.lines.values().filter(|line| line.key.starts_with(&prefix)).cloned().collect()
    }

    /// Whether the first boot of the app is here, `1..next` without a hole.
    pub(crate) fn has(&self, app: &str, next: u64) -> bool {
        let mut wanted = 1;
        for line in self.of(app) {
            if line.seq != wanted {
                return false;
            }
            wanted += line.span;
        }
        wanted == next
    }
}

/// A running store.
pub(crate) struct FakeStore {
    kept: watch::Receiver<Kept>,
    tasks: Vec<JoinHandle<()>>,
}

type React = Box<dyn FnMut(&Request) -> Reaction + Send>;

impl FakeStore {
    /// A store of all shards that keeps everything.
    pub(crate) async fn start(bus: &Bus) -> Self {
        Self::start_with(bus, |_| true, |_| Reaction::Keep).await
    }

    /// A store of some shards that does as `react` says.
    pub(crate) async fn start_with(
        bus: &Bus,
        owns: impl Fn(u8) -> bool,
        react: impl FnMut(&Request) -> Reaction + Send + 'static,
    ) -> Self {
        let client = Client::start(options(Role::Store, bus.address));
        within("the store's connection", client.connected()).await.unwrap();
        let (to, mut from) = mpsc::channel::<Message>(1024);
        let mut tasks = Vec::new();
        for shard in (0..=u8::MAX).filter(|shard| owns(*shard)) {
            let mut requests = client.subscribe(&format!("{APPEND_PREFIX}{shard}"), None).await.unwrap();
            let to = to.clone();
            tasks.push(tokio::spawn(async move {
                while let Some(delivery) = requests.next().await {
                    if let Delivery::Message(message) = delivery {
                        let _sent = to.send(message).await;
                    }
                }
            }));
        }
        let (keep, kept) = watch::channel(Kept::default());
        let react: Arc<Mutex<React>> = Arc::new(Mutex::new(Box::new(react)));
        tasks.push(tokio::spawn(async move {
            while let Some(message) = from.recv().await {
                answer(&client, &message, &keep, &react).await;
            }
        }));
        Self { kept, tasks }
    }

    /// What it has now.
    pub(crate) fn kept(&self) -> Kept {
        self.kept.borrow().clone()
    }

    /// Waits until what it has is as wanted.
    pub(crate) async fn wait_for(&mut self, what: &str, is_so: impl Fn(&Kept) -> bool) -> Kept {
        within(what, self.kept.wait_for(|kept| is_so(kept))).await.expect("the store runs").clone()
    }

    /// Goes away.
    pub(crate) fn stop(self) -> Kept {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.kept()
    }
}

async fn answer(client: &Client, message: &Message, keep: &watch::Sender<Kept>, react: &Mutex<React>) {
    let subject = std::str::from_utf8(&message.subject).unwrap();
    let shard: u8 = subject.strip_prefix(APPEND_PREFIX).unwrap().parse().unwrap();
    let lines = read(&message.payload).expect("a request can be read");
    assert!(lines.iter().all(|line| line::shard::of_key(line.key.as_bytes()) == shard));
    let number = keep.borrow().requests;
    let request = Request { number, lines };
    let reaction = (react.lock().unwrap_or_else(PoisonError::into_inner))(&request);
    keep.send_modify(|kept| {
        kept.requests += 1;
        if matches!(reaction, Reaction::Keep | Reaction::KeepSilently) {
            kept.keep(request.lines);
        }
    });
    let text = match reaction {
        Reaction::Keep => {
            serde_json::to_vec(&AppendAnswer::Acked { pos: number as u64 + 1, expired: 0 }).unwrap()
        }
        Reaction::Say(answer) => serde_json::to_vec(&answer).unwrap(),
        Reaction::Nonsense => b"{}".to_vec(),
        Reaction::KeepSilently | Reaction::Silence => return,
    };
    let reply = message.reply.as_ref().expect("a request wants an answer");
    // An agent that is gone hears nothing.
    let _sent = client.publish(std::str::from_utf8(reply).unwrap(), None, &text).await;
}
