//! One filter in LogsQL out of all that a person wants: the text, the level, fields, a query of their own. The server holds it
//! against stored lines and live ones alike, and this program where it must know itself which lines match.

use std::str::FromStr;

use anyhow::Result;
use query::{Marks, Query};

use super::filter::Levels;
use crate::exit::Exit;
use crate::fail::Fail;

/// Records that pass whatever is asked for: silence never means loss.
const GAPS: &str = "gap.reason:*";

/// What lines must fulfil.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters<'a> {
    pub(super) levels: Option<Levels>,
    pub(super) text: Option<&'a str>,
    pub(super) is_inverted: bool,
    pub(super) ignores_case: bool,
    pub(super) fields: &'a [FieldFilter],
    pub(super) query: Option<&'a str>,
}

/// How a field's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Is,
    IsNot,
    Matches,
    MatchesNot,
}

/// The forms of [`FieldFilter`], for who gave another one.
const FORMS: &str = "give name=value, name!=value, name~expression or name!~expression";

/// `--field k=v`, `k!=v`, `k~expression` or `k!~expression`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldFilter {
    name: String,
    comparison: Comparison,
    value: String,
}

impl FromStr for FieldFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use Comparison::{Is, IsNot, Matches, MatchesNot};
        let at = text.find(['=', '~', '!']).unwrap_or(text.len());
        let (name, rest) = text.split_at(at);
        let signs = [("!=", IsNot), ("!~", MatchesNot), ("=", Is), ("~", Matches)];
        let found = signs.into_iter().find_map(|(sign, found)| Some((found, rest.strip_prefix(sign)?)));
        if name.trim().is_empty() {
            return Err(format!("'{text}' names no field: {FORMS}"));
        }
        let Some((comparison, value)) = found else {
            return Err(format!(
                "'{text}' does not say what the field is to be: {FORMS}; '{name}!=' finds lines that have it at all"
            ));
        };
        // Whoever writes k==v means k=v, and would find nothing.
        if matches!(comparison, Is | IsNot) && value.starts_with('=') {
            return Err(format!(
                "'{text}' has an '=' too many: {FORMS}; a value that begins with '=' is found by '{name}~^='"
            ));
        }
        let filter = Self { name: name.trim().to_owned(), comparison, value: value.to_owned() };
        match query::parse(&filter.text(), 0) {
            Ok(_) => Ok(filter),
            Err(query::Error::Syntax { message, .. }) => Err(format!("'{text}' cannot be used: {message}")),
            Err(error) => Err(format!("'{text}' cannot be used: {error}")),
        }
    }
}

impl FieldFilter {
    fn text(&self) -> String {
        let (name, value) = (quoted(&self.name), quoted(&self.value));
        match self.comparison {
            Comparison::Is => format!("{name}:={value}"),
            Comparison::IsNot => format!("!{name}:={value}"),
            Comparison::Matches => format!("{name}:~{value}"),
            Comparison::MatchesNot => format!("!{name}:~{value}"),
        }
    }
}

