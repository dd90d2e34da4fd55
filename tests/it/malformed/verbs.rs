//! Rows 59 to 64: verbs that are none, or not a client's.

use super::row::{As::Reader, GONE, QUIET, Row, UNKNOWN, row, stays};

const READER: super::row::As = Reader("");

pub(super) const ROWS: &[Row] = &[
    row(59, "MSG", READER, "MSG a 1 2\r\nhi\r\n", UNKNOWN),
    row(59, "HMSG", READER, "HMSG a 1 2 3\r\n", UNKNOWN),
    row(59, "RS+", READER, "RS+ a\r\n", UNKNOWN),
    row(59, "LS+", READER, "LS+ a\r\n", UNKNOWN),
    row(59, "A+", READER, "A+ a\r\n", UNKNOWN),
    row(59, "RMSG", READER, "RMSG a b 1\r\n", UNKNOWN),
    row(60, "INFO and +OK", READER, "INFO {}\r\n+OK\r\n", QUIET),
    row(61, "-ERR", READER, "-ERR 'x'\r\n", GONE),
    row(62, "an empty line", READER, "\r\n", UNKNOWN),
    row(62, "a leading blank", READER, " PING\r\n", UNKNOWN),
    row(62, "NULs", READER, "<0x00><0x00>\r\n", UNKNOWN),
    row(62, "half a verb", READER, "PIN\r\n", UNKNOWN),
    row(62, "a verb and more", READER, "CONNECTX {}\r\n", UNKNOWN).nats(GONE),
    row(62, "another protocol", READER, "HELO x\r\n", UNKNOWN),
    row(63, "PING and more", READER, "PING abc\r\nPINGX\r\nping\n", stays("PONG\r\nPONG\r\nPONG\r\n")),
    row(64, "PONG and nobody asked", READER, "PONG\r\nPONGX\r\n", QUIET),
];
