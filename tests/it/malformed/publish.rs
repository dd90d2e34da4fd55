//! Rows 44 to 58: messages.

use super::row::{As, As::Reader, As::Writer, GONE, QUIET, Row, UNKNOWN, closes, row, stays};

const WRITER: As = Writer(",\"headers\":true");
const PEDANTIC: As = Writer(",\"pedantic\":true");
const PAYLOAD: &str = "-ERR 'Maximum Payload Violation'\r\n";

/// A message is refused, and the connection stays.
macro_rules! no_pub {
    ($subject:literal) => {
        stays(concat!("-ERR 'Permissions Violation for Publish to \"", $subject, "\"'\r\n"))
    };
}

/// A message is refused for where it wants its answer.
macro_rules! no_reply {
    ($subject:literal) => {
        stays(concat!("-ERR 'Permissions Violation for Publish with Reply of \"", $subject, "\"'\r\n"))
    };
}

pub(super) const ROWS: &[Row] = &[
    row(44, "by one who may not", Reader(""), "PUB foo 2\r\nhi\r\n", no_pub!("foo")),
    row(45, "size -1", WRITER, "PUB <o>logs.<n>.a -1\r\n", UNKNOWN).nats(GONE),
    row(45, "size +5", WRITER, "PUB <o>logs.<n>.a +5\r\n", UNKNOWN).nats(GONE),
    row(45, "size 0x1", WRITER, "PUB <o>logs.<n>.a 0x1\r\n", UNKNOWN).nats(GONE),
    row(45, "size of 20 digits", WRITER, "PUB <o>logs.<n>.a 12345678901234567890\r\n", UNKNOWN).nats(GONE),
    row(45, "no size", WRITER, "PUB <o>logs.<n>.a\r\n", UNKNOWN).nats(GONE),
    row(45, "four words", WRITER, "PUB <o>logs.<n>.a b 1 2\r\n", UNKNOWN).nats(GONE),
    row(45, "nothing", WRITER, "PUB\r\n", UNKNOWN),
    row(46, "too large", WRITER, "PUB <o>logs.<n>.a 1048577\r\n", closes(PAYLOAD)),
    row(46, "too large with headers", WRITER, "HPUB <o>logs.<n>.a 12 1048577\r\n", closes(PAYLOAD)),
    row(47, "longer than its size", WRITER, "PUB <o>logs.<n>.a 2\r\nabc\r\n", UNKNOWN).heard(""),
    row(48, "shorter than its size", WRITER, "PUB <o>logs.<n>.a 8\r\nhi\r\nPING\r\n", QUIET)
        .proxy(no_pub!("<o>logs.<n>.a"))
        .heard("MSG <o>logs.<n>.a 1 8\r\nhi\r\nPING\r\n"),
    row(49, "a line feed alone behind it", WRITER, "PUB <o>logs.<n>.a 2\r\nhi\n.", UNKNOWN).heard(""),
    row(50, "size 005", WRITER, "PUB <o>logs.<n>.a 005\r\nhello\r\n", QUIET)
        .proxy(no_pub!("<o>logs.<n>.a"))
        .heard_unlike_nats("MSG <o>logs.<n>.a 1 5\r\nhello\r\n", "MSG <o>logs.<n>.a 1 005\r\nhello\r\n"),
    row(51, "to a *", WRITER, "PUB <o>logs.<n>.* 2\r\nhi\r\n", no_pub!("<o>logs.<n>.*"))
        .nats(QUIET)
        .heard_unlike_nats("", "MSG <o>logs.<n>.* 1 2\r\nhi\r\n"),
    row(51, "to a >", WRITER, "PUB <o>logs.<n>.> 2\r\nhi\r\n", no_pub!("<o>logs.<n>.>"))
        .nats(QUIET)
        .heard_unlike_nats("", "MSG <o>logs.<n>.> 1 2\r\nhi\r\n"),
    row(
        51,
        "to a * by a pedantic one",
        PEDANTIC,
        "PUB <o>logs.<n>.* 2\r\nhi\r\n",
        stays("-ERR 'Invalid Publish Subject'\r\n"),
    )
    .heard_unlike_nats("", "MSG <o>logs.<n>.* 1 2\r\nhi\r\n"),
    row(
        52,
        "to an empty token by a pedantic one",
        PEDANTIC,
        "PUB <o>logs.<n>..a 2\r\nhi\r\n",
        stays("-ERR 'Invalid Publish Subject'\r\n"),
    )
    .nats(stays(concat!(
        "-ERR 'Invalid Publish Subject'\r\n-ERR 'Permissions Violation for Publish ",
        "to \"<o>logs.<n>..a\"'\r\n"
    )))
    .heard(""),
    row(52, "to an empty token", WRITER, "PUB <o>logs.<n>..a 2\r\nhi\r\n", no_pub!("<o>logs.<n>..a"))
        .heard(""),
    row(53, "an answer to a *", WRITER, "PUB <o>logs.<n>.a r.* 2\r\nhi\r\n", no_reply!("r.*"))
        .nats(QUIET)
        .heard_unlike_nats("", "MSG <o>logs.<n>.a 1 r.* 2\r\nhi\r\n"),
    row(
        54,
        "an answer to the server's own",
        WRITER,
        "PUB <o>logs.<n>.a _R_.x.y 2\r\nhi\r\n",
        no_reply!("_R_.x.y"),
    )
    .heard(""),
    row(
        55,
        "headers from one without",
        Writer(""),
        "HPUB <o>logs.<n>.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        UNKNOWN,
    )
    .nats(GONE)
    .heard(""),
    row(56, "headers longer than all", WRITER, "HPUB <o>logs.<n>.a 3 2\r\n", UNKNOWN).nats(GONE),
    row(56, "headers of -1", WRITER, "HPUB <o>logs.<n>.a -1 2\r\n", UNKNOWN).nats(GONE),
    row(56, "one size", WRITER, "HPUB <o>logs.<n>.a 2\r\n", UNKNOWN).nats(GONE),
    row(56, "five words", WRITER, "HPUB <o>logs.<n>.a b 1 2 3\r\n", UNKNOWN).nats(GONE),
    row(57, "headers of 0", WRITER, "HPUB <o>logs.<n>.a 0 2\r\nhi\r\n", QUIET)
        .proxy(no_pub!("<o>logs.<n>.a"))
        .heard("MSG <o>logs.<n>.a 1 2\r\nhi\r\n"),
    row(58, "headers of another kind", WRITER, "HPUB <o>logs.<n>.a 12 14\r\nMATS/1.0\r\n\r\nhi\r\n", UNKNOWN)
        .nats(QUIET)
        .heard_unlike_nats("", "HMSG <o>logs.<n>.a 1 12 14\r\nMATS/1.0\r\n\r\nhi\r\n"),
    row(58, "headers that do not end", WRITER, "HPUB <o>logs.<n>.a 10 12\r\nNATS/1.0\r\nhi\r\n", UNKNOWN)
        .nats(QUIET)
        .heard_unlike_nats("", "HMSG <o>logs.<n>.a 1 10 12\r\nNATS/1.0\r\nhi\r\n"),
];
