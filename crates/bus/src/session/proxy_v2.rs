//! The header that a load balancer puts before a connection: PROXY protocol, version 2. Pure.
//!
//! It says where the connection really comes from. Whoever can connect past the balancer can lie in it, so a listener either
//! expects it on each connection or takes it for what it then is: garbage.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// What each header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of the part that is always there.
pub const HEAD_BYTES: usize = 16;
/// Longest rest that is read: addresses, and what balancers add of their own.
pub const MAX_REST_BYTES: usize = 4096;

/// Why bytes are no such header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with the signature.
    #[error("the connection does not begin with a PROXY protocol header of version 2")]
    Signature,
    /// Another version, command or transport.
    #[error("the PROXY protocol header has a version, command or transport that is not known")]
    Kind,
    /// Its length does not fit what it says.
    #[error("the PROXY protocol header has an impossible length")]
    Length,
}

/// The first [`HEAD_BYTES`] of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    is_local: bool,
    family: u8,
    /// Bytes that follow, at most [`MAX_REST_BYTES`].
    pub rest_bytes: usize,
}

impl Head {
    /// Reads the part that is always there.
    ///
    /// # Errors
    /// It is no header.
    pub fn read(bytes: &[u8; HEAD_BYTES]) -> Result<Self, Malformed> {
        let [signature @ .., kind, family, high, low] = bytes;
        if signature[..] != SIGNATURE {
            return Err(Malformed::Signature);
        }
        let is_local = match kind {
            0x20 => true,
            0x21 => false,
            _ => return Err(Malformed::Kind),
        };
        let rest_bytes = usize::from(u16::from_be_bytes([*high, *low]));
        if rest_bytes > MAX_REST_BYTES {
            return Err(Malformed::Length);
        }
        Ok(Self { is_local, family: *family, rest_bytes })
    }

    /// Where the connection comes from; `None` if the balancer itself made it (a health check), or does not know.
    ///
    /// # Errors
    /// The rest does not have what the head promises.
    pub fn source(self, rest: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
        if rest.len() != self.rest_bytes {
            return Err(Malformed::Length);
        }
        if self.is_local {
            return Ok(None);
        }
        match self.family {
            0x00 => Ok(None),
            // Source, destination, source port, destination port. What follows is not for us.
            0x11 => {
                let Some((&[a, b, c, d, _, _, _, _, high, low, _, _], _)) = rest.split_first_chunk::<12>()
                else {
                    return Err(Malformed::Length);
                };
                Ok(Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into()))
            }
            0x21 => {
                let Some((addresses, _)) = rest.split_first_chunk::<36>() else {
                    return Err(Malformed::Length);
                };
                let Some((source, after)) = addresses.split_first_chunk::<16>() else {
                    return Err(Malformed::Length);
                };
                let port = u16::from_be_bytes([after[16], after[17]]);
                Ok(Some((Ipv6Addr::from(*source), port).into()))
            }
            _ => Err(Malformed::Kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(kind: u8, family: u8, len: u16) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..12].copy_from_slice(&SIGNATURE);
        (bytes[12], bytes[13]) = (kind, family);
        bytes[14..].copy_from_slice(&len.to_be_bytes());
        bytes
    }

    #[test]
    fn where_connections_come_from() {
        let v4 = [10, 1, 2, 3, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let mut v6 = vec![0; 36];
        (v6[0], v6[1], v6[15], v6[32], v6[33]) = (0x20, 0x01, 7, 0, 99);
        let more = [&v4[..], b"\x03\x00\x04abcd"].concat();
        for (kind, family, rest, wanted) in [
            (0x21, 0x11, &v4[..], Ok(Some("10.1.2.3:8080"))),
            (0x21, 0x11, &more, Ok(Some("10.1.2.3:8080"))),
            (0x21, 0x21, &v6, Ok(Some("[2001::7]:99"))),
            (0x20, 0x00, &[], Ok(None)),
            (0x20, 0x11, &v4, Ok(None)),
            (0x21, 0x00, &[], Ok(None)),
            (0x21, 0x11, &v4[..11], Err(Malformed::Length)),
            (0x21, 0x21, &v6[..35], Err(Malformed::Length)),
            (0x21, 0x12, &v4, Err(Malformed::Kind)),
            (0x21, 0x31, &[0; 216], Err(Malformed::Kind)),
            (0x22, 0x11, &v4, Err(Malformed::Kind)),
            (0x11, 0x11, &v4, Err(Malformed::Kind)),
        ] {
            let len = u16::try_from(rest.len()).unwrap();
            let found = Head::read(&head(kind, family, len)).and_then(|head| head.source(rest));
            assert_eq!(
                found,
                wanted.map(|text| text.map(|text| text.parse().unwrap())),
                "{kind:x} {family:x}"
            );
        }
        let mut wrong = head(0x21, 0x11, 12);
        wrong[3] = b'x';
        assert_eq!(Head::read(&wrong), Err(Malformed::Signature));
        assert_eq!(Head::read(&head(0x21, 0x11, 4097)), Err(Malformed::Length));
        assert_eq!(Head::read(&head(0x21, 0x11, 12)).unwrap().source(&v4[..11]), Err(Malformed::Length));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(kind: u8, family: u8, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let len = u16::try_from(rest.len()).unwrap();
            if let Ok(head) = Head::read(&head(kind, family, len)) {
                let _ = head.source(&rest);
            }
        }
    }
}
