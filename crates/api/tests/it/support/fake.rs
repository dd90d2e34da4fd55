//! A store in memory, slow and simple: what it says is right because the query crate says it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use api::logs::{Answer, Answering, Ask, Batch, End, Failure, Listen, Pending, Receipt};
use line::append::{Group, Groups};
use line::time::parse_rfc3339;
use query::{Block, Column, Columns, Flow, Limits, Pipeline, Side, Text};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// A row: its org, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) org: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Line {
    /// A row of an app at a time, `T10:00:05Z` of the first of January 2026.
    pub(crate) fn new(org: &str, app: &str, time: &str, message: &str) -> Self {
        let time = line::time::rfc3339(parse_rfc3339(&format!("2026-01-01{time}")).unwrap());
        let stream = format!("{{app=\"{app}\",instance=\"i1\",region=\"lhr\"}}");
        let id = format!("{:0>16}{:0>32}", org.len(), app.len());
        let fields = [
            ("_time", time.as_str()),
            ("_msg", message),
            ("_stream", &stream),
            ("_stream_id", &id),
            ("app", app),
            ("instance", "i1"),
            ("region", "lhr"),
            ("level", if message.contains("fail") { "error" } else { "info" }),
        ];
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { org: org.to_owned(), fields }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives a field that it has another value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let found = self.fields.iter_mut().find(|(known, _)| known == name).unwrap();
        found.1 = value.to_owned();
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// It never answers.
    Silent,
    /// It fails before the first row.
    Fails(Failure),
    /// It gives its rows, and then fails.
    FailsLate(Failure),
    /// These stores did not answer.
    Missing(Vec<String>),
    /// Appends are refused so many times.
    AppendFails(Failure, u32),
}

/// A store in memory.
pub(crate) struct Fake {
    pub(crate) lines: Mutex<Vec<Line>>,
    pub(crate) trouble: Mutex<Option<Trouble>>,
    /// What it was asked.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Answers that are being given.
    pub(crate) tails: Mutex<Vec<Arc<Answering>>>,
    pub(crate) flushes: Mutex<u32>,
    begins: Notify,
    /// What hears tails, if they are not given by hand.
    pub(crate) live: OnceLock<api::Live>,
}

impl Fake {
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        let (trouble, asked, tails, flushes, begins, live) = Default::default();
        Self { lines: Mutex::new(lines), trouble, asked, tails, flushes, begins, live }
    }

    /// The first answer that is being given by hand: of a tail, or of a query to a silent store.
    pub(crate) async fn begun(&self) -> Arc<Answering> {
        loop {
            let first = self.tails.lock().unwrap().first().cloned();
            if let Some(first) = first {
                self.tails.lock().unwrap().clear();
                return first;
            }
            self.begins.notified().await;
        }
    }

    pub(crate) fn fail(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = Some(trouble);
    }

    /// The rows of `org`, as one block. Who asks one store sees their positions: each row's place among all rows.
    fn block(&self, org: &str, ask: &Ask) -> Block {
        let lines = self.lines.lock().unwrap();
        let lines: Vec<_> =
            (0..).zip(lines.iter()).filter(|(pos, line)| line.org == org && ask.pos.contains(pos)).collect();
        let (positions, lines): (Vec<u64>, Vec<_>) = lines.into_iter().unzip();
        let mut names: Vec<&str> =
            lines.iter().flat_map(|line| line.fields.iter().map(|(name, _)| name.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        let mut block = Block::new(lines.len());
        if ask.store.is_some() {
            block.set("pos", Column::Number(positions));
        }
        for name in names {
            let column = match name {
                "_time" => {
                    Column::Time(lines.iter().map(|line| parse_rfc3339(line.get(name)).unwrap()).collect())
                }
                _ => Column::Text(lines.iter().map(|line| line.get(name).as_bytes()).collect::<Text>()),
            };
            block.set(name, column);
        }
        block
    }

    /// All orgs' rows go in, so that what comes out shows whether the query is confined.
    fn run(&self, ask: &Ask, answering: &Answering, runtime: &Handle) -> Result<(), Failure> {
        let predicate = ask.query.predicate()?;
        let pipeline = Pipeline::new(&ask.query, Limits { bytes: ask.state_bytes }, Side::Whole)?;
        let mut worker = pipeline.worker();
        let mut out = Vec::new();
        for org in ["k3f9", "m7x2"] {
            let block = self.block(org, ask);
            let mut rows = query::Rows::all(block.rows());
            let Ok(()) = predicate.retain(&mut OfOrg { org, block: &block }, &mut rows);
            let at: Vec<u32> = rows.iter().map(|row| row as u32).collect();
            worker.push(block.select(&at), &mut |block| out.push(block))?;
        }
        pipeline.finish(vec![worker], &mut |block| {
            out.push(block);
            Flow::More
        })?;
        for block in out {
            if answering.rows_blocking_until(block, ask.deadline, runtime) == Flow::Done {
                break;
            }
        }
        Ok(())
    }
}

struct OfOrg<'b> {
    org: &'static str,
    block: &'b Block,
}

