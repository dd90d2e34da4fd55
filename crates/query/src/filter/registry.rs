//! The filters by name, for the reference.

use super::FUNCTIONS_MISSING;

/// A filter as the reference shows it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// How it is written: examples, each of them a filter by itself.
    pub examples: &'static [&'static str],
    /// What matches.
    pub about: &'static str,
    /// The file that it is written and tested in, without `.rs`.
    pub file: &'static str,
}

const fn entry(
    name: &'static str,
    examples: &'static [&'static str],
    about: &'static str,
    file: &'static str,
) -> Entry {
    Entry { name, examples, about, file }
}

/// The filters that there are.
pub const ALL: &[Entry] = &[
    entry("all", &["*"], "every row", "parse"),
    entry(
        "and, or, not",
        &["a b", "a and b", "a or b", "!a", "-a", "not a", "a (b or !c)"],
        "`not` binds tighter than `and`, `and` tighter than `or`",
        "parse",
    ),
    entry(
        "group of a field",
        &["level:(error or warn)", "level:(error host:h1)"],
        "the filters inside look in this field, as long as they do not name another",
        "parse",
    ),
    entry(
        "word, phrase",
        &["error", "\"not found\"", "level:error"],
        "the text stands there, between borders of tokens",
        "phrase",
    ),
    entry("prefix", &["err*", "\"not f\"*"], "a token begins so", "prefix"),
    entry("any value", &["user:*"], "the field is there and not empty; `_msg:*` is every row", "prefix"),
    entry("empty value", &["user:\"\""], "the field is missing or empty", "phrase"),
    entry("substring", &["*rro*"], "the text stands there, wherever", "substring"),
    entry("exact", &["user:=\"a b\"", "user:exact(a)", "user:!=a"], "the whole value", "exact"),
    entry("exact prefix", &["path:=\"/api\"*", "path:exact(\"/api\"*)"], "the value begins so", "exact"),
    entry(
        "in",
        &["user:in(a, \"b c\")", "user:in(*)"],
        "the whole value is one of these; `*` is every row",
        "one_of",
    ),
    entry(
        "contains_any",
        &["contains_any(a, \"b c\")"],
        "one of these words and phrases stands there",
        "contains_any",
    ),
    entry(
        "contains_all",
        &["contains_all(a, \"b c\")"],
        "all of these words and phrases stand there",
        "contains_all",
    ),
    entry(
        "contains_common_case",
        &["level:contains_common_case(Error)"],
        "as `contains_any`, with the word as it is, in small letters and in capitals",
        "contains_common_case",
    ),
    entry(
        "equals_common_case",
        &["level:equals_common_case(Error)"],
        "as `in`, with the word as it is, in small letters and in capitals",
        "equals_common_case",
    ),
    entry("any case", &["i(error)", "i(\"not f\"*)"], "as a phrase or prefix, in whatever case", "any_case"),
    entry(
        "regular expression",
        &["~\"err.*\"", "path:re(\"^/api\")", "path:!~\"x$\""],
        "it finds something in the value; RE2's syntax",
        "regexp",
    ),
    entry(
        "comparison",
        &["size:>10KiB", "took:<=1.5s", "ip:<10.0.0.9", "name:>m"],
        "numbers in any notation, IPv4 addresses and times by size, else text byte by byte",
        "compare",
    ),
    entry(
        "range",
        &["size:range[1, 10KiB)"],
        "numbers between two bounds, `[` `]` with them, `(` `)` without",
        "range",
    ),
    entry(
        "string_range",
        &["name:string_range(a, m)"],
        "text from the first bound on and before the second",
        "string_range",
    ),
    entry(
        "len_range",
        &["len_range(5, 10)", "len_range(5, inf)"],
        "so many characters, both bounds included",
        "len_range",
    ),
    entry(
        "ipv4_range",
        &["ip:ipv4_range(10.0.0.0/8)", "ip:ipv4_range(10.0.0.1, 10.0.0.9)"],
        "an address of this network, or between these",
        "ipv4_range",
    ),
    entry("seq", &["seq(start, \"at last\")"], "these phrases one after the other", "seq"),
    entry(
        "time",
        &[
            "_time:5m",
            "_time:[2026-01-01, 2026-02-01)",
            "_time:2026-04",
            "_time:>=now-1h",
            "_time:>5m",
            "_time:1h offset 1d",
        ],
        "rows of that time; a duration reaches back from the end of the request's time, `>5m` is longer ago; without zone it is UTC",
        "time",
    ),
    entry(
        "day_range",
        &["_time:day_range[08:00, 18:00) offset 1h"],
        "rows of that part of each day; over midnight when it ends before it begins",
        "day_range",
    ),
    entry("week_range", &["_time:week_range[Mon, Fri]"], "rows of these days of each week", "week_range"),
    entry(
        "stream",
        &[
            "{app=\"web\"}",
            "_stream:{app!=\"web\", region=~\"l.*\"}",
            "{app in (a, b) or region not_in (lhr)}",
            "{app in (*)}",
        ],
        "rows of such streams; expressions match whole values. Names beside app, instance and region are looked up among the row's fields",
        "stream",
    ),
    entry("_stream_id", &["_stream_id:in()"], "rows of the streams with these ids", "stream_id"),
];

/// Filters of VictoriaLogs that are not there yet, as they are called there.
pub fn missing() -> impl Iterator<Item = &'static str> {
    FUNCTIONS_MISSING.iter().copied().chain(["in(query)", "prefix*:filter"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    #[test]
    fn examples_are_filters_and_files_are_there() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/filter");
        for entry in ALL {
            assert!(folder.join(entry.file).with_extension("rs").exists(), "{}", entry.file);
            for example in entry.examples {
                Filter::parse(example, 1).unwrap_or_else(|why| panic!("{}", why.render(example)));
            }
        }
        for name in FUNCTIONS_MISSING {
            assert!(
                matches!(Filter::parse(&format!("{name}(a)"), 1), Err(crate::Error::NotSupported { .. })),
                "{name}"
            );
        }
    }
}
