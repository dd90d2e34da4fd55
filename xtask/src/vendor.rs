//! `cargo xtask vendor`: the modules of others that the dashboard is made of, fetched with npm as `dashboard/vendor/VENDOR.toml`
//! pins them, and written beside it so that a browser loads them as they lie: no bundler, no import map.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::args::Args;
use crate::{Outcome, sh};

const HELP: &str = "\
Fetch the dashboard's modules of others, as dashboard/vendor/VENDOR.toml pins them

Usage: cargo xtask vendor

Runs 'npm pack' for each package, refuses what does not have the pinned hash, and writes the named files and the
licences into dashboard/vendor/, with imports that a browser can follow. Look at 'git diff' afterwards.

Exit codes: 0 all is there, 1 a download, a hash or a file is not right, 2 the command line is wrong
";

/// Where all of it lies, from the repository's root.
const FOLDER: &str = "dashboard/vendor";

/// `VENDOR.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Manifest {
    /// A bare name that modules import, to the file that it means.
    imports: BTreeMap<String, String>,
    packages: Vec<Package>,
}

/// One package of npm.
#[derive(Debug, Default, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// Its licence as SPDX says it, for those who read the manifest.
    licence: String,
    /// What npm says of the tarball: `sha512-` and base64.
    integrity: String,
    /// The file here, to the file in the package.
    files: BTreeMap<String, String>,
}

/// Fetches everything.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    args.done()?;
    let folder = sh::root()?.join(FOLDER);
    let path = folder.join("VENDOR.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest = Manifest::parse(&text)?;
    let work = std::env::temp_dir().join(format!("logway-vendor-{}", std::process::id()));
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let fetched =
        manifest.packages.iter().try_for_each(|package| fetch(package, &manifest.imports, &work, &folder));
    std::fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))?;
    fetched.map(|()| Outcome::Good)
}

/// Fetches one package by way of `work`, and writes its files into `folder`.
fn fetch(package: &Package, imports: &BTreeMap<String, String>, work: &Path, folder: &Path) -> Result<()> {
    let what = format!("{}@{}", package.name, package.version);
    let mut npm = Command::new("npm");
    npm.current_dir(work).args(["pack", "--json", "--ignore-scripts", "--loglevel=error"]).arg(&what);
    let said = sh::output(&mut npm)?;
    let said: serde_json::Value =
        serde_json::from_str(&said).with_context(|| format!("reading what npm says of {what}"))?;
    let word = |key: &str| said[0][key].as_str().with_context(|| format!("npm says no {key} of {what}"));
    ensure!(
        word("integrity")? == package.integrity,
        "{what} is not what VENDOR.toml pins: it has {}, pinned is {}",
        word("integrity")?,
        package.integrity
    );
    let unpacked = work.join(word("filename")?.trim_end_matches(".tgz"));
    std::fs::create_dir_all(&unpacked)?;
    sh::output(Command::new("tar").arg("-C").arg(&unpacked).arg("-xzf").arg(work.join(word("filename")?)))?;
    let unpacked = unpacked.join("package");
    for (to, from) in &package.files {
        let text = std::fs::read_to_string(unpacked.join(from))
            .with_context(|| format!("reading {from} of {what}"))?;
        let text = browsable(&text, imports).with_context(|| format!("{from} of {what}"))?;
        std::fs::write(folder.join(to), text).with_context(|| format!("writing {to}"))?;
        println!("{FOLDER}/{to}: {from} of {what}");
    }
    let licence = folder.join(format!("LICENSE-{}", package.name.trim_start_matches('@').replace('/', "-")));
    std::fs::copy(unpacked.join("LICENSE"), licence).with_context(|| format!("the licence of {what}"))?;
    Ok(())
}

