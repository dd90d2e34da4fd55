//! The catalogue of codes in messages: what happened, why, and what to do.
//!
//! Those that begin with L are Logway's own: their meaning never changes and a retired code is never used again. Those that begin
//! with P are written by Fly's proxy. The second letter is the family. `logway explain CODE` prints an entry, and
//! [`recognise`] finds the code of a line.

mod own;
mod platform;
mod recognise;

use own::OWN;
use platform::PLATFORM;

pub use recognise::{of_field, of_import, recognise};

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, as `LA02`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What the first two letters of a code say: which part of the system, or of a platform's proxy, it is about.
const FAMILIES: &[(&str, &str)] = &[
    ("LI", "init"),
    ("LA", "agent"),
    ("LB", "bus"),
    ("LR", "registry and access"),
    ("LP", "front door"),
    ("LS", "store"),
    ("LX", "shipper"),
    ("LQ", "query"),
    ("PP", "platform proxy"),
    ("PU", "upstream"),
    ("PC", "connection"),
    ("PT", "TLS"),
    ("PM", "machine"),
    ("PA", "app replay"),
    ("PE", "edge"),
    ("PR", "routing"),
    ("PL", "limits"),
];

impl Code {
    /// Which part of the system, or of a platform's proxy, it is about.
    pub fn family(&self) -> &'static str {
        FAMILIES.iter().find(|(letters, _)| self.code.starts_with(letters)).map_or("", |(_, name)| name)
    }
}

/// The entry of `code`, in any case; `None` if there is none.
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|c| c.code.eq_ignore_ascii_case(code.trim()))
}

const fn code(code: &'static str, title: &'static str, cause: &'static str, remedy: &'static str) -> Code {
    Code { code, title, cause, remedy }
}

/// How many codes there are.
const COUNT: usize = OWN.len() + PLATFORM.len();

/// All codes, by family and number, our own first.
pub const ALL: &[Code] = &all();

const fn all() -> [Code; COUNT] {
    let mut all = [OWN[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = if at < OWN.len() { OWN[at] } else { PLATFORM[at - OWN.len()] };
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_unique_and_complete() {
        let rank = |c: &Code| (FAMILIES.iter().position(|(f, _)| c.code.starts_with(f)), c.code);
        assert!(ALL.windows(2).all(|pair| rank(&pair[0]) < rank(&pair[1])));
        for entry in ALL {
            assert!(!entry.family().is_empty() && entry.code.len() == 4, "{}", entry.code);
            assert!(
                !entry.title.is_empty() && entry.cause.ends_with('.') && entry.remedy.ends_with('.'),
                "{}",
                entry.code
            );
        }
    }

    #[test]
    fn the_platform_has_47() {
        assert_eq!(ALL.iter().filter(|entry| entry.code.starts_with('P')).count(), 47);
        assert_eq!(
            find("pr01").map(|entry| (entry.title, entry.family())),
            Some(("No healthy machines", "routing"))
        );
    }

    #[test]
    fn codes_are_found_in_any_case() {
        assert_eq!(find(" la02 ").map(|c| c.title), Some("Machine vanished"));
        assert_eq!(find("ZZ99"), None);
    }
}
