//! The dashboard's files: embedded, told apart by their hash, and under a policy that lets them load nothing from elsewhere.
//!
//! No token is needed for them, they say nothing about anybody. What they show they ask for with the token of who signed in.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, StatusCode};
use xxhash_rust::xxh3::xxh3_128;

use crate::reply::{self, Refused, Reply};

// What is in the binary: `FILES`, names and bytes. `build.rs` lists it, which spares sixteen packages that would do it.
include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Where the files lie, as long as this builds from a checkout.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard");

/// What of it is served. The tests beside it are not.
const SERVED: [&str; 4] = ["css/", "icons/", "js/", "vendor/"];

/// The kinds of files, by the ends of their names. What is none of these is text.
const KINDS: [(&str, &str); 6] = [
    (".html", "text/html; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".webmanifest", "application/manifest+json"),
];

/// Scripts, styles, pictures and answers of this origin alone, nothing inline; no forms, and in no frame. A line that got itself into
/// the page as HTML could neither run nor call anybody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the pages may do to whoever looks at them: nothing but to copy a line.
const PERMISSIONS: &str =
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)";

/// What somebody is told who typed a path that is nothing.
const LOST: &str =
    "there is no such page here: the dashboard is at /, and docs/http.md says what else there is";

/// One file, made ready to be sent.
struct File {
    kind: &'static str,
    bytes: Bytes,
    /// The same, smaller; `None` if it would not be.
    gzip: Option<Bytes>,
    /// Weak, as both forms have the same.
    etag: HeaderValue,
}

/// All files of a release build, compressed once.
static MADE: LazyLock<BTreeMap<&'static str, Arc<File>>> = LazyLock::new(|| {
    FILES.iter().map(|(name, bytes)| (*name, Arc::new(File::make(name, Bytes::from_static(bytes))))).collect()
});

impl File {
    /// The file called `name`, from the root of the folder.
    fn find(name: &str) -> Option<Arc<Self>> {
        // Who changes a page sees it at the next load.
        if cfg!(debug_assertions) {
            return from_disk(name).map(|bytes| Arc::new(Self::make(name, bytes)));
        }
        MADE.get(name).cloned()
    }

    fn make(name: &str, bytes: Bytes) -> Self {
        let kind = KINDS.iter().find(|(end, _)| name.ends_with(end)).map_or(reply::TEXT, |(_, kind)| kind);
        let etag = HeaderValue::from_str(&format!("W/\"{:032x}\"", xxh3_128(&bytes)));
        // Digits and quotes are legal in a header, so it never is the other one.
        let etag = etag.unwrap_or(HeaderValue::from_static("W/\"\""));
        let gzip = gzip(&bytes).filter(|small| small.len() < bytes.len());
        Self { kind, bytes, gzip, etag }
    }
}

/// What lies in the folder under `name`, if that is served.
fn from_disk(name: &str) -> Option<Bytes> {
    let is_plain = |part: &str| {
        !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let is_served = name == "index.html" || SERVED.iter().any(|folder| name.starts_with(folder));
    if !is_served || !name.split('/').all(is_plain) {
        return None;
    }
    std::fs::read(format!("{FOLDER}/{name}")).ok().map(Bytes::from)
}

/// `None` if memory refuses to be written to, which it does not.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// The reply to a request for a path that is no route of the API; `None` if it is none of the dashboard's either.
pub(crate) fn reply(method: &Method, path: &str, headers: &HeaderMap) -> Option<Reply> {
    let name = if path == "/" { "index.html" } else { path.strip_prefix('/')? };
    let Some(file) = File::find(name) else {
        // Programs get what VictoriaLogs says to them.
        let is_browser = *method == Method::GET && has(headers, ACCEPT.as_str(), "text/html");
        return is_browser.then(|| Refused::new(StatusCode::NOT_FOUND, LOST).into_reply()).map(guarded);
    };
    if *method != Method::GET && *method != Method::HEAD {
        let mut reply =
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "files are read with GET or HEAD").into_reply();
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(guarded(reply));
    }
    Some(guarded(sent(&file, headers)))
}

/// The file as the client can read it, or that it has it already.
fn sent(file: &File, headers: &HeaderMap) -> Reply {
    let small = file.gzip.as_ref().filter(|_| has(headers, ACCEPT_ENCODING.as_str(), "gzip"));
    let is_known = has(headers, IF_NONE_MATCH.as_str(), file.etag.to_str().unwrap_or_default());
    let mut reply = match is_known {
        true => reply::ok(file.kind, Bytes::new()),
        false => reply::ok(file.kind, small.unwrap_or(&file.bytes).clone()),
    };
    if is_known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    } else if small.is_some() {
        reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let all = reply.headers_mut();
    all.insert(ETAG, file.etag.clone());
    all.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    reply
}

