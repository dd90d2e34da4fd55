//! Directories for one test.

use tempfile::TempDir;

/// An empty directory with a short path, removed when dropped. Short, because the path of a unix socket inside
/// may have 107 bytes at most, and the usual temporary directory of some machines takes most of them.
pub fn short_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("lw")
        .rand_bytes(6)
        .tempdir_in("/tmp")
        .expect("making a directory in /tmp")
}
