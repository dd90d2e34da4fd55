//! The repository as the rules see it: all of it in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::source::Source;
use crate::sh;

/// A file of the repository.
pub(crate) struct File {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A package of the workspace.
#[derive(Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder from the root, with slashes: `crates/line`.
    pub(crate) folder: String,
    /// Folders of the workspace's packages that it names as dependencies of any kind.
    pub(crate) uses: BTreeSet<String>,
    /// Names of packages from elsewhere that it names as dependencies, development ones left out.
    pub(crate) takes: BTreeSet<String>,
    /// Every package that a build of it links or runs, itself included, development ones left out.
    pub(crate) reaches: BTreeSet<String>,
    /// How many integration-test binaries it has.
    pub(crate) test_binaries: usize,
}

/// Everything that the rules look at. Files that git ignores are left out, new ones are in.
#[derive(Default)]
pub(crate) struct Repo {
    pub(crate) files: Vec<File>,
    pub(crate) sources: Vec<Source>,
    pub(crate) packages: Vec<Package>,
    /// Names of the packages in Cargo.lock, one for each version.
    pub(crate) locked: Vec<String>,
}

impl Repo {
    /// Reads the repository at `root`. Fails when a Rust file does not parse, or git or cargo cannot answer.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut repo = Self::default();
        for path in sh::output(&mut git)?.split('\0').filter(|path| !path.is_empty()) {
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            // A file that is not text has no lines to check.
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if path.ends_with(".rs") {
                repo.sources.push(Source::parse(path, &text)?);
            }
            repo.files.push(File { path: path.to_owned(), text });
        }
        repo.packages = packages(root)?;
        if let Some(lock) = repo.file("Cargo.lock") {
            repo.locked = locked(&lock.text);
        }
        Ok(repo)
    }

    /// The file at `path`, when it exists.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    #[cfg(test)]
    pub(crate) fn sample(files: &[(&str, &str)]) -> Self {
        let mut repo = Self::default();
        for (path, text) in files {
            if path.ends_with(".rs") {
                repo.sources.push(Source::parse(path, text).unwrap());
            }
            repo.files.push(File { path: (*path).to_owned(), text: (*text).to_owned() });
        }
        repo
    }
}

/// The names in a lock file.
fn locked(lock: &str) -> Vec<String> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.map(str::to_owned).collect()
}

/// The workspace's packages, from cargo, for the platform we run on.
fn packages(root: &Path) -> Result<Vec<Package>> {
    let about = sh::output(Command::new("rustc").arg("-vV"))?;
    let host =
        about.lines().find_map(|line| line.strip_prefix("host: ")).context("'rustc -vV' names no host")?;
    let metadata = sh::metadata(root, &["--filter-platform", host])?;
    let edges = edges(&metadata);
    let names: BTreeMap<&str, &str> =
        list(&metadata["packages"]).map(|package| (word(&package["id"]), word(&package["name"]))).collect();
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).map(word).collect();
    let mut found = Vec::new();
    for package in list(&metadata["packages"]).filter(|package| members.contains(word(&package["id"]))) {
        let mut one = Package { name: word(&package["name"]).to_owned(), ..Package::default() };
        one.folder = folder(root, word(&package["manifest_path"]).trim_end_matches("/Cargo.toml"));
        for dependency in list(&package["dependencies"]) {
            match dependency["path"].as_str() {
                Some(path) => _ = one.uses.insert(folder(root, path)),
                None if dependency["kind"] != "dev" => {
                    _ = one.takes.insert(word(&dependency["name"]).to_owned())
                }
                None => {}
            }
        }
        let reached = reach(&edges, word(&package["id"]));
        one.reaches = reached.iter().filter_map(|id| names.get(id)).map(|name| (*name).to_owned()).collect();
        let tests =
            list(&package["targets"]).filter(|target| list(&target["kind"]).any(|kind| kind == "test"));
        one.test_binaries = tests.count();
        found.push(one);
    }
    Ok(found)
}

/// Package id to the ids that it needs, development dependencies left out.
fn edges(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let node = |node: &'_ Value| -> Vec<usize> {
        let needed = list(&node["deps"]).enumerate();
        let needed = needed.filter(|(_, dep)| list(&dep["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
        needed.map(|(index, _)| index).collect()
    };
    let mut edges = BTreeMap::new();
    for entry in list(&metadata["resolve"]["nodes"]) {
        let needed = node(entry).into_iter().map(|index| word(&entry["deps"][index]["pkg"]));
        edges.insert(word(&entry["id"]), needed.collect());
    }
    edges
}

/// Everything that can be reached from `start`, itself included.
fn reach<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>, start: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            todo.extend(edges.get(id).into_iter().flatten());
        }
    }
    seen
}

fn folder(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).unwrap_or(Path::new(path)).to_string_lossy().into_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_names_every_version() {
        let lock = "version = 4\n[[package]]\nname = \"syn\"\nversion = \"2\"\n[[package]]\nname = \"syn\"\n";
        assert_eq!(locked(lock), ["syn", "syn"]);
    }

    #[test]
    fn development_dependencies_are_not_reached() {
        let metadata: Value = serde_json::from_str(
            r#"{"resolve":{"nodes":[
                {"id":"a","deps":[{"pkg":"b","dep_kinds":[{"kind":null}]},{"pkg":"c","dep_kinds":[{"kind":"dev"}]}]},
                {"id":"b","deps":[{"pkg":"d","dep_kinds":[{"kind":"dev"},{"kind":"build"}]}]},
                {"id":"d","deps":[{"pkg":"a","dep_kinds":[{"kind":null}]}]}]}}"#,
        )
        .unwrap();
        let found = reach(&edges(&metadata), "a");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "d"]);
    }
}
