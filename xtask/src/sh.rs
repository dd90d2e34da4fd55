//! Running other programs: each is echoed on stderr, and so is the time it took.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The root of the repository: cargo tells where this package lies.
pub(crate) fn root() -> Result<PathBuf> {
    let here = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => std::env::current_dir().context("reading the current directory")?,
    };
    let root = here.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_owned).with_context(|| {
        format!("no Logway repository above {}: start this with 'cargo xtask'", here.display())
    })
}

/// `cargo`, the one that runs this task, in the repository's root.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // These describe the package `xtask` and would be inherited by builds that have nothing to do with it.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command.current_dir(root);
    command
}

/// Where cargo puts what it builds in this repository.
pub(crate) fn target_dir(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root, &["--no-deps"])?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata has no target_directory")?;
    Ok(PathBuf::from(dir))
}

/// `cargo metadata` with `flags`, parsed.
pub(crate) fn metadata(root: &Path, flags: &[&str]) -> Result<serde_json::Value> {
    let mut command = cargo(root);
    command.args(["metadata", "--format-version", "1", "--locked"]).args(flags);
    let text = output(&mut command)?;
    serde_json::from_str(&text).context("reading the output of cargo metadata")
}

/// Runs `command` with its output on ours. True when it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("starting '{shown}'"))?;
    report(&shown, begun, status);
    Ok(status.success())
}

/// As [`run`], but a failure is an error.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    if !run(command)? {
        bail!("'{}' failed; what it said stands above", shown(command));
    }
    Ok(())
}

/// Runs `command`, passes its stdout on, and gives each line of it to `see`. True when it exits with 0.
pub(crate) fn tee(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let begun = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting '{shown}'"))?;
    let stdout = child.stdout.take().context("the child has no stdout")?;
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).with_context(|| format!("reading from '{shown}'"))? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        see(text.trim_end());
        line.clear();
    }
    let status = child.wait().with_context(|| format!("waiting for '{shown}'"))?;
    report(&shown, begun, status);
    Ok(status.success())
}

/// Runs `command` quietly and gives its stdout; its stderr is in the error when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("starting '{shown}'"))?;
    if !out.status.success() {
        bail!("'{shown}' failed ({}): {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn report(shown: &str, begun: Instant, status: std::process::ExitStatus) {
    let seconds = begun.elapsed().as_secs_f64();
    let end = if status.success() { String::new() } else { format!(" ({status})") };
    eprintln!("  {seconds:.1} s{end}: {}", shown.chars().take(60).collect::<String>());
}

/// The command as a person would type it, with the file name of the program alone.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}