impl Filters<'_> {
    /// Whether everything passes.
    pub(super) fn is_open(&self) -> bool {
        self.levels.is_none() && self.text.is_none() && self.fields.is_empty() && self.query.is_none()
    }

    /// All of it as one filter; `None`: everything passes. `also` is a filter for what is wanted beside it.
    ///
    /// # Errors
    /// When the person's query is none, or has pipes.
    pub(super) fn text(&self, also: Option<&str>, now: i64) -> Result<Option<String>> {
        if self.is_open() {
            return Ok(None);
        }
        let mut all = Vec::new();
        if let Some(levels) = self.levels {
            all.push(format!("level:in({})", levels.names().join(", ")));
        }
        if let Some(text) = self.text.filter(|text| !text.is_empty()) {
            let not = if self.is_inverted { "!" } else { "" };
            all.push(match self.ignores_case {
                true => format!("{not}_msg:~{}", quoted(&format!("(?i){}", escaped(text)))),
                false => format!("{not}_msg:*{}*", quoted(text)),
            });
        }
        all.extend(self.fields.iter().map(FieldFilter::text));
        if let Some(query) = self.query {
            check(query, now)?;
            // It may end with a comment.
            all.push(format!("({query}\n)"));
        }
        if all.is_empty() {
            // Every line has the empty text, and none has it not.
            all.push(if self.is_inverted { "!*".to_owned() } else { "*".to_owned() });
        }
        let also = also.map_or(String::new(), |also| format!(" or {also}"));
        let text = format!("({}) or {GAPS}{also}", all.join(" "));
        parsed(&text, now)?;
        Ok(Some(text))
    }

    /// What to mark in lines.
    pub(super) fn marks(&self, now: i64) -> Marks {
        // That gaps pass too is nothing to mark.
        let filters = Filters { levels: None, fields: &[], ..self.clone() };
        let text = filters.text(None, now).ok().flatten();
        let query = text.and_then(|text| query::parse(&text, now).ok());
        query.map_or_else(Marks::default, |query| Marks::new(&query.filter, "_msg"))
    }
}

fn parsed(text: &str, now: i64) -> Result<Query> {
    match query::parse(text, now) {
        Ok(query) => Ok(query),
        Err(error) => Fail::new(Exit::Usage, "--query is no filter in LogsQL")
            .why(error)
            .hint("docs/logsql.md has the language; texts with other characters than letters, digits and _ are quoted")
            .err(),
    }
}

fn check(text: &str, now: i64) -> Result<()> {
    let query = parsed(text, now)?;
    if query.pipes.is_empty() {
        return Ok(());
    }
    Fail::new(Exit::Usage, "the query of 'logway logs' is a filter and has no pipes")
        .hint("leave out what stands behind '|', or ask 'logway search', which has them")
        .err()
}

