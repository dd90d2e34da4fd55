use proptest::prelude::*;

use super::*;
use crate::predicate::Row;

/// A row of a test: fields by name, and a time.
pub(crate) struct Fields<'a>(pub(crate) &'a [(&'a str, &'a str)], pub(crate) i64);

impl Row for Fields<'_> {
    fn time(&self) -> i64 {
        self.1
    }

    fn org(&self) -> &str {
        "k"
    }

    fn value<'a>(&'a self, field: &str, _: &'a mut Vec<u8>) -> &'a [u8] {
        self.0.iter().find(|(name, _)| *name == field).map_or(b"", |(_, value)| value.as_bytes())
    }
}

/// The filter that `text` is, after showing that it prints as one that reads back as the same.
#[track_caller]
pub(crate) fn read(text: &str) -> Filter {
    let filter = parse_all(text).unwrap_or_else(|why| panic!("{}", why.render(text)));
    let printed = filter.to_string();
    let again = parse_all(&printed).unwrap_or_else(|why| panic!("{text}: {}", why.render(&printed)));
    assert_eq!(again, filter, "{text} prints as {printed}");
    filter
}

fn parse_all(text: &str) -> Result<Filter, Error> {
    Filter::parse(text, 1_795_341_600_000_000_000)
}

/// Holds the filter `text`, of the message or of the field `x`, against values that have to match and values that must not.
#[track_caller]
pub(crate) fn check(text: &str, good: &[&str], bad: &[&str]) {
    let predicate = read(text).compile().unwrap();
    for (values, wanted) in [(good, true), (bad, false)] {
        for value in values {
            let row = [("_msg", *value), ("x", *value)];
            assert_eq!(predicate.matches(&Fields(&row, 0)), wanted, "{text} against '{value}'");
        }
    }
}

/// Holds the filter `text` against rows of fields that have to match, and rows that must not.
#[track_caller]
pub(crate) fn check_rows(text: &str, good: &[&[(&str, &str)]], bad: &[&[(&str, &str)]]) {
    let predicate = read(text).compile().unwrap();
    for (rows, wanted) in [(good, true), (bad, false)] {
        for row in rows {
            assert_eq!(predicate.matches(&Fields(row, 0)), wanted, "{text} against {row:?}");
        }
    }
}

/// Holds the filter `text` against times that have to match, and times that must not.
#[track_caller]
pub(crate) fn check_times(text: &str, good: &[i64], bad: &[i64]) {
    let predicate = read(text).compile().unwrap();
    for (times, wanted) in [(good, true), (bad, false)] {
        for &time in times {
            assert_eq!(predicate.matches(&Fields(&[], time)), wanted, "{text} against {time}");
        }
    }
}

/// Any filter over a few fields and words, as the parser would make it.
pub(crate) fn any_filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        8 => (prop::sample::select(&["_msg", "app", "x", "fly.app.name", "a-b", "and"][..]), any_test())
            .prop_filter_map("the empty prefix of a message is '*'", |(field, test)| {
                let is_all = field == "_msg" && test.to_string() == "*";
                (!is_all).then(|| Filter::Field { field: field.into(), test })
            }),
        1 => Just(Filter::All),
        1 => (0..3_i64, 0..4_i64).prop_map(|(from, hours)| {
            let hour = 3_600_000_000_000;
            Filter::Time(time::TimeRange { from: from * hour, to: (from + hours) * hour })
        }),
        1 => (0..24_u16, 0..24_u16, any::<bool>(), any::<bool>()).prop_map(|(from, to, with_from, with_to)| {
            Filter::DayRange(DayRange { from: from * 60, with_from, to: to * 60, with_to, offset: 60_000_000_000 })
        }),
        1 => (0..7_u8, 0..7_u8).prop_map(|(from, to)| Filter::WeekRange(WeekRange { from, to, offset: -7 })),
        1 => any_stream().prop_map(Filter::Stream),
        1 => proptest::collection::vec("[0-9a-f]{48}", 0..3).prop_map(|ids| Filter::StreamIds(StreamIds(ids))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// Text in a query: words that match now and then, and anything.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(a|b|ab|é|1|foo|error)([ .-](a|b|é|1|foo)){0,2}",
        1 => "[abAB1_é. -]{0,4}",
        1 => prop::sample::select(&["", "and", "Or", "in", "stats", "*", "a\"b", "\\", "\n", "10", "1.5KiB", "10.0.0.1"][..])
            .prop_map(String::from),
        1 => any::<String>(),
    ]
}

