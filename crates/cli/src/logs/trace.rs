//! Which lines go on with the one before: stack traces and other text of several lines, told by how they begin. Only for
//! reading: what is stored stays a line each.

use line::LevelSource;

/// Most lines and bytes of a trace; behind them a new one begins.
const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 64 * 1024;

/// Whose rules hold beside those for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Python,
    Go,
    Rust,
}

/// A line and what went on with it.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    kind: Kind,
    lines: usize,
    bytes: usize,
    /// It looks like the beginning of a trace.
    is_likely: bool,
    /// Python says what it was at the end, behind lines that are further in.
    may_end: bool,
}

impl Trace {
    /// What may go on with `text`.
    pub(super) fn begin(text: &str) -> Self {
        let kind = kind(text).unwrap_or(Kind::Any);
        let names = ["Exception", "Error", "error:", "Traceback", "panic", "goroutine ", "Caused by"];
        let is_likely = kind != Kind::Any || names.iter().any(|name| text.contains(name));
        Self { kind, lines: 1, bytes: text.len(), is_likely, may_end: false }
    }

    /// Whether more of it is to be expected.
    pub(super) const fn is_likely(&self) -> bool {
        self.is_likely || self.lines > 1
    }

    /// Whether `text` goes on with it; then it is a part of it.
    pub(super) fn take(&mut self, text: &str, source: LevelSource) -> bool {
        if self.lines >= MAX_LINES || self.bytes + text.len() > MAX_BYTES || !self.goes_on(text, source) {
            return false;
        }
        if let Some(kind) = kind(text) {
            self.kind = kind;
        }
        self.lines += 1;
        self.bytes += text.len();
        self.may_end = self.kind == Kind::Python && text.starts_with([' ', '\t']);
        true
    }

    fn goes_on(&self, text: &str, source: LevelSource) -> bool {
        if text.trim().is_empty() {
            return self.is_likely();
        }
        if text.starts_with([' ', '\t']) {
            return true;
        }
        let is_known = match self.kind {
            Kind::Any => false,
            Kind::Python => is_of_python(text),
            Kind::Go => is_of_go(text),
            Kind::Rust => is_of_rust(text),
        };
        if is_known || is_of_any(text) || begins_anew(text, source) {
            return is_known || is_of_any(text);
        }
        match self.kind {
            Kind::Python => self.may_end && names_an_error(text),
            Kind::Go => is_call(text),
            // What it says stands on a line of its own.
            Kind::Rust => self.lines == 1,
            Kind::Any => false,
        }
    }
}

/// Whose trace a line begins.
fn kind(text: &str) -> Option<Kind> {
    if text.starts_with("Traceback (most recent call last)") {
        Some(Kind::Python)
    } else if text.starts_with("panic: ")
        || text.starts_with("fatal error: ")
        || text.starts_with("goroutine ")
    {
        Some(Kind::Go)
    } else if text.starts_with("thread '") && text.contains(" panicked at ") {
        Some(Kind::Rust)
    } else {
        None
    }
}

/// Whether it is a line of its own, whatever was before it.
fn begins_anew(text: &str, source: LevelSource) -> bool {
    let says_level = !matches!(source, LevelSource::Default | LevelSource::Platform);
    says_level || text.starts_with(['{', '[']) || begins_with_time(text)
}

/// `2026-11-22`, `2026/11/22`, `10:00:00`, `Nov 22`.
fn begins_with_time(text: &str) -> bool {
    let shape: String = text.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let is_month = text.get(..3).is_some_and(|name| months.find(name).is_some_and(|at| at % 3 == 0));
    ["0000-00-00", "0000/00/00", "00:00:00", "00/"].iter().any(|begin| shape.starts_with(begin))
        || (is_month && shape.get(3..6).is_some_and(|day| day == " 00" || day == "  0"))
}

fn is_of_any(text: &str) -> bool {
    const BEGINS: [&str; 9] = [
        "at ",
        "Caused by",
        "caused by",
        "Suppressed: ",
        "Traceback (most",
        "stack backtrace:",
        "--- End of",
        "... ",
        "from /",
    ];
    BEGINS.iter().any(|begin| text.starts_with(begin)) || is_of_ruby(text)
}

