//! A token as text, and what clients put before it.

use crate::{Error, Refusal};

/// What every token begins with: a version, and a word by which tools that look for leaked secrets can find them.
const PREFIX: &str = "lw1_";
/// Longest token that is read, in bytes of text. Nothing of a longer one is looked at.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// Most blocks of a token: as often as it can be narrowed, and once.
pub const MAX_BLOCKS: usize = 8;

/// The token without what clients put before it: blanks, `Bearer ` or `FlyV1 `, in any case.
pub fn bare(text: &str) -> &str {
    let text = text.trim();
    for scheme in ["bearer ", "flyv1 "] {
        if let Some((head, rest)) = text.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            return rest.trim_start();
        }
    }
    text
}

/// The encoded part of a token that may be looked at.
pub(crate) fn encoded(text: &str) -> Result<&str, Refusal> {
    // Whoever sends more than blanks and a scheme beside the longest token sends no token.
    if text.len() > MAX_TOKEN_BYTES + 64 {
        return Err(Refusal::TooLong);
    }
    let text = bare(text);
    if text.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::TooLong);
    }
    text.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()).ok_or(Refusal::Malformed)
}

/// A token's text, if it is not too long for those who read it.
pub(crate) fn finish(encoded: &str, blocks: usize) -> Result<String, Error> {
    let text = format!("{PREFIX}{encoded}");
    if text.len() > MAX_TOKEN_BYTES || blocks > MAX_BLOCKS {
        let (max_bytes, max_blocks) = (MAX_TOKEN_BYTES, MAX_BLOCKS);
        return Err(Error::TooLong { bytes: text.len(), blocks, max_bytes, max_blocks });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_taken_off_once() {
        for (text, token) in [
            ("lw1_x", "lw1_x"),
            (" lw1_x\n", "lw1_x"),
            ("Bearer lw1_x", "lw1_x"),
            ("bearer  lw1_x", "lw1_x"),
            ("FlyV1 lw1_x", "lw1_x"),
            ("FLYV1 Bearer lw1_x", "Bearer lw1_x"),
            ("Bearer", "Bearer"),
            ("", ""),
            ("Bearé x", "Bearé x"),
        ] {
            assert_eq!(bare(text), token);
        }
    }

    #[test]
    fn what_is_looked_at() {
        let longest = format!("{PREFIX}{}", "x".repeat(MAX_TOKEN_BYTES - PREFIX.len()));
        assert!(encoded(&longest).is_ok() && encoded(&format!("Bearer {longest}")).is_ok());
        assert_eq!(encoded(&format!("{longest}x")), Err(Refusal::TooLong));
        assert_eq!(encoded(&" ".repeat(5000)), Err(Refusal::TooLong));
        for bad in ["", "lw1_", "lw2_x", "x", "Bearer "] {
            assert_eq!(encoded(bad), Err(Refusal::Malformed), "{bad}");
        }
    }
}
