//! Whatever is asked, the answer does not depend on what is hidden.

use std::convert::Infallible;
use std::sync::Arc;

use proptest::prelude::*;
use query::block::write_ndjson;
use query::{Block, Column, Columns, Flow, Limits, Pipeline, Side, Text};

use super::Hidden;

/// Fields of the rows. Those of a stream make up `_stream` and `_stream_id` too.
const FIELDS: [&str; 9] = ["_msg", "app", "instance", "level", "region", "a", "b", "b.x", "user"];
/// Values, some of which look like what pipes take apart.
const VALUES: [&str; 8] =
    ["", "web", "7", "x=web y=7", "{\"a\":\"web\",\"q\":\"7\"}", "error 7", "10.0.0.1", "b"];

type Rows = Vec<[usize; FIELDS.len()]>;

fn block(rows: &Rows) -> Block {
    let mut block = Block::new(rows.len());
    let values = |at: usize| rows.iter().map(move |row| VALUES[row[at]].as_bytes());
    for (at, field) in FIELDS.iter().enumerate() {
        block.set(*field, Column::Text(values(at).collect::<Text>()));
    }
    let stream = |row: &[usize; FIELDS.len()]| {
        let [app, instance, region] = [1, 2, 4].map(|at| VALUES[row[at]]);
        format!("{{app={app:?},instance={instance:?},region={region:?}}}")
    };
    let streams: Vec<String> = rows.iter().map(stream).collect();
    let ids = rows.iter().map(|row| format!("{:048x}", row[1] * 64 + row[2] * 8 + row[4]));
    let ids: Vec<String> = ids.collect();
    block.set("_stream", Column::Text(streams.iter().map(String::as_bytes).collect::<Text>()));
    block.set("_stream_id", Column::Text(ids.iter().map(String::as_bytes).collect::<Text>()));
    block.set("_time", Column::Time((0..rows.len() as i64).collect()));
    block
}

struct View<'b>(&'b Block);

impl Columns for View<'_> {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn org(&self) -> Option<&str> {
        Some("k")
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Infallible> {
        Ok(self.0.column(field).cloned())
    }
}

/// What is answered, or why nothing is.
fn answer(text: &str, hidden: &Hidden, rows: &Rows) -> Result<String, String> {
    let mut query = query::parse(text, 0).map_err(|error| error.to_string())?;
    hidden.hide(&mut query).map_err(|refused| refused.text)?;
    query.hoist();
    let block = block(rows);
    let mut matching = query::Rows::all(block.rows());
    let Ok(()) =
        query.predicate().map_err(|error| error.to_string())?.retain(&mut View(&block), &mut matching);
    let at: Vec<u32> = matching.iter().filter_map(|row| u32::try_from(row).ok()).collect();
    let pipeline =
        Pipeline::new(&query, Limits::default(), Side::Whole).map_err(|error| error.to_string())?;
    let (mut worker, mut out) = (pipeline.worker(), Vec::new());
    let mut write = |block: Block| write_ndjson(&block, query.order(), &mut out);
    worker.push(block.select(&at), &mut write).map_err(|error| error.to_string())?;
    let finished = pipeline.finish(vec![worker], &mut |block| {
        write(block);
        Flow::More
    });
    finished.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

fn any_name() -> impl Strategy<Value = &'static str> {
    let names = [
        "_msg",
        "app",
        "instance",
        "level",
        "region",
        "a",
        "b",
        "b.x",
        "user",
        "_stream",
        "_stream_id",
        "_time",
        "fly.app.name",
        "log.level",
        "new",
        "q",
    ];
    prop::sample::select(names.to_vec())
}

/// A filter of one field.
fn any_test() -> impl Strategy<Value = String> {
    let tests = [
        "{f}:web",
        "{f}:~\"w|7\"",
        "!{f}:*",
        "{f}:\"\"",
        "{f}:=7",
        "{f}:>3",
        "{f}:in(web, 7)",
        "{f}:len_range(1, 3)",
        "{f}:*7*",
        "{f}:i(WEB)",
        "web",
        "{app=\"web\"}",
        "{region=~\".*7\"}",
        "_stream:~web",
        "_stream:{instance=\"7\"}",
        "_stream_id:000000000000000000000000000000000000000000000049",
        "_time:<5",
        "*",
    ];
    (prop::sample::select(tests.to_vec()), any_name())
        .prop_map(|(test, name)| test.replace("{f}", &quoted(name)))
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

fn any_filter() -> impl Strategy<Value = String> {
    any_test().prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), inner, prop::sample::select(vec!["({a}) ({b})", "({a}) or ({b})", "!({a}) or ({b})"]))
            .prop_map(|(a, b, form)| form.replace("{a}", &a).replace("{b}", &b))
    })
}

