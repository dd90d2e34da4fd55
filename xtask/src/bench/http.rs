//! As much of HTTP as a bench needs: one connection that is kept, answers read whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection.
pub(super) struct Http {
    stream: BufReader<TcpStream>,
    /// What every request has.
    headers: String,
}

impl Http {
    /// To `address`, as who has `token`.
    pub(super) fn connect(address: &str, token: Option<&str>) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let headers = format!("Host: {address}\r\n{}", token.unwrap_or_default());
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), headers })
    }

    /// Asks without a body; as [`Http::post`].
    pub(super) fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let head = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers);
        self.stream.get_mut().write_all(head.as_bytes()).context("sending a request")?;
        self.good_answer(path)
    }

    /// Sends `body` and gives the answer's body; an answer other than 200 is an error with its text.
    pub(super) fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Result<Vec<u8>> {
        let (headers, length) = (&self.headers, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\n{headers}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        let stream = self.stream.get_mut();
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
            .context("sending a request")?;
        self.good_answer(path)
    }

    fn good_answer(&mut self, path: &str) -> Result<Vec<u8>> {
        let (status, body) = self.answer().with_context(|| format!("reading the answer to {path}"))?;
        if !(200..300).contains(&status) {
            bail!("{path} gave {status}: {}", String::from_utf8_lossy(&body).trim());
        }
        Ok(body)
    }

    /// A form.
    pub(super) fn form(&mut self, path: &str, args: &[(&str, &str)]) -> Result<Vec<u8>> {
        let args: Vec<_> = args.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.post(path, "application/x-www-form-urlencoded", args.join("&").as_bytes())
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("transfer-encoding", value)) => is_chunked = value.trim() == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        if !is_chunked {
            self.take(length, &mut body)?;
            return Ok((status, body));
        }
        loop {
            let size = usize::from_str_radix(self.line()?.trim(), 16).context("the size of a chunk")?;
            self.take(size, &mut body)?;
            ensure!(self.line()?.is_empty(), "a chunk is longer than it says");
            if size == 0 {
                return Ok((status, body));
            }
        }
    }

    fn take(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<()> {
        let begin = into.len();
        into.resize(begin + bytes, 0);
        Ok(self.stream.read_exact(&mut into[begin..])?)
    }

    /// A line without its end.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }
}

/// As it stands in a form.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_of_both_kinds() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let answers = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\
                           Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n\
                           HTTP/1.1 400 Bad\r\ncontent-length: 3\r\n\r\nno\n";
            stream.write_all(answers.as_bytes()).unwrap();
            let mut asked = String::new();
            stream.read_to_string(&mut asked).unwrap();
            asked
        });
        let mut http = Http::connect(&address, Some("t")).unwrap();
        assert_eq!(http.form("/a", &[("query", "a b"), ("x", "1")]).unwrap(), b"ab");
        assert_eq!(http.post("/b", "text/plain", b"x").unwrap(), b"abcd");
        let error = http.get("/c").unwrap_err();
        assert_eq!(error.to_string(), "/c gave 400: no");
        drop(http);
        let asked = server.join().unwrap();
        assert!(asked.contains("query=a%20b&x=1") && asked.contains("Bearer t"), "{asked}");
    }
}
