//! `f:equals_common_case("Error")`: as `in`, with the ways in which a word is commonly written.

use std::fmt;

use super::contains_common_case::common_cases;
use super::one_of::OneOf;
use super::write_list;
use crate::predicate::Matcher;

/// Whole values, each in its common cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EqualsCommonCase(pub Vec<String>);

impl fmt::Display for EqualsCommonCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "equals_common_case", &self.0)
    }
}

impl EqualsCommonCase {
    pub(super) fn compile(&self) -> Matcher {
        OneOf(common_cases(&self.0)).compile()
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn whole_values() {
        check("x:equals_common_case(Error)", &["Error", "error", "ERROR"], &["", "eRROR", "an error"]);
    }
}
