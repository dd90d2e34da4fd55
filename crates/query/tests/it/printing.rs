//! A query prints as text that reads back as the same query, whatever its names and values are.

use proptest::prelude::*;
use query::parse;

const NOW: i64 = 1_795_341_600_000_000_000;

/// Pipes with places for what varies: `F` a field, `N` a field or a prefix, `P` a prefix, `V` a text, `C` a filter.
const PIPES: &[&str] = &[
    "collapse_nums if (C) at F prettify",
    "copy F as F, P as P",
    "copy F F",
    "decolorize F",
    "delete N, N",
    "drop_empty_fields",
    "extract if (C) \"<a> - <b>\" from F keep_original_fields",
    "extract_regexp if (C) \"(?<ip>[a-z]+)\" from F skip_empty_results",
    "field_names as F",
    "field_names F",
    "field_values F limit 5",
    "fields N, N, N",
    "filter C",
    "where F:V",
    "first 3 by (F desc, F) partition by (F) rank as F",
    "first by (F) rank",
    "format if (C) \"<a> <uc:b>\" as F keep_original_fields",
    "format V as F",
    "last 2 by (F, F desc) partition by (F, F) rank F",
    "len(F) as F",
    "len(F) F",
    "len(F)",
    "limit 10",
    "math F / F as F, round(F, 0.1) as F",
    "math F + 1, max(F, 2)",
    "math (F - -1) ^ 2 % F as F",
    "offset 3",
    "pack_json fields (N, N) as F",
    "pack_json fields (N, *)",
    "pack_json F",
    "pack_logfmt fields (N) as F",
    "pack_logfmt fields ()",
    "rename F as F, P as P",
    "rename F F, P P",
    "replace if (C) (V, V) at F limit 2",
    "replace (V, V)",
    "replace_regexp if (C) (\"a+\", V) at F limit 1",
    "sort by (F desc, F) desc partition by (F) offset 1 limit 2 rank as F",
    "sort by (F) limit 2 rank F",
    "sort rank",
    "stats by (F, _time:1m offset 10s) count(N) if (C) as F, sum(N, N) F",
    "stats by (F, F:10) count_uniq(N, F) limit 3, quantile(0.9, N)",
    "stats row_max(F, N), row_min(F), uniq_values(N) limit 4 as F",
    "stats by (F) avg(N) if (C), histogram(F), values(N, N) as F",
    "stats min(P), max(N) F, median(N), count_empty(N), sum_len(N), row_any(N)",
    "count() F",
    "top 5 by (F, F) hits as F rank as F",
    "top by (F) rank hits as F",
    "top 3",
    "uniq by (F, F) with hits limit 3",
    "unpack_json if (C) from F fields (N, N) result_prefix V keep_original_fields",
    "unpack_json F fields (N, *)",
    "unpack_logfmt from F fields (P) result_prefix V skip_empty_results",
    "unpack_logfmt fields (N)",
];

const FILTERS: &[&str] = &[
    "*",
    "V",
    "F:V",
    "F:=V",
    "F:V*",
    "F:=V*",
    "!F:V",
    "(F:V or V) F:*",
    "F:in(V, V)",
    "F:~\"a.b\"",
    "F:>5",
    "F:<=V",
    "F:!=V",
    "F:range(1, 5]",
    "F:seq(V, V)",
    "F:i(V)",
    "F:contains_all(V, V)",
    "F:contains_any(V)",
    "F:string_range(V, V)",
    "F:ipv4_range(10.0.0.0/8)",
    "F:len_range(1, 5)",
    "F:\"\"",
    "{app=V, region!=V} V",
    "{app in (V, V) or region=~\"a.*\"}",
    "_time:5m",
    "_time:day_range[08:00, 18:00)",
    "not V",
    "*V*",
    "F:equals_common_case(V)",
    "F:contains_common_case(V, V)",
    "F:*V*",
    "F:(V or =V)",
    "_stream:{app=V}",
];

