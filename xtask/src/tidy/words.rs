//! Words that must not stand in the repository: promises to do it later, macros for the moment, paths of one machine,
//! hosts of package registries.

use super::Finding;
use super::repo::{File, Repo};
use super::source::Source;

/// Marks of work that is not done. Written in two halves, so that this file passes its own rule.
const LATER: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("HA", "CK")];

/// Macros that are for the moment.
const MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

/// Text that ties the repository to one machine or one registry.
const PLACES: [&str; 6] = [
    concat!("/wo", "rk/"),
    concat!("index.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("deb.debian", ".org"),
];

/// What others wrote, as they wrote it.
const VENDORED: &str = "dashboard/vendor/";

/// Checks every text file but those of others, and the syntax of every Rust file.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let texts = repo.files.iter().filter(|file| !file.path.starts_with(VENDORED)).flat_map(check_text);
    texts.chain(repo.sources.iter().flat_map(check_source)).collect()
}

fn check_text(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for mark in LATER.iter().filter(|mark| has_word(line, mark)) {
            let todo = "do it now, or open an issue";
            found.push(Finding::new(&file.path, index + 1, format!("says {mark}"), todo));
        }
        for place in PLACES.iter().filter(|place| has_place(line, place)) {
            let todo = "the repository must build anywhere: leave the place to the tool's configuration";
            found.push(Finding::new(&file.path, index + 1, format!("names {place}"), todo));
        }
    }
    found
}

/// Whether `word` stands in `line` with no letter, digit or underscore at its ends.
fn has_word(line: &str, word: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}

/// Whether `place` stands in `line`; one that begins with a slash only where a path begins.
fn has_place(line: &str, place: &str) -> bool {
    let goes_on = |letter: char| letter.is_alphanumeric() || "._-}".contains(letter);
    line.match_indices(place).any(|(at, _)| !place.starts_with('/') || !line[..at].ends_with(goes_on))
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for named in source.names.iter().filter(|named| named.is_macro) {
        if let [name] = named.path.as_slice()
            && MACROS.contains(&name.as_str())
        {
            found.push(Finding::new(
                &source.path,
                named.line,
                format!("calls {name}!"),
                "write the real thing",
            ));
        }
    }
    for (_, line) in source.attributes.iter().filter(|(word, _)| word == "ignore") {
        let todo = "let it run, or let it skip itself loudly when a part is missing";
        found.push(Finding::new(&source.path, *line, "an ignored test", todo));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn whats(path: &str, text: &str, wanted: &[(usize, &str)]) {
        let found = check(&Repo::sample(&[(path, text)]));
        let found: Vec<_> = found.iter().map(|finding| (finding.line, finding.what.as_str())).collect();
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn later() {
        for mark in LATER {
            whats("a.md", &format!("a\n({mark}: later)\n"), &[(2, &format!("says {mark}"))]);
            whats("a.md", &format!("{mark}S and x_{mark}\n{}", mark.to_lowercase()), &[]);
            whats("dashboard/vendor/a.js", mark, &[]);
        }
    }

    #[test]
    fn places() {
        for place in PLACES {
            let say = format!("names {place}");
            whats("a.toml", &format!("path = \"{place}x\"\n"), &[(1, &say)]);
        }
        whats("a.toml", concat!("a = \"frame/wo", "rk/x\"\nb = \"./wo", "rk/y\"\n"), &[]);
    }

    #[test]
    fn macros_and_ignored_tests() {
        let text = "fn a() {\n dbg!(1);\n todo!();\n unimplemented!(\"x\");\n}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}";
        let wanted =
            [(2, "calls dbg!"), (3, "calls todo!"), (4, "calls unimplemented!"), (7, "an ignored test")];
        whats("crates/a/src/a.rs", text, &wanted);
        whats("crates/a/src/a.rs", "// dbg!(1)\nconst A: &str = \"todo!()\"; fn a() { b != dbg; }", &[]);
    }
}
