//! Options that are numbers.

/// Reads a number from 0 to `MOST`.
///
/// # Errors
/// When it is none of them: which ones there are.
pub(crate) fn up_to<const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| format!("give a whole number from 0 to {MOST}"))
}

/// Reads a number from 1 to `MOST`.
///
/// # Errors
/// When it is none of them: which ones there are.
pub(crate) fn from_one<const MOST: u64>(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((up_to::<9>("0"), up_to::<9>("9"), from_one::<9>("1")), (Ok(0), Ok(9), Ok(1)));
        for bad in ["", "x", "-1", "1.5", "10", "99999999999999999999999"] {
            assert_eq!(up_to::<9>(bad), Err("give a whole number from 0 to 9".to_owned()));
            assert_eq!(from_one::<9>(bad), Err("give a whole number from 1 to 9".to_owned()));
        }
        assert!(from_one::<9>("0").is_err());
    }
}
