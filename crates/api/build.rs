//! Lists the dashboard's files for `src/dashboard.rs`, which has them in the binary.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What of `dashboard/` is served: as `SERVED` in `src/dashboard.rs`, which a test compares.
const SERVED: [&str; 5] = ["index.html", "css", "icons", "js", "vendor"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let folder = here.join("../../dashboard").canonicalize()?;
    let mut files = Vec::new();
    for name in SERVED {
        // For a folder that is any change in it.
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
        list(&folder.join(name), &mut files)?;
    }
    files.sort();
    let mut text =
        format!("/// The files: names and bytes.\nstatic FILES: [(&str, &[u8]); {}] = [\n", files.len());
    for file in &files {
        let name = file.strip_prefix(&folder)?.to_str().ok_or("a name is no text")?;
        writeln!(text, "    ({name:?}, include_bytes!({file:?})),")?;
    }
    text.push_str("];\n");
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("dashboard.rs"), text)?;
    Ok(())
}

/// Adds `path`, or all files below it.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}