/// A module whose bare imports lead to files beside it, without the mark that leads to a source map that is not here.
fn browsable(text: &str, imports: &BTreeMap<String, String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.split("//# sourceMappingURL=").next().unwrap_or_default();
    while let Some((before, quote)) = next_import(rest) {
        let (head, tail) = rest.split_at(before);
        let name = tail[1..].split(quote).next().unwrap_or_default();
        let behind = &tail[name.len() + 2..];
        out.push_str(head);
        match imports.get(name) {
            Some(file) => out.push_str(&format!("{quote}./{file}{quote}")),
            None if name.starts_with("./") => out.push_str(&tail[..name.len() + 2]),
            None => bail!("it imports {name}, which [imports] of VENDOR.toml does not lead anywhere"),
        }
        rest = behind;
    }
    out.push_str(rest);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

/// Where the next quoted name of a module begins, and its quote: behind `from` or `import`, as minifiers and people write them.
fn next_import(text: &str) -> Option<(usize, char)> {
    let found = ["from", "import"].iter().flat_map(|word| {
        text.match_indices(word).filter_map(move |(at, _)| {
            let is_inside = text[..at].ends_with(|c: char| c.is_alphanumeric() || "_$.".contains(c));
            let behind = &text[at + word.len()..];
            let name = behind.trim_start_matches(' ');
            let quote = name.chars().next().filter(|c| "\"'".contains(*c))?;
            // A name has its end in the same line.
            let is_whole = name[1..].lines().next().is_some_and(|line| line.contains(quote));
            (!is_inside && is_whole).then(|| (text.len() - name.len(), quote))
        })
    });
    found.min()
}

impl Manifest {
    /// Reads the part of TOML that the file is written in: tables, and strings.
    fn parse(text: &str) -> Result<Self> {
        let mut manifest = Self::default();
        let mut table = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('[') {
                table = line.to_owned();
                if table == "[[package]]" {
                    manifest.packages.push(Package::default());
                }
                continue;
            }
            let at = || format!("VENDOR.toml:{}", index + 1);
            let (key, value) =
                line.split_once(" = ").with_context(|| format!("{}: no 'key = \"text\"'", at()))?;
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let value = value.with_context(|| format!("{}: the value is no text", at()))?;
            manifest.set(&table, key.trim_matches('"'), value).with_context(at)?;
        }
        Ok(manifest)
    }

    fn set(&mut self, table: &str, key: &str, value: &str) -> Result<()> {
        let value = value.to_owned();
        if table == "[imports]" {
            self.imports.insert(key.to_owned(), value);
            return Ok(());
        }
        let package = self.packages.last_mut().context("it stands before the first [[package]]")?;
        match (table, key) {
            ("[package.files]", _) => _ = package.files.insert(key.to_owned(), value),
            ("[[package]]", "name") => package.name = value,
            ("[[package]]", "version") => package.version = value,
            ("[[package]]", "licence") => package.licence = value,
            ("[[package]]", "integrity") => package.integrity = value,
            _ => bail!("{table} has no '{key}'"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports() -> BTreeMap<String, String> {
        BTreeMap::from([("preact".to_owned(), "preact.js".to_owned())])
    }

    #[test]
    fn imports_become_files() {
        for (text, wanted) in [
            ("import{h as r}from\"preact\";a", "import{h as r}from\"./preact.js\";a\n"),
            ("export {a} from 'preact'\n", "export {a} from './preact.js'\n"),
            ("import\"preact\";import\"./b.js\"", "import\"./preact.js\";import\"./b.js\"\n"),
            ("Array.from(\"preact\"); x.from \"y\"", "Array.from(\"preact\"); x.from \"y\"\n"),
            ("a;//# sourceMappingURL=a.map\n", "a;\n"),
        ] {
            assert_eq!(browsable(text, &imports()).unwrap(), wanted);
        }
        let error = browsable("import a from\"left-pad\"", &imports()).unwrap_err();
        assert!(error.to_string().contains("left-pad"));
    }

    #[test]
    fn manifests() {
        let text = "# x\n[imports]\n\"preact\" = \"preact.js\"\n[[package]]\nname = \"a\"\nversion = \"1\"\n[package.files]\n\"a.js\" = \"d/a.mjs\"\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.imports, imports());
        assert_eq!((&*manifest.packages[0].name, &*manifest.packages[0].files["a.js"]), ("a", "d/a.mjs"));
        for bad in ["name = \"a\"", "[[package]]\nname = 1", "[[package]]\nnone = \"a\"", "[[package]]\nname"]
        {
            assert!(Manifest::parse(bad).is_err(), "{bad}");
        }
    }
}
