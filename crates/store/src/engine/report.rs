//! What a start found wrong.

use std::fmt;
use std::path::PathBuf;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The log ends in a batch that is not whole: normal after a crash. Nobody was told that it is stored.
    TornLog,
    /// Batches of the log that were acknowledged are unreadable. Their bytes are in `damaged`, if there are any.
    LostBatches(u64),
    /// A segment of the log is unreadable and was moved to `damaged`.
    LogSetAside,
    /// The disk does not give so many bytes of the log, however often it is asked. Batches that stood there are missing; agents that send
    /// them again are believed. The segment is moved to `damaged`, with a note, when what can be read of it is in parts.
    UnreadableLog(u64),
    /// The same, of bytes that nobody needs: all that stood there is in parts.
    UnreadableOldLog,
    /// A batch of the log is whole and yet cannot be read; this program is older than the one that wrote it.
    UnknownBatch,
    /// A part is unreadable and was moved to `damaged`; so many rows are missing.
    DamagedPart(u64),
    /// A part cannot be read at the moment, or a later version wrote it: so many rows are missing until it can. It is looked at again
    /// each minute and at each start.
    UnreadablePart(u64),
    /// A part that should be there is not; so many rows are missing.
    MissingPart(u64),
    /// A part that the manifest did not know was found to belong here.
    AdoptedPart(u64),
    /// A part that the manifest does not know and that may hold what others hold was moved to `damaged`.
    UnknownPart,
    /// So many bytes of the manifest are unreadable.
    DamagedManifest(u64),
    /// What was seen of each boot is unreadable; it was made anew from the parts.
    SeenAnew,
    /// There is no room for the reserve; batches are refused until there is.
    NoReserve,
}

impl Problem {
    /// Whether something that was acknowledged is missing, or may be.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::DamagedPart(_) | Self::MissingPart(_) | Self::UnreadablePart(_))
            || matches!(
                self,
                Self::LostBatches(_) | Self::LogSetAside | Self::UnreadableLog(_) | Self::UnknownBatch
            )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornLog => {
                f.write_str("the log ended in a batch that was not acknowledged; nothing is missing")
            }
            Self::LostBatches(batches) => write!(f, "{batches} batches of the log cannot be read"),
            Self::LogSetAside => f.write_str("a segment of the log cannot be read and was set aside"),
            Self::UnreadableLog(bytes) => write!(
                f,
                "the disk does not give {bytes} bytes of the log (LS03): lines that stood there are missing; the segment is set aside"
            ),
            Self::UnreadableOldLog => f.write_str(
                "the disk does not give a segment of the log (LS03); it is set aside, and nothing is missing",
            ),
            Self::UnknownBatch => f.write_str("a batch of the log is of a newer version"),
            Self::DamagedPart(rows) => {
                write!(f, "the part cannot be read and was set aside: {rows} lines are missing")
            }
            Self::UnreadablePart(rows) => write!(
                f,
                "the part cannot be read at the moment (LS03): {rows} lines are missing until it can; check the disk"
            ),
            Self::MissingPart(rows) => write!(f, "the part is not there: {rows} lines are missing"),
            Self::AdoptedPart(rows) => write!(f, "the part was found again, with {rows} lines"),
            Self::UnknownPart => f.write_str("the part is not known and was set aside"),
            Self::DamagedManifest(bytes) => write!(f, "{bytes} bytes of the manifest cannot be read"),
            Self::SeenAnew => f.write_str(
                "what was seen of each boot was made anew; lines that agents send again may come twice",
            ),
            Self::NoReserve => {
                f.write_str("there is no room on the disk (LS02): no lines are taken until there is")
            }
        }
    }
}

/// What the start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, and with which file.
    pub problems: Vec<(PathBuf, Problem)>,
    /// Batches that were read from the log.
    pub replayed: u64,
    /// Rows that were read from it.
    pub replayed_rows: u64,
    /// Parts.
    pub parts: usize,
}

impl Report {
    /// Whether something that was acknowledged is missing.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.problems.iter().any(|(_, problem)| problem.is_loss())
    }

    /// The same, of what does not come back when it can be read again.
    pub(super) fn is_lossy_for_good(&self) -> bool {
        let for_good =
            |problem: &Problem| problem.is_loss() && !matches!(problem, Problem::UnreadablePart(_));
        self.problems.iter().any(|(_, problem)| for_good(problem))
    }

    /// Rows of parts, batches of the log, and bytes of the log that are missing, as far as they can be counted. Parts that may be back
    /// are not among them.
    pub(super) fn losses(&self) -> (u64, u64, u64) {
        self.problems.iter().fold((0, 0, 0), |(rows, batches, bytes), (_, problem)| match problem {
            Problem::DamagedPart(more) | Problem::MissingPart(more) => (rows + more, batches, bytes),
            Problem::LostBatches(more) => (rows, batches + more, bytes),
            Problem::UnknownBatch => (rows, batches + 1, bytes),
            Problem::UnreadableLog(more) => (rows, batches, bytes + more),
            _ => (rows, batches, bytes),
        })
    }
}