impl Columns for OfOrg<'_> {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.block.rows()
    }

    fn org(&self) -> Option<&str> {
        Some(self.org)
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Infallible> {
        Ok(self.block.column(field).cloned())
    }
}

/// A fake behind an `Arc`, as the API holds it.
impl api::Logs for Fake {
    fn query(&self, ask: Ask) -> Answer {
        self.asked.lock().unwrap().push(ask.query.to_string());
        assert!(ask.deadline > Instant::now());
        let (answering, answer) = Answer::begin();
        let trouble = self.trouble.lock().unwrap().clone();
        let copy = Self::new(self.lines.lock().unwrap().clone());
        let pos = copy.lines.lock().unwrap().len() as u64;
        match trouble {
            Some(Trouble::Silent) => {
                self.tails.lock().unwrap().push(Arc::new(answering));
                self.begins.notify_one();
            }
            Some(Trouble::Fails(failure)) => return Answer::failed(failure),
            trouble => {
                let runtime = Handle::current();
                std::thread::spawn(move || {
                    let end = copy.run(&ask, &answering, &runtime).and_then(|()| match trouble {
                        Some(Trouble::FailsLate(failure)) => Err(failure),
                        Some(Trouble::Missing(missing)) => Ok(End { missing, pos, ..End::default() }),
                        _ => Ok(End { scanned_rows: 3, pos, ..End::default() }),
                    });
                    answering.end_blocking(end);
                });
            }
        }
        answer
    }

    fn stores(&self) -> Result<Vec<line::Name>, Failure> {
        Ok(vec![line::Name::new("store", "main").unwrap()])
    }

    fn tail(&self, listen: Listen) -> Answer {
        self.asked.lock().unwrap().push(listen.query.to_string());
        if let Some(live) = self.live.get() {
            return live.tail(listen);
        }
        let (answering, answer) = Answer::begin();
        assert_eq!(answering.try_rows(Block::new(0)), Ok(Flow::More));
        self.tails.lock().unwrap().push(Arc::new(answering));
        self.begins.notify_one();
        answer
    }

    fn hear(&self, org: line::OrgId, app: Option<line::Name>) -> api::Ears {
        match self.live.get() {
            Some(live) => live.hear(org, app),
            None => api::deaf(Failure::Away("no bus".into())),
        }
    }

    fn append(&self, batch: Batch) -> Pending<Result<Receipt, Failure>> {
        if let Some(Trouble::AppendFails(failure, times)) = &mut *self.trouble.lock().unwrap()
            && *times > 0
        {
            *times -= 1;
            let failure = failure.clone();
            return Box::pin(async move { Err(failure) });
        }
        let mut lines = self.lines.lock().unwrap();
        for group in Groups::new(&batch.body) {
            let Group::Import(import) = group.unwrap() else { panic!("not an import") };
            assert_eq!((import.whose.shard(), &import.whose.address.org), (batch.shard, &batch.org));
            for row in import.rows() {
                let row = row.unwrap();
                let address = &import.whose.address;
                let mut line = Line::new(batch.org.as_str(), address.app.as_str(), "T00:00:00Z", "");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                for (name, value) in &mut line.fields {
                    match name.as_str() {
                        "_time" => *value = line::time::rfc3339(row.time),
                        "_msg" => *value = text(row.message),
                        "region" => *value = address.region.to_string(),
                        "instance" => *value = address.instance.to_string(),
                        "level" => *value = row.level.as_str().to_owned(),
                        _ => {}
                    }
                }
                line = line.with("seq", &row.seq.to_string());
                for (name, value) in row.fields {
                    line = line.with(name, &text(value));
                }
                lines.push(line);
            }
        }
        Box::pin(async { Ok(Receipt { pos: 1, expired: 0 }) })
    }

    fn flush(&self) -> Pending<Result<(), Failure>> {
        *self.flushes.lock().unwrap() += 1;
        Box::pin(async { Ok(()) })
    }
}