fn any_pipe() -> impl Strategy<Value = String> {
    let pipes = [
        "fields {f}, {g}",
        "fields b*, {f}",
        "delete {f}",
        "copy {f} as {g}",
        "copy b* as c*",
        "rename {f} as {g}",
        "format \"<{f}> and <{g}>\" as new",
        "pack_json",
        "pack_json fields ({f}, b*) as new",
        "pack_logfmt",
        "pack_logfmt as {g}",
        "unpack_json from {f}",
        "unpack_logfmt from {f}",
        "extract \"x=<q> y\" from {f}",
        "extract_regexp \"(?P<q>[a-z]+)\" from {f}",
        "replace (web, x) at {f}",
        "replace_regexp (\"[0-9]\", \"<$0>\") at {f}",
        "math {f} + 1 as new",
        "len({f}) as new",
        "collapse_nums at {f}",
        "decolorize {f}",
        "drop_empty_fields",
        "sort by ({f}, {g})",
        "sort by ({f} desc) limit 3",
        "sort by (_time) desc limit 2",
        "first 2 by ({f})",
        "last 2 by ({f}) partition by ({g})",
        "uniq by ({f}, {g}) with hits",
        "uniq by ({f})",
        "top 3 by ({f})",
        "field_names",
        "field_values {f}",
        "filter {t}",
        "limit 3",
        "stats count() n",
        "stats by ({f}) count() n, max({g}) m",
        "stats count({f}, {g}) n",
        "stats count_uniq({f}) n, values({g}) v",
        "stats uniq_values(*) v, count_empty({f}) e",
        "stats row_any(*) r",
        "stats row_min({f}) r, row_max({g}, b*) s",
        "stats min({f}) a, max(*) z, sum({g}) s, avg({f}) t",
        "stats sum_len(*) s, median({f}) m",
        "stats count() if ({t}) n",
        "stats histogram({f}) h",
        "stats by (_time:2ns) count() n",
        "format if ({t}) yes as new",
    ];
    (prop::sample::select(pipes.to_vec()), any_name(), any_name(), any_test()).prop_map(
        |(pipe, f, g, test)| {
            let pipe = pipe.replace("<{f}>", &format!("<{f}>")).replace("<{g}>", &format!("<{g}>"));
            pipe.replace("{f}", &quoted(f)).replace("{g}", &quoted(g)).replace("{t}", &test)
        },
    )
}

fn any_hidden() -> impl Strategy<Value = Vec<String>> {
    let names = [
        "_msg",
        "app",
        "instance",
        "level",
        "region",
        "a",
        "b",
        "b*",
        "b.*",
        "user",
        "us*",
        "_stream",
        "_stream_id",
        "_s*",
        "fly.app.name",
        "fly.*",
        "log*",
    ];
    prop::sample::subsequence(names.to_vec(), 1..4)
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_tells_what_is_hidden(
        names in any_hidden(),
        rows in prop::collection::vec(prop::array::uniform9(0..VALUES.len()), 0..8),
        others in prop::collection::vec(prop::array::uniform9(0..VALUES.len()), 8),
        filter in any_filter(),
        pipes in prop::collection::vec(any_pipe(), 0..4),
    ) {
        let hidden = Hidden::of(&names);
        // The same rows, but for what is hidden. What makes up a stream shows there as well, unless that is hidden too.
        let is_shown = |field: &str| !hidden.has(field);
        let twins: Rows = rows.iter().zip(&others).map(|(row, other)| {
            std::array::from_fn(|at| if is_shown(FIELDS[at]) { row[at] } else { other[at] })
        }).collect();
        let text = pipes.iter().fold(filter, |text, pipe| format!("{text} | {pipe}"));
        prop_assert_eq!(answer(&text, &hidden, &rows), answer(&text, &hidden, &twins), "{} hides {:?}", text, names);
    }
}
