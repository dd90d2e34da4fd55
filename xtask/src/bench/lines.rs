//! Text for the apps of a bench: lines of the shapes that real apps write, or those of a file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Lines as apps write them; each `#` becomes a number. Plain text, JSON, logfmt, klog, access logs, stack traces: with
/// numbers the mean is about 125 bytes, which is that of the public log samples that the budgets were set with.
const SHAPES: [&str; 12] = [
    r#"{"level":"info","ts":"2026-11-22T10:00:00.#Z","msg":"request completed","method":"GET","path":"/api/v1/items/#","status":200,"bytes":#,"user":"u-#"}"#,
    r#"{"level":"error","time":1795341600#,"msg":"could not charge card","order":"o-#","attempt":2,"err":"upstream timed out after 30s"}"#,
    r#"time=2026-11-22T10:00:00.#Z level=warn msg="slow query" table=orders rows=# duration_ms=# caller=db/pool.go:118 trace=#"#,
    r#"10.0.12.7 - - [22/Nov/2026:10:00:00 +0000] "POST /checkout/# HTTP/1.1" 302 # "-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0""#,
    "2026-11-22 10:00:00,# INFO  [worker-3] com.example.mail.Queue - took job # from queue 'mail', 0 waiting, next poll in 250 ms",
    "E1122 10:00:00.#       7 reconciler.go:301] could not update status of machine #: the object has been modified, trying again",
    "Traceback (most recent call last): File \"/app/shop/views.py\", line 118, in checkout: KeyError: 'cart-#'",
    "\tat com.example.shop.checkout.CardPayment.authorize(CardPayment.java:#) ~[shop-1.4.#.jar:1.4]",
    "[2026-11-22T10:00:00.#Z] DEBUG cache: evicted # entries (# bytes) in 3 ms, hit rate 0.97, next run at 10:05:00",
    "Nov 22 10:00:00 web-1 sshd[4711]: Accepted publickey for deploy from 10.0.12.7 port # ssh2: ED25519 SHA256:#",
    "081122 100000 # INFO dfs.DataNode$PacketResponder: Received block blk_# of size 67108864 from /10.251.203.166",
    "GET /health 200 in 1 ms",
];

/// An endless run of lines, the same for the same seed.
pub(super) struct Lines {
    seed: u64,
    /// The lines of a file, taken in turn; else lines are made of [`SHAPES`].
    corpus: Vec<Vec<u8>>,
    next: usize,
}

impl Lines {
    /// Lines from the file `corpus`, one a line, or of our own shapes. Different seeds begin at different places.
    pub(super) fn new(seed: u64, corpus: Option<&Path>) -> Result<Self> {
        let mut lines = Vec::new();
        if let Some(path) = corpus {
            let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            lines.extend(
                bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec),
            );
            ensure!(!lines.is_empty(), "{} holds no line", path.display());
        }
        let next = usize::try_from(seed.wrapping_mul(7919))? % lines.len().max(1);
        Ok(Self { seed: seed.wrapping_mul(2).wrapping_add(1), corpus: lines, next })
    }

    /// Appends the next line, without its newline.
    pub(super) fn next_into(&mut self, out: &mut Vec<u8>) {
        if let Some(line) = self.corpus.get(self.next) {
            out.extend_from_slice(line);
            self.next = (self.next + 1) % self.corpus.len();
            return;
        }
        // xorshift64: no more is needed to make identifiers differ.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let shape = SHAPES[usize::try_from(self.seed % 12).unwrap_or(0)];
        for (index, piece) in shape.split('#').enumerate() {
            if index > 0 {
                let _ = write!(Text(out), "{}", self.seed >> (index * 12) & 0xff_ffff);
            }
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// What the lines are, for the head of a table, with their mean length.
    pub(super) fn describe(corpus: Option<&Path>) -> Result<String> {
        let (mut lines, mut text) = (Self::new(1, corpus)?, Vec::new());
        (0..12_000).for_each(|_| lines.next_into(&mut text));
        let mean = text.len() / 12_000;
        Ok(match corpus.and_then(Path::file_name) {
            Some(name) => format!("lines of the file {}, mean {mean} bytes", name.display()),
            None => format!(
                "lines that the bench makes itself (plain, JSON, logfmt, klog, access log, stack trace), mean {mean} bytes"
            ),
        })
    }
}

/// Lets `write!` append to bytes.
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_long_as_real_ones_and_without_newlines() {
        let (mut lines, mut text) = (Lines::new(3, None).unwrap(), Vec::new());
        (0..10_000).for_each(|_| lines.next_into(&mut text));
        assert!((110..150).contains(&(text.len() / 10_000)), "{}", text.len() / 10_000);
        assert!(!text.contains(&b'\n'));
    }

    #[test]
    fn the_lines_of_a_file_in_turn() {
        let path = std::env::temp_dir().join(format!("lwb-corpus-{}", std::process::id()));
        std::fs::write(&path, "one\n\ntwo\n").unwrap();
        let mut lines = Lines::new(0, Some(&path)).unwrap();
        let mut text = Vec::new();
        (0..3).for_each(|_| lines.next_into(&mut text));
        assert_eq!(text, b"onetwoone");
        std::fs::write(&path, "\n").unwrap();
        assert!(Lines::new(0, Some(&path)).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
