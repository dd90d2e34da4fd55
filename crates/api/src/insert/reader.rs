//! One line of JSON into the parts of a row.
//!
//! Lines of one request mostly have the same fields in the same order. So what each field stands for is remembered by its place,
//! and looked up only where a line differs from the one before it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use line::json::Scanner;
use line::{Level, LevelSource};

use super::names::{Role, Special, role, role_of_extra};
use super::options::Options;

/// Most fields of a line, as many as a row holds.
const MAX_FIELDS: usize = line::append::MAX_FIELDS;
/// Longest name of a field in bytes.
const MAX_NAME_BYTES: usize = line::append::MAX_FIELD_NAME_BYTES;
/// How deep objects may be nested.
const MAX_DEPTH: usize = 64;
/// Up to so many fields it is quicker to compare each with each.
const FEW: usize = 12;

/// Why a line is refused.
pub(crate) type Why = Cow<'static, str>;

/// A field: where its name and its value stand in the reader's text.
#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
    role: Role,
}

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    options: &'a Options,
    now: i64,
    /// Names and values of the line that is read.
    text: Vec<u8>,
    fields: Vec<Field>,
    /// The name that is put together.
    path: Vec<u8>,
    /// Names and roles of the fields of a line before, none of which came twice.
    shape: Vec<(Vec<u8>, Role)>,
    /// Whether the line that is read has been like it so far.
    is_same: bool,
    /// Which fields stand in the places of the row.
    chosen: [Option<usize>; Special::COUNT],
}

/// A line that was understood. Empty means that it does not say.
#[derive(Debug)]
pub(crate) struct Row<'r> {
    /// Unix nanoseconds.
    pub(crate) time: i64,
    pub(crate) level: (Level, LevelSource),
    pub(crate) app: &'r [u8],
    pub(crate) region: &'r [u8],
    pub(crate) instance: &'r [u8],
    pub(crate) host: &'r [u8],
    pub(crate) message: &'r [u8],
    text: &'r [u8],
    fields: &'r [Field],
}

impl<'r> Row<'r> {
    /// Its further fields.
    pub(crate) fn fields(&self) -> impl ExactSizeIterator<Item = (&'r str, &'r [u8])> + use<'r> {
        let text = self.text;
        self.fields.iter().map(move |field| {
            // Names were strings of JSON: they are UTF-8.
            let name = std::str::from_utf8(part(text, &field.name)).unwrap_or_default();
            (name, part(text, &field.value))
        })
    }
}

fn part<'t>(text: &'t [u8], range: &Range<usize>) -> &'t [u8] {
    text.get(range.clone()).unwrap_or_default()
}

impl<'a> Reader<'a> {
    /// For lines that come at `now`, Unix nanoseconds.
    pub(crate) fn new(options: &'a Options, now: i64) -> Self {
        Self {
            options,
            now,
            text: Vec::new(),
            fields: Vec::new(),
            path: Vec::new(),
            shape: Vec::new(),
            is_same: true,
            chosen: [None; Special::COUNT],
        }
    }

