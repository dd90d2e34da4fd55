//! A client of the tails of `/api/v1` that comes again with the last cursor it has, whatever becomes of its connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use line::json::decode;
use line::{Body, Boot, Stream};

use crate::{DEADLINE, Web};

/// In which form lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Its name, for messages.
    pub name: String,
    /// In which form it reads.
    pub form: Form,
    /// Path and arguments.
    pub path: String,
    /// Behind how many lines it goes away, about, to come again; 0: never.
    pub leaves: u64,
    /// Behind how many lines it reads nothing for a while, about; 0: never.
    pub stalls: u64,
    /// How long.
    pub stall: Duration,
    /// Bytes that the system holds for it; 0: as many as is usual.
    pub buffer: usize,
}

/// A record that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Which start of which instance.
    pub boot: (String, Boot),
    /// Its first number.
    pub seq: u64,
    /// One past its last number.
    pub end: u64,
    /// It says that they are lost.
    pub is_gap: bool,
    /// What the app printed; `None` for events.
    pub text: Option<String>,
    /// It says that the app has ended.
    pub is_exit: bool,
}

/// What it has, and what happened to it.
#[derive(Debug, Default)]
pub struct Has {
    /// What it got, up to its last cursor.
    pub records: Vec<Got>,
    /// The states that were told to it.
    pub states: BTreeSet<String>,
    /// How often it was let in.
    pub connections: u64,
    /// What was said to it with another status than 200, 429 or 503.
    pub refusals: Vec<String>,
    last: Option<String>,
}

impl Has {
    /// What is wrong with it, of so many instances: what came twice, what is missing below the highest number of each, and what came
    /// before something with a lower number. The last is asked for when `in_order`: while a store is away lines are given as they come,
    /// with what was missed behind them.
    pub fn faults(&self, instances: usize, in_order: bool) -> Vec<String> {
        let mut faults = self.refusals.clone();
        let mut boots: BTreeMap<&(String, Boot), Vec<&Got>> = BTreeMap::new();
        for got in &self.records {
            boots.entry(&got.boot).or_default().push(got);
        }
        if boots.len() != instances {
            faults.push(format!("{} instances instead of {instances}", boots.len()));
        }
        for ((instance, _), got) in boots {
            let mut fault = |text: String| faults.push(format!("{instance}: {text}"));
            if in_order && let Some(pair) = got.windows(2).find(|pair| pair[0].seq > pair[1].seq) {
                fault(format!("{} before {}", pair[0].seq, pair[1].seq));
            }
            let mut lines: Vec<_> = got.iter().filter(|got| !got.is_gap).collect();
            lines.sort_by_key(|got| got.seq);
            for pair in lines.windows(2).filter(|pair| pair[1].seq < pair[0].end) {
                fault(format!("{} is there twice", pair[1].seq));
            }
            let mut all = got.clone();
            all.sort_by_key(|got| got.seq);
            let mut next = 1;
            for got in all {
                if got.seq > next {
                    fault(format!("{next} to {} are missing", got.seq - 1));
                }
                next = next.max(got.end);
            }
        }
        faults
    }

    /// The texts of an instance in their order.
    pub fn texts<'h>(&'h self, instance: &'h str) -> impl Iterator<Item = &'h str> {
        let of = self.records.iter().filter(move |got| got.boot.0 == instance);
        of.filter_map(|got| got.text.as_deref())
    }
}

/// A client at work. Dropped, it ends.
pub struct Tailing {
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    has: Mutex<Has>,
    at_work: Mutex<Option<TcpStream>>,
    is_over: Mutex<bool>,
}

impl Tailing {
    /// Starts it; what is random of it comes from `seed`.
    pub fn start(web: &Web, habits: Habits, seed: u64) -> Self {
        let (shared, name, web) = (Arc::new(Shared::default()), habits.name.clone(), web.clone());
        let mut client =
            Client { web, habits, random: fastrand::Rng::with_seed(seed), shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().stack_size(256 << 10).spawn(move || client.run());
        Self { name, shared, thread: Some(thread.expect("starting a thread")) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has by now.
    pub fn has(&self) -> MutexGuard<'_, Has> {
        self.shared.has.lock().expect("no client panics with this lock")
    }
}

impl Drop for Tailing {
    fn drop(&mut self) {
        if let Ok(mut is_over) = self.shared.is_over.lock() {
            *is_over = true;
        }
        if let Ok(Some(stream)) = self.shared.at_work.lock().as_deref() {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "{} panicked", self.name);
        }
    }
}

struct Client {
    web: Web,
    habits: Habits,
    random: fastrand::Rng,
    shared: Arc<Shared>,
}

impl Client {
    fn run(&mut self) {
        while !*self.shared.is_over.lock().expect("no client panics with this lock") {
            // Whoever is not let in, or loses the connection, comes again.
            let _ = self.visit();
            thread::park_timeout(Duration::from_millis(self.random.u64(5..50)));
        }
    }

