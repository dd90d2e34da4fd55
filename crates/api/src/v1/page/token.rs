//! `next_token`: where a page begins, in digits and nothing else, as clients of Fly's Logs API keep it.
//!
//! | digits | meaning |
//! |---|---|
//! | none | the newest lines of a day |
//! | up to 19 | a time in Unix nanoseconds: lines after it |
//! | 19 + 30 for each store | ours: the time in 19 digits, then for each store 10 digits that stand for its name and in 20 a position in its commit order: lines after that time, committed from there on |
//!
//! A position, unlike a time, stands between any two lines: those of one nanosecond are neither lost nor given twice, and a line that
//! comes late is behind it, however old it is. A store that was added since is read from its beginning.

use std::fmt;

use crate::args::short;
use crate::reply::Refused;

/// Digits of a time.
const TIME: usize = 19;
/// Digits of a position.
const POS: usize = 20;
/// Digits that stand for a store's name.
const NAME: usize = 10;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// At the newest lines.
    Newest,
    /// Behind a time, Unix nanoseconds.
    After(i64),
    /// Where the page before ended.
    From(Cursor),
}

/// How far a reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Only lines after this time, Unix nanoseconds.
    pub(super) after: i64,
    /// The [`digest`] of each store's name, and the position up to which it was read.
    pub(super) stores: Vec<(u64, u64)>,
}

impl Token {
    /// Reads what a client sent; nothing is the newest lines.
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        let bad = || {
            Refused::bad(format!(
                "the argument next_token={} is none of ours: send the one of the page before, a time in Unix nanoseconds, or none for \
                 the newest lines",
                short(text)
            ))
        };
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        if text.is_empty() {
            return Ok(Self::Newest);
        }
        let Some((time, rest)) = text.split_at_checked(TIME) else { return Ok(Self::After(time_of(text))) };
        let after = time_of(time);
        if rest.is_empty() {
            return Ok(Self::After(after));
        }
        let stores = each(rest).ok_or_else(bad)?;
        Ok(Self::From(Cursor { after, stores }))
    }
}

/// The longest times are beyond what a clock shows: nothing is after them.
fn time_of(digits: &str) -> i64 {
    digits.parse().unwrap_or(i64::MAX)
}

/// So are the longest positions.
fn pos_of(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

/// Pairs of a name and a position.
fn each(mut rest: &str) -> Option<Vec<(u64, u64)>> {
    let mut all = Vec::with_capacity(rest.len() / (NAME + POS));
    while !rest.is_empty() {
        let (name, tail) = rest.split_at_checked(NAME)?;
        let (pos, tail) = tail.split_at_checked(POS)?;
        all.push((name.parse().ok()?, pos_of(pos)));
        rest = tail;
    }
    Some(all)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0TIME$}", self.after.max(0))?;
        self.stores.iter().try_for_each(|(name, pos)| write!(f, "{name:0NAME$}{pos:0POS$}"))
    }
}

/// What stands for a store's name in a token: FNV-1a, which is the same in every build. Stores of one cluster that share it would be
/// one in four thousand million.
pub(super) fn digest(store: &str) -> u64 {
    let hash = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    store.bytes().fold(0x811c_9dc5, hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens() {
        let each = |all: &[(u64, u64)]| Token::From(Cursor { after: 5, stores: all.to_vec() });
        for (text, wanted) in [
            ("", Some(Token::Newest)),
            ("0", Some(Token::After(0))),
            ("1795341600000000000", Some(Token::After(1_795_341_600_000_000_000))),
            ("0000000000000000005", Some(Token::After(5))),
            ("9999999999999999999", Some(Token::After(i64::MAX))),
            (
                "9999999999999999999000000000700000000000000000042",
                Some(Token::From(Cursor { after: i64::MAX, stores: vec![(7, 42)] })),
            ),
            ("0000000000000000005000000000718446744073709551615", Some(each(&[(7, u64::MAX)]))),
            ("0000000000000000005000000000799999999999999999999", Some(each(&[(7, u64::MAX)]))),
            ("0000000000000000005000000000700000000000000000042", Some(each(&[(7, 42)]))),
            (
                "0000000000000000005000000000700000000000000000042429496729500000000000000000043",
                Some(each(&[(7, 42), (u64::from(u32::MAX), 43)])),
            ),
            ("0000000000000000005999999999900000000000000000042", Some(each(&[(9_999_999_999, 42)]))),
            ("00000000000000000050", None),
            ("000000000000000000500000000000000000042", None),
            ("-5", None),
            ("+5", None),
            (" 5", None),
            ("5.0", None),
            ("1e9", None),
            ("٣", None),
            ("2026-11-22T10:00:00Z", None),
        ] {
            assert_eq!(Token::read(text).ok(), wanted, "{text:?}");
        }
        let refused = Token::read("later").unwrap_err();
        assert!(refused.status == 400 && refused.text.contains("Unix nanoseconds"), "{refused:?}");
    }

    #[test]
    fn names() {
        assert_eq!((digest(""), digest("main")), (0x811c_9dc5, 0xea90_e208));
        assert_ne!(digest("main"), digest("other"));
    }

    proptest! {
        #[test]
        fn what_is_handed_out_comes_back(after in 0..=i64::MAX, stores in prop::collection::vec((0..=u64::from(u32::MAX), any::<u64>()), 1..4)) {
            let cursor = Cursor { after, stores };
            let text = cursor.to_string();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(Token::read(&text), Ok(Token::From(cursor)));
        }

        #[test]
        fn any_text_is_a_token_or_not(text in "\\PC{0,80}", digits in "[0-9]{0,90}") {
            let _ = Token::read(&text);
            let _ = Token::read(&digits);
        }
    }
}
