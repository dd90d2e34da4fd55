//! A token that somebody has edited is revoked for as long as the real one may be good.

use super::*;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn bytes(token: &str) -> Vec<u8> {
    let digits = token.strip_prefix("lw1_").unwrap().bytes();
    let values = digits.map(|digit| DIGITS.iter().position(|known| *known == digit).unwrap());
    let values: Vec<usize> = values.collect();
    let group = |group: &[usize]| {
        let bits = group.iter().zip([18, 12, 6, 0]).fold(0, |bits, (value, shift)| bits | value << shift);
        bits.to_be_bytes()[5..4 + group.len()].to_vec()
    };
    values.chunks(4).flat_map(group).collect()
}

fn text(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let bits =
            group.iter().zip([16, 8, 0]).fold(0, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        let digits = [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift) as usize & 63]));
        digits[..=group.len()].to_vec()
    };
    bytes.chunks(3).flat_map(group).fold("lw1_".to_owned(), |text, digit| text + &digit.to_string())
}

/// As Biscuit writes a time: a varint, of five bytes in this century.
fn varint(seconds: u64) -> [u8; 5] {
    [0, 7, 14, 21, 28]
        .map(|shift| (seconds >> shift).to_le_bytes()[0] & 0x7f | if shift < 28 { 0x80 } else { 0 })
}

/// The token with another end in it. Its signatures do not fit, its revocation ids are the same.
fn edited(token: &str, from_s: u64, to_s: u64) -> String {
    let mut bytes = bytes(token);
    assert_eq!(text(&bytes), token);
    let at = bytes.windows(5).position(|window| *window == varint(from_s)).unwrap();
    bytes[at..at + 5].copy_from_slice(&varint(to_s));
    text(&bytes)
}

#[test]
fn the_end_that_a_token_claims_counts_only_if_it_is_signed() {
    const END_S: u64 = 1_764_864_000;
    const PAST_S: u64 = 1_600_000_000;
    let end_ns = (END_S as i64 + 1) * SECOND;
    let narrowed = |token: &str, end: u64| {
        let limits = Limits { not_after_s: Some(end), ..Limits::default() };
        access::attenuate(token, &limits.scope().unwrap()).unwrap()
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Desk) -> (String, String), i64);
    let cases: [Case<'_>; 6] = [
        // What it is, the good token and what is handed in for it, and how long it stays revoked.
        (
            "made here",
            &|desk| {
                let good = mint(desk, &read_only(Some(END_S)));
                (good.clone(), good)
            },
            end_ns,
        ),
        (
            "made here, edited",
            &|desk| {
                let good = mint(desk, &read_only(Some(END_S)));
                (good.clone(), edited(&good, END_S, PAST_S))
            },
            end_ns,
        ),
        (
            "narrowed",
            &|desk| {
                let good = narrowed(&mint(desk, &Limits::default()), END_S);
                (good.clone(), good)
            },
            end_ns,
        ),
        (
            "narrowed, edited",
            &|desk| {
                let good = narrowed(&mint(desk, &Limits::default()), END_S);
                (good.clone(), edited(&good, END_S, PAST_S))
            },
            i64::MAX,
        ),
        (
            "narrowed, the whole of it edited",
            &|desk| {
                let good = narrowed(&mint(desk, &read_only(Some(END_S + 9))), END_S);
                (good.clone(), edited(&good, END_S + 9, PAST_S))
            },
            i64::MAX,
        ),
        (
            "narrowed, of a key that retires",
            &|desk| {
                let good = narrowed(&mint(desk, &Limits::default()), END_S);
                desk.rotate(NOW_NS + DAY_NS, NOW_NS).unwrap();
                (good.clone(), good)
            },
            end_ns,
        ),
    ];
    for (what, make, wanted) in cases {
        let (disk, mut desk) = desk();
        let (good, handed_in) = make(&mut desk);
        desk.verify(&good, NOW_NS).unwrap();
        let id = desk.revoke_token(&handed_in).unwrap().id;
        let ends: Vec<_> = desk.registry().state().revocations().map(|one| one.until_ns).collect();
        assert_eq!(ends, [wanted], "{what}");
        for desk in [&mut desk, &mut open(&disk)] {
            desk.registry_mut().expire(NOW_NS).unwrap();
            assert_eq!(desk.verify(&good, NOW_NS), Err(Refusal::Revoked(id)), "{what}");
        }
    }
}