    fn visit(&mut self) -> io::Result<()> {
        let cursor = self.shared.has.lock().expect("no client panics with this lock").last.clone();
        let mut headers = String::new();
        let mut path = self.habits.path.clone();
        match (self.habits.form, cursor) {
            (Form::Sse, cursor) => {
                headers.push_str("Accept: text/event-stream\r\n");
                let id = cursor.map(|cursor| format!("Last-Event-ID: {cursor}\r\n"));
                headers.push_str(&id.unwrap_or_default());
            }
            (Form::Ndjson, Some(cursor)) => path.push_str(&format!("&resume={cursor}")),
            (Form::Ndjson, None) => {}
        }
        let stream = self.web.begin(&path, &headers, self.habits.buffer)?;
        *self.shared.at_work.lock().expect("no client panics with this lock") = Some(stream.try_clone()?);
        let mut reader = BufReader::with_capacity(16 << 10, stream);
        if self.is_let_in(&mut reader)? {
            self.read(BufReader::new(Chunks { reader, left: 0, is_first: true }))?;
        }
        Ok(())
    }

    fn is_let_in(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            head.push_str(&line);
            line.clear();
        }
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut has = self.shared.has.lock().expect("no client panics with this lock");
        match status.as_str() {
            "200" => has.connections += 1,
            // It has only begun, has too much to do at the moment, or the connection broke.
            "503" | "429" | "" => {}
            _ => {
                let mut body = String::new();
                let _ = reader.read_line(&mut body);
                has.refusals.push(format!("{}{body}", head.lines().next().unwrap_or_default()));
            }
        }
        Ok(status == "200")
    }

    /// Reads to the end. What came behind the last cursor comes again, and is not noted.
    fn read(&mut self, mut reader: impl BufRead) -> io::Result<()> {
        let (mut batch, mut line) = (Batch::default(), Vec::new());
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line)?;
            // Of a line that broke off nothing counts.
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            let text = std::str::from_utf8(&line).expect("tails are UTF-8").trim_end_matches('\n');
            match self.habits.form {
                Form::Sse => batch.sse(text),
                Form::Ndjson => batch.ndjson(text),
            }
            let Some(cursor) = batch.cursor.take() else { continue };
            let count = batch.records.len() as u64;
            {
                let mut has = self.shared.has.lock().expect("no client panics with this lock");
                has.records.append(&mut batch.records);
                has.states.extend(batch.state.take());
                has.last = Some(cursor);
            }
            let whim = |random: &mut fastrand::Rng, every: u64| every > 0 && random.u64(0..every) < count;
            if whim(&mut self.random, self.habits.stalls) {
                thread::sleep(self.habits.stall);
            }
            if whim(&mut self.random, self.habits.leaves) {
                return Ok(());
            }
        }
    }
}

/// What came since the last cursor.
#[derive(Default)]
struct Batch {
    records: Vec<Got>,
    /// Set when it holds for all records so far.
    cursor: Option<String>,
    state: Option<String>,
    // Of the event that is not whole yet.
    id: Option<String>,
    event: String,
    data: String,
}

impl Batch {
    fn sse(&mut self, line: &str) {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event),
            "data" => value.clone_into(&mut self.data),
            "" => {
                let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                match event.as_str() {
                    "" if data.is_empty() => {}
                    "" => self.line(&data),
                    _ => self.note(&data),
                }
                self.cursor = self.id.take();
            }
            _ => panic!("a line of SSE: {line}"),
        }
    }

    fn ndjson(&mut self, line: &str) {
        let Some(inner) = line.strip_prefix("{\"tail\":") else { return self.line(line) };
        self.note(inner);
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        self.cursor = value["tail"]["cursor"].as_str().map(str::to_owned);
    }

    fn note(&mut self, data: &str) {
        if let Some((_, state)) = data.split_once("\"state\":\"") {
            self.state = state.split('"').next().map(str::to_owned);
        }
    }

    fn line(&mut self, json: &str) {
        let message = decode(json.as_bytes()).unwrap_or_else(|why| panic!("{why}: {json}"));
        let is_printed =
            message.entry.stream == Stream::Stdout && matches!(message.entry.body, Body::Line(_));
        self.records.push(Got {
            seq: message.entry.seq,
            end: message.entry.next_seq(),
            is_gap: matches!(message.entry.body, Body::Gap(_)),
            is_exit: matches!(&message.entry.body, Body::Event(event) if event.kind == "exited"),
            boot: (message.instance, message.boot.expect("lines of Logway have a boot")),
            text: is_printed.then_some(message.message),
        });
    }
}

/// What chunks hold.
struct Chunks<R> {
    reader: R,
    left: usize,
    is_first: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            if !std::mem::take(&mut self.is_first) {
                self.reader.read_line(&mut line)?;
                line.clear();
            }
            self.reader.read_line(&mut line)?;
            self.left = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        let most = out.len().min(self.left);
        let count = self.reader.read(&mut out[..most])?;
        self.left -= count;
        Ok(count)
    }
}

impl Web {
    /// Asks for something that goes on, and leaves the answer to be read. The system holds `buffer` bytes of it, unless that is 0.
    pub(crate) fn begin(&self, path: &str, headers: &str, buffer: usize) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address())?;
        if buffer > 0 {
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, buffer)?;
        }
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(self.head("GET", path, headers).as_bytes())?;
        Ok(stream)
    }
}
