//! The names of pipes.

use super::{
    Pipe, collapse_nums, copy, decolorize, delete, drop_empty_fields, extract, extract_regexp, field_names,
    field_values, fields, filter, first, format, last, len, limit, math, offset, pack_json, pack_logfmt,
    rename, replace, replace_regexp, sort, stats, top, uniq, unpack_json, unpack_logfmt,
};
use crate::Error;
use crate::lexer::{Kind, Lexer};
use crate::stats::Call;

/// A pipe as it is known to the parser.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// What else it is called.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub syntax: &'static str,
    /// Reads what comes behind its name.
    pub(crate) parse: fn(&mut Lexer<'_>) -> Result<Pipe, Error>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Pipes of VictoriaLogs that are not there yet.
pub const MISSING: &[&str] = &[
    "block_stats",
    "blocks_count",
    "coalesce",
    "deduplicate",
    "facets",
    "generate_sequence",
    "hash",
    "join",
    "json_array_concat",
    "json_array_len",
    "query_stats",
    "running_stats",
    "sample",
    "set_stream_fields",
    "split",
    "stream_context",
    "time_add",
    "total_stats",
    "union",
    "unpack_syslog",
    "unpack_words",
    "unroll",
];

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    syntax: &'static str,
    parse: fn(&mut Lexer<'_>) -> Result<Pipe, Error>,
) -> Entry {
    Entry { name, aliases, syntax, parse }
}

/// The pipes that there are, by name.
const ALL: &[Entry] = &[
    entry("collapse_nums", &[], "collapse_nums if (…) at field prettify", collapse_nums::parse),
    entry("copy", &["cp"], "copy a as b, c* as d*", copy::parse),
    entry("decolorize", &[], "decolorize field", decolorize::parse),
    entry("delete", &["drop", "del", "rm"], "delete a, b*", delete::parse),
    entry("drop_empty_fields", &[], "drop_empty_fields", drop_empty_fields::parse),
    entry(
        "extract",
        &[],
        "extract if (…) \"<ip> - <user>\" from field keep_original_fields|skip_empty_results",
        extract::parse,
    ),
    entry(
        "extract_regexp",
        &[],
        "extract_regexp if (…) \"(?P<ip>…)\" from field keep_original_fields|skip_empty_results",
        extract_regexp::parse,
    ),
    entry("field_names", &[], "field_names as name", field_names::parse),
    entry("field_values", &[], "field_values field limit N", field_values::parse),
    entry("fields", &["keep"], "fields a, b*", fields::parse),
    entry("filter", &["where"], "filter …; the name may be left out before field:…", filter::parse),
    entry("first", &[], "first N by (a desc, b) partition by (c) rank as r", first::parse),
    entry(
        "format",
        &[],
        "format if (…) \"<a> <uc:b>\" as field keep_original_fields|skip_empty_results",
        format::parse,
    ),
    entry("last", &[], "last N by (a desc, b) partition by (c) rank as r", last::parse),
    entry("len", &[], "len(field) as result", len::parse),
    entry("limit", &["head"], "limit N", limit::parse),
    entry("math", &["eval"], "math a / b as c, round(d, 0.1) as e", math::parse),
    entry("offset", &["skip"], "offset N", offset::parse),
    entry("pack_json", &[], "pack_json fields (a, b*) as field", pack_json::parse),
    entry("pack_logfmt", &[], "pack_logfmt fields (a, b*) as field", pack_logfmt::parse),
    entry("rename", &["mv"], "rename a as b, c* as d*", rename::parse),
    entry("replace", &[], "replace if (…) (\"old\", \"new\") at field limit N", replace::parse),
    entry(
        "replace_regexp",
        &[],
        "replace_regexp if (…) (\"re\", \"$1\") at field limit N",
        replace_regexp::parse,
    ),
    entry(
        "sort",
        &["order"],
        "sort by (a desc, b) desc partition by (c) offset N limit N rank as r",
        sort::parse,
    ),
    entry(
        "stats",
        &["by"],
        "stats by (a, _time:1m offset 10s) count() if (…) as x, …; the name may be left out",
        stats::parse,
    ),
    entry("top", &[], "top N by (a, b) hits as x rank as y", top::parse),
    entry("uniq", &[], "uniq by (a, b) with hits limit N", uniq::parse),
    entry(
        "unpack_json",
        &[],
        "unpack_json if (…) from field fields (a, b*) result_prefix \"p_\" keep_original_fields|skip_empty_results",
        unpack_json::parse,
    ),
    entry(
        "unpack_logfmt",
        &[],
        "unpack_logfmt if (…) from field fields (a, b*) result_prefix \"p_\" keep_original_fields|skip_empty_results",
        unpack_logfmt::parse,
    ),
];

/// The pipes that there are, by name.
pub fn entries() -> &'static [Entry] {
    ALL
}

