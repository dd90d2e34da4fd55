//! What a token may be used for.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// One of the four things that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read lines: tail, search, export.
    Read,
    /// Insert lines from elsewhere.
    Write,
    /// Set up shipping to other services.
    Ship,
    /// Make and revoke tokens, rename the org.
    Admin,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Ship, Self::Admin];

    /// Its name in tokens and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ship => "ship",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |action: &Self| action.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| Error::Action(text.to_owned()))
    }
}

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// Everything.
    pub const ALL: Self = Self(0b1111);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Whether `action` is among them.
    pub const fn has(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The actions, in the order of [`Action::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |bits, action| bits | action.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse::<Action>().unwrap(), action);
        }
        for bad in ["", "Read", "read ", "all"] {
            assert!(bad.parse::<Action>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sets() {
        let some: Actions = [Action::Ship, Action::Read].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [Action::Read, Action::Ship]);
        assert_eq!(some.and(Actions::ALL), some);
        assert_eq!(some.and([Action::Write].into_iter().collect()), Actions::NONE);
        assert_eq!(Action::ALL.into_iter().collect::<Actions>(), Actions::ALL);
    }
}
