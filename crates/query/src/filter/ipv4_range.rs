//! `f:ipv4_range("10.0.0.0/8")`, `f:ipv4_range(10.0.0.1, 10.0.0.9)`: values that are an IPv4 address between two others.

use core::net::Ipv4Addr;
use std::fmt;

use crate::predicate::Matcher;

/// Bounds for addresses, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4Range {
    /// The first address.
    pub from: Ipv4Addr,
    /// The last address.
    pub to: Ipv4Addr,
}

impl Ipv4Range {
    /// Reads an address, or a network with its prefix's length.
    pub fn network(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, Some(32)), |(a, bits)| (a, bits.parse().ok()));
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let host = match bits? {
            bits @ 1..=32_u32 => (1_u64 << (32 - bits)) - 1,
            0 => u64::from(u32::MAX),
            _ => return None,
        };
        let host = u32::try_from(host).unwrap_or(u32::MAX);
        Some(Self { from: (address & !host).into(), to: (address | host).into() })
    }
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ipv4_range({}, {})", self.from, self.to)
    }
}

impl Ipv4Range {
    pub(super) fn compile(&self) -> Matcher {
        Matcher::Ipv4(self.from, self.to)
    }
}

/// Whether `value` is an address from `from` to `to`.
pub(crate) fn is_between(value: &[u8], from: Ipv4Addr, to: Ipv4Addr) -> bool {
    value.len() <= 15
        && value.first().is_some_and(u8::is_ascii_digit)
        && std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<Ipv4Addr>().ok())
            .is_some_and(|ip| (from..=to).contains(&ip))
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn networks_and_bounds() {
        check(
            "x:ipv4_range(\"10.0.0.0/8\")",
            &["10.0.0.0", "10.255.255.255"],
            &["", "11.0.0.0", "x10.0.0.1", "10.0.0"],
        );
        check("x:ipv4_range(10.0.0.7/31)", &["10.0.0.6", "10.0.0.7"], &["10.0.0.8"]);
        check("x:ipv4_range(1.2.3.4)", &["1.2.3.4"], &["1.2.3.5"]);
        check("x:ipv4_range(0.0.0.0/0)", &["255.255.255.255"], &["x"]);
        check("x:ipv4_range(1.0.0.0, 1.0.0.9)", &["1.0.0.9"], &["1.0.1.0"]);
    }
}
