//! Rows 2 to 21: before the login, and at it.

use super::row::{As::Nobody, As::Reader, DENIED, GONE, QUIET, Row, TOO_LONG, closes, row, stays};

const PROTOCOL: &str = "-ERR 'invalid client protocol'\r\n";
const NO_HEADERS: &str = "-ERR 'no responders requires headers support'\r\n";
/// The beginning of what a TLS client says first, cut to what matters here, with a line feed in its random bytes.
const CLIENT_HELLO: &str =
    "<0x16><0x03><0x01><0x00><0xf4><0x01><0x00><0x00><0xf0><0x03><0x03>random\nbytes<0x00>";
/// As async-nats writes it.
const NULLS: &str = "CONNECT {\"verbose\":false,\"jwt\":null,\"nkey\":null,\"sig\":null,\"name\":null,<reader>,\"auth_token\":null}\r\n";

pub(super) const ROWS: &[Row] = &[
    row(2, "PING before CONNECT", Nobody, "PING\r\n", DENIED),
    row(2, "SUB before CONNECT", Nobody, "SUB <o>> 1\r\n", DENIED),
    row(2, "PUB before CONNECT", Nobody, "PUB a 1000000\r\n", DENIED),
    row(2, "an empty line before CONNECT", Nobody, "\r\n", DENIED),
    row(2, "-ERR before CONNECT", Nobody, "-ERR 'x'\r\n", DENIED),
    row(3, "HTTP", Nobody, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", DENIED),
    row(4, "TLS", Nobody, CLIENT_HELLO, DENIED),
    row(5, "a wrong password", Nobody, "CONNECT {<reader>,\"verbose\":false,\"pass\":\"x\"}\r\n", DENIED),
    row(5, "a password and more", Nobody, "CONNECT {\"user\":\"api\",\"pass\":\"<secret>x\"}\r\n", DENIED),
    row(6, "nobody's CONNECT", Nobody, "CONNECT {}\r\n", DENIED),
    row(6, "no user", Nobody, "CONNECT {\"verbose\":false,\"name\":\"x\"}\r\n", DENIED),
    row(7, "a bare token", Nobody, "CONNECT {\"verbose\":false,\"auth_token\":\"<secret>\"}\r\n", DENIED)
        .proxy(QUIET),
    row(8, "broken JSON", Nobody, "CONNECT {verbose\r\n", DENIED).nats(GONE),
    row(8, "JSON that is cut", Nobody, "CONNECT {<reader>,\r\n", DENIED).nats(GONE),
    row(9, "an empty CONNECT", Nobody, "CONNECT \r\n", DENIED).nats(GONE),
    row(9, "CONNECT alone", Nobody, "CONNECT\r\n", DENIED).nats(GONE),
    row(10, "a list", Nobody, "CONNECT []\r\n", DENIED).nats(GONE),
    row(11, "a user that is a number", Nobody, "CONNECT {\"user\":1,\"pass\":\"x\"}\r\n", DENIED).nats(GONE),
    row(11, "a flag that is text", Nobody, "CONNECT {<reader>,\"verbose\":\"no\"}\r\n", DENIED).nats(GONE),
    row(11, "null where text may be", Nobody, NULLS, QUIET),
    row(
        11,
        "null where a flag may be",
        Nobody,
        "CONNECT {\"verbose\":false,<reader>,\"echo\":null}\r\n",
        DENIED,
    )
    .nats(QUIET),
    row(12, "a key twice", Nobody, "CONNECT {\"verbose\":false,\"user\":\"x\",<reader>}\r\n", DENIED)
        .nats(QUIET),
    row(
        13,
        "keys in upper case",
        Nobody,
        "CONNECT {\"VERBOSE\":false,\"USER\":\"api\",\"PASS\":\"<secret>\"}\r\n",
        DENIED,
    )
    .nats(QUIET),
    row(14, "protocol 2", Nobody, "CONNECT {<reader>,\"protocol\":2}\r\n", closes(PROTOCOL)),
    row(14, "protocol -1", Nobody, "CONNECT {<reader>,\"protocol\":-1}\r\n", closes(PROTOCOL)),
    row(
        15,
        "no_responders alone",
        Nobody,
        "CONNECT {<reader>,\"no_responders\":true}\r\n",
        closes(NO_HEADERS),
    ),
    row(16, "an account", Nobody, "CONNECT {<reader>,\"account\":\"x\"}\r\n", DENIED),
    row(16, "a new account", Nobody, "CONNECT {<reader>,\"new_account\":true}\r\n", DENIED),
    row(17, "5 kB", Nobody, "CONNECT {\"verbose\":false,<reader>,\"x\":\"<5000*x>\"}\r\n", QUIET)
        .nats(TOO_LONG),
    row(17, "60 kB", Nobody, "CONNECT {\"verbose\":false,<reader>,\"x\":\"<60000*x>\"}\r\n", QUIET)
        .nats(TOO_LONG),
    row(17, "70 kB", Nobody, "CONNECT {\"verbose\":false,<reader>,\"x\":\"<70000*x>\"}\r\n", TOO_LONG),
    row(
        18,
        "lower case, a tab, bare line feeds",
        Nobody,
        "connect\t{\"verbose\":false,<reader>}\nping\n",
        stays("PONG\r\n"),
    ),
    row(19, "another user", Reader(""), "CONNECT {\"verbose\":false,<writer>}\r\n", DENIED).nats(QUIET),
    row(
        19,
        "the same user again",
        Reader(""),
        "CONNECT {\"verbose\":false,<reader>,\"echo\":false}\r\n",
        QUIET,
    ),
    row(20, "a wrong password, later", Reader(""), "CONNECT {<reader>,\"pass\":\"x\"}\r\n", DENIED),
    row(21, "deep", Nobody, "CONNECT {\"verbose\":false,<reader>,\"x\":<100*[>1<100*]>}\r\n", DENIED)
        .nats(QUIET),
    row(
        21,
        "60 kB deep",
        Nobody,
        "CONNECT {\"verbose\":false,<reader>,\"x\":<30000*[>1<30000*]>}\r\n",
        DENIED,
    )
    .nats(TOO_LONG),
    row(
        60,
        "INFO and +OK before CONNECT",
        Nobody,
        "INFO {}\r\n+OK\r\nCONNECT {\"verbose\":false,<reader>}\r\n",
        QUIET,
    )
    .nats(DENIED),
    row(
        70,
        "all in one",
        Nobody,
        "CONNECT {\"verbose\":false,<reader>}\r\nSUB <o>logs.<n>.> 1\r\nPING\r\n",
        stays("PONG\r\n"),
    ),
];
