//! The command line of a task: flags, options with a value, and the rest.

use std::fmt;

/// A wrong command line. The process ends with exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What stands behind the task's name. Take the flags and options first, then [`Args::rest`] or [`Args::done`].
pub(crate) struct Args {
    task: String,
    argv: Vec<String>,
}

impl Args {
    /// The arguments `argv` of `task`.
    pub(crate) fn new(task: &str, argv: Vec<String>) -> Self {
        Self { task: task.to_owned(), argv }
    }

    /// Whether help is asked for.
    pub(crate) fn help(&mut self) -> bool {
        self.flag("--help") || self.flag("-h")
    }

    /// Takes the flag `name`; true when it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.argv.len();
        self.argv.retain(|arg| arg != name);
        self.argv.len() != before
    }

    /// Takes `name VALUE` or `name=VALUE`.
    pub(crate) fn option(&mut self, name: &str) -> Result<Option<String>, Usage> {
        let prefix = format!("{name}=");
        let Some(at) = self.argv.iter().position(|arg| arg == name || arg.starts_with(&prefix)) else {
            return Ok(None);
        };
        let arg = self.argv.remove(at);
        if let Some(value) = arg.strip_prefix(&prefix) {
            return Ok(Some(value.to_owned()));
        }
        if at < self.argv.len() && !self.argv[at].starts_with('-') {
            return Ok(Some(self.argv.remove(at)));
        }
        Err(Usage(format!("{name} needs a value (see 'cargo xtask {} --help')", self.task)))
    }

    /// What is left; an argument that looks like a flag is unknown.
    pub(crate) fn rest(self) -> Result<Vec<String>, Usage> {
        match self.argv.iter().find(|arg| arg.starts_with('-')) {
            Some(flag) => {
                Err(Usage(format!("unknown flag '{flag}' (see 'cargo xtask {} --help')", self.task)))
            }
            None => Ok(self.argv),
        }
    }

    /// Nothing may be left.
    pub(crate) fn done(self) -> Result<(), Usage> {
        let task = self.task.clone();
        match self.rest()?.first() {
            Some(arg) => Err(Usage(format!("unexpected argument '{arg}' (see 'cargo xtask {task} --help')"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new("test", line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn flags_options_and_the_rest() {
        let mut all = args("--soak one --out DIR two --seconds=5");
        assert!(all.flag("--soak"));
        assert!(!all.flag("--soak"));
        assert_eq!(all.option("--out").unwrap().as_deref(), Some("DIR"));
        assert_eq!(all.option("--seconds").unwrap().as_deref(), Some("5"));
        assert_eq!(all.option("--none").unwrap(), None);
        assert_eq!(all.rest().unwrap(), ["one", "two"]);
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, said) in [("--sok", "unknown flag '--sok'"), ("x", "unexpected argument 'x'")] {
            let error = args(line).done().unwrap_err().to_string();
            assert!(error.starts_with(said), "{line}: {error}");
        }
        for line in ["--out", "--out --soak"] {
            let error = args(line).option("--out").unwrap_err().to_string();
            assert!(error.starts_with("--out needs a value"), "{line}: {error}");
        }
    }
}