/// Reads a pipe.
pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    // `by (…)` needs its name, and so do functions without `stats`.
    if lex.is("by") || is_function(lex) {
        return stats::parse(lex);
    }
    let start = lex.offset();
    if let Some(entry) = ALL.iter().find(|entry| is_named(lex, entry)) {
        lex.advance();
        return (entry.parse)(lex);
    }
    if let Some(name) = MISSING.iter().find(|name| lex.is(name)) {
        lex.advance();
        return Err(lex.not_supported(start, format!("the pipe '{name}'")));
    }
    if is_filter(lex) {
        return filter::parse(lex);
    }
    if lex.is_done() {
        return Err(lex.error("a pipe is missing behind '|'"));
    }
    let names = ALL.iter().flat_map(|entry| entry.aliases.iter().chain([&entry.name]).copied());
    let hint = suggest(lex.token().raw, names.chain(["stats"]), "for a filter, put 'filter' before it");
    Err(lex.error(format!("{} is no pipe: {hint}", lex.here())))
}

fn is_named(lex: &Lexer<'_>, entry: &Entry) -> bool {
    let is = lex.is(entry.name) || entry.aliases.iter().any(|alias| lex.is(alias));
    // `len:x` is a filter of a field that is called so.
    is && !follows(lex, ":")
}

/// Whether `sign` comes behind the current token.
fn follows(lex: &Lexer<'_>, sign: &str) -> bool {
    let mut ahead = lex.clone();
    ahead.advance();
    ahead.is(sign)
}

fn is_function(lex: &Lexer<'_>) -> bool {
    Call::is_next(lex) && follows(lex, "(") && !lex.is("len")
}

/// Whether a filter stands here that cannot be the misspelt name of a pipe: one with a field, a stream or a sign.
fn is_filter(lex: &Lexer<'_>) -> bool {
    if lex.is_any(&["{", "(", "!", "-", "not", "*", "=", "!=", "~", "=~", "!~", "<", ">"]) {
        return true;
    }
    let mut ahead = lex.clone();
    match ahead.token().kind {
        Kind::Word | Kind::Quoted => ahead.field_name().is_ok() && ahead.is(":"),
        _ => false,
    }
}

/// What may have been meant by `word`, or else `otherwise`.
pub(crate) fn suggest<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &'static str,
) -> String {
    let word = word.to_ascii_lowercase();
    let near = known.map(|name| (distance(&word, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 1 + word.len() / 4 => format!("did you mean '{name}'?"),
        _ => otherwise.to_owned(),
    }
}

/// How many letters have to be changed, added, left out or swapped with their neighbour to make `other` of `one`; those of
/// long words are not counted.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() > 32 || other.len() > 32 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let mut best = changed.min(last[column + 1] + 1).min(next[column] + 1);
            let is_swap = row > 0 && column > 0 && one[row - 1] == *wanted && *letter == other[column - 1];
            if is_swap {
                best = best.min(before[column - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_known_once() {
        let names: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
        assert!(names.is_sorted() && MISSING.is_sorted());
        assert!(MISSING.iter().all(|name| !names.contains(name)));
    }

    #[test]
    fn near_words() {
        for (word, wanted) in [
            ("sotr", "did you mean 'sort'?"),
            ("filds", "did you mean 'fields'?"),
            ("SORT", "did you mean 'sort'?"),
            ("nothing", "else"),
        ] {
            assert_eq!(suggest(word, ["sort", "fields"].into_iter(), "else"), wanted);
        }
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
