//! The page docs/performance.md: words that stay, and between them what was measured.

/// The words; `{{measured}}` is where the tables go.
const WORDS: &str = include_str!("page.md");

/// The page with `measured` in its place.
pub(super) fn render(measured: &str) -> String {
    WORDS.replace("{{measured}}", measured.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_their_place() {
        let page = render("\n| a |\n\n");
        assert!(page.starts_with("# Performance\n") && page.ends_with('\n'));
        assert!(page.contains("\n\n| a |\n\n") && !page.contains("{{"), "{page}");
    }
}