    /// Reads a line; `None` if it says nothing.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<Option<Row<'_>>, Why> {
        let line = line.trim_ascii();
        self.text.clear();
        self.fields.clear();
        self.path.clear();
        self.is_same = true;
        if line.is_empty() {
            return Ok(None);
        }
        let mut scanner = Scanner::new(line);
        self.object(line, &mut scanner, 0)?;
        scanner.end().map_err(json)?;
        if self.fields.is_empty() {
            return Ok(None);
        }
        self.settle();
        self.add_extra();
        self.choose();
        self.row().map(Some)
    }

    fn object(&mut self, line: &[u8], scanner: &mut Scanner<'_>, depth: usize) -> Result<(), Why> {
        if depth == MAX_DEPTH {
            return Err(format!("its objects are nested deeper than {MAX_DEPTH}").into());
        }
        scanner.begin_object().map_err(json)?;
        let outer = self.path.len();
        while let Some(key) = scanner.next_key().map_err(json)? {
            if depth > 0 {
                self.path.push(b'.');
            }
            let known = self.shape.get(self.fields.len()).filter(|_| self.is_same && depth == 0);
            match key.plain() {
                // What the line before had in this place is known to be good.
                Some(plain) if known.is_some_and(|(name, _)| name == plain) => {
                    if scanner.peek() == Some(b'"') {
                        let start = self.text.len();
                        self.string(scanner)?;
                        self.close(start, plain)?;
                        continue;
                    }
                    self.path.extend_from_slice(plain);
                }
                _ => self.path.extend_from_slice(key.decode().map_err(json)?.as_bytes()),
            }
            self.value(line, scanner, depth)?;
            self.path.truncate(outer);
        }
        Ok(())
    }

    fn value(&mut self, line: &[u8], scanner: &mut Scanner<'_>, depth: usize) -> Result<(), Why> {
        let start = self.text.len();
        match scanner.peek() {
            Some(b'{') => return self.object(line, scanner, depth + 1),
            Some(b'"') => self.string(scanner)?,
            Some(b'n') => return scanner.skip_value().map_err(json),
            _ => {
                let from = scanner.position();
                scanner.skip_value().map_err(json)?;
                self.text.extend_from_slice(line.get(from..scanner.position()).unwrap_or_default());
            }
        }
        let path = std::mem::take(&mut self.path);
        let closed = self.close(start, &path);
        self.path = path;
        closed
    }

    fn string(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Why> {
        let text = scanner.string().map_err(json)?;
        // Bytes that are not UTF-8 are kept as they are: they are what the program wrote.
        match text.plain() {
            Some(plain) => self.text.extend_from_slice(plain),
            None => self.text.extend_from_slice(text.decode().map_err(json)?.as_bytes()),
        }
        Ok(())
    }

    /// Ends the field `name`, whose value begins at `start`.
    fn close(&mut self, start: usize, name: &[u8]) -> Result<(), Why> {
        let end = self.text.len();
        if start == end || name.is_empty() {
            self.text.truncate(start);
            return Ok(());
        }
        // Those that have a place of their own in a row are none of its further fields.
        if self.fields.len() == MAX_FIELDS + Special::COUNT {
            return Err(too_many_fields());
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(format!("the name of a field has more than {MAX_NAME_BYTES} bytes").into());
        }
        let role = match self.shape.get(self.fields.len()) {
            Some((known, role)) if self.is_same && known == name => *role,
            _ => {
                self.is_same = false;
                role(std::str::from_utf8(name).unwrap_or_default(), self.options)
            }
        };
        self.text.extend_from_slice(name);
        self.fields.push(Field { value: start..end, name: end..self.text.len(), role });
        Ok(())
    }

    /// Leaves out fields whose name comes again: the last one counts. A line without such is what the next one is compared to.
    fn settle(&mut self) {
        if self.is_same {
            return;
        }
        let (text, fields) = (&self.text, &mut self.fields);
        let names =
            |fields: &[Field], at: usize| fields.get(at).map(|field| part(text, &field.name).to_vec());
        let mut twice = Vec::new();
        if fields.len() <= FEW {
            let is_later = |at: usize| {
                let (head, tail) = fields.split_at(at + 1);
                let name = head.last().map(|field| part(text, &field.name));
                tail.iter().any(|other| Some(part(text, &other.name)) == name)
            };
            twice.extend((0..fields.len()).filter(|&at| is_later(at)));
        } else {
            let mut seen = HashSet::with_capacity(fields.len());
            for (at, field) in fields.iter().enumerate().rev() {
                if !seen.insert(part(text, &field.name)) {
                    twice.push(at);
                }
            }
        }
        for at in &twice {
            fields[*at].role = Role::Ignored;
        }
        if twice.is_empty() {
            self.shape =
                (0..fields.len()).filter_map(|at| Some((names(fields, at)?, fields.get(at)?.role))).collect();
        }
    }

    /// Adds the fields that every line gets.
    fn add_extra(&mut self) {
        for (name, value) in &self.options.extra_fields {
            let start = self.text.len();
            self.text.extend_from_slice(value.as_bytes());
            let end = self.text.len();
            self.text.extend_from_slice(name.as_bytes());
            let role = role_of_extra(name, self.options);
            self.fields.push(Field { value: start..end, name: end..self.text.len(), role });
        }
    }

    /// Puts fields into the places of the row, and leaves out what is to be left out.
    fn choose(&mut self) {
        let mut best: [Option<(u8, usize)>; Special::COUNT] = [None; Special::COUNT];
        for (at, field) in self.fields.iter().enumerate() {
            if let Role::Special(special, rank) = field.role {
                let place = &mut best[special as usize];
                if place.is_none_or(|(other, _)| rank < other) {
                    *place = Some((rank, at));
                }
            }
        }
        self.chosen = best.map(|place| place.map(|(_, at)| at));
        if self.options.decolorize_fields.is_empty() {
            return;
        }
        for at in 0..self.fields.len() {
            let is_message = self.chosen[Special::Message as usize] == Some(at)
                && super::options::has(&self.options.decolorize_fields, "_msg");
            if self.fields[at].role == Role::Colourless || is_message {
                let start = self.text.len();
                let plain = without_colours(part(&self.text, &self.fields[at].value));
                self.text.extend_from_slice(&plain);
                self.fields[at].value = start..self.text.len();
            }
        }
    }

    fn row(&mut self) -> Result<Row<'_>, Why> {
        let time = match self.place(Special::Time) {
            [] => self.now,
            text => time(text, self.now).ok_or_else(|| -> Why {
                format!("its time {} is no time: write it as RFC 3339 or as Unix time", shown(text)).into()
            })?,
        };
        let level = std::str::from_utf8(self.place(Special::Level)).ok().and_then(level);
        let level = match level {
            Some(level) => (level, LevelSource::Json),
            // What is no level stays as a field of the app.
            None => {
                self.chosen[Special::Level as usize] = None;
                line::level::infer(self.place(Special::Message))
            }
        };
        let ranges =
            self.chosen.map(|at| at.and_then(|at| self.fields.get(at)).map(|field| field.value.clone()));
        let chosen = &self.chosen;
        let mut at = 0;
        self.fields.retain(|field| {
            let is_placed = chosen.contains(&Some(at));
            at += 1;
            !is_placed && field.role != Role::Ignored
        });
        if self.fields.len() > MAX_FIELDS {
            return Err(too_many_fields());
        }
        let text = &self.text;
        let place =
            |special: Special| ranges[special as usize].as_ref().map_or(&[][..], |range| part(text, range));
        Ok(Row {
            time,
            level,
            app: place(Special::App),
            region: place(Special::Region),
            instance: place(Special::Instance),
            host: place(Special::Host),
            message: place(Special::Message),
            text,
            fields: &self.fields,
        })
    }

    fn place(&self, special: Special) -> &[u8] {
        let field = self.chosen[special as usize].and_then(|at| self.fields.get(at));
        field.map_or(&[], |field| part(&self.text, &field.value))
    }
}

