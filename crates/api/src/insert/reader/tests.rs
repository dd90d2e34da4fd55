use super::*;
use crate::args::Args;
use hyper::HeaderMap;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000_000_000;

fn options(url: &str) -> Options {
    Options::read(&Args::read(url, b"").unwrap(), &HeaderMap::new()).unwrap()
}

/// What is understood of a line, as one text.
fn told(reader: &mut Reader<'_>, line: &[u8]) -> String {
    match reader.read(line) {
        Err(why) => format!("refused: {why}"),
        Ok(None) => "nothing".to_owned(),
        Ok(Some(row)) => {
            let text = String::from_utf8_lossy;
            let place = [row.app, row.region, row.instance, row.host].map(text).join("/");
            let fields: Vec<_> =
                row.fields().map(|(name, value)| format!("{name}={}", text(value))).collect();
            let seconds = (row.time - NOW) / line::time::SECOND;
            format!("{place} {seconds} {} {:?} {}", row.level.0.as_str(), text(row.message), fields.join(","))
        }
    }
}

#[track_caller]
fn reads(url: &str, line: &str, wanted: &str) {
    let options = options(url);
    assert_eq!(told(&mut Reader::new(&options, NOW), line.as_bytes()), wanted, "{line}");
}

#[test]
fn fields_and_places() {
    reads("", r#"{"_msg":"hi"}"#, r#"/// 0 info "hi" "#);
    reads("", r#"  {"_msg":"hi","a":1}  "#, r#"/// 0 info "hi" a=1"#);
    reads(
        "",
        r#"{"_msg":"hi","a":{"b":[1, 2],"c":{"d":true}},"n":null,"e":""}"#,
        r#"/// 0 info "hi" a.b=[1, 2],a.c.d=true"#,
    );
    reads("", r#"{"_msg":"a\n\u00e9\"","k\"":"\\"}"#, r#"/// 0 info "a\né\"" k"=\"#);
    reads(
        "",
        r#"{"app":"web","fly":{"app":{"name":"x","instance":"i"},"region":"lhr"},"host":"h"}"#,
        r#"web/lhr/i/h 0 info "" fly.app.name=x"#,
    );
    reads("", r#"{"fly.app.name":"x","_msg":"m"}"#, r#"x/// 0 info "m" "#);
    reads("", "", "nothing");
    reads("", "  ", "nothing");
    reads("", "{}", "nothing");
    reads("", r#"{"a":"","b":null}"#, "nothing");
}

#[test]
fn levels() {
    reads("", r#"{"_msg":"x","level":"ERROR"}"#, r#"/// 0 error "x" "#);
    reads(
        "",
        r#"{"_msg":"x","severity":"warning","level":"odd"}"#,
        r#"/// 0 info "x" severity=warning,level=odd"#,
    );
    reads("", r#"{"_msg":"x","severity":"warning"}"#, r#"/// 0 warn "x" "#);
    reads("", r#"{"_msg":"x","level":50}"#, r#"/// 0 error "x" "#);
    reads("", r#"{"_msg":"x","level":3}"#, r#"/// 0 info "x" level=3"#);
    reads("", r#"{"_msg":"[ERROR] x"}"#, r#"/// 0 error "[ERROR] x" "#);
}

#[test]
fn which_field_is_what() {
    reads("_msg_field=m,n", r#"{"n":"2","_msg":"0","m":""}"#, r#"/// 0 info "2" _msg=0"#);
    reads("_msg_field=m,n", r#"{"n":"2","m":"1"}"#, r#"/// 0 info "1" n=2"#);
    reads("_stream_fields=svc,host", r#"{"svc":"web","host":"h","x":"1"}"#, r#"web///h 0 info "" x=1"#);
    reads("_stream_fields=svc", r#"{"svc":"web","app":"a"}"#, r#"a/// 0 info "" svc=web"#);
    reads("ignore_fields=p*,q", r#"{"pp":1,"q":2,"r":3}"#, r#"/// 0 info "" r=3"#);
    reads("extra_fields=app=web,x=2", r#"{"x":1,"y":3}"#, r#"web/// 0 info "" y=3,x=2"#);
    reads(
        "decolorize_fields=_msg,c",
        "{\"_msg\":\"\\u001b[1;31mred\\u001b[0m \\u001b[2K\",\"c\":\"\\u001b[mx\",\"d\":\"\\u001b[m\"}",
        "/// 0 info \"red \\u{1b}[2K\" d=\u{1b}[m,c=x".replace("d=\u{1b}[m,c=x", "c=x,d=\u{1b}[m").as_str(),
    );
}

#[test]
fn times() {
    for (time, wanted) in [
        (r#""0""#, "0"),
        ("0", "0"),
        (r#""""#, "0"),
        ("null", "0"),
        (r#""2023-11-14T22:13:21Z""#, "1"),
        (r#""2023-11-14 22:13:21.5""#, "1"),
        (r#""2023-11-14T23:13:22+01:00""#, "2"),
        ("1700000003", "3"),
        ("1700000004000", "4"),
        ("1700000005000000", "5"),
        (r#""1700000006000000000""#, "6"),
        ("1700000007.25", "7"),
    ] {
        let line = format!(r#"{{"_time":{time},"_msg":"x"}}"#);
        reads("", &line, &format!(r#"/// {wanted} info "x" "#));
    }
    for bad in [r#""5m""#, r#""now""#, "-5", "1e9", "true", r#""yesterday""#, "[]"] {
        let line = format!(r#"{{"_time":{bad},"_msg":"x"}}"#);
        let options = options("");
        let told = told(&mut Reader::new(&options, NOW), line.as_bytes());
        assert!(told.starts_with("refused: its time"), "{bad}: {told}");
    }
}

#[test]
fn what_is_refused() {
    let many: Vec<_> = (0..=MAX_FIELDS).map(|at| format!("\"f{at}\":1")).collect();
    let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    for (line, why) in [
        ("x", "it is no JSON object"),
        ("[1]", "it is no JSON object"),
        ("{\"a\":1", "it is no JSON object"),
        ("{\"a\":1} x", "it is no JSON object"),
        ("{\"a\":01}", "it is no JSON object"),
        (&format!("{{{}}}", many.join(",")), "it has more than 2000 fields"),
        (&format!("{{\"{}\":1}}", "n".repeat(129)), "the name of a field has more than 128 bytes"),
        (&deep, "its objects are nested deeper than 64"),
    ] {
        let options = options("");
        let told = told(&mut Reader::new(&options, NOW), line.as_bytes());
        assert!(told.starts_with(&format!("refused: {why}")), "{told}");
    }
}

#[test]
fn as_many_fields_as_a_row_holds_are_taken_beside_those_with_a_place() {
    let many: Vec<_> = (0..MAX_FIELDS).map(|at| format!("\"f{at}\":1")).collect();
    let line = format!("{{\"_msg\":\"x\",\"app\":\"a\",\"level\":\"warn\",{}}}", many.join(","));
    let options = options("");
    let mut reader = Reader::new(&options, NOW);
    let row = reader.read(line.as_bytes()).unwrap().unwrap();
    assert_eq!((row.fields().len(), row.message, row.app), (MAX_FIELDS, &b"x"[..], &b"a"[..]));
}

#[test]
fn bytes_that_are_not_utf8_are_kept() {
    let options = options("");
    let mut reader = Reader::new(&options, NOW);
    let row = reader.read(b"{\"_msg\":\"a\xff\"}").unwrap().unwrap();
    assert_eq!(row.message, b"a\xff");
}

/// Pairs of names and values, names coming twice among them.
fn object() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(&["_msg", "_time_", "a", "b", "app", "c.d", "é", "level"][..]);
    proptest::collection::vec((name.prop_map(str::to_owned), "[a-z\\\\\"é]{0,6}"), 0..20)
}

proptest! {
    #[test]
    fn a_line_reads_the_same_whatever_came_before_it(objects in proptest::collection::vec(object(), 1..6)) {
        let options = options("_stream_fields=a");
        let mut reader = Reader::new(&options, NOW);
        for pairs in objects {
            let members: Vec<_> = pairs.iter().map(|(name, value)| {
                format!("{}:{}", serde_json::json!(name), serde_json::json!(value))
            }).collect();
            let line = format!("{{{}}}", members.join(","));
            let alone = told(&mut Reader::new(&options, NOW), line.as_bytes());
            prop_assert_eq!(told(&mut reader, line.as_bytes()), alone.clone());
            // Of a name that comes twice the last value counts.
            let last = pairs.iter().rev().find(|(name, value)| name == "b" && !value.is_empty());
            if let Some((_, value)) = last {
                let wanted = format!("b={value}");
                prop_assert!(alone.contains(&wanted), "{} in {}", wanted, alone);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_line_or_not(line in proptest::collection::vec(any::<u8>(), 0..60), json in "[{}\\[\\],:\"a1\\\\ ntu]{0,40}") {
        let options = options("");
        let mut reader = Reader::new(&options, NOW);
        let _ = told(&mut reader, &line);
        let _ = told(&mut reader, json.as_bytes());
    }
}
