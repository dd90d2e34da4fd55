//! The data directory: where it is, what lies in it, and how it is made once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use line::OrgId;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::fail::Fail;

/// The roles that have a credential in `bus/`.
pub(crate) const ROLES: [&str; 5] = ["agent", "proxy", "api", "store", "registry"];

/// The file that says by its lock who has a data directory, and in it by which number.
const LOCK: &str = "lock";
/// How long a look at the lock takes at most, and how many in a row are waited for.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: u32 = 100;

/// The option of the commands that use a data directory.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DataArg {
    /// Where Logway keeps its data [default: /var/lib/logway for root, else ~/.local/share/logway]
    #[arg(long = "data", env = "LOGWAY_DATA", value_name = "DIR", global = true)]
    path: Option<PathBuf>,
}

impl DataArg {
    /// As if `path` had been named.
    #[cfg(test)]
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: Some(path.to_owned()) }
    }

    /// The directory that was asked for, else that of this user.
    pub(crate) fn dir(&self) -> Result<Data> {
        Data::new(self.path.as_deref())
    }

    /// Whether a directory was asked for.
    pub(crate) const fn is_named(&self) -> bool {
        self.path.is_some()
    }
}

/// A data directory. Nothing is known of it until it is used.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    path: PathBuf,
}

/// The org whose lines they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Org {
    /// Immutable, and part of every subject.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) slug: String,
}

/// What a running `logway up` says of itself in `up.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// The bus: its own broker, or the server it was given.
    pub(crate) nats: String,
    /// The front door, where tokens let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<String>,
    /// Metrics and health.
    pub(crate) http: String,
    pub(crate) region: String,
    pub(crate) host: String,
}

impl Data {
    /// The directory that was asked for, else that of this user.
    pub(crate) fn new(asked: Option<&Path>) -> Result<Self> {
        let path = match asked {
            Some(path) => path.to_owned(),
            None => {
                Self::default_path().context("no data directory: HOME is not set; name one with --data")?
            }
        };
        let path = std::path::absolute(&path).with_context(|| format!("the data directory {path:?}"))?;
        Ok(Self { path })
    }

