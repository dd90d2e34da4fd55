//! Names of fields: which other names the platform's have.

/// Other names, as Fly's own records have them, and what they are called here.
pub const ALIASES: [(&str, &str); 5] = [
    ("event.provider", "provider"),
    ("fly.app.instance", "instance"),
    ("fly.app.name", "app"),
    ("fly.region", "region"),
    ("log.level", "level"),
];

/// The field that holds the message, and that filters without a field look in.
pub const MSG: &str = "_msg";
/// The field that holds the time.
pub const TIME: &str = "_time";
/// The field that holds the text of the stream: `{app="…",instance="…",region="…"}`.
pub const STREAM: &str = "_stream";
/// The field that holds the 48 hex digits of org and stream.
pub const STREAM_ID: &str = "_stream_id";
/// The fields that a stream is made of.
pub const STREAM_FIELDS: [&str; 3] = ["app", "instance", "region"];

/// The name under which rows have the field that a query calls `name`. An empty name is the message's.
pub fn resolve(name: &str) -> &str {
    if name.is_empty() {
        return MSG;
    }
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases() {
        for (name, wanted) in
            [("fly.app.name", "app"), ("log.level", "level"), ("", "_msg"), ("app", "app"), ("x", "x")]
        {
            assert_eq!(resolve(name), wanted);
        }
    }
}
