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
            let verdict = if is_gap { seen.gap(seq, span, usize::MAX) } else { seen.line(seq, span) };
            let runs = new.chunk_by(|a, b| a + 1 == *b).map(|run| (run[0], run.len() as u64)).collect::<Vec<_>>();
            match runs[..] {
                [] => prop_assert_eq!(verdict, Verdict::Duplicate),
                [whole] if whole == (seq, span) => prop_assert_eq!(verdict, Verdict::New),
                _ if is_gap => prop_assert_eq!(verdict, Verdict::Narrowed(runs)),
                _ => prop_assert_eq!(verdict, Verdict::New),
            }
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
                if is_gap { boot.gap(seq, span, 1) } else { boot.line(seq, span) };
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

/// Each gap record is a hole in the lines, and each line between two of them a hole in the gaps.
#[test]
fn what_comes_last_is_known_however_many_holes_there_were() {
    let mut seen = BootSeen::default();
    for seq in (1..2000u64).step_by(2) {
        assert_eq!(seen.line(seq, 1), Verdict::New);
        assert_eq!(seen.gap(seq + 1, 1, 1), Verdict::New);
        assert_eq!(
            (seen.line(seq, 1), seen.gap(seq + 1, 1, 1)),
            (Verdict::Duplicate, Verdict::Duplicate),
            "{seq}"
        );
    }
    let window = 2000 - 2 * 256;
    assert!(seen.has_lines(window + 1, window + 2) && !seen.has_lines(window - 1, window));
    assert_eq!(seen.line(2, 1), Verdict::New, "a late fill below the window is no duplicate");
    assert_eq!(seen.line(1999, 1), Verdict::Duplicate, "and takes nothing from the window");
}

#[test]
fn a_gap_is_cut_into_few_pieces() {
    let mut seen = BootSeen::default();
    [3, 5, 7].into_iter().for_each(|seq| drop(seen.line(seq, 1)));
    let cut = |most| seen.clone().gap(1, 9, most);
    assert_eq!(cut(9), Verdict::Narrowed(vec![(1, 2), (4, 1), (6, 1), (8, 2)]));
    assert_eq!(cut(2), Verdict::Narrowed(vec![(1, 2), (4, 6)]));
    assert_eq!(cut(1), Verdict::New, "as it came: it begins and ends with what is missing");
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

#[test]
fn an_org_with_too_many_boots_forgets_its_own() {
    let mut seen = Seen::default();
    let (flood, quiet) =
        (|number: u64| key("flood", &format!("i{number}")), |number: u64| key("q", &format!("i{number}")));
    for number in 0..4u64 {
        seen.boot(&quiet(number), Boot::from_bits(1), 5).line(1, 1);
        seen.boot(&key("small", "i"), Boot::from_bits(1), 5).line(1, 1);
    }
    for number in 0..100u64 {
        // Many are heard of at the same moment.
        seen.boot(&flood(number), Boot::from_bits(1), if number < 90 { 100 } else { 200 }).line(1, 1);
    }
    assert_eq!((seen.forget_to(0, 30), seen.len()), (75, 30));
    assert!((0..4).all(|number| seen.get(&quiet(number), Boot::from_bits(1)).is_some()));
    assert!((90..100).all(|number| seen.get(&flood(number), Boot::from_bits(1)).is_some()));
    assert!(seen.get(&key("small", "i"), Boot::from_bits(1)).is_some());
    for (counts, most, share) in
        [(vec![], 5, usize::MAX), (vec![2, 3], 5, usize::MAX), (vec![9, 1, 9], 5, 2), (vec![4, 4], 1, 0)]
    {
        assert_eq!(fair_share(counts, most), share);
    }
}