/// A text in quotes, with the escapes of LogsQL, which are Go's.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A text as an expression that finds just it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        // Others would mean something with a backslash before them.
        if "\\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::describe;
    use crate::logs::local::Local;
    use proptest::prelude::*;

    fn item(level: &str, text: &str) -> crate::logs::item::Item {
        let json = serde_json::json!({
            "event": {"provider": "app"}, "fly": {"app": {"instance": "i", "name": "web"}, "region": "lhr"},
            "host": "h", "log": {"level": level}, "message": text, "timestamp": "2026-11-22T10:00:00Z",
            "logway": {"boot": "019a0c3f2b7c0001", "seq": 1, "stream": "stdout"},
        });
        crate::logs::item::Item::read(json.to_string().into()).unwrap()
    }

    fn passes(filters: &Filters<'_>, level: &str, text: &str) -> bool {
        let query = filters.text(None, 0).unwrap();
        query.is_none_or(|query| Local::new(&query, 0).unwrap().matches(&item(level, text)))
    }

    #[test]
    fn what_passes() {
        let fields = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<FieldFilter>>();
        let (path, path_not) = (fields(&["path=/a b", "n!="]), fields(&["path!=/a b", "n~^1.$", "n!~x"]));
        let (has_o, has_no_n) = (fields(&["o!="]), fields(&["n="]));
        let none = Filters::default();
        let text = |text| Filters { text: Some(text), ..Filters::default() };
        let json = r#"{"path":"/a b","n":12}"#;
        for (filters, level, line, wanted) in [
            (none.clone(), "info", "x", true),
            (Filters { levels: Some(">=warn".parse().unwrap()), ..none.clone() }, "warn", "x", true),
            (Filters { levels: Some(">=warn".parse().unwrap()), ..none.clone() }, "info", "x", false),
            (text("t.o\"ut"), "info", "a t.o\"uts", true),
            (text("t.o"), "info", "two", false),
            (text("Time"), "info", "timeout", false),
            (Filters { ignores_case: true, ..text("TI(M") }, "info", "a ti(me", true),
            (Filters { is_inverted: true, ..text("me") }, "info", "time", false),
            (Filters { is_inverted: true, ..text("me") }, "info", "tide", true),
            (text(""), "info", "x", true),
            (Filters { is_inverted: true, ..text("") }, "info", "x", false),
            (Filters { fields: &path, ..none.clone() }, "info", json, true),
            (Filters { fields: &path, ..none.clone() }, "info", "x", false),
            (Filters { fields: &path_not, ..none.clone() }, "info", json, false),
            (Filters { fields: &has_o, ..none.clone() }, "info", json, false),
            (Filters { fields: &has_no_n, ..none.clone() }, "info", json, false),
            (Filters { fields: &has_no_n, ..none.clone() }, "info", "x", true),
            (Filters { query: Some("a or b # or c"), ..none.clone() }, "info", "x b", true),
            (Filters { query: Some("a or b"), ..text("c") }, "info", "x b", false),
        ] {
            assert_eq!(passes(&filters, level, line), wanted, "{filters:?} {line}");
        }
    }

    #[test]
    fn gaps_pass_and_what_is_wanted_beside() {
        let query =
            Filters { text: Some("never"), ..Filters::default() }.text(Some("b"), 0).unwrap().unwrap();
        let local = Local::new(&query, 0).unwrap();
        assert!(local.matches(&item("info", "a b")) && !local.matches(&item("info", "a")));
        let json = r#"{"event":{"provider":"runner"},"fly":{"app":{"instance":"i","name":"web"},"region":"lhr"},"message":"3 lines lost","timestamp":"2026-11-22T10:00:00Z","log":{"level":"warn"},"gap":{"reason":"ring_full","hop":"init","bytes":9},"logway":{"boot":"019a0c3f2b7c0001","seq":1,"span":3}}"#;
        assert!(local.matches(&crate::logs::item::Item::read(json.into()).unwrap()));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (query, wanted) in
            [("a | stats count()", "no pipes"), ("a (", "no filter in LogsQL"), ("a) or (b", "no filter")]
        {
            let error = Filters { query: Some(query), ..Filters::default() }.text(None, 0).unwrap_err();
            let (text, exit) = describe(&error);
            assert!(exit == Exit::Usage && text.contains(wanted) && text.contains("hint: "), "{text}");
        }
        for (bad, wanted) in [
            ("", "names no field: give name=value, name!=value, name~expression or name!~expression"),
            ("=x", "names no field"),
            (" =x", "names no field"),
            ("x", "does not say what the field is to be: give name=value, name!=value,"),
            ("x", "'x!=' finds lines that have it at all"),
            ("a!b", "does not say what"),
            ("a==b", "an '=' too many"),
            ("a!==b", "an '=' too many"),
            ("a~(", "'a~(' cannot be used: this is no regular expression: unclosed group"),
        ] {
            let why = bad.parse::<FieldFilter>().unwrap_err();
            assert!(why.contains(wanted) && !why.contains("at byte"), "{bad}: {why}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_found_as_it_is(before in "[ -~é]{0,5}", text in "[ -~é\\t]{1,12}", ignores_case: bool) {
            let filters = Filters { text: Some(&text), ignores_case, ..Filters::default() };
            let line = format!("{before}{text}{before}");
            let inverted = Filters { is_inverted: true, ..filters.clone() };
            prop_assert_eq!((passes(&filters, "info", &line), passes(&inverted, "info", &text)), (true, false));
        }

        #[test]
        fn a_field_s_value_is_found_as_it_is(value in "[ -~é]{1,12}") {
            prop_assume!(!value.trim().is_empty() && !value.starts_with('='));
            let field: FieldFilter = format!("k={value}").parse().unwrap();
            let line = serde_json::json!({ "k": value }).to_string();
            let filters = Filters { fields: &[field], ..Filters::default() };
            prop_assert_eq!(passes(&filters, "info", &line), true);
        }
    }
}
