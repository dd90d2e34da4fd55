//! What must be ready before a fork: the strings of the command, its environment and the places to look for it.

use std::env;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
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
}

/// Pointers to the strings: the candidates, then the arguments and the environment with a null pointer at their ends.
type Pointers = (Vec<*const c_char>, Vec<*const c_char>, Vec<*const c_char>);

impl Exec {
    /// Takes the command, this process's environment and its PATH.
    pub(crate) fn prepare(argv: &[OsString]) -> Result<Self, SpawnError> {
        let name = argv.first().map(OsString::as_os_str).unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let shown = name.to_string_lossy().into_owned();
        let strings = || -> Result<Self, std::ffi::NulError> {
            let candidates =
                candidates(name, &path).into_iter().map(CString::new).collect::<Result<_, _>>()?;
            let argv = argv.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<_, _>>()?;
            let pair = |(name, value): (OsString, OsString)| {
                CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
            };
            let env = env::vars_os().map(pair).collect::<Result<_, _>>()?;
            Ok(Self { name: shown.clone(), candidates, argv, env })
        };
        strings().map_err(|nul| SpawnError::Exec { path: shown.clone(), source: io::Error::from(nul) })
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

    /// The place that was tried as number `index`; the bare name if it was looked for in several and is in none.
    pub(crate) fn path(&self, index: usize) -> String {
        match self.candidates.get(index) {
            Some(path) if index > 0 || self.candidates.len() == 1 => path.to_string_lossy().into_owned(),
            _ => self.name.clone(),
        }
    }
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
        let error = Exec::prepare(&["a".into(), OsStr::from_bytes(b"b\0c").into()]).unwrap_err();
        assert!(matches!(error, SpawnError::Exec { path, .. } if path == "a"));
    }

    #[test]
    fn lists_end_with_null() {
        let exec = Exec::prepare(&["/bin/a".into(), "b".into()]).unwrap();
        let (candidates, argv, env) = exec.pointers();
        assert_eq!((candidates.len(), argv.len()), (1, 3));
        assert!(argv[2].is_null() && env.last().is_some_and(|last| last.is_null()));
        assert_eq!(exec.path(0), "/bin/a");
    }
}