fn any_test() -> impl Strategy<Value = Test> {
    use crate::filter::{any_case::*, compare::*, contains_all::*, contains_any::*, contains_common_case::*};
    use crate::filter::{
        equals_common_case::*, exact::*, ipv4_range::*, len_range::*, one_of::*, phrase::*, prefix::*,
    };
    use crate::filter::{range::*, regexp::*, seq::*, string_range::*, substring::*};
    let texts = || proptest::collection::vec(any_text(), 0..4);
    let number = || {
        prop::sample::select(&["0", "-1.5", "10KiB", "2s", "inf", "-inf", "10.0.0.3"][..])
            .prop_map(String::from)
    };
    let op = prop::sample::select(&[Op::Greater, Op::GreaterOrEqual, Op::Less, Op::LessOrEqual][..]);
    let regexps = [
        "",
        ".*",
        ".+",
        "a",
        "^a",
        "a$",
        "^a b$",
        "(a|b) foo",
        "foo( a)+",
        "(?i)foo",
        "[ab] 1 ",
        "é|a",
        "^(a|error) ",
        "a.b",
        "( a | b )(foo)",
        "a{2}",
        r"\bfoo\b",
        "(a)(b)",
        "^$",
        "x*",
        "(?m)^a",
    ];
    prop_oneof![
        4 => any_text().prop_map(|text| Test::Phrase(Phrase(text))),
        2 => any_text().prop_map(|text| Test::Prefix(Prefix(text))),
        1 => any_text().prop_filter("never empty", |text| !text.is_empty()).prop_map(|text| Test::Substring(Substring(text))),
        2 => any_text().prop_map(|text| Test::Exact(Exact(text))),
        1 => any_text().prop_map(|text| Test::ExactPrefix(ExactPrefix(text))),
        1 => texts().prop_map(|texts| Test::OneOf(OneOf(texts))),
        1 => texts().prop_map(|texts| Test::ContainsAny(ContainsAny(texts))),
        1 => texts().prop_map(|texts| Test::ContainsAll(ContainsAll(texts))),
        1 => texts().prop_map(|texts| Test::ContainsCommonCase(ContainsCommonCase(texts))),
        1 => texts().prop_map(|texts| Test::EqualsCommonCase(EqualsCommonCase(texts))),
        2 => prop::sample::select(regexps.to_vec()).prop_map(|text| Test::Regexp(Regexp(text.into()))),
        2 => (any_text(), any::<bool>()).prop_map(|(text, is_prefix)| Test::AnyCase(AnyCase { text, is_prefix })),
        1 => (op, prop_oneof![any_text(), number()]).prop_map(|(op, bound)| Test::Compare(Compare { op, bound })),
        1 => (number(), any::<bool>(), number(), any::<bool>())
            .prop_map(|(from, with_from, to, with_to)| Test::Range(Range { from, with_from, to, with_to })),
        1 => (any_text(), any_text()).prop_map(|(from, to)| Test::StringRange(StringRange { from, to })),
        1 => (0..4_u64, prop_oneof![0..9_u64, Just(u64::MAX)]).prop_map(|(from, to)| Test::LenRange(LenRange { from, to })),
        1 => (any::<u32>(), any::<u32>())
            .prop_map(|(from, to)| Test::Ipv4Range(Ipv4Range { from: from.into(), to: to.into() })),
        1 => texts().prop_map(|texts| Test::Seq(Seq(texts))),
    ]
}

fn any_stream() -> impl Strategy<Value = Stream> {
    use crate::filter::regexp::Regexp;
    use crate::filter::stream::{Tag, TagTest};
    let test = prop_oneof![
        any_text().prop_map(TagTest::Is),
        Just(TagTest::Any),
        proptest::collection::vec(any_text(), 0..3).prop_map(TagTest::In),
        prop::sample::select(&["a|b", "", ".*", "fo+.*"][..])
            .prop_map(|text| TagTest::Regexp(Regexp(text.into()))),
    ];
    let tag = (prop::sample::select(&["app", "region", "x", "or", "a,b", "in"][..]), any::<bool>(), test)
        .prop_map(|(name, not, test)| Tag { name: name.into(), not, test });
    proptest::collection::vec(proptest::collection::vec(tag, 1..3), 0..3).prop_map(Stream)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_reads_back_the_same(filter in any_filter()) {
        let printed = filter.to_string();
        let again = parse_all(&printed).map_err(|why| TestCaseError::fail(why.render(&printed)))?;
        prop_assert_eq!(&again, &filter, "{}", printed);
    }

    #[test]
    fn anything_may_be_asked(text in "([a-z_:=!~*()<>\"'`,{}|# -]|or |and |in\\(|_time:|_stream:|range\\[|\\PC){0,24}") {
        match parse_all(&text) {
            Ok(filter) => {
                let printed = filter.to_string();
                prop_assert_eq!(parse_all(&printed), Ok(filter.clone()), "{}", printed);
                filter.compile().unwrap();
            }
            Err(error) => {
                let range = error.range().unwrap_or(0..0);
                prop_assert!(range.end <= text.len() && text.is_char_boundary(range.start), "{error}");
                let _ = error.render(&text);
            }
        }
    }
}
