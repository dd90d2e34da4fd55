//! The JSON of a CONNECT: what strangers write there, and what is read of it.

use std::collections::BTreeMap;

use bus::session::{Connect, VIOLATION};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const FLAGS: [&str; 5] = ["verbose", "pedantic", "echo", "headers", "no_responders"];
const TEXTS: [&str; 6] = ["user", "pass", "auth_token", "name", "lang", "version"];

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 8;

/// What was read, as JSON of its own.
fn shown(connect: &Connect) -> Value {
    json!({
        "verbose": connect.verbose, "pedantic": connect.pedantic, "echo": connect.echo,
        "headers": connect.headers, "no_responders": connect.no_responders,
        "user": connect.user, "pass": connect.pass, "auth_token": connect.auth_token,
        "name": connect.name, "lang": connect.lang, "version": connect.version,
    })
}

/// The same of these keys, where all that is known has its right type.
fn wanted(keys: &BTreeMap<String, Value>) -> Result<Value, &'static str> {
    let flag =
        |name: &str| keys.get(name).map_or(matches!(name, "verbose" | "pedantic" | "echo"), |v| v == true);
    let text = |name: &str| keys.get(name).cloned().unwrap_or_else(|| "".into());
    if keys.get("protocol").is_some_and(|protocol| *protocol != 0 && *protocol != 1) {
        return Err("invalid client protocol");
    }
    if flag("no_responders") && !flag("headers") {
        return Err("no responders requires headers support");
    }
    if keys.get("account").is_some_and(|account| account != "") || flag("new_account") {
        return Err(VIOLATION);
    }
    let flags = FLAGS.iter().map(|name| ((*name).to_owned(), flag(name).into()));
    Ok(flags.chain(TEXTS.iter().map(|name| ((*name).to_owned(), text(name)))).collect())
}

fn known() -> impl Strategy<Value = (String, Value)> {
    let name = |names: &'static [&'static str]| proptest::sample::select(names).prop_map(str::to_owned);
    let text = || prop_oneof![Just(String::new()), ".{0,8}", "[\\[{\\\\\"]{0,20}"].prop_map(Value::from);
    prop_oneof![
        8 => (name(&FLAGS), any::<bool>().prop_map(Value::from)),
        8 => (name(&TEXTS), text()),
        1 => (Just("protocol".to_owned()), (-1i64..3).prop_map(Value::from)),
        1 => (Just("account".to_owned()), text()),
        1 => (Just("new_account".to_owned()), any::<bool>().prop_map(Value::from)),
        4 => ("[A-Z_]{1,6}|tls_required|jwt", nested(MAX_DEPTH - 1)),
    ]
}

/// Any JSON, so deep at most.
fn nested(depth: usize) -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".{0,4}".prop_map(Value::from)];
    (leaf, 0..=depth, any::<bool>()).prop_map(|(leaf, depth, is_list)| {
        (0..depth).fold(leaf, |inner, _| if is_list { json!([inner]) } else { json!({ "x": inner }) })
    })
}

/// Values of the wrong type for a key that is known.
fn wrong() -> impl Strategy<Value = (&'static str, Value)> {
    let not_a_flag = prop_oneof![Just(json!(1)), Just(json!("true")), Just(json!([true])), Just(json!({}))];
    let not_text = prop_oneof![Just(json!(1)), Just(json!(true)), Just(json!(["x"])), Just(json!({}))];
    let not_a_number = prop_oneof![Just(json!("1")), Just(json!(1.5)), Just(json!(true)), Just(json!([]))];
    prop_oneof![
        (proptest::sample::select(&FLAGS), not_a_flag),
        (proptest::sample::select(&TEXTS), not_text),
        (Just("protocol"), not_a_number),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(keys in proptest::collection::vec(known(), 0..12)) {
        let keys: BTreeMap<String, Value> = keys.into_iter().collect();
        let text = serde_json::to_string_pretty(&keys).unwrap();
        prop_assert_eq!(Connect::read(text.as_bytes()).map(|connect| shown(&connect)), wanted(&keys), "{}", text);
    }

    #[test]
    fn a_wrong_type_is_refused(keys in proptest::collection::vec(known(), 0..4), (name, value) in wrong()) {
        let mut keys: BTreeMap<String, Value> = keys.into_iter().collect();
        keys.insert(name.to_owned(), value);
        let text = serde_json::to_string(&keys).unwrap();
        prop_assert_eq!(Connect::read(text.as_bytes()).unwrap_err(), VIOLATION, "{}", text);
    }

    #[test]
    fn a_key_that_is_known_may_stand_once(name in proptest::sample::select(&TEXTS), one in "[a-z]{0,3}", two in "[a-z]{0,3}") {
        let text = format!("{{\"{name}\":\"{one}\",\"x\":0,\"{name}\":\"{two}\"}}");
        prop_assert_eq!(Connect::read(text.as_bytes()).unwrap_err(), VIOLATION, "{}", text);
    }

    #[test]
    fn brackets_within_brackets(depth in 0usize..20, tail in "[\\[{\\\\\"]{0,6}") {
        let inner = serde_json::to_string(&tail).unwrap();
        let text = format!("{{\"x\":{}{inner}{}}}", "[".repeat(depth), "]".repeat(depth));
        prop_assert_eq!(Connect::read(text.as_bytes()).is_ok(), depth < MAX_DEPTH, "{}", text);
    }

    /// Whatever is changed in a CONNECT, it is refused or is JSON of that meaning to another reader too.
    #[test]
    fn nothing_is_read_that_is_not_there(
        keys in proptest::collection::vec(known(), 0..6), changes in proptest::collection::vec(any::<(u16, u8)>(), 0..4),
    ) {
        let keys: BTreeMap<String, Value> = keys.into_iter().collect();
        let mut bytes = serde_json::to_vec(&keys).unwrap();
        for (at, byte) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(connect) = Connect::read(&bytes) {
            // Nobody looks into the values of keys that are not known, not even whether they are UTF-8.
            let text = String::from_utf8_lossy(&bytes);
            let all: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
            let value = |raw: Box<RawValue>| serde_json::from_str(raw.get()).unwrap_or_default();
            let keys = all.into_iter().map(|(key, raw)| (key, value(raw))).collect();
            prop_assert_eq!(Ok(shown(&connect)), wanted(&keys), "{}", text);
        }
    }
}
