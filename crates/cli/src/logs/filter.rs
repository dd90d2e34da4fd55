//! Which lines a person wants to see. Gap records pass every filter: silence never means loss.

use std::str::FromStr;

use line::json::Message;
use line::{Body, Level};

/// Which levels: one (`warn`) or a range (`>=warn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    from: Level,
    to: Level,
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (sign, word) = text.split_at(text.len() - text.trim_start_matches(['<', '>', '=']).len());
        let known = "debug, info, warn or error, alone or as '>=warn'";
        let level =
            Level::from_word(word.trim()).ok_or_else(|| format!("'{word}' is not a level: give {known}"))?;
        let at = usize::from(level.code());
        let (lowest, highest) = (Level::Debug, Level::Error);
        let (from, to) = match sign {
            "" | "=" => (level, level),
            ">=" => (level, highest),
            "<=" => (lowest, level),
            ">" if level < highest => (Level::ALL[at + 1], highest),
            "<" if level > lowest => (lowest, Level::ALL[at - 1]),
            "<" | ">" => return Err(format!("no level is {text}")),
            _ => return Err(format!("'{sign}' is not a comparison: give {known}")),
        };
        Ok(Self { from, to })
    }
}

impl Levels {
    /// Their names, least grave first.
    pub(super) fn names(self) -> Vec<&'static str> {
        let all = Level::ALL.into_iter().filter(|level| (self.from..=self.to).contains(level));
        all.map(Level::as_str).collect()
    }
}

/// All that a line must fulfil to be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    levels: Option<Levels>,
    text: Option<String>,
    is_inverted: bool,
    ignores_case: bool,
}

impl Filter {
    /// Lines of `levels` that contain `text`; with `is_inverted`, those that do not contain it.
    pub(crate) fn new(
        levels: Option<Levels>,
        text: Option<&str>,
        is_inverted: bool,
        ignores_case: bool,
    ) -> Self {
        let text = text.map(|text| if ignores_case { text.to_lowercase() } else { text.to_owned() });
        Self { levels, text, is_inverted, ignores_case }
    }

    /// Whether it lets everything pass.
    pub(crate) fn is_open(&self) -> bool {
        self.levels.is_none() && self.text.is_none()
    }

    /// Whether to show `message`.
    pub(crate) fn passes(&self, message: &Message) -> bool {
        if matches!(message.entry.body, Body::Gap(_)) {
            return true;
        }
        let level = message.entry.level;
        if self.levels.is_some_and(|levels| level < levels.from || levels.to < level) {
            return false;
        }
        let Some(text) = &self.text else { return true };
        let contains = if self.ignores_case {
            message.message.to_lowercase().contains(text)
        } else {
            message.message.contains(text)
        };
        contains != self.is_inverted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: &str, text: &str) -> Message {
        let json = format!(
            "{{\"log\":{{\"level\":\"{level}\"}},\"message\":\"{text}\",\"timestamp\":\"2026-11-22T10:00:00Z\"}}"
        );
        line::json::decode(json.as_bytes()).unwrap()
    }

    #[test]
    fn levels_alone_and_as_ranges() {
        let levels = ["debug", "info", "warn", "error"];
        for (text, wanted) in [
            ("warn", "0010"),
            ("=Warning", "0010"),
            (">=warn", "0011"),
            (">= warn", "0011"),
            (">warn", "0001"),
            ("<warn", "1100"),
            ("<=warn", "1110"),
            ("fatal", "0001"),
        ] {
            let filter = Filter::new(Some(text.parse().unwrap()), None, false, false);
            let passes = |level: &&str| if filter.passes(&message(level, "x")) { '1' } else { '0' };
            assert_eq!(levels.iter().map(passes).collect::<String>(), wanted, "{text}");
        }
        for bad in ["", "loud", ">error", "<debug", "=>warn", "warn+"] {
            assert!(bad.parse::<Levels>().is_err(), "{bad}");
        }
    }

    #[test]
    fn text_case_and_inversion() {
        let check = |text: &str, inverted, ignores_case, line: &str| {
            Filter::new(None, Some(text), inverted, ignores_case).passes(&message("info", line))
        };
        assert!(check("time", false, false, "a timeout"));
        assert!(!check("Time", false, false, "a timeout"));
        assert!(check("TIME", false, true, "a Timeout"));
        assert!(!check("time", true, false, "a timeout"));
        assert!(check("t.*t", true, false, "a timeout"), "text is text, not a pattern");
    }

    #[test]
    fn gaps_pass_always() {
        let json = r#"{"message":"3 lines lost","timestamp":"2026-11-22T10:00:00Z","log":{"level":"warn"},"gap":{"reason":"ring_full","hop":"init","bytes":9}}"#;
        let gap = line::json::decode(json.as_bytes()).unwrap();
        assert!(Filter::new(Some("error".parse().unwrap()), Some("x"), false, false).passes(&gap));
    }
}
