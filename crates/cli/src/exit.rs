//! How `logway` ends, in numbers.

use std::process::ExitCode;

/// The exit codes, as the top help lists them. `logway run` ends with the app's own code instead, or init's: 125 nothing to
/// run, 126 not executable, 127 not found, 128+N killed by signal N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked for, or the reader of its output had enough.
    Ok,
    /// Something failed that has no code of its own.
    Failure,
    /// A search found nothing, which is the same number: `search` ends with another one when it fails.
    NothingFound,
    /// The command line is wrong.
    Usage,
    /// What was asked for does not exist.
    NotFound,
    /// The credential is wrong, or does not allow it.
    Refused,
    /// Logway does not run here, or the connection is gone.
    Disconnected,
    /// Only a part of it could be had, and what is there is not to be taken for all.
    Partial,
    /// It took longer than allowed.
    Timeout,
    /// Nothing to run, as in init.
    NoCommand,
    /// Ended by Ctrl-C.
    Interrupted,
    /// As an app ended that was waited for.
    Child(u8),
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure | Self::NothingFound => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Disconnected => 5,
            Self::Partial => 6,
            Self::Timeout => 124,
            Self::NoCommand => 125,
            Self::Interrupted => 130,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of the top help; a macro, so that it can be a part of a constant text.
macro_rules! exit_table {
    () => {
        "\
Exit codes:
  0    done, or the reader of the output had enough
  1    failed
  2    the command line is wrong
  3    not found
  4    wrong credential, or not allowed
  5    Logway does not run here, or the connection is gone
  6    what was shown or written is not all there is
  124  took too long
  130  ended by Ctrl-C before it was done
  'search' ends as grep does: 0 found, 1 nothing found, 2 and more trouble
  'logs --until-exit' ends with the app's own code, 128+N by signal N
  'run' ends with the app's own code; 125 nothing to run, 126 not executable, 127 not found, 128+N killed by signal N"
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_code() {
        use Exit::{
            Disconnected, Failure, Interrupted, NoCommand, NotFound, Ok, Partial, Refused, Timeout, Usage,
        };
        for exit in
            [Ok, Failure, Usage, NotFound, Refused, Disconnected, Partial, Timeout, NoCommand, Interrupted]
        {
            let number = exit.code().to_string();
            assert!(
                exit_table!().split(|c: char| !c.is_ascii_digit()).any(|word| word == number),
                "{number}"
            );
        }
    }
}
