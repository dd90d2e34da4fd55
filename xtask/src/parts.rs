//! The test parts: real servers and clients that the tests drive, in a cache directory, never installed as a
//! service. Each step leaves a stamp that says what it installed, so that the next run skips it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::sh;

/// The release of nats-server that Debian 12 ships: the oldest one that Logway is tested with.
const DEBIAN_NATS: &str = "2.9.10";

/// Programs of the system that tests call, how to ask whether each is there, and its package: certificates, links,
/// namespaces, the browser.
const TOOLS: [(&str, &str, &str); 4] = [
    ("openssl", "version", "openssl"),
    ("ip", "-V", "iproute2"),
    ("unshare", "--version", "util-linux"),
    ("chromium", "--version", "chromium"),
];

/// Folders of Node packages: the name of the part, where its `package.json` and lock lie, and what loads all of it.
const NODE: [(&str, &str, &str); 2] = [
    ("node", "tests/parts", "require('nats'); require('@nats-io/transport-node')"),
    ("browser", "dashboard/tests", "require('@playwright/test'); require('axe-core')"),
];

/// Virtual environments of Python: the name of the part, what `tests/parts` pins for it, and a program that says its version.
const PYTHON: [(&str, &str, &str); 2] =
    [("venv", "requirements.txt", "nats-server"), ("schemathesis", "schemathesis.txt", "schemathesis")];

/// Where the parts lie: `LOGWAY_PARTS`, else the user's cache. In it: `venv/` with a current nats-server and the
/// Python NATS client, `schemathesis/` with what asks the HTTP face at random, `node/` with both lines of the one for Node, `browser/` with what drives the dashboard's tests,
/// `nats-server-2.9.10` from Debian.
pub(crate) fn dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("LOGWAY_PARTS") {
        return Ok(PathBuf::from(dir));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).context("neither LOGWAY_PARTS, XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("logway/parts"))
}

/// Installs every part into `dir` that is not there in the right version. Gives one text for each that failed.
pub(crate) fn install(root: &Path, dir: &Path) -> Result<Vec<String>> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let mut missing = Vec::new();
    for (name, pinned, program) in PYTHON {
        if let Err(error) = python(&root.join("tests/parts").join(pinned), dir, name, program) {
            missing.push(format!("what tests/parts/{pinned} pins: {error:#}"));
        }
    }
    for (name, from, load) in NODE {
        if let Err(error) = node(&root.join(from), dir, name, load) {
            missing.push(format!("the Node packages of {from}: {error:#}"));
        }
    }
    if let Err(error) = debian_nats(dir) {
        missing.push(format!("nats-server {DEBIAN_NATS}: {error:#}"));
    }
    for (program, ask, package) in TOOLS {
        if let Err(error) = tool(program, ask, package) {
            missing.push(format!("{program}: {error:#}"));
        }
    }
    Ok(missing)
}

/// A program of the system, which its package manager installs where it is missing.
fn tool(program: &str, ask: &str, package: &str) -> Result<()> {
    let asked = || sh::output(Command::new(program).arg(ask));
    asked().or_else(|_| apt_install(&[package]).and_then(|()| asked())).map(|_| ())
}

