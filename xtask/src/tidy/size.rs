//! How long files and functions are.

use super::Finding;
use super::repo::Repo;

/// Most lines of a file, and what nine files of ten keep to.
const FILE: (usize, usize) = (500, 400);

/// Most lines of a function, and what nine functions of ten keep to.
const FUNCTION: (usize, usize) = (80, 30);

/// Checks every Rust file.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &repo.sources {
        if source.lines > FILE.0 {
            let what = format!("{} lines, at most {}", source.lines, FILE.0);
            found.push(Finding::new(&source.path, 1, what, "split it by what a reader looks for"));
        }
        for function in source.functions.iter().filter(|function| function.lines > FUNCTION.0) {
            let what = format!("{} has {} lines, at most {}", function.name, function.lines, FUNCTION.0);
            found.push(Finding::new(
                &source.path,
                function.line,
                what,
                "name its steps and make them functions",
            ));
        }
    }
    let files = repo.sources.iter().map(|source| source.lines).collect();
    let functions = repo.sources.iter().flat_map(|source| &source.functions).map(|function| function.lines);
    for (what, lengths, limit) in
        [("files", files, FILE.1), ("functions", functions.collect::<Vec<_>>(), FUNCTION.1)]
    {
        let p90 = p90(lengths);
        if p90 > limit {
            let what = format!("one in ten {what} has over {p90} lines, the aim is {limit}");
            found.push(Finding::new(".", 1, what, "shorten the longest ones"));
        }
    }
    found
}

/// The length that nine in ten do not exceed.
fn p90(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    let rank = (lengths.len() * 9).div_ceil(10);
    rank.checked_sub(1).and_then(|index| lengths.get(index)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one function of `lines` lines and blank lines up to `total`.
    fn file(lines: usize, total: usize) -> String {
        format!("fn f() {{\n{}}}\n{}", "    a();\n".repeat(lines - 2), "\n".repeat(total - lines))
    }

    #[track_caller]
    fn says(files: &[String], wanted: &[&str]) {
        let files: Vec<_> = files.iter().map(|text| ("crates/a/src/a.rs", text.as_str())).collect();
        let found = check(&Repo::sample(&files));
        let whats: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(whats, wanted);
    }

    #[test]
    fn hard_limits() {
        let mut files = vec![file(2, 10); 20];
        files[0] = file(80, 500);
        says(&files, &[]);
        files[0] = file(81, 501);
        says(&files, &["501 lines, at most 500", "f has 81 lines, at most 80"]);
    }

    #[test]
    fn nine_in_ten() {
        let mut files = vec![file(30, 400); 9];
        files.push(file(80, 500));
        says(&files, &[]);
        files[0] = file(31, 401);
        let (long_files, long_functions) = (
            "one in ten files has over 401 lines, the aim is 400",
            "one in ten functions has over 31 lines, the aim is 30",
        );
        says(&files, &[long_files, long_functions]);
        assert_eq!(p90(vec![]), 0);
    }
}
