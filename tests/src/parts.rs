//! What the tests start: our binaries, and the parts that `cargo xtask test` installs.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::nats::NatsVersion;

/// The `logway` binary: `LOGWAY_BIN`, else the one built beside this test.
pub fn logway() -> PathBuf {
    binary("LOGWAY_BIN", "logway")
}

/// The `logway-init` binary: `LOGWAY_INIT` (the static one, in `cargo xtask test`), else the one built beside this test.
pub fn logway_init() -> PathBuf {
    binary("LOGWAY_INIT", "logway-init")
}

fn binary(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} names {}, which is not there", path.display());
        return path;
    }
    // This test lies in TARGET/debug/deps, the binaries one level up.
    let test = std::env::current_exe().expect("finding this test's own file");
    let beside = test.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        panic!("no {name} beside {}: run 'cargo build --workspace --bins'", test.display())
    })
}

/// Whether the fault tests run at full length (`cargo xtask test --soak`).
pub fn soak() -> bool {
    std::env::var_os("LOGWAY_SOAK").is_some_and(|value| value == "1")
}

/// The real nats-server of `version`, when it is installed.
pub fn nats_server(version: NatsVersion) -> Option<PathBuf> {
    let path = parts_dir()?.join(match version {
        NatsVersion::Current => "venv/bin/nats-server",
        NatsVersion::Debian12 => "nats-server-2.9.10",
    });
    path.is_file().then_some(path)
}

/// A Python that can `import nats`, when it is installed.
pub fn python_with_nats() -> Option<PathBuf> {
    let path = parts_dir()?.join("venv/bin/python");
    path.is_file().then_some(path)
}

/// A Python that can unpack zstd, when it is installed.
pub fn python_with_zstd() -> Option<PathBuf> {
    let python = python_with_nats()?;
    let ask = "try: import compression.zstd\nexcept ImportError: import zstandard";
    let asked = Command::new(&python).args(["-c", ask]).output();
    asked.is_ok_and(|output| output.status.success()).then_some(python)
}

/// The folder of Node packages with both lines of nats.js (`nats`, `@nats-io/transport-node`), when it is installed.
pub fn node_packages() -> Option<PathBuf> {
    let path = parts_dir()?.join("node/node_modules");
    path.is_dir().then_some(path)
}

/// The folder of Node packages that drive the dashboard's tests (`@playwright/test`, `axe-core`), and the browser, when both
/// are installed.
pub fn browser() -> Option<(PathBuf, PathBuf)> {
    let packages = parts_dir()?.join("browser/node_modules");
    let browser = PathBuf::from("/usr/bin/chromium");
    (packages.join("@playwright/test/cli.js").is_file() && browser.is_file()).then_some((packages, browser))
}

/// schemathesis, when it is installed.
pub fn schemathesis() -> Option<PathBuf> {
    let path = parts_dir()?.join("schemathesis/bin/schemathesis");
    path.is_file().then_some(path)
}

/// Where cargo puts what it builds: this test lies in TARGET/debug/deps.
pub fn target_dir() -> PathBuf {
    let test = std::env::current_exe().expect("finding this test's own file");
    test.ancestors().nth(3).expect("it lies in TARGET/debug/deps").to_owned()
}

/// Where `cargo xtask test` puts the parts: `LOGWAY_PARTS`, else the user's cache.
fn parts_dir() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("LOGWAY_PARTS") {
        return Some(PathBuf::from(dir));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Some(cache.or_else(home)?.join("logway/parts"))
}

/// Says loudly that the test `name` cannot run, and has it counted as skipped. The caller returns after it:
/// `let Some(server) = nats_server(version) else { return skip("name", "no nats-server 2.9.10") };`
pub fn skip(name: &str, reason: &str) {
    eprintln!("\nSKIPPED {name}: {reason}\nrun 'cargo xtask test' to install the test parts\n");
    if let Some(path) = std::env::var_os("LOGWAY_SKIPS") {
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let line = format!("{name}: {reason}\n");
        // One write of a short line to a file opened for appending does not mix with that of another test.
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("noting a skipped test in {}: {error}", path.display()));
    }
}