/// `from app.rb:3:in 'work'`.
fn is_of_ruby(text: &str) -> bool {
    text.strip_prefix("from ").is_some_and(|place| place.contains(":in "))
}

fn is_of_python(text: &str) -> bool {
    text.starts_with("During handling of the above") || text.starts_with("The above exception was")
}

/// `created by main.main`, `goroutine 7 [running]:`.
fn is_of_go(text: &str) -> bool {
    let begins = ["goroutine ", "created by ", "exit status ", "[signal "];
    begins.iter().any(|begin| text.starts_with(begin))
}

/// `main.work(0x1, …)`.
fn is_call(text: &str) -> bool {
    let name = text.split('(').next().unwrap_or_default();
    text.ends_with(')') && name.contains('.') && !name.contains(' ')
}

fn is_of_rust(text: &str) -> bool {
    text.starts_with("note: ") || text.starts_with("stack backtrace:")
}

/// `ValueError: bad`, `app.errors.NotFound`, `KeyboardInterrupt`.
fn names_an_error(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    last.starts_with(char::is_uppercase) && name.chars().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines go on with the first one.
    fn taken(lines: &[&str]) -> usize {
        let mut trace = Trace::begin(lines[0]);
        let source = |text: &str| line::level::infer(text.as_bytes()).1;
        lines[1..].iter().take_while(|text| trace.take(text, source(text))).count()
    }

    #[test]
    fn traces_of_many_languages() {
        for trace in [
            &[
                "Exception in thread \"main\" java.lang.IllegalStateException: no",
                "\tat a.B.c(B.java:3)",
                "Caused by: java.io.IOException: x",
                "\t... 12 more",
            ][..],
            &[
                "ERROR:root:oops",
                "Traceback (most recent call last):",
                "  File \"a.py\", line 3, in f",
                "    g()",
                "ValueError: bad",
                "",
                "During handling of the above exception, another exception occurred:",
                "",
                "Traceback (most recent call last):",
                "  File \"b.py\", line 1",
                "app.NotFound",
            ],
            &[
                "panic: oops",
                "",
                "goroutine 1 [running]:",
                "main.work(0x1, {0x2, 0x3})",
                "\t/src/main.go:7 +0x1d",
                "created by main.main",
                "\t/src/main.go:3",
            ],
            &[
                "thread 'main' panicked at src/main.rs:2:5:",
                "index out of bounds",
                "stack backtrace:",
                "   0: rust_begin_unwind",
                "             at /rustc/std.rs:5",
                "note: Some details are omitted",
            ],
            &[
                "app.rb:3:in 'work': no (RuntimeError)",
                "\tfrom app.rb:9:in 'main'",
                "from /usr/lib/b.rb:1:in 'x'",
            ],
            &["TypeError: x is not a function", "    at f (/app/a.js:3:9)", "    at node:internal/main:1"],
            &[
                "Unhandled exception. System.Exception: x",
                "   at P.Main() in /a.cs:line 3",
                "--- End of inner exception stack trace ---",
            ],
            &["request failed", "  id: 7", "  user: 9"],
        ] {
            assert_eq!(taken(trace), trace.len() - 1, "{trace:?}");
        }
    }

    #[test]
    fn what_is_a_line_of_its_own() {
        for next in [
            "hello",
            "",
            "2026-11-22T10:00:00Z x",
            "10:00:00 x",
            "Nov 22 10:00:00 x",
            "{\"a\":1}",
            "[info] x",
            "ERROR: x",
            "level=warn msg=x",
            "attention",
            "from here on",
            "ValueError: no trace before it",
            "main.work()",
        ] {
            assert_eq!(taken(&["hello", next]), 0, "{next:?}");
        }
        for next in ["2026-11-22 x", "{\"a\":1}", "ERROR: x", "hello"] {
            assert_eq!(taken(&["panic: x", "\t/a.go:1", next]), 1, "{next:?}");
        }
    }

    #[test]
    fn traces_are_bounded() {
        let long = vec!["\tat x"; MAX_LINES + 5];
        assert_eq!(taken(&[&["Error"][..], &long].concat()), MAX_LINES - 1);
        let wide = format!(" {}", "x".repeat(MAX_BYTES / 2));
        assert_eq!(taken(&["Error", &wide, &wide]), 1);
    }
}
