//! Making unix sockets that only their owner can reach.

use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use disk::DIR_MODE;
use rustix::process::geteuid;
use tokio::net::UnixListener;

use crate::Error;

/// Longest path that the kernel takes for a unix socket, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 107;
/// Mode of every socket.
const SOCKET_MODE: u32 = 0o600;
/// Entries of a Machine's directory that are removed with it, and names that are tried for what stands in the socket's place.
/// Its user may have put any number there, nested to any depth: the rest is left, and reported.
const MAX_LEFT: usize = 64;

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
    ///
    /// One that exists stays the same one, since it may be mounted in the Machine. It was its user's until now, who may have
    /// put anything there: nothing in it is touched before it is the agent's own again.
    pub(crate) fn listen(&self, uid: u32) -> Result<UnixListener, Error> {
        check_path(&self.path)?;
        let error = |action| move |source| Error::Io { action, path: self.dir.clone(), source };
        make_private_dir(&self.dir).map_err(error("make the directory"))?;
        take_back(&self.dir).map_err(error("take back the directory"))?;
        if self.path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            put_aside(&self.dir, &self.path).map_err(error("clear the directory"))?;
        }
        let listener = listen(&self.path)?;
        if uid != geteuid().as_raw() {
            lchown(&self.path, Some(uid), None).map_err(error("give the user the socket in"))?;
            lchown(&self.dir, Some(uid), None).map_err(error("give the user"))?;
        }
        Ok(listener)
    }

    /// Removes the socket and the directory, with a few other things that its user may have put there.
    ///
    /// # Errors
    /// `DirectoryNotEmpty` when that is more: the directory is the agent's again and stays, for people to look at.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_all(&self.dir)
    }
}

/// Makes a directory that stands in one of the agent's own the agent's again. Whoever has it open can change nothing in it from
/// then on. The mode comes last: its user could still change that before.
fn take_back(dir: &Path) -> io::Result<()> {
    lchown(dir, Some(geteuid().as_raw()), None)?;
    std::fs::set_permissions(dir, PermissionsExt::from_mode(DIR_MODE))
}

/// Removes the directory of a Machine, unless there is more in it than [`MAX_LEFT`] files and empty directories.
fn remove_all(dir: &Path) -> io::Result<()> {
    let removed = take_back(dir).and_then(|()| {
        for found in std::fs::read_dir(dir)?.take(MAX_LEFT) {
            let found = found?;
            if found.file_type()?.is_dir() {
                std::fs::remove_dir(found.path())?;
            } else {
                std::fs::remove_file(found.path())?;
            }
        }
        std::fs::remove_dir(dir)
    });
    removed.or_else(not_there)
}

/// Gives a directory that stands where the socket belongs another name.
fn put_aside(dir: &Path, path: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for number in 0..MAX_LEFT {
        // A name that is taken by an empty directory is taken over.
        last = std::fs::rename(path, dir.join(format!("left-{number}")));
        if last.is_ok() {
            break;
        }
    }
    last
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

/// Removes the directories of Machines that are not registered any more. One that cannot be removed harms nobody: it is
/// reported, and tried again at the next start.
pub(crate) fn remove_stale(machines: &Path, slots: &[u64]) -> io::Result<()> {
    let wanted: Vec<_> = slots.iter().map(|slot| dir_name(*slot)).collect();
    for found in std::fs::read_dir(machines)? {
        let found = found?;
        let stale = found.file_name().to_str().is_none_or(|name| !wanted.iter().any(|wanted| wanted == name));
        if stale && found.file_type()?.is_dir() {
            let path = found.path();
            if let Err(error) = remove_all(&path) {
                tracing::warn!(code = "LA14", path = %path.display(), %error, "the directory of a Machine that is gone cannot be removed");
            }
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
    async fn whatever_a_machine_s_user_left_in_its_directory_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "").unwrap();
        let before = std::fs::metadata(&victim).unwrap();
        let own = geteuid().as_raw();
        // Only root can give a directory away.
        let uid = if own == 0 { 65_534 } else { own };
        let socket = MachineSocket::new(dir.path(), 17);
        let inode = || std::fs::metadata(dir.path().join("11")).unwrap().ino();
        drop(socket.listen(uid).unwrap());
        let first = inode();
        let symlink = || std::os::unix::fs::symlink(&victim, socket.path()).unwrap();
        let full_dir = || std::fs::create_dir_all(socket.path().join("a/b")).unwrap();
        for leave in [&symlink as &dyn Fn(), &full_dir] {
            std::fs::remove_file(socket.path()).unwrap();
            leave();
            std::fs::set_permissions(dir.path().join("11"), PermissionsExt::from_mode(0o777)).unwrap();
            let _listener = socket.listen(uid).unwrap();
            let made = socket.path().symlink_metadata().unwrap();
            let folder = std::fs::metadata(dir.path().join("11")).unwrap();
            assert_eq!((made.mode() & 0o170_777, made.uid()), (0o140_600, uid));
            assert_eq!((folder.mode() & 0o777, folder.uid(), folder.ino()), (0o700, uid, first));
        }
        let after = std::fs::metadata(&victim).unwrap();
        assert_eq!((after.mode(), after.uid(), after.ctime()), (before.mode(), before.uid(), before.ctime()));
        std::fs::remove_dir_all(dir.path().join("11/left-0")).unwrap();
        std::fs::write(dir.path().join("11/more"), "").unwrap();
        socket.remove().unwrap();
        socket.remove().unwrap();
        assert!(!dir.path().join("11").exists());
    }

    /// A tree may be so deep that walking down it overflows the stack: nobody does.
    #[tokio::test]
    async fn what_is_nested_or_many_is_put_aside_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let socket = MachineSocket::new(dir.path(), 17);
        let own = geteuid().as_raw();
        for round in 0..2 {
            let _ = std::fs::remove_file(socket.path());
            std::fs::create_dir_all(socket.path().join("a/b")).unwrap();
            let _listener = socket.listen(own).unwrap();
            assert!(dir.path().join(format!("11/left-{round}/a/b")).exists());
        }
        let not_empty = io::ErrorKind::DirectoryNotEmpty;
        assert_eq!(socket.remove().unwrap_err().kind(), not_empty);
        assert!(dir.path().join("11/left-0/a/b").exists());
        std::fs::remove_dir_all(dir.path().join("11")).unwrap();
        std::fs::create_dir(dir.path().join("11")).unwrap();
        for number in 0..2 * MAX_LEFT - 1 {
            std::fs::write(dir.path().join(format!("11/{number}")), "").unwrap();
        }
        assert_eq!(socket.remove().unwrap_err().kind(), not_empty);
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
