//! `cargo xtask dist`: the static `logway-init`, the release `logway`, a tarball and its checksums.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{Outcome, elf, sh};

const HELP: &str = "\
Build what is shipped: a static logway-init, the release logway, a tarball, SHA256SUMS

Usage: cargo xtask dist [--init-only] [--out DIR]

Options:
  --out DIR     where the files go [default: TARGET/dist-out]
  --init-only   build and check the static logway-init alone

Example:
  cargo xtask dist --out /tmp/logway

Exit codes: 0 built, 1 a build or the check for a static file failed, 2 the command line is wrong
";

/// Builds and packs.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let init_only = args.flag("--init-only");
    let out = args.option("--out")?.map(PathBuf::from);
    args.done()?;

    let root = sh::root()?;
    let target = sh::target_dir(&root)?;
    let init = static_init(&root, &target)?;
    if init_only {
        println!("{}", init.display());
        return Ok(Outcome::Good);
    }
    sh::must(sh::cargo(&root).args(["build", "--release", "--locked", "-p", "logway", "--bin", "logway"]))?;
    let logway = target.join("release/logway");
    println!("logway       {:>9} bytes", std::fs::metadata(&logway)?.len());
    pack(&root, &out.unwrap_or_else(|| target.join("dist-out")), &[logway, init])?;
    Ok(Outcome::Good)
}

/// Builds the static `logway-init` in a target directory of its own (its flags would otherwise make cargo
/// build everything twice in turn), checks that it is static, prints its size and gives its path.
pub(crate) fn static_init(root: &Path, target: &Path) -> Result<PathBuf> {
    let triple = host_triple()?;
    let dir = target.join("dist-build");
    let mut build = sh::cargo(root);
    build.args(["build", "--locked", "-p", "logway-init", "--bin", "logway-init", "--profile", "dist"]);
    build.args(["--target", &triple]).arg("--target-dir").arg(&dir);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    sh::must(&mut build)?;
    let init = init_path(target)?;
    let bytes = std::fs::read(&init).with_context(|| format!("reading {}", init.display()))?;
    if !elf::is_static(&bytes).with_context(|| format!("reading {}", init.display()))? {
        bail!("{} names a loader: it is not static and would not start in an empty image", init.display());
    }
    println!("logway-init  {:>9} bytes, static", bytes.len());
    Ok(init)
}

/// Where [`static_init`] puts it.
pub(crate) fn init_path(target: &Path) -> Result<PathBuf> {
    Ok(target.join("dist-build").join(host_triple()?).join("dist/logway-init"))
}

/// The triple that rustc builds for when nobody names one.
fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let about = sh::output(Command::new(rustc).arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("'rustc -vV' names no host")?.to_owned())
}

/// Copies `binaries` into `out`, makes the tarball and `SHA256SUMS`.
fn pack(root: &Path, out: &Path, binaries: &[PathBuf]) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let mut names = vec!["LICENSE".to_owned()];
    std::fs::copy(root.join("LICENSE"), out.join("LICENSE")).context("copying LICENSE")?;
    for binary in binaries {
        let name = binary.file_name().context("a binary without a name")?.to_string_lossy().into_owned();
        std::fs::copy(binary, out.join(&name))
            .with_context(|| format!("copying {name} to {}", out.display()))?;
        names.push(name);
    }
    let tarball = format!("logway-{}-{}.tar.gz", env!("CARGO_PKG_VERSION"), host_triple()?);
    // Owner, order and time are fixed, so that the same binaries always give the same tarball.
    let mut tar = Command::new("tar");
    tar.current_dir(out).args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]);
    sh::must(tar.args(["--use-compress-program=gzip -n", "-cf", &tarball]).args(&names))?;
    names.push(tarball.clone());
    let sums = sh::output(Command::new("sha256sum").current_dir(out).args(&names))?;
    std::fs::write(out.join("SHA256SUMS"), sums).context("writing SHA256SUMS")?;
    println!("{}", out.join(tarball).display());
    Ok(())
}