    fn default_path() -> Option<PathBuf> {
        if rustix::process::geteuid().is_root() {
            return Some(PathBuf::from("/var/lib/logway"));
        }
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let share = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
        Some(share?.join("logway"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's own directory.
    pub(crate) fn agent(&self) -> PathBuf {
        self.path.join("agent")
    }

    /// Where the agent takes orders.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.agent().join("admin.sock")
    }

    /// The registry's own directory.
    pub(crate) fn registry(&self) -> PathBuf {
        self.path.join("registry")
    }

    /// The store's own directory.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// The token of the org whose lines they are; a running registry keeps it good.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.path.join("token")
    }

    /// Makes the directory and takes it for this process, which the file names. The lock ends with the file.
    pub(crate) fn take(&self) -> Result<File> {
        make_dir(&self.path).map_err(|error| self.unusable(&error))?;
        let path = self.path.join(LOCK);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(|error| self.unusable(&error))?;
        match lock(&file) {
            Ok(()) => {
                let pid = std::process::id().to_string();
                // On a full disk nobody is known to run here, and all the rest is as it would be.
                let _ = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
                Ok(file)
            }
            Err(Errno::WOULDBLOCK) => {
                let who = self.said().ok().flatten();
                let who =
                    who.map_or("another Logway".to_owned(), |up| format!("another Logway (pid {})", up.pid));
                Fail::new(Exit::Failure, format!("the data directory {} is in use", self.path.display()))
                    .code("LA14")
                    .why(format!("{who} has it locked"))
                    .hint("stop the other one, or name another directory with --data")
                    .err()
            }
            Err(error) => Err(self.unusable(&error.into())),
        }
    }

    /// The process that has the directory now; `None`: nobody has.
    fn taken_by(&self) -> Result<Option<u32>> {
        let mut file = match File::open(self.path.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&error)),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            // It ends with the file, at once.
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(|error| self.unusable(&error))?;
                Ok(text.trim().parse().ok())
            }
            Err(error) => Err(self.unusable(&error.into())),
        }
    }

    /// What an error of the file system means for the person.
    pub(crate) fn unusable(&self, error: &io::Error) -> anyhow::Error {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let (what, code) = if is_full { ("is on a full disk", "LA15") } else { ("cannot be used", "LA14") };
        let fail = Fail::new(Exit::Failure, format!("the data directory {} {what}", self.path.display()));
        let fail = fail.code(code).why(error);
        // The remedy of the catalogue is for an agent that runs.
        if is_full { fail.hint("free some space, or name another directory with --data") } else { fail }
            .into()
    }

    /// The org `personal`, minted when it is not there yet.
    pub(crate) fn mint_org(&self) -> Result<Org> {
        let path = self.path.join("org");
        if !path.exists() {
            let id = OrgId::mint(u64::from_ne_bytes(random()?)).to_string();
            let org = Org { id, slug: "personal".to_owned() };
            let text = format!("{}\n", serde_json::to_string(&org)?);
            replace(&path, text.as_bytes()).map_err(|error| self.unusable(&error))?;
        }
        self.org()
    }

    /// The org whose lines they are.
    pub(crate) fn org(&self) -> Result<Org> {
        let path = self.path.join("org");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.not_running()),
            Err(error) => return Err(self.unusable(&error)),
        };
        let org: Org = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        OrgId::new(&org.id).with_context(|| format!("reading {}", path.display()))?;
        Ok(org)
    }

    /// Makes the credential of each role that has none yet.
    pub(crate) fn mint_credentials(&self) -> Result<()> {
        let dir = self.path.join("bus");
        make_dir(&dir).map_err(|error| self.unusable(&error))?;
        for role in ROLES {
            let path = dir.join(role);
            if path.exists() {
                continue;
            }
            let password: String = random::<24>()?.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = format!("{role}:{password}\n");
            replace(&path, text.as_bytes()).map_err(|error| self.unusable(&error))?;
        }
        Ok(())
    }

    /// User and password of `role` on the bus; `None` when there is no such file.
    pub(crate) fn credential(&self, role: &str) -> Result<Option<(String, String)>> {
        let path = self.path.join("bus").join(role);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&error)),
        };
        let (user, password) = text
            .trim_end_matches(['\n', '\r'])
            .split_once(':')
            .with_context(|| format!("{} is not one line 'user:password'", path.display()))?;
        Ok(Some((user.to_owned(), password.to_owned())))
    }

    /// Says in `up.json` that it runs.
    pub(crate) fn write_running(&self, running: &Running) -> Result<()> {
        let text = format!("{}\n", serde_json::to_string(running)?);
        replace(&self.path.join("up.json"), text.as_bytes()).map_err(|error| self.unusable(&error))
    }

    /// Takes that back. A failure leaves a file that names a process which is gone, and that does no harm.
    pub(crate) fn remove_running(&self) {
        let _ = fs::remove_file(self.path.join("up.json"));
    }

    /// The `up` that runs here. What `up.json` says is believed only while the process that it names has the directory: after a crash
    /// anybody may listen where that one did, and is not to be sent a password.
    pub(crate) fn running(&self) -> Result<Option<Running>> {
        let Some(running) = self.said()? else { return Ok(None) };
        Ok(if self.taken_by()? == Some(running.pid) { Some(running) } else { None })
    }

    /// What `up.json` says, also of an `up` that has crashed.
    pub(crate) fn said(&self) -> Result<Option<Running>> {
        let path = self.path.join("up.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let running = serde_json::from_str(&text);
                Ok(Some(running.with_context(|| format!("reading {}", path.display()))?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    /// The error that Logway does not run on this directory.
    pub(crate) fn not_running(&self) -> anyhow::Error {
        let what = format!("no Logway runs on the data directory {}", self.path.display());
        Fail::new(Exit::Disconnected, what)
            .code("LA17")
            .hint(format!(
                "start it with 'logway up --data {}', or name its directory with --data",
                self.path.display()
            ))
            .into()
    }
}

/// Locks a file for this process alone. Who only looks whether it is locked has it for a moment, and is waited for.
fn lock(file: &File) -> Result<(), Errno> {
    for _ in 0..LOOKS {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {}
            locked => return locked,
        }
        // Those who look do not keep each other out; who has taken it does.
        rustix::fs::flock(file, FlockOperation::NonBlockingLockShared)?;
        rustix::fs::flock(file, FlockOperation::Unlock)?;
        std::thread::sleep(LOOK);
    }
    Err(Errno::WOULDBLOCK)
}

/// Makes a directory for this user alone, with those above it.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file as a whole, for this user alone: whoever reads it, even after a power cut, finds all of it or what was
/// there before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let source = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    source.context("reading /dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fail::describe;

    fn data(dir: &tempfile::TempDir) -> Data {
        Data::new(Some(&dir.path().join("d"))).unwrap()
    }

    #[test]
    fn org_and_credentials_are_minted_once() {
        let dir = tempfile::tempdir().unwrap();
        let data = data(&dir);
        let _lock = data.take().unwrap();
        let org = data.mint_org().unwrap();
        assert_eq!((org.slug.as_str(), org.id.len()), ("personal", 13));
        assert_eq!(data.mint_org().unwrap(), org);
        data.mint_credentials().unwrap();
        let proxy = data.credential("proxy").unwrap().unwrap();
        data.mint_credentials().unwrap();
        assert_eq!(data.credential("proxy").unwrap().unwrap(), proxy);
        assert_eq!((proxy.0.as_str(), proxy.1.len()), ("proxy", 48));
        for (path, mode) in [("", 0o700), ("org", 0o600), ("bus", 0o700), ("bus/agent", 0o600)] {
            let found = fs::metadata(data.path().join(path)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data = data(&dir);
        let lock = data.take().unwrap();
        let (text, exit) = describe(&data.take().unwrap_err());
        assert!(
            text.starts_with("error[LA14]") && text.contains("hint: ") && exit == Exit::Failure,
            "{text}"
        );
        drop(lock);
        // Who only looks is in nobody's way.
        let looking = File::open(data.path().join(LOCK)).unwrap();
        rustix::fs::flock(&looking, FlockOperation::NonBlockingLockShared).unwrap();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| data.take());
            let looked = scope.spawn(|| data.taken_by().unwrap());
            assert_eq!(looked.join().unwrap(), None);
            drop(looking);
            assert!(taking.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let data = Data::new(Some(&dir.path().join("file/d"))).unwrap();
        let (text, _) = describe(&data.take().unwrap_err());
        assert!(
            text.contains("LA14") && text.contains("file/d") && text.contains("Not a directory"),
            "{text}"
        );
        let full = data.unusable(&io::Error::from(io::ErrorKind::StorageFull));
        assert!(describe(&full).0.contains("LA15"));
    }

    #[test]
    fn what_runs_is_known_and_what_does_not_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let data = data(&dir);
        assert_eq!(data.running().unwrap(), None);
        assert_eq!(describe(&data.org().unwrap_err()).1, Exit::Disconnected);
        let lock = data.take().unwrap();
        let text = |text: &str| text.to_owned();
        let running = Running {
            pid: std::process::id(),
            nats: text("nats://x:1"),
            proxy: None,
            http: text("y"),
            region: text("lhr"),
            host: text("h"),
        };
        data.write_running(&running).unwrap();
        assert_eq!(data.running().unwrap(), Some(running.clone()));
        // Another that has it, and nobody.
        data.write_running(&Running { pid: 7, ..running.clone() }).unwrap();
        assert_eq!(data.running().unwrap(), None);
        data.write_running(&running).unwrap();
        drop(lock);
        assert_eq!((data.running().unwrap(), data.said().unwrap()), (None, Some(running)));
        data.remove_running();
        assert_eq!(data.running().unwrap(), None);
    }
}