/// The virtual environment `name` with what the file `pinned` pins; `program` is one of it.
fn python(pinned: &Path, dir: &Path, name: &str, program: &str) -> Result<()> {
    let wanted = std::fs::read_to_string(pinned).with_context(|| format!("reading {}", pinned.display()))?;
    let (stamp, venv) = (dir.join(format!("{name}.stamp")), dir.join(name));
    let program = venv.join("bin").join(program);
    if stamped(&stamp, &wanted) && version(&program).is_ok() {
        return Ok(());
    }
    discard(&venv)?;
    if !sh::run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).unwrap_or(false) {
        apt_install(&["python3-venv"])?;
        discard(&venv)?;
        // The system's own Python: the package just installed belongs to it, not to another one in the PATH.
        sh::must(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r"]);
    sh::must(pip.arg(pinned))?;
    version(&program)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

/// The folder `name` with what the `package-lock.json` in `from` pins; `load` loads it.
fn node(from: &Path, dir: &Path, name: &str, load: &str) -> Result<()> {
    let (stamp, node) = (dir.join(format!("{name}.stamp")), dir.join(name));
    let work = dir.join(format!("{name}-work"));
    let mut files = Vec::new();
    for file in ["package.json", "package-lock.json"] {
        let path = from.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        files.push((file, text));
    }
    let wanted: String = files.iter().map(|(_, text)| text.as_str()).collect();
    if stamped(&stamp, &wanted) && loads(&node, load).is_ok() {
        return Ok(());
    }
    discard(&node)?;
    discard(&work)?;
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    for (file, text) in files {
        std::fs::write(work.join(file), text).with_context(|| format!("writing {file}"))?;
    }
    if sh::output(Command::new("npm").arg("--version")).is_err() {
        apt_install(&["nodejs", "npm"])?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    sh::must(npm.current_dir(&work))?;
    loads(&work, load)?;
    std::fs::rename(&work, &node).with_context(|| format!("moving to {}", node.display()))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

/// Has Node load the folder's packages: it starts, and they are whole.
fn loads(folder: &Path, load: &str) -> Result<String> {
    sh::output(Command::new("node").current_dir(folder).args(["-e", load]))
}

/// Debian's nats-server, unpacked from its package.
fn debian_nats(dir: &Path) -> Result<()> {
    let (stamp, binary) =
        (dir.join("nats-server-debian.stamp"), dir.join(format!("nats-server-{DEBIAN_NATS}")));
    if stamped(&stamp, DEBIAN_NATS) && version(&binary).is_ok() {
        return Ok(());
    }
    let work = dir.join("debian");
    discard(&work)?;
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let download = || sh::run(Command::new("apt-get").current_dir(&work).args(["download", "nats-server"]));
    if !download()? {
        apt_get(&["update"])?;
        ensure!(download()?, "'apt-get download nats-server' failed; what it said stands above");
    }
    let mut packages = std::fs::read_dir(&work)?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = packages.find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.context("apt-get downloaded no package")?;
    sh::must(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&work))?;
    let unpacked = ["usr/bin/nats-server", "usr/sbin/nats-server"].map(|path| work.join(path));
    let unpacked = unpacked.iter().find(|path| path.is_file()).context("the package holds no nats-server")?;
    let version = version(unpacked)?;
    ensure!(version == DEBIAN_NATS, "the package manager offers {version}; this needs Debian 12's package");
    std::fs::rename(unpacked, &binary).with_context(|| format!("moving to {}", binary.display()))?;
    discard(&work)?;
    std::fs::write(&stamp, DEBIAN_NATS).with_context(|| format!("writing {}", stamp.display()))
}

/// What `--version` of the program at `path` says last: it starts, so the part is whole.
fn version(path: &Path) -> Result<String> {
    let said = sh::output(Command::new(path).arg("--version"))?;
    let version = said.split_whitespace().last().map(|word| word.trim_start_matches('v').to_owned());
    version.with_context(|| format!("'{} --version' says nothing", path.display()))
}

/// Installs packages of the system.
fn apt_install(packages: &[&str]) -> Result<()> {
    let install = [&["install", "-y", "--no-install-recommends"][..], packages].concat();
    // A fresh machine may have no package lists yet.
    apt_get(&install).or_else(|_| apt_get(&["update"]).and_then(|()| apt_get(&install)))
}

/// Runs apt-get as root, by sudo where needed and possible without a question.
fn apt_get(args: &[&str]) -> Result<()> {
    let root = sh::output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "apt-get"]);
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
    if !sh::run(&mut command)? {
        bail!("run 'apt-get {}' as root, then start again", args.join(" "));
    }
    Ok(())
}

fn stamped(stamp: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|found| found == wanted)
}

fn discard(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}
