//! Words that mean something to the parser: as text they have to be quoted, at least where they could be taken for it.

/// Words of filters and of the syntax around them.
const FILTER_WORDS: &[&str] = &[
    "and",
    "contains_all",
    "contains_any",
    "contains_common_case",
    "day_range",
    "eq_field",
    "equals_common_case",
    "exact",
    "i",
    "in",
    "ipv4_range",
    "ipv6_range",
    "json_array_contains_any",
    "le_field",
    "len_range",
    "lt_field",
    "not",
    "now",
    "offset",
    "options",
    "or",
    "pattern_match",
    "pattern_match_full",
    "range",
    "re",
    "seq",
    "string_range",
    "value_type",
    "week_range",
];

/// Names of pipes, with their other names. A query may not begin with one of them unquoted.
const PIPE_WORDS: &[&str] = &[
    "block_stats",
    "blocks_count",
    "by",
    "coalesce",
    "collapse_nums",
    "copy",
    "cp",
    "decolorize",
    "deduplicate",
    "del",
    "delete",
    "drop",
    "drop_empty_fields",
    "eval",
    "extract",
    "extract_regexp",
    "facets",
    "field_names",
    "field_values",
    "fields",
    "filter",
    "first",
    "format",
    "generate_sequence",
    "hash",
    "head",
    "join",
    "json_array_concat",
    "json_array_len",
    "keep",
    "last",
    "len",
    "limit",
    "math",
    "mv",
    "offset",
    "order",
    "pack_json",
    "pack_logfmt",
    "query_stats",
    "rename",
    "replace",
    "replace_regexp",
    "rm",
    "running_stats",
    "sample",
    "set_stream_fields",
    "skip",
    "sort",
    "split",
    "stats",
    "stream_context",
    "time_add",
    "top",
    "total_stats",
    "union",
    "uniq",
    "unpack_json",
    "unpack_logfmt",
    "unpack_syslog",
    "unpack_words",
    "unroll",
    "where",
];

/// Whether `word` has to be quoted to be text; in any case of letters.
pub(crate) fn is_reserved(word: &str) -> bool {
    let is = |reserved: &&str| word.eq_ignore_ascii_case(reserved);
    FILTER_WORDS.iter().any(is) || PIPE_WORDS.iter().any(is)
}

/// Whether `word` is the name of a pipe, or another name of one; in any case of letters.
pub(crate) fn is_pipe(word: &str) -> bool {
    PIPE_WORDS.iter().any(|name| word.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_pipes() {
        for entry in crate::pipe::entries() {
            assert!(
                is_pipe(entry.name) && entry.aliases.iter().all(|alias| is_pipe(alias)),
                "{}",
                entry.name
            );
        }
        assert!(crate::pipe::MISSING.iter().all(|name| is_pipe(name)));
        let known = |word: &&str| {
            let named = |entry: &crate::pipe::Entry| entry.name == *word || entry.aliases.contains(word);
            crate::pipe::entries().iter().any(named) || crate::pipe::MISSING.contains(word)
        };
        let unknown: Vec<_> = PIPE_WORDS.iter().filter(|word| !known(word)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn any_case() {
        assert!(is_reserved("And") && is_reserved("STATS") && is_pipe("Head"));
        assert!(!is_reserved("error") && !is_pipe("and"));
    }
}
