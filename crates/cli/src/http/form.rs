//! The arguments of a question, as a form.

use std::fmt::Write;

/// Names and values, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form(String);

impl Form {
    /// One without arguments.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The same with one more.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        escape(name, &mut self.0);
        self.0.push('=');
        escape(value, &mut self.0);
        self
    }

    /// The same with one more, if there is a value.
    #[must_use]
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As `application/x-www-form-urlencoded` has it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_form_is_escaped() {
        let form = Form::new().with("query", "a&b=c +%\"é").with_some("none", None).with_some("n", Some("1"));
        assert_eq!(form.text(), "query=a%26b%3Dc%20%2B%25%22%C3%A9&n=1");
    }
}
