//! Values in other codes: hexadecimal, base64, those of URLs.

use crate::block::write_decimal;

/// Appends `value` in, or out of, the code that `option` names. None if it cannot be done; then `out` is not to be relied on.
pub(super) fn write(option: &str, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match option {
        "urlencode" => value.iter().for_each(|&byte| url_encode(byte, out)),
        "urldecode" => url_decode(value, out),
        "hexencode" => value.iter().for_each(|&byte| out.extend_from_slice(&hex(byte))),
        "hexdecode" => hex_decode(value, out),
        "hexnumencode" => {
            let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
            number.to_be_bytes().iter().for_each(|&byte| out.extend_from_slice(&hex(byte)));
        }
        "hexnumdecode" => {
            let text = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?;
            write_decimal(u64::from_str_radix(text, 16).ok()?, out);
        }
        "base64encode" => base64_encode(value, out),
        "base64decode" => base64_decode(value, out)?,
        _ => return None,
    }
    Some(())
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn unhex(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn url_encode(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b' ' => out.push(b'+'),
        b'-' | b'.' | b'_' => out.push(byte),
        _ if byte.is_ascii_alphanumeric() => out.push(byte),
        _ => {
            out.push(b'%');
            out.extend_from_slice(&hex(byte));
        }
    }
}

fn url_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match tail.get(..2).and_then(unhex) {
                Some(byte) => {
                    out.push(byte);
                    rest = tail.get(2..).unwrap_or_default();
                }
                None => out.push(b'%'),
            },
            _ => out.push(byte),
        }
    }
}

fn hex_decode(value: &[u8], out: &mut Vec<u8>) {
    for pair in value.chunks(2) {
        match unhex(pair) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(pair),
        }
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(value: &[u8], out: &mut Vec<u8>) {
    for chunk in value.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() { BASE64[index as usize] } else { b'=' });
        }
    }
}

fn base64_decode(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !value.len().is_multiple_of(4) {
        return None;
    }
    let digits = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
    for chunk in digits.chunks(4) {
        let mut bits = 0u32;
        for byte in chunk {
            let digit = BASE64.iter().position(|digit| digit == byte)?;
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        let bytes = (bits << (6 * (4 - chunk.len()))).to_be_bytes();
        out.extend_from_slice(bytes.get(1..chunk.len())?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn in_and_out(value: Vec<u8>) {
            for code in ["url", "hex", "base64"] {
                let (mut there, mut back) = (Vec::new(), Vec::new());
                write(&format!("{code}encode"), &value, &mut there).unwrap();
                write(&format!("{code}decode"), &there, &mut back).unwrap();
                prop_assert_eq!(&back, &value);
            }
        }

        #[test]
        fn any_bytes_are_taken(value: Vec<u8>) {
            for code in ["url", "hex", "base64", "hexnum"] {
                write(&format!("{code}decode"), &value, &mut Vec::new());
            }
        }
    }
}
