//! Decodes as Go's `encoding/json` does with fly-go's types: names in any case, unknown ones passed over, null is nothing said, and a
//! value of another type gives up the whole page.

use serde_json::{Map, Value};

/// What fly-go keeps of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) timestamp: String,
    pub(super) message: String,
    pub(super) level: String,
    pub(super) instance: String,
    pub(super) region: String,
    pub(super) meta: Meta,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) instance: String,
    pub(super) region: String,
    pub(super) provider: String,
    pub(super) request: [String; 3],
    pub(super) status_code: i32,
    pub(super) error_code: i32,
    pub(super) error_message: String,
    pub(super) url: String,
}

/// What `GetAppLogs` gives.
pub(super) fn page(body: &str) -> Result<(Vec<(String, LogEntry)>, String), String> {
    let whole: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let whole = Object::of(&whole)?;
    let mut entries = Vec::new();
    for entry in whole.array("Data")? {
        let entry = Object::of(entry)?;
        entries.push((entry.string("Id")?, log_entry(&entry.object("Attributes")?)?));
    }
    Ok((entries, whole.object("Meta")?.string("next_token")?))
}

fn log_entry(entry: &Object<'_>) -> Result<LogEntry, String> {
    let meta = entry.object("Meta")?;
    let (http, error) = (meta.object("HTTP")?, meta.object("Error")?);
    let request = http.object("Request")?;
    Ok(LogEntry {
        timestamp: entry.string("Timestamp")?,
        message: entry.string("Message")?,
        level: entry.string("Level")?,
        instance: entry.string("Instance")?,
        region: entry.string("Region")?,
        meta: Meta {
            instance: meta.string("Instance")?,
            region: meta.string("Region")?,
            provider: meta.object("Event")?.string("Provider")?,
            request: [request.string("ID")?, request.string("Method")?, request.string("Version")?],
            status_code: http.object("Response")?.int("status_code")?,
            error_code: error.int("Code")?,
            error_message: error.string("Message")?,
            url: meta.object("URL")?.string("Full")?,
        },
    })
}

/// An object, or nothing.
struct Object<'v>(Option<&'v Map<String, Value>>);

impl<'v> Object<'v> {
    fn of(value: &'v Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self(None)),
            Value::Object(map) => Ok(Self(Some(map))),
            other => Err(format!("cannot unmarshal {other} into a struct")),
        }
    }

    /// The name as it is, else in any case. Null is as if it were not there.
    fn get(&self, name: &str) -> Option<&'v Value> {
        let map = self.0?;
        let any_case =
            || map.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        map.get(name).or_else(any_case).filter(|value| !value.is_null())
    }

    fn object(&self, name: &str) -> Result<Self, String> {
        self.get(name).map_or(Ok(Self(None)), Self::of)
    }

    fn array(&self, name: &str) -> Result<&'v [Value], String> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(all)) => Ok(all),
            Some(other) => Err(format!("cannot unmarshal {other} into a slice")),
        }
    }

    fn string(&self, name: &str) -> Result<String, String> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(format!("cannot unmarshal {other} into a string")),
        }
    }

    /// On machines of 32 bits an `int` has as many.
    fn int(&self, name: &str) -> Result<i32, String> {
        let Some(value) = self.get(name) else { return Ok(0) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number.ok_or_else(|| format!("cannot unmarshal {value} into an int"))
    }
}

#[test]
fn it_is_as_strict_as_go() {
    let page_of = |attributes: &str| {
        page(&format!(
            "{{\"data\":[{{\"ID\":\"a\",\"attributes\":{attributes}}}],\"meta\":{{\"next_token\":\"1\"}}}}"
        ))
    };
    for (attributes, is_taken) in [
        ("{}", true),
        ("null", true),
        (r#"{"MESSAGE":"x","meta":{"http":null,"more":[1]}}"#, true),
        (r#"{"message":7}"#, false),
        (r#"{"meta":{"error":{"code":"PU02"}}}"#, false),
        (r#"{"meta":{"error":{"code":1.5}}}"#, false),
        (r#"{"meta":{"error":{"code":2147483648}}}"#, false),
        (r#"{"meta":[]}"#, false),
    ] {
        assert_eq!(page_of(attributes).is_ok(), is_taken, "{attributes}");
    }
    let (entries, next) = page_of(r#"{"MESSAGE":"x"}"#).unwrap();
    assert_eq!((entries[0].1.message.as_str(), next.as_str()), ("x", "1"));
    assert!(
        page("[]").is_err()
            && page("{\"data\":{}}").is_err()
            && page("{\"meta\":{\"next_token\":1}}").is_err()
    );
}
