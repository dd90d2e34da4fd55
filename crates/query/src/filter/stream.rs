//! `{app="web", region!~"a.*"}`, `{app in ("a", "b") or host="h1"}`: rows of streams with these values.
//!
//! A stream here has app, instance and region. Other names are looked up among the row's fields, so that queries written for
//! stores with other streams find what they mean.

use std::fmt;

use super::exact::Exact;
use super::one_of::OneOf;
use super::regexp::{self, Regexp};
use crate::error::Error;
use crate::lexer::{Lexer, NAME, VALUE};
use crate::predicate::{FieldTest, Matcher, Predicate};
use crate::quote::{Plain, Quoted};

/// Groups of tags; all tags of one group are enough. No groups at all are met by every stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream(pub Vec<Vec<Tag>>);

/// What a field of the stream has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The field's name, as it is written.
    pub name: String,
    /// Whether what `test` says must not be.
    pub not: bool,
    /// What must be.
    pub test: TagTest,
}

/// What the value of a tag is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagTest {
    /// The whole value; the empty one is that of a field that is missing.
    Is(String),
    /// An expression that matches the whole value.
    Regexp(Regexp),
    /// One of these.
    In(Vec<String>),
    /// `in (*)`: anything.
    Any,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, group) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { " or " } else { "" })?;
            for (at, tag) in group.iter().enumerate() {
                write!(f, "{}{tag}", if at > 0 { "," } else { "" })?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = self.not;
        Plain(&self.name).fmt(f)?;
        match &self.test {
            TagTest::Is(value) => write!(f, "{}{}", if not { "!=" } else { "=" }, Quoted(value)),
            TagTest::Regexp(regexp) => write!(f, "{}{}", if not { "!~" } else { "=~" }, Quoted(&regexp.0)),
            TagTest::In(values) => {
                f.write_str(if not { " not_in " } else { " in " })?;
                super::write_list(f, "", values)
            }
            TagTest::Any => f.write_str(if not { " not_in (*)" } else { " in (*)" }),
        }
    }
}

impl Stream {
    /// How many regular expressions are in it.
    pub(super) fn regexps(&self) -> usize {
        self.0.iter().flatten().filter(|tag| matches!(tag.test, TagTest::Regexp(_))).count()
    }

    /// The same in terms of fields.
    pub(super) fn compile(&self) -> Result<Predicate, Error> {
        if self.0.is_empty() {
            return Ok(Predicate::All);
        }
        let group = |tags: &Vec<Tag>| {
            Ok(Predicate::And(tags.iter().map(Tag::compile).collect::<Result<_, Error>>()?))
        };
        Ok(Predicate::Or(self.0.iter().map(group).collect::<Result<_, Error>>()?))
    }
}

impl Tag {
    fn compile(&self) -> Result<Predicate, Error> {
        let matcher = match &self.test {
            TagTest::Is(value) => Exact(value.clone()).compile(),
            TagTest::Regexp(regexp) => regexp::compile(&regexp.0, true)?,
            TagTest::In(values) => OneOf(values.clone()).compile(),
            TagTest::Any => Matcher::Any,
        };
        let test = Predicate::Field(FieldTest::new(&self.name, matcher));
        Ok(if self.not { Predicate::Not(Box::new(test)) } else { test })
    }
}

/// Reads `{…}`.
pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<Stream, Error> {
    lexer.expect("{", "'_stream:'")?;
    let mut groups = vec![Vec::new()];
    while !lexer.eat("}") {
        let Some(group) = groups.last_mut() else { break };
        group.push(tag(lexer)?);
        if lexer.eat("or") {
            groups.push(Vec::new());
        } else if !lexer.eat(",") && !lexer.eat("and") && !lexer.is("}") {
            return Err(lexer.error(format!(
                "missing ',', 'or' or '}}' in the stream filter, there is {}",
                lexer.here()
            )));
        }
    }
    if groups.len() > 1 && groups.last().is_some_and(Vec::is_empty) {
        return Err(lexer.error_from(lexer.end_of_last() - 1, "missing a field after 'or'"));
    }
    groups.retain(|group| !group.is_empty());
    Ok(Stream(groups))
}

