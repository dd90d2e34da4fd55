use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Step {
    is_gap: bool,
    seq: u64,
    span: u64,
}

fn any_step() -> impl Strategy<Value = Step> {
    (any::<bool>(), 1u64..60, 1u64..6).prop_map(|(is_gap, seq, span)| Step { is_gap, seq, span })
}

proptest! {
    /// Against one flag for each number: 1 a gap, 2 a line.
    #[test]
    fn what_comes_twice_is_dropped_and_a_line_wins(steps in proptest::collection::vec(any_step(), 0..60)) {
        let mut seen = BootSeen::default();
        let mut model: BTreeMap<u64, u8> = BTreeMap::new();
        for Step { is_gap, seq, span } in steps {
            let least = if is_gap { 1 } else { 2 };
            let new: Vec<u64> = (seq..seq + span).filter(|n| model.get(n).is_none_or(|have| *have < least)).collect();
            let verdict = if is_gap { seen.gap(seq, span) } else { seen.line(seq, span) };
            match (new.first(), new.last()) {
                (Some(first), Some(last)) if is_gap && (*first, *last) != (seq, seq + span - 1) => {
                    prop_assert_eq!(verdict, Verdict::Narrowed { seq: *first, span: last - first + 1 });
                }
                (Some(_), _) => prop_assert_eq!(verdict, Verdict::New),
                _ => prop_assert_eq!(verdict, Verdict::Duplicate),
            }
            // A gap between its first and its last new number covers lines too; they stay lines.
            for number in seq..seq + span {
                let have = model.entry(number).or_default();
                *have = (*have).max(least);
            }
        }
        for number in 1..70 {
            prop_assert_eq!(seen.has_lines(number, number + 1), model.get(&number) == Some(&2));
        }
    }

    #[test]
    fn a_snapshot_comes_back(
        boots in proptest::collection::vec(("[a-z]{1,3}", 0u64..4, any::<i64>(), proptest::collection::vec(any_step(), 0..9)), 0..9),
        lsn: u64,
    ) {
        let mut seen = Seen::default();
        for (name, boot, now, steps) in boots {
            let boot = seen.boot(&key("org", &name), Boot::from_bits(boot), now);
            for Step { is_gap, seq, span } in steps {
                if is_gap { boot.gap(seq, span) } else { boot.line(seq, span) };
            }
        }
        let bytes = encode(&seen, lsn);
        prop_assert_eq!(decode(&bytes), Ok((seen, lsn)));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            prop_assert!(decode(&bad).is_err());
            prop_assert!(decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_an_error(mut bytes: Vec<u8>, crc: bool) {
        if crc {
            bytes.splice(0..0, *b"LWSEEN01");
            bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        }
        let _result = decode(&bytes);
    }
}

#[test]
fn too_many_holes_cost_duplicates_and_no_lines() {
    let mut seen = BootSeen::default();
    for seq in (1..2000).step_by(2) {
        assert_eq!(seen.line(seq, 1), Verdict::New);
    }
    for seq in (2..2000).step_by(2) {
        assert_eq!(seen.line(seq, 1), Verdict::New, "{seq} was never stored");
    }
    assert_eq!(seen.line(1999, 1), Verdict::Duplicate);
}

#[test]
fn silent_boots_are_forgotten_and_the_longest_silent_first() {
    let mut seen = Seen::default();
    for number in 0..10u64 {
        seen.boot(
            &key("o", &format!("i{}", number % 3)),
            Boot::from_bits(number),
            i64::try_from(number).unwrap(),
        )
        .line(1, 1);
    }
    assert_eq!((seen.len(), seen.forget(4), seen.len()), (10, 4, 6));
    assert_eq!(seen.forget_to(i64::MIN, 2), 4);
    assert!(seen.get(&key("o", "i2"), Boot::from_bits(8)).is_some());
    assert!(seen.get(&key("o", "i1"), Boot::from_bits(7)).is_none());
}