/// The level of a word, or of a number in the way of pino and bunyan. Smaller numbers mean one thing here and another there.
fn level(text: &str) -> Option<Level> {
    let number = text.parse().ok().filter(|number| *number >= 10).map(Level::from_number);
    number.or_else(|| Level::from_word(text))
}

/// Unix nanoseconds of a time as text or number; `now` for 0. None for what is no time.
fn time(text: &[u8], now: i64) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if text == "0" {
        return Some(now);
    }
    if let Ok(time) = line::time::parse_rfc3339(text) {
        return Some(time);
    }
    // Times relative to now mean nothing in a line.
    let is_absolute = |byte: u8| byte.is_ascii_digit() || b"-+:.TtZz ".contains(&byte);
    let text = text.replacen(' ', "T", 1);
    if !text.bytes().all(is_absolute) || !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    query::time::parse(&text, now).map(|moment| moment.start)
}

fn too_many_fields() -> Why {
    format!("it has more than {MAX_FIELDS} fields").into()
}

/// As much of a value as an error shows.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!("{:?}", text.chars().take(40).collect::<String>())
}

fn json(error: line::Error) -> Why {
    match error {
        line::Error::Json { what, at } => format!("it is no JSON object: {what} at byte {at}").into(),
        other => other.to_string().into(),
    }
}

/// The text without the sequences by which terminals colour it.
fn without_colours(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        let (head, tail) = rest.split_at(at);
        out.extend_from_slice(head);
        let parameters =
            tail.iter().skip(2).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let is_colour = tail.get(1) == Some(&b'[') && tail.get(2 + parameters) == Some(&b'm');
        if !is_colour {
            out.push(0x1b);
        }
        rest = tail.get(if is_colour { parameters + 3 } else { 1 }..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests;
