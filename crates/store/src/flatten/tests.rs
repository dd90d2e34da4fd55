use super::*;
use proptest::prelude::*;

fn fields(message: &str) -> Option<Vec<(String, String)>> {
    let mut out = Flattened::new();
    let own = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
    flatten(message.as_bytes(), &mut out).then(|| out.iter().map(own).collect())
}

#[test]
fn what_is_taken() {
    for (message, wanted) in [
        (r#"{"a":1,"b":"x y","c":true,"d":null,"e":1.5e3}"#, "a=1;b=x y;c=true;e=1.5e3"),
        (r#"{"a":{"b":{"c":"d"}},"e":[1,{"f":2}]}"#, r#"a.b.c=d;e=[1,{"f":2}]"#),
        (r#" {"a":"\u00fc\n"} "#, "a=ü\n"),
        (
            r#"{"level":"info","app":"x","fly.region":"y","msg":"m"}"#,
            "app.level=info;app.app=x;app.fly.region=y;msg=m",
        ),
        (r#"{"fly":{"app":{"name":"evil"}},"logway":{"seq":1}}"#, "app.fly.app.name=evil;app.logway.seq=1"),
        (r#"{"":1,"a":"","b":{}}"#, ""),
        ("{}", ""),
        ("at=info method=GET path=\"/a b\" n=", "at=info;method=GET;path=/a b"),
        ("a=1 b=\"x\\\"y\\n\\z\"", "a=1;b=x\"y\n\\z"),
        ("level=warn seq=3", "app.level=warn;app.seq=3"),
    ] {
        let found = fields(message).map(|f| {
            f.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
        });
        assert_eq!(found.as_deref(), Some(wanted), "{message}");
    }
}

#[test]
fn what_is_neither() {
    for message in [
        "",
        "hello",
        "{not json}",
        "{\"a\":1} tail",
        "{\"a\":1",
        "[1]",
        "a=1",
        "user a=1 b=2",
        "a=1 b",
        "a=1 b=\"x",
        "a=\"x\"b=2",
        "GET /x?a=1&b=2 200",
        "=1 b=2",
    ] {
        assert_eq!(fields(message), None, "{message}");
    }
}

#[test]
fn bounds_hold() {
    let many: Vec<_> = (0..3000).map(|i| format!("\"k{i}\":{i}")).collect();
    assert_eq!(fields(&format!("{{{}}}", many.join(","))).unwrap().len(), MAX_FIELDS);
    let long = "k".repeat(MAX_NAME_BYTES + 1);
    assert_eq!(fields(&format!("{{\"{long}\":1,\"a\":2}}")).unwrap(), [("a".to_owned(), "2".to_owned())]);
    assert_eq!(fields(&format!("{long}=1 a=2 b=3")).unwrap().len(), 2);
    let deep = format!("{}1{}", "{\"a\":".repeat(20), "}".repeat(20));
    let found = fields(&deep).unwrap();
    assert_eq!((found.len(), found[0].0.matches("a.").count()), (1, 16));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_not_and_bounds_hold(message in prop_oneof![
        any::<Vec<u8>>(),
        "[{}\\[\\]\":,a-c0-9= \\\\.]{0,60}".prop_map(String::into_bytes),
    ]) {
        let mut out = Flattened::new();
        if !flatten(&message, &mut out) {
            prop_assert!(out.is_empty());
        }
        for (name, value) in out.iter() {
            prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES + APP_PREFIX.len() && !value.is_empty());
            prop_assert!(!is_reserved(name));
        }
        let before: Vec<_> = out.iter().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
        flatten(&message, &mut out);
        let again: Vec<_> = out.iter().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
        prop_assert_eq!(before, again);
    }

    #[test]
    fn agrees_with_serde_json_on_flat_objects(object: std::collections::BTreeMap<String, String>) {
        let mut out = Flattened::new();
        let message = serde_json::to_vec(&object).unwrap();
        prop_assert!(flatten(&message, &mut out));
        let wanted: Vec<_> = object.iter()
            .filter(|(k, v)| !k.is_empty() && k.len() <= MAX_NAME_BYTES && !v.is_empty() && !is_reserved(k))
            .map(|(k, v)| (k.as_str(), v.as_bytes()))
            .collect();
        let found: Vec<_> = out.iter().filter(|(name, _)| !name.starts_with(APP_PREFIX)).collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|(name, _)| !name.starts_with(APP_PREFIX)).collect();
        prop_assert_eq!(found, wanted);
    }
}