/// Whether a list in a header has `word`, whatever its weight but 0.
fn has(headers: &HeaderMap, name: &str, word: &str) -> bool {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|part| part.eq_ignore_ascii_case(word));
        is_it && !parts.any(|weight| ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&weight))
    })
}

/// The reply under the policy. A browser asks each time whether it is still so: names have no version in them.
fn guarded(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    reply
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::reply::Body;

    fn asked(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Option<Reply> {
        let headers = headers.iter().map(|(name, value)| {
            (hyper::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        reply(method, path, &headers.collect())
    }

    fn bytes(reply: Reply) -> Bytes {
        match reply.into_body() {
            Body::Whole(bytes) => bytes.unwrap_or_default(),
            Body::Stream(_) => panic!("it streams"),
        }
    }

    #[test]
    fn paths() {
        for (path, wanted) in [
            ("/", Some("text/html; charset=utf-8")),
            ("/index.html", Some("text/html; charset=utf-8")),
            ("/js/main.js", Some("text/javascript; charset=utf-8")),
            ("/css/base.css", Some("text/css; charset=utf-8")),
            ("/icons/logway.svg", Some("image/svg+xml")),
            ("/vendor/LICENSE-htm", Some(reply::TEXT)),
            ("/tests/package.json", None),
            ("/js", None),
            ("/js/", None),
            ("/js/../index.html", None),
            ("/../Cargo.toml", None),
            ("/etc/passwd", None),
            ("", None),
        ] {
            let reply = asked(&Method::GET, path, &[]);
            let kind = reply.as_ref().map(|reply| reply.headers()["content-type"].to_str().unwrap());
            assert_eq!(kind, wanted, "{path}");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent() {
        let first = asked(&Method::GET, "/", &[]).unwrap();
        let etag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(first.headers()["cache-control"], "no-cache");
        for (list, wanted) in
            [(etag.clone(), 304), (format!("\"x\", {etag}"), 304), ("\"x\"".to_owned(), 200)]
        {
            let again = asked(&Method::GET, "/", &[("if-none-match", &list)]).unwrap();
            assert_eq!(again.status(), wanted, "{list}");
            assert_eq!(bytes(again).is_empty(), wanted == 304);
        }
    }

    #[test]
    fn compressed_for_who_takes_it() {
        let plain = bytes(asked(&Method::GET, "/js/main.js", &[]).unwrap());
        for (takes, wanted) in
            [("gzip, br", true), ("br, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let reply = asked(&Method::GET, "/js/main.js", &[("accept-encoding", takes)]).unwrap();
            assert_eq!(reply.headers().contains_key("content-encoding"), wanted, "{takes}");
            assert_eq!(reply.headers()["vary"], "Accept-Encoding");
            let sent = bytes(reply);
            let mut read = Vec::new();
            match wanted {
                true => _ = flate2::read::GzDecoder::new(&sent[..]).read_to_end(&mut read).unwrap(),
                false => read.extend_from_slice(&sent),
            }
            assert_eq!(read, plain, "{takes}");
        }
    }

    #[test]
    fn everything_is_guarded() {
        let html = [("accept", "text/html,*/*;q=0.8")];
        for (method, path, status) in [
            (Method::GET, "/", 200),
            (Method::HEAD, "/", 200),
            (Method::POST, "/", 405),
            (Method::GET, "/no", 404),
        ] {
            let reply = asked(&method, path, &html).unwrap();
            assert_eq!(reply.status(), status, "{method} {path}");
            let policy = reply.headers()["content-security-policy"].to_str().unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe")
            );
            assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
            assert_eq!(reply.headers()["referrer-policy"], "no-referrer");
        }
    }

    #[test]
    fn embedded_and_read_are_the_same() {
        for (name, bytes) in FILES {
            assert_eq!(from_disk(name).as_deref(), Some(bytes), "{name}");
            assert_eq!(MADE[name].bytes, bytes);
        }
        assert!(FILES.iter().any(|(name, _)| *name == "index.html") && FILES.len() > 10);
    }

    #[test]
    fn nothing_is_inline() {
        for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".html")) {
            let text = std::str::from_utf8(bytes).unwrap();
            for bad in ["<style", " style=", " onload=", " onclick=", "javascript:", "http://", "https://"] {
                assert!(!text.contains(bad), "{name} has {bad}");
            }
            assert!(
                text.matches("<script").count() == text.matches("<script type=\"module\" src=").count(),
                "{name}"
            );
        }
    }
}
