//! The page about the language, docs/logsql.md, made of the tables that the parsers are made of.

use std::fmt::Write;

use crate::{filter, pipe, stats};

/// What stands before the tables.
const HEAD: &str = "\
# LogsQL

The query language of VictoriaLogs, as Logway has it. This page is written by `cargo xtask tidy --bless` from the tables in
`crates/query`; each entry is tested in the file that is named beside it, and `crates/query/tests/it` holds what the language
does as a whole, with what the VictoriaLogs plugin of Grafana sends.

A query is `options(…)` if needed, a filter, and pipes: `_time:1h error app:=web | stats by (region) count() as errors`.
Filters that name no field look in `_msg`. A field that is missing is an empty one. Text with other characters than letters,
digits and `_ . - / + $` is quoted, with `\"…\"` or `'…'` (Go's escapes) or with backquotes (none); so are words that mean something.
A token is a run of letters, digits and `_`. `#` begins a comment.

Fly's names mean the platform's fields: `fly.app.name` is `app`, `fly.app.instance` is `instance`, `fly.region` is `region`,
`log.level` is `level`, `event.provider` is `provider`.

## Where it is meant to differ from VictoriaLogs

- A time without a zone is UTC, never the server's zone. Ranges of time exclude their end.
- A stream is app, instance and region; another name in `{…}` is looked up among the row's fields instead of matching nothing.
- `=text` without a field before it, `>5` and the like are written without space, as there; `and` and `or` where a filter should
  stand are an error, not words.
- `_time:day_range[22:00, 06:00)` goes over midnight.
- A word that stands alone behind `|` is taken for a pipe's misspelt name: write `| filter word`.
- An argument `extra_filters` that would limit nothing (`{}`, an empty list) is refused instead of letting everything through.

## Bounds

A query has at most 512 KiB, 64 levels of nesting, 20,000 filters (values inside of `in(…)` do not count; a regular expression
counts 625, one of a pipe too: there may be 32) and 256 pipes. A regular expression compiles to at most 1 MiB.
";

/// The page, in Markdown.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    filters(&mut page);
    pipes(&mut page);
    functions(&mut page);
    page
}

fn filters(page: &mut String) {
    page.push_str("\n## Filters\n\n| filter | written | what matches | tested in |\n|---|---|---|---|\n");
    for entry in filter::registry::ALL {
        let examples: Vec<String> = entry.examples.iter().map(|example| code(example)).collect();
        row(page, &[entry.name, &examples.join(" "), &cell(entry.about), &file("filter", entry.file)]);
    }
    not_yet(page, &mut filter::registry::missing());
}

fn pipes(page: &mut String) {
    page.push_str("\n## Pipes\n\n| pipe | also called | written | tested in |\n|---|---|---|---|\n");
    for entry in pipe::entries() {
        let aliases: Vec<String> = entry.aliases.iter().map(|alias| code(alias)).collect();
        row(page, &[&code(entry.name), &aliases.join(" "), &code(entry.syntax), &file("pipe", entry.name)]);
    }
    not_yet(page, &mut pipe::MISSING.iter().copied());
}

fn functions(page: &mut String) {
    page.push_str("\n## Functions of `stats`\n\n| function | what it gives | tested in |\n|---|---|---|\n");
    for (name, about) in stats::functions() {
        row(page, &[&code(name), &cell(about), &file("stats", function_file(name))]);
    }
    not_yet(page, &mut stats::MISSING.iter().copied());
}

/// The file of a function: related ones share one.
fn function_file(name: &str) -> &str {
    match name {
        "avg" => "average",
        "count_uniq_hash" => "count_uniq",
        "max" | "min" => "extreme",
        "median" => "quantile",
        "rate_sum" => "rate",
        "row_any" | "row_max" | "row_min" => "row",
        name => name,
    }
}

fn row(page: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn not_yet(page: &mut String, names: &mut dyn Iterator<Item = &'static str>) {
    let names: Vec<String> = names.map(code).collect();
    let _ = writeln!(page, "\nNot supported yet, and refused by name: {}.", names.join(", "));
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn file(folder: &str, name: &str) -> String {
    format!("`{folder}/{name}.rs`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_there() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let pipes = pipe::entries().iter().map(|entry| ("pipe", entry.name));
        let functions = stats::functions().map(|(name, _)| ("stats", function_file(name)));
        for (folder, name) in pipes.chain(functions) {
            assert!(source.join(folder).join(name).with_extension("rs").exists(), "{folder}/{name}");
        }
    }

    #[test]
    fn every_row_has_its_cells() {
        let page = reference();
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let mut width = 0;
        for line in page.lines() {
            if !line.starts_with('|') {
                width = 0;
            } else if width == 0 {
                width = bars(line);
            } else {
                assert_eq!(bars(line), width, "{line}");
            }
        }
        assert!(page.contains("`stats`") && page.contains("`eq_field`") && page.contains("not_in"));
    }
}
