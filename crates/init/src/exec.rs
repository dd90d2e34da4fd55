//! What must be ready before a fork: the strings of the command, its environment and the places to look for it.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;

use crate::kernel::SpawnError;

/// Where to look when there is no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most places to look: the failing child says which one in a byte.
const MAX_CANDIDATES: usize = 255;

/// The strings for `execve`.
#[derive(Debug)]
pub(crate) struct Exec {
    name: String,
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
    /// Entries of the environment that are left out because they are not of the form `NAME=VALUE`.
    pub(crate) odd_entries: usize,
}

/// Pointers to the strings: the candidates, then the arguments and the environment with a null pointer at their ends.
type Pointers = (Vec<*const c_char>, Vec<*const c_char>, Vec<*const c_char>);

impl Exec {
    /// Takes the command and the entries of this process's environment, PATH among them.
    pub(crate) fn prepare(argv: &[OsString], entries: Vec<CString>) -> Result<Self, SpawnError> {
        let name = argv.first().map(OsString::as_os_str).unwrap_or_default();
        let shown = name.to_string_lossy().into_owned();
        let (env, odd_entries) = environment(entries);
        let path = env.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
        let path = OsStr::from_bytes(path.unwrap_or(DEFAULT_PATH.as_bytes()));
        let strings = || -> Result<_, std::ffi::NulError> {
            let candidates =
                candidates(name, path).into_iter().map(CString::new).collect::<Result<_, _>>()?;
            let argv = argv.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<_, _>>()?;
            Ok((candidates, argv))
        };
        let (candidates, argv) = strings()
            .map_err(|nul| SpawnError::Exec { path: shown.clone(), source: io::Error::from(nul) })?;
        Ok(Self { name: shown, candidates, argv, env, odd_entries })
    }

    /// Pointers that are valid as long as `self` is.
    pub(crate) fn pointers(&self) -> Pointers {
        let list = |strings: &[CString]| strings.iter().map(|string| string.as_ptr()).collect::<Vec<_>>();
        let ended = |strings: &[CString]| {
            let mut list = list(strings);
            list.push(std::ptr::null());
            list
        };
        (list(&self.candidates), ended(&self.argv), ended(&self.env))
    }

    /// The place that was tried as number `index` and failed by `kind`; the bare name if it was looked for in several and is
    /// in none.
    pub(crate) fn path(&self, index: usize, kind: ErrorKind) -> String {
        let is_in_none = matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
        match self.candidates.get(index) {
            Some(path) if !is_in_none || self.candidates.len() == 1 => path.to_string_lossy().into_owned(),
            _ => self.name.clone(),
        }
    }
}

/// The app's environment: of the entries with the same name the last one. The second part counts those that are left out
/// because they have no name or no `=`.
fn environment(entries: Vec<CString>) -> (Vec<CString>, usize) {
    let name = |entry: &CStr| {
        let bytes = entry.to_bytes();
        let len = bytes.iter().position(|&byte| byte == b'=').filter(|&len| len > 0)?;
        bytes.get(..len).map(<[u8]>::to_vec)
    };
    let (named, odd): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| name(entry).is_some());
    let mut seen = HashSet::new();
    let mut env: Vec<_> = named.into_iter().rev().filter(|entry| seen.insert(name(entry))).collect();
    env.reverse();
    (env, odd.len())
}

/// The files that `name` may mean: itself if it has a slash, else one in each folder of `path`.
fn candidates(name: &OsStr, path: &OsStr) -> Vec<Vec<u8>> {
    let name = name.as_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return vec![name.to_vec()];
    }
    let folder = |folder: &[u8]| match folder {
        b"" => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    };
    path.as_bytes().split(|&byte| byte == b':').take(MAX_CANDIDATES).map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_path_and_a_path_is_not() {
        for (name, path, wanted) in [
            ("sh", "/bin:/usr/bin", &["/bin/sh", "/usr/bin/sh"][..]),
            ("sh", "/bin::", &["/bin/sh", "sh", "sh"]),
            ("./sh", "/bin", &["./sh"]),
            ("", "/bin", &[""]),
        ] {
            let found = candidates(OsStr::new(name), OsStr::new(path));
            let found: Vec<_> = found.iter().map(|bytes| std::str::from_utf8(bytes).unwrap()).collect();
            assert_eq!(found, wanted, "{name} in {path}");
        }
    }

    #[test]
    fn a_nul_is_an_error_that_names_the_command() {
        let error = Exec::prepare(&["a".into(), OsStr::from_bytes(b"b\0c").into()], Vec::new()).unwrap_err();
        assert!(matches!(error, SpawnError::Exec { path, .. } if path == "a"));
    }

    #[test]
    fn lists_end_with_null() {
        let exec = Exec::prepare(&["/bin/a".into(), "b".into()], vec![c"A=b".into()]).unwrap();
        let (candidates, argv, env) = exec.pointers();
        assert_eq!((candidates.len(), argv.len(), env.len()), (1, 3, 2));
        assert!(argv[2].is_null() && env[1].is_null());
    }

    #[test]
    fn the_file_that_was_there_is_named_and_of_none_the_name() {
        let found = |argv0: &str, index, kind| {
            let path = c"PATH=/usr/first:/usr/second";
            Exec::prepare(&[argv0.into()], vec![path.into()]).unwrap().path(index, kind)
        };
        let (missing, denied) = (ErrorKind::NotFound, ErrorKind::PermissionDenied);
        assert_eq!(found("/bin/a", 0, missing), "/bin/a");
        assert_eq!(found("app", 0, missing), "app");
        assert_eq!(found("app", 0, denied), "/usr/first/app");
        assert_eq!(found("app", 1, denied), "/usr/second/app");
    }

    #[test]
    fn of_entries_with_one_name_the_last_wins_and_odd_ones_are_counted() {
        let entries = [c"A=1", c"no name", c"B=x=y\nz", c"=x", c"", c"A=2", c"PATH=/a", c"C=", c"PATH=/b"];
        let exec = Exec::prepare(&["app".into()], entries.map(CString::from).to_vec()).unwrap();
        assert_eq!(exec.env, [c"B=x=y\nz", c"A=2", c"C=", c"PATH=/b"].map(CString::from));
        assert_eq!((exec.odd_entries, exec.candidates), (3, vec![c"/b/app".into()]));
    }
}
