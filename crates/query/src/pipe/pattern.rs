//! Patterns: `<ip> - <uc:user> <_>`: text with places in it, that `extract` takes values from and `format` puts them into.

/// A place, and the text before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The text before it.
    pub(super) before: String,
    /// The field; empty if the place has no name, and for what comes behind the last place.
    pub(super) field: String,
    /// What stands before the colon: what is to be done with the value.
    pub(super) option: String,
}

/// The places of `text`, or what is wrong with it. `&lt;`, `&gt;`, `&amp;`, `&quot;` and `&#39;` stand for those characters.
pub(super) fn parse(text: &str) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('<') {
        let Some((inside, tail)) = tail.split_once('>') else {
            return Err(format!("the pattern has '<{tail}' without '>': write &lt; for the sign itself"));
        };
        let (option, field) = inside.split_once(':').unwrap_or(("", inside));
        let field = field.trim();
        let field = if matches!(field, "_" | "*") { "" } else { field };
        if field.ends_with('*') {
            return Err(format!("'<{inside}>' is more than one field: name them one by one"));
        }
        places.push(Place {
            before: unescape(before),
            field: field.to_owned(),
            option: option.trim().to_owned(),
        });
        rest = tail;
    }
    if !rest.is_empty() || places.is_empty() {
        places.push(Place { before: unescape(rest), field: String::new(), option: String::new() });
    }
    Ok(places)
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    signs.iter().fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let shown = |text: &str| -> Vec<String> {
            let places = parse(text).unwrap();
            places.iter().map(|place| format!("{}|{}|{}", place.before, place.option, place.field)).collect()
        };
        assert_eq!(shown("a<b>c< d : e >"), ["a||b", "c|d|e"]);
        assert_eq!(shown("<_>x<*>y"), ["||", "x||", "y||"]);
        assert_eq!(shown("&lt;<a>&gt;&amp;"), ["<||a", ">&||"]);
        assert_eq!(shown(""), ["||"]);
        assert!(parse("a<b").is_err() && parse("<a*>").is_err());
    }
}
