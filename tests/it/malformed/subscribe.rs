//! Rows 22 to 43 and 69: subscriptions and their ends.

use super::row::{As::Reader, GONE, QUIET, Row, TOO_LONG, UNKNOWN, row, stays};

const READER: super::row::As = Reader("");

/// A subscription is refused, and the connection stays.
macro_rules! no_sub {
    ($subject:literal) => {
        stays(concat!("-ERR 'Permissions Violation for Subscription to \"", $subject, "\"'\r\n"))
    };
}

pub(super) const ROWS: &[Row] = &[
    row(22, "SUB alone", READER, "SUB\r\n", UNKNOWN),
    row(23, "SUB and a blank", READER, "SUB \r\n", UNKNOWN).nats(GONE),
    row(23, "SUB without an id", READER, "SUB <o>x.>\r\n", UNKNOWN).nats(GONE),
    row(23, "SUB with four words", READER, "SUB <o>x.> a b c\r\n", UNKNOWN).nats(GONE),
    row(24, "blanks and tabs", READER, "SUB  <o>x.>   1\r\nSUB\t<o>a \t2 \r\nsub <o>b 3\n", QUIET),
    row(25, "a subject that is not allowed", READER, "SUB $KV.x 1\r\n", no_sub!("$KV.x")),
    row(26, "the same in a group", READER, "SUB $KV.x q 1\r\n", no_sub!("$KV.x\" using queue \"q")),
    row(27, "quotes", READER, "SUB $a\"b\\c 1\r\n", no_sub!("$a\\\"b\\\\c")),
    row(28, "an empty token", READER, "SUB <o>logs..a 1\r\n", no_sub!("<o>logs..a")),
    row(28, "a leading dot", READER, "SUB .<o>logs 1\r\n", no_sub!(".<o>logs")),
    row(28, "a trailing dot", READER, "SUB <o>logs. 1\r\n", no_sub!("<o>logs.")),
    row(28, "> in the middle", READER, "SUB <o>x.>.a 1\r\n", no_sub!("<o>x.>.a"))
        .nats(stays("-ERR 'Invalid Subject'\r\n")),
    row(29, "wildcards that are none", READER, "SUB <o>logs.a> 1\r\nSUB <o>logs.a*b 2\r\n", QUIET),
    row(30, "not UTF-8", READER, "SUB <o>logs.<0xff> 1\r\n", no_sub!("<o>logs.\\xff")).nats(QUIET),
    row(31, "a NUL", READER, "SUB <o>logs.<0x00> 1\r\n", no_sub!("<o>logs.\\x00")).nats(QUIET),
    row(32, "300 tokens", READER, "SUB <o><299*a.>a 1\r\n", no_sub!("<o><299*a.>a")).nats(QUIET),
    row(33, "5 kB", READER, "SUB <o><5000*a> 1\r\n", TOO_LONG),
    row(34, "an id of 600 bytes", READER, "SUB <o>x.> <600*1>\r\n", UNKNOWN).nats(QUIET),
    row(35, "an id that is a word", READER, "SUB <o>x.> some-id\r\n", QUIET),
    row(36, "the same id twice", READER, "SUB <o>x.> 1\r\nSUB <o>a 1\r\n", QUIET),
    row(
        37,
        "the 51st of 50",
        READER,
        "<50 subs>SUB <o>logs.x q 51\r\n",
        no_sub!("<o>logs.x\" using queue \"q"),
    )
    .nats(stays("-ERR 'maximum subscriptions exceeded'\r\n")),
    row(38, "5 kB without a line feed", READER, "SUB <o>x.> <5000*x>", TOO_LONG),
    row(38, "5 kB of no verb", READER, "<5000*x>", TOO_LONG).nats(UNKNOWN),
    row(39, "40 kB without a line feed", READER, "SUB <o>x.> <40000*x>", TOO_LONG),
    row(39, "40 kB of no verb", READER, "<40000*x>", TOO_LONG).nats(UNKNOWN),
    row(40, "UNSUB alone", READER, "UNSUB\r\n", UNKNOWN),
    row(41, "UNSUB with three words", READER, "UNSUB 1 2 3\r\n", UNKNOWN).nats(GONE),
    row(42, "UNSUB of nothing", READER, "UNSUB 99\r\n", QUIET),
    row(43, "a negative maximum", READER, "SUB <o>x.> 1\r\nUNSUB 1 -5\r\n", QUIET),
    row(69, "everything", READER, "SUB > 1\r\n", no_sub!(">")).proxy(QUIET),
    row(69, "the system", READER, "SUB $SYS.> 1\r\n", no_sub!("$SYS.>")),
    row(69, "JetStream", READER, "SUB $JS.API.> 1\r\n", no_sub!("$JS.API.>")),
    row(69, "everybody's inboxes", READER, "SUB _INBOX.> 1\r\n", no_sub!("_INBOX.>")).proxy(QUIET),
];
