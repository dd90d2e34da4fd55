use super::*;
use crate::block::{Block, Column};
use crate::filter::Filter;
use crate::filter::tests::{Fields, any_filter};
use crate::token;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Values in which the filters of [`any_filter`] find something now and then.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "([abAB1_é] ?[-. ]?){0,8}",
        "(a|b|ab|A|é|1|foo|Foo|error)([ .-](a|b|ab|é|1|foo|FOO|error)){0,5}",
        "[0-9]{1,3}(\\.[0-9])?(KiB|s|ms)?",
        "10\\.0\\.[0-9]\\.[0-9]",
    ]
}

fn each_test(predicate: &Predicate, each: &mut dyn FnMut(&FieldTest)) {
    match predicate {
        Predicate::And(list) | Predicate::Or(list) => list.iter().for_each(|inner| each_test(inner, each)),
        Predicate::Not(inner) => each_test(inner, each),
        Predicate::Field(test) => each(test),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hints_are_never_wrong(filter in any_filter(), values in proptest::collection::vec(any_value(), 1..12)) {
        let predicate = filter.compile().unwrap();
        let mut wrong = Vec::new();
        each_test(&predicate, &mut |test| {
            for value in values.iter().map(String::as_bytes).filter(|value| test.matches(value)) {
                let tokens: BTreeSet<&[u8]> = token::tokens(value).collect();
                let has = test.literal().is_none_or(|literal| memchr::memmem::find(value, literal).is_some());
                let named = test.values().is_none_or(|values| values.contains(&value));
                if !has || !named || !test.tokens().is_met(|token| tokens.contains(token)) {
                    wrong.push((format!("{test:?}"), String::from_utf8_lossy(value).into_owned()));
                }
            }
            assert_eq!(test.matches_empty(), test.matches(b""));
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn folding_changes_nothing(filter in any_filter(), rows in proptest::collection::vec((any_value(), any_value(), 0..4_i64), 1..8)) {
        let folded = filter.compile().unwrap();
        for (msg, app, hour) in &rows {
            let fields = [("_msg", msg.as_str()), ("app", app.as_str()), ("x", msg.as_str())];
            let row = Fields(&fields, hour * 3_600_000_000_000);
            prop_assert_eq!(folded.matches(&row), plainly(&filter, &row), "{} folded: {:?}", filter, folded);
        }
    }

    #[test]
    fn columns_say_what_rows_say(
        filter in any_filter(),
        rows in proptest::collection::vec((any_value(), 0..4_usize, 0..4_i64), 1..80),
        skip in any::<u64>(),
    ) {
        const APPS: [&str; 4] = ["a", "b", "foo-bar", ""];
        let predicate = filter.compile().unwrap();
        let dict = Column::Dict {
            values: APPS.iter().map(|app| app.as_bytes().into()).collect(),
            codes: rows.iter().map(|(_, app, _)| u16::try_from(*app).unwrap()).collect(),
        };
        let block = Block::new(rows.len())
            .with("_msg", Column::Text(rows.iter().map(|(msg, ..)| msg).collect()))
            .with("app", dict)
            .with("x", Column::of("foo bar"))
            .with("_time", Column::Time(rows.iter().map(|(_, _, hour)| hour * 3_600_000_000_000).collect()));
        let mut found = Rows::all(rows.len());
        found.retain(|row| skip >> (row % 64) & 1 == 1);
        let before = found.clone();
        predicate.retain(&mut &block, &mut found).unwrap();
        for (at, (msg, app, hour)) in rows.iter().enumerate() {
            let fields = [("_msg", msg.as_str()), ("app", APPS[*app]), ("x", "foo bar")];
            let wanted = before.has(at) && predicate.matches(&Fields(&fields, hour * 3_600_000_000_000));
            prop_assert_eq!(found.has(at), wanted, "{} against {:?}", filter, fields);
        }
    }
}

/// As [`Predicate::matches`], with nothing folded or joined.
fn plainly(filter: &Filter, row: &dyn Row) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|inner| plainly(inner, row)),
        Filter::Or(any) => any.iter().any(|inner| plainly(inner, row)),
        Filter::Not(inner) => !plainly(inner, row),
        Filter::Field { field, test } => {
            test.compile().unwrap().matches(row.value(field::resolve(field), &mut Vec::new()))
        }
        other => other.compile().unwrap().matches(row),
    }
}

fn compiled(text: &str) -> Predicate {
    Filter::parse(text, 1_795_341_600_000_000_000).unwrap().compile().unwrap()
}

#[test]
fn constants_go() {
    for text in ["*", "a or *", "!(a *) or a or !b or *", "x:~\".*\"", "{}", "_msg:*", "x:in(*)", "!x:in()"] {
        assert!(matches!(compiled(text), Predicate::All), "{text}");
    }
    for text in
        ["!*", "a !*", "x:in()", "_time:[2026-01-02, 2026-01-01)", "_time:2025 _time:2026", "x:!~\".*\""]
    {
        assert!(matches!(compiled(text), Predicate::None), "{text}");
    }
    assert!(matches!(compiled("_time:1h (_time:5m (a))"), Predicate::And(list) if list.len() == 2));
}

#[test]
fn alternatives_are_one_test() {
    for text in ["a or b or \"c d\"", "x:=a or x:in(b,c) or x:=d", "x:a or x:b", "fly.app.name:=a or app:=b"]
    {
        assert!(matches!(compiled(text), Predicate::Field(_)), "{text}: {:?}", compiled(text));
    }
    let terms: Vec<String> = (0..10_000).map(|at| format!("w{at}")).collect();
    let Predicate::Field(test) = compiled(&terms.join(" or ")) else { panic!("not one test") };
    assert!(test.matches(b"x w9999 y") && !test.matches(b"x w10000 y"));
}

#[test]
fn what_is_known_beforehand() {
    let predicate = compiled("_time:1h (app:=a or fly.app.name:=b) error !warn x:~\"a\"");
    let mut fields = BTreeSet::new();
    predicate.each_field(&mut |field| {
        fields.insert(field.to_owned());
    });
    assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["_msg", "app", "x"]);
    let now = 1_795_341_600_000_000_000;
    assert_eq!(predicate.time_range(), TimeRange { from: now - 3_600_000_000_000, to: now });
    assert_eq!(compiled("a or _time:1h").time_range(), TimeRange::ALL);
    let orgs = Filter::all(vec![Filter::Orgs(vec!["k".into()]), Filter::any(vec![Filter::All, Filter::All])]);
    let orgs = orgs.compile().unwrap();
    assert!(orgs.has_org("k") && !orgs.has_org("l"));
}

/// The value with a sign that is in no word in place of each run of ASCII letters, digits and `_` that has a digit.
fn without_numbers(value: &str) -> String {
    let mut out = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| is_word(c) == is_word(first);
        let (run, behind) = rest.split_at(rest.find(|c| !same(c)).unwrap_or(rest.len()));
        let varies = is_word(first) && run.bytes().any(|byte| byte.is_ascii_digit());
        out.push_str(if varies { "\u{11}" } else { run });
        rest = behind;
    }
    out
}

proptest! {
    #[test]
    fn words_are_found_whatever_stands_for_numbers(value in "[aAbB1 _.-]{0,12}", text in "[aAbB _.-]{1,4}", form in 0_usize..4) {
        let quoted = format!("\"{text}\"");
        let filter = match form {
            0 => quoted,
            1 => format!("i({quoted})"),
            2 => format!("{quoted}*"),
            _ => format!("contains_all({quoted}, a)"),
        };
        let predicate = crate::parse(&filter, 0).unwrap().predicate().unwrap();
        if let Predicate::Field(test) = &predicate
            && test.is_of_words()
        {
            prop_assert_eq!(test.matches(value.as_bytes()), test.matches(without_numbers(&value).as_bytes()), "{}", filter);
        }
    }
}
