//! Making unix sockets that only their owner can reach.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tokio::net::UnixListener;

use crate::Error;
use crate::disk::DIR_MODE;

/// Longest path that the kernel takes for a unix socket, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 107;
/// Mode of every socket.
const SOCKET_MODE: u32 = 0o600;

/// Checks that a socket can have this path.
pub(crate) fn check_path(path: &Path) -> Result<(), Error> {
    let len = path.as_os_str().len();
    if len > MAX_PATH_BYTES {
        return Err(Error::PathTooLong { path: path.to_owned(), len, max: MAX_PATH_BYTES });
    }
    Ok(())
}

/// Listens on `path` as the agent's own user. What an earlier agent left there is removed: the data directory belongs to
/// one agent at a time, whoever starts it sees to that.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Error> {
    check_path(path)?;
    let error = |action| move |source| Error::Io { action, path: path.to_owned(), source };
    remove_if_there(path).map_err(error("remove the old socket"))?;
    let listener = UnixListener::bind(path).map_err(error("listen on"))?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE))
        .map_err(error("set the mode of"))?;
    Ok(listener)
}

/// The directory and the socket of a Machine.
#[derive(Debug, Clone)]
pub(crate) struct MachineSocket {
    dir: PathBuf,
    path: PathBuf,
}

impl MachineSocket {
    /// That of the Machine with this slot, below the directory `machines`.
    pub(crate) fn new(machines: &Path, slot: u64) -> Self {
        let dir = machines.join(dir_name(slot));
        let path = dir.join("sock");
        Self { dir, path }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory for user `uid` alone, and listens.
    pub(crate) fn listen(&self, uid: u32) -> Result<UnixListener, Error> {
        check_path(&self.path)?;
        let error = |action| move |source| Error::Io { action, path: self.dir.clone(), source };
        make_private_dir(&self.dir).map_err(error("make the directory"))?;
        let listener = listen(&self.path)?;
        if uid != geteuid().as_raw() {
            chown(&self.path, Some(uid), None).map_err(error("give the user the socket in"))?;
            chown(&self.dir, Some(uid), None).map_err(error("give the user"))?;
        }
        Ok(listener)
    }

    /// Removes the socket and the directory.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_if_there(&self.path)?;
        std::fs::remove_dir(&self.dir).or_else(not_there)
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path).or_else(not_there)
}

fn not_there(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Makes a directory that nobody else can look into, with its missing parents; one that exists is made so.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
    std::fs::set_permissions(dir, PermissionsExt::from_mode(DIR_MODE))
}

/// Removes the directories of Machines that are not registered any more.
pub(crate) fn remove_stale(machines: &Path, slots: &[u64]) -> io::Result<()> {
    let wanted: Vec<_> = slots.iter().map(|slot| dir_name(*slot)).collect();
    for found in std::fs::read_dir(machines)? {
        let found = found?;
        let stale = found.file_name().to_str().is_none_or(|name| !wanted.iter().any(|wanted| wanted == name));
        if stale && found.file_type()?.is_dir() {
            std::fs::remove_dir_all(found.path())?;
        }
    }
    Ok(())
}

fn dir_name(slot: u64) -> String {
    format!("{slot:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[tokio::test]
    async fn a_machine_s_directory_and_socket_are_private_and_can_be_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let socket = MachineSocket::new(dir.path(), 17);
        let uid = geteuid().as_raw();
        let first = socket.listen(uid).unwrap();
        let second = socket.listen(uid).unwrap();
        drop(first);
        drop(second);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&dir.path().join("11")), mode(socket.path())), (0o700, 0o600));
        remove_stale(dir.path(), &[17]).unwrap();
        assert!(socket.path().exists());
        remove_stale(dir.path(), &[18]).unwrap();
        assert!(!dir.path().join("11").exists());
        socket.remove().unwrap();
    }

    #[tokio::test]
    async fn a_path_that_the_kernel_does_not_take_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let socket = MachineSocket::new(&dir.path().join("x".repeat(100)), 1);
        let error = socket.listen(0).unwrap_err();
        assert!(error.to_string().starts_with("[LA13]"), "{error}");
    }
}
