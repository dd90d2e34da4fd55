//! Who asks: what stands in the request's Authorization header.

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};

use crate::reply::Refused;

/// User and secret of a request. The user is empty unless it came as Basic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) secret: String,
}

/// What a request without a usable token is told, whatever is wrong with it: else it could be learned which orgs there are.
pub(crate) fn not_let_in() -> Refused {
    let text = "LR13: the request has no token, or one that is not good: send it as 'Authorization: Bearer TOKEN', or as the \
                password of HTTP basic authentication with the org as the user";
    Refused::new(StatusCode::UNAUTHORIZED, text)
}

impl Login {
    /// What the headers say; 401 without a token.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).map(str::trim);
        // Of two, another program on the way may have meant the other one.
        let value = value.filter(|_| values.next().is_none()).ok_or_else(not_let_in)?;
        let login = match value.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => {
                basic(rest.trim()).ok_or_else(not_let_in)?
            }
            _ => Self { user: String::new(), secret: access::bare(value).to_owned() },
        };
        if login.secret.is_empty() { Err(not_let_in()) } else { Ok(login) }
    }
}

/// `user:password` in base 64. Whoever has no place for a password gives the token as the user.
fn basic(encoded: &str) -> Option<Login> {
    let text = String::from_utf8(base64(encoded)?).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some(match secret.is_empty() {
        true => Login { user: String::new(), secret: user.to_owned() },
        false => Login { user: user.to_owned(), secret: secret.to_owned() },
    })
}

/// Base 64, with or without padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // A single character left over stands for nothing.
    (count < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn login(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        Login::of(&headers).ok().map(|login| (login.user, login.secret))
    }

    #[test]
    fn where_the_token_stands() {
        for (value, wanted) in [
            ("lw1_x", Some(("", "lw1_x"))),
            ("Bearer lw1_x", Some(("", "lw1_x"))),
            ("bearer  lw1_x", Some(("", "lw1_x"))),
            ("FlyV1 lw1_x", Some(("", "lw1_x"))),
            ("Basic YWNtZTpsdzFfeA==", Some(("acme", "lw1_x"))),
            ("basic YWNtZTpsdzFfeA", Some(("acme", "lw1_x"))),
            ("Basic bHcxX3g6", Some(("", "lw1_x"))),
            ("Basic YWNtZTphOmI=", Some(("acme", "a:b"))),
            ("Basic YWNtZQ==", None),
            ("Basic !", None),
            ("Basic", Some(("", "Basic"))),
            ("Bearer ", Some(("", "Bearer"))),
            ("", None),
        ] {
            let found = login(value);
            let found = found.as_ref().map(|(user, secret)| (user.as_str(), secret.as_str()));
            assert_eq!(found, wanted, "{value:?}");
        }
        assert_eq!(Login::of(&HeaderMap::new()).unwrap_err().status, 401);
        let mut two = HeaderMap::new();
        two.append(AUTHORIZATION, HeaderValue::from_static("lw1_x"));
        two.append(AUTHORIZATION, HeaderValue::from_static("lw1_y"));
        assert!(Login::of(&two).is_err());
    }

    /// The way that it was encoded.
    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: Vec<u8> =
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
        let digit = |six: &[u8]| {
            let value = (0..6).fold(0, |value, at| value << 1 | six.get(at).copied().unwrap_or(0));
            char::from(DIGITS[usize::from(value)])
        };
        bits.chunks(6).map(digit).collect()
    }

    proptest! {
        #[test]
        fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(base64(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_base64_or_not(text in "\\PC{0,40}") {
            let _ = base64(&text);
        }
    }
}