fn tag(lexer: &mut Lexer<'_>) -> Result<Tag, Error> {
    lexer.count_term(1, super::MAX_TERMS)?;
    let name = lexer.compound(NAME, "name of a stream's field")?.into_owned();
    if let Some(not) =
        [("in", false), ("not_in", true)].iter().find_map(|&(word, not)| lexer.eat(word).then_some(not))
    {
        return Ok(Tag { name, not, test: list(lexer)? });
    }
    let signs = [("=", false, false), ("!=", true, false), ("=~", false, true), ("!~", true, true)];
    let Some(&(_, not, is_regexp)) = signs.iter().find(|(sign, ..)| lexer.eat(sign)) else {
        let message = format!(
            "missing '=', '!=', '=~', '!~', 'in' or 'not_in' after '{name}', there is {}",
            lexer.here()
        );
        return Err(lexer.error(message));
    };
    let start = lexer.offset();
    let value = lexer.compound(VALUE, "value")?;
    if !is_regexp {
        return Ok(Tag { name, not, test: TagTest::Is(value.into_owned()) });
    }
    let regexp = super::parse::regexp(lexer, start, &value)?;
    // An expression that is sound by itself stays so with the anchors around it.
    regexp::compile(&regexp.0, true).map_err(|why| lexer.error_from(start, why.to_string()))?;
    Ok(Tag { name, not, test: TagTest::Regexp(regexp) })
}

fn list(lexer: &mut Lexer<'_>) -> Result<TagTest, Error> {
    let mut any = false;
    let values = lexer.list("'in'", |lexer| {
        if lexer.eat("*") {
            any = true;
            return Ok(String::new());
        }
        Ok(lexer.compound(VALUE, "value")?.into_owned())
    })?;
    Ok(if any { TagTest::Any } else { TagTest::In(values) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::check_rows;

    const WEB: &[(&str, &str)] = &[("app", "web"), ("region", "lhr"), ("instance", "i1"), ("host", "h1")];
    const DB: &[(&str, &str)] = &[("app", "db"), ("region", "ams"), ("instance", "i2")];

    #[test]
    fn tags() {
        check_rows("{app=\"web\"}", &[WEB], &[DB]);
        check_rows("{app!=x, region!=\"ams\"}", &[WEB], &[DB]);
        check_rows("_stream:{ app = db , }", &[DB], &[WEB]);
        check_rows("{app=~\"w.*\"}", &[WEB], &[DB]);
        check_rows("{app=~\"e\"}", &[], &[WEB, DB]);
        check_rows("{app!~\"w.*|x\"}", &[DB], &[WEB]);
        check_rows("{app in (\"web\", x)}", &[WEB], &[DB]);
        check_rows("{app not_in (web)}", &[DB], &[WEB]);
        check_rows("{app in (*)}", &[WEB, DB], &[]);
        check_rows("{}", &[WEB, DB], &[]);
        check_rows("{region=lhr and app=x or app=db}", &[DB], &[WEB]);
        check_rows("{host=h1}", &[WEB], &[DB]);
        check_rows("{host=\"\"}", &[DB], &[WEB]);
        check_rows("{fly.app.name=\"web\"}", &[WEB], &[DB]);
        check_rows("!{app=web}", &[DB], &[WEB]);
    }

    #[test]
    fn refused() {
        for text in [
            "{",
            "{app",
            "{app}",
            "{app=}",
            "{app=a b=c}",
            "{app=~\"(\"}",
            "{app=~\"a)|(b\"}",
            "{app=a or}",
            "{app in x}",
        ] {
            assert!(parse(&mut Lexer::new(text, 0).unwrap()).is_err(), "{text}");
        }
    }
}
