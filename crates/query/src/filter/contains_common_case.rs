//! `f:contains_common_case("Error")`: as `contains_any`, with the ways in which a word is commonly written: as it stands,
//! in small letters, and in capitals.

use std::fmt;

use super::contains_any::ContainsAny;
use super::write_list;
use crate::error::Error;
use crate::predicate::Matcher;

/// Phrases of which one is enough, each in its common cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainsCommonCase(pub Vec<String>);

impl fmt::Display for ContainsCommonCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "contains_common_case", &self.0)
    }
}

impl ContainsCommonCase {
    pub(super) fn compile(&self) -> Result<Matcher, Error> {
        ContainsAny(common_cases(&self.0)).compile()
    }
}

/// Most capitals of a phrase of which each is tried small and large.
const MAX_CAPITALS: usize = 10;

/// The phrases as they stand, all small, all capitals, and with each capital of a phrase small or large as long as there are
/// few: `VictoriaLogs` also finds `victoriaLogs` and `Victorialogs`.
pub(super) fn common_cases(phrases: &[String]) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    for phrase in phrases {
        let capitals = phrase.chars().filter(|c| c.is_uppercase()).count();
        if (1..=MAX_CAPITALS).contains(&capitals) {
            let choices = 0..1_u32 << capitals;
            cases.extend(choices.map(|choice| with_small(phrase, choice)));
        }
        cases.extend([phrase.clone(), phrase.to_lowercase(), phrase.to_uppercase()]);
    }
    cases.sort();
    cases.dedup();
    cases
}

/// `phrase` with the capitals small whose bits are set in `choice`.
fn with_small(phrase: &str, choice: u32) -> String {
    let mut out = String::with_capacity(phrase.len());
    let mut bit = 0;
    for letter in phrase.chars() {
        if !letter.is_uppercase() {
            out.push(letter);
            continue;
        }
        if choice >> bit & 1 == 1 {
            out.extend(letter.to_lowercase())
        } else {
            out.push(letter)
        }
        bit += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::check;

    #[test]
    fn cases() {
        let cases = |phrase: &str| common_cases(&[phrase.into()]);
        assert_eq!(cases("err"), ["ERR", "err"]);
        assert_eq!(cases("Err"), ["ERR", "Err", "err"]);
        assert_eq!(cases("aBC"), ["ABC", "aBC", "aBc", "abC", "abc"]);
        assert_eq!(cases(&"A".repeat(11)).len(), 2);
    }

    #[test]
    fn words() {
        check(
            "x:contains_common_case(Error, warn)",
            &["an error", "ERROR", "Error!", "WARN"],
            &["eRROR", "errors", "Warn"],
        );
    }
}
