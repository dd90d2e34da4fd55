//! The fields that the platform gives a row, as columns.

use std::collections::HashMap;

use line::{Name, OrgId};
use query::{Column, Text};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Field, Kind, Rows, Source};

/// `_stream` of a Machine: the text that Grafana reads labels from.
#[must_use]
pub fn stream_text(app: &Name, source: &Source) -> String {
    // The names are escaped: nothing in them needs quoting.
    format!("{{app=\"{app}\",instance=\"{}\",region=\"{}\"}}", source.instance, source.region)
}

/// `_stream_id` of a Machine: 16 hexadecimal digits of the org and 32 of org and [`stream_text`].
#[must_use]
pub fn stream_id(org: &OrgId, app: &Name, source: &Source) -> String {
    let text = format!("{org}{}", stream_text(app, source));
    format!("{:016x}{:032x}", xxh3_64(org.as_str().as_bytes()), xxh3_128(text.as_bytes()))
}

/// The value that `field` has in every row of `source`; `None` if a source does not tell it.
#[must_use]
pub fn source_value(field: &str, org: &OrgId, app: &Name, source: &Source) -> Option<String> {
    Some(match field {
        "app" => app.to_string(),
        "region" => source.region.to_string(),
        "instance" => source.instance.to_string(),
        "host" => source.host.to_string(),
        "boot" => source.boot.to_string(),
        "_stream" => stream_text(app, source),
        "_stream_id" => stream_id(org, app, source),
        _ => return None,
    })
}

/// Whether [`source_value`] tells the field.
#[must_use]
pub fn is_of_source(field: &str) -> bool {
    matches!(field, "app" | "region" | "instance" | "host" | "boot" | "_stream" | "_stream_id")
}

/// Whether [`Kind::value`] tells the field.
#[must_use]
pub fn is_of_kind(field: &str) -> bool {
    Kind::PLAIN.value(field).is_some()
}

/// A column whose value in row `i` is `values[refs[i]]`.
pub(crate) fn by_ref(values: &[impl AsRef<[u8]>], refs: impl ExactSizeIterator<Item = usize>) -> Column {
    let mut distinct: Vec<Box<[u8]>> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    let mut place_of = Vec::with_capacity(values.len());
    for value in values {
        let value = value.as_ref();
        place_of.push(*places.entry(value).or_insert_with(|| {
            distinct.push(value.into());
            distinct.len() - 1
        }));
    }
    if let [only] = &distinct[..] {
        return Column::Const(only.clone());
    }
    if distinct.len() > 1 << 16 {
        return Column::Text(refs.map(|at| values.get(at).map_or(&[][..], AsRef::as_ref)).collect());
    }
    let code = |at: usize| place_of.get(at).and_then(|&place| u16::try_from(place).ok()).unwrap_or(u16::MAX);
    Column::Dict { values: distinct.into(), codes: refs.map(code).collect() }
}

/// The column of a field that kinds tell; `None` if they do not.
pub(crate) fn of_kinds(field: &str, kinds: &[u16]) -> Option<Column> {
    if !is_of_kind(field) {
        return None;
    }
    let mut distinct: Vec<u16> = kinds.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let values: Vec<_> =
        distinct.iter().map(|&bits| Kind::from_bits(bits).value(field).unwrap_or_default()).collect();
    Some(by_ref(&values, kinds.iter().map(|bits| distinct.binary_search(bits).unwrap_or(usize::MAX))))
}

/// `span` is shown where it is not 1.
pub(crate) fn of_spans(spans: &[(u32, u64)], rows: usize) -> Column {
    if spans.is_empty() {
        return Column::of("");
    }
    let mut text = Text::default();
    let mut next = spans.iter().peekable();
    for row in 0..rows {
        match next.next_if(|&&(at, _)| at as usize == row) {
            Some((_, span)) => text.push(span.to_string().as_bytes()),
            None => text.push(b""),
        }
    }
    Column::Text(text)
}

/// Where the value of each of `rows` rows ends: the values of a sparse field stand end to end already.
pub(crate) fn dense_ends(field: &Field, rows: usize) -> Vec<u32> {
    let mut ends = Vec::with_capacity(rows);
    let mut end = 0;
    for (&row, &next) in field.rows.iter().zip(field.values.ends()) {
        ends.resize(row as usize, end);
        end = next;
        ends.push(end);
    }
    ends.resize(rows, end);
    ends
}

impl Rows {
    /// The column of `field`, in the order of the rows; empty in every row if there is no such field.
    #[must_use]
    pub fn column(&self, field: &str) -> Column {
        match field {
            "_time" => Column::Time(self.times.clone()),
            "_msg" => Column::Text(self.messages.clone()),
            "pos" => Column::Number(self.pos.clone()),
            "seq" => Column::Number(self.seqs.clone()),
            "span" => of_spans(&self.spans, self.len()),
            _ if is_of_source(field) => {
                let value = |source| source_value(field, &self.org, &self.app, source).unwrap_or_default();
                let values: Vec<_> = self.sources.iter().map(value).collect();
                by_ref(&values, self.source.iter().map(|&at| at as usize))
            }
            _ => match (of_kinds(field, &self.kinds), self.field(field)) {
                (Some(column), _) => column,
                (None, Some(found)) => {
                    let text = Text::from_parts(dense_ends(found, self.len()), found.values.bytes().to_vec());
                    Column::Text(text.unwrap_or_default())
                }
                (None, None) => Column::of(""),
            },
        }
    }

    /// Names of all fields that some row has.
    #[must_use]
    pub fn field_names(&self) -> Vec<String> {
        let mut names: Vec<String> = PLATFORM_FIELDS.iter().map(|&name| name.to_owned()).collect();
        names.retain(|name| !self.column(name).is_empty());
        names.extend(self.fields.iter().map(|field| field.name().to_owned()));
        names
    }
}

/// The fields that are no further fields: told by the columns that every row has.
pub const PLATFORM_FIELDS: [&str; 19] = [
    "_time",
    "_msg",
    "_stream",
    "_stream_id",
    "app",
    "region",
    "instance",
    "host",
    "provider",
    "level",
    "stream",
    "boot",
    "seq",
    "pos",
    "span",
    "logway.level_source",
    "logway.clock",
    "logway.more",
    "logway.open",
];