const WORDS: &[&str] = &[
    "a",
    "as",
    "by",
    "if",
    "hits",
    "rank",
    "fields",
    "from",
    "at",
    "limit",
    "offset",
    "with",
    "desc",
    "asc",
    "partition",
    "and",
    "or",
    "not",
    "in",
    "i",
    "stats",
    "count",
    "max",
    "min",
    "round",
    "default",
    "prettify",
    "name",
    "_msg",
    "_time",
    "app",
    "fly.app.name",
    "a.b",
    "a..b",
    ".a",
    "a-b",
    "a b",
    "a*",
    "*",
    "",
    "1",
    "-1",
    "1.5",
    "10KiB",
    "5m",
    "nan",
    "inf",
    "é",
    "a:b",
    "\"",
    "\\",
    "'",
    "`",
    "a|b",
    "(",
    ")",
    ",",
    "#",
    "$",
    "{",
    "result_prefix",
    "keep_original_fields",
    "skip_empty_results",
    "switch",
    "hits as",
    "\n",
    "\u{202e}",
    "abs",
    "ceil",
    "div",
    "now",
    "true",
    "rate",
    "len",
    "row_any",
    "re",
    "first",
    "_stream",
    "_stream_id",
    "level",
    "options",
    "<a>",
    "<",
    "%",
    "/",
    "+",
    "^",
];

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-c.\\-_*\" ]{0,4}",
    ]
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text as whoever writes a query may write it: in quotes, or without where that may be the same.
fn written(text: &str, bare: bool) -> String {
    let word = |letter: char| letter.is_alphanumeric() || "_.-".contains(letter);
    if bare && !text.is_empty() && text.chars().all(word) { text.to_owned() } else { quoted(text) }
}

/// Puts something into all places of a template.
fn filled(template: &str, texts: &mut dyn Iterator<Item = (String, bool)>) -> String {
    let mut out = String::new();
    let letters: Vec<char> = template.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let alone = |at: Option<&char>| !at.is_some_and(|next| next.is_alphanumeric() || *next == '_');
        let is_place = alone(letters.get(at + 1)) && alone(at.checked_sub(1).and_then(|at| letters.get(at)));
        let mut next = || texts.next().unwrap_or_default();
        match letter {
            'F' | 'V' if is_place => {
                let (text, bare) = next();
                out.push_str(&written(&text, bare));
            }
            'P' if is_place => {
                let (text, bare) = next();
                out.push_str(&format!("{}*", written(&text, bare)));
            }
            'N' if is_place => {
                let (text, bare) = next();
                out.push_str(&written(&text, bare));
                out.push_str(if next().1 { "*" } else { "" });
            }
            'C' if is_place => {
                let at = next().0.len() + next().0.len();
                out.push_str(&filled(FILTERS[at % FILTERS.len()], texts));
            }
            _ => out.push(letter),
        }
    }
    out
}

#[track_caller]
fn reads_back(text: &str) -> bool {
    let Ok(query) = parse(text, NOW) else { return false };
    let printed = query.to_string();
    let again =
        parse(&printed, 0).unwrap_or_else(|why| panic!("{text}\nprints as\n{}", why.render(&printed)));
    assert_eq!(again, query, "{text}\nprints as\n{printed}");
    assert_eq!(again.to_string(), printed);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_query_reads_back(
        filter in proptest::sample::select(FILTERS),
        pipes in proptest::collection::vec(proptest::sample::select(PIPES), 0..3),
        texts in proptest::collection::vec((any_text(), any::<bool>()), 60),
    ) {
        let mut texts = texts.into_iter();
        let mut text = filled(filter, &mut texts);
        for pipe in pipes {
            text.push_str(" | ");
            text.push_str(&filled(pipe, &mut texts));
        }
        reads_back(&text);
    }
}

/// Each template by itself, with each word in all its places: nothing is left to chance.
#[test]
fn every_pipe_and_filter_reads_back_with_every_word() {
    for (templates, before) in [(PIPES, "* | "), (FILTERS, "")] {
        for template in templates {
            let mut read = 0;
            for word in WORDS {
                for is_prefix in [false, true] {
                    for bare in [false, true] {
                        // Places beside the word's differ from each other, so that results may.
                        for place in 0..5 {
                            let mut texts = (0..).map(|at| {
                                let text = if at == place { (*word).to_owned() } else { format!("x{at}") };
                                (text, if at == place { bare } else { is_prefix })
                            });
                            read +=
                                usize::from(reads_back(&format!("{before}{}", filled(template, &mut texts))));
                        }
                    }
                }
            }
            assert!(read > 0, "{template} is never read");
        }
    }
}
