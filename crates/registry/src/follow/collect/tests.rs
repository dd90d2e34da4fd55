use proptest::prelude::*;

use super::*;

/// A state's JSON, and its mark.
fn sample() -> (Vec<u8>, RegistryMark) {
    let state = State::new().unwrap();
    let json = state.snapshot().to_json();
    let mark = RegistryMark { version: 0, digest: Digest::of(&json).to_string() };
    (json, mark)
}

fn page(mark: &RegistryMark, total_bytes: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let head = SnapshotPage { mark: mark.clone(), total_bytes: total_bytes as u64, offset: offset as u64 };
    [&serde_json::to_vec(&head).unwrap(), &b"\n"[..], bytes].concat()
}

/// Takes the whole of `json` in pages of `page_bytes`.
fn collect(collect: &mut Collect, mark: &RegistryMark, json: &[u8], page_bytes: usize) -> Option<Whole> {
    let mut whole = None;
    for (index, bytes) in json.chunks(page_bytes).enumerate() {
        let request: SnapshotRequest = serde_json::from_slice(&collect.request()).unwrap();
        assert_eq!(request.offset, (index * page_bytes) as u64);
        assert!(whole.is_none());
        whole = collect.take(&page(mark, json.len(), index * page_bytes, bytes)).unwrap();
    }
    whole
}

#[test]
fn pages_of_any_length_make_the_whole() {
    let (json, mark) = sample();
    for page_bytes in [1, 100, json.len() - 1, json.len(), 10_000] {
        let whole = collect(&mut Collect::default(), &mark, &json, page_bytes).unwrap();
        assert_eq!(whole.read().unwrap(), State::new().unwrap(), "{page_bytes}");
    }
}

#[test]
fn a_change_in_between_begins_again() {
    let (json, mark) = sample();
    let old = RegistryMark { version: 9, digest: "e".repeat(64) };
    let mut collecting = Collect::default();
    assert!(collecting.take(&page(&old, 500, 0, &[1; 200])).unwrap().is_none());
    assert!(collecting.take(&page(&mark, json.len(), 0, &json[..100])).unwrap().is_none());
    let whole = collecting.take(&page(&mark, json.len(), 100, &json[100..])).unwrap().unwrap();
    assert_eq!(whole.read().unwrap(), State::new().unwrap());
    // Not for ever, though.
    let mut collecting = Collect::default();
    let beginnings = (0..).map(|version| RegistryMark { version, digest: String::new() });
    let refused = beginnings.take(100).position(|mark| collecting.take(&page(&mark, 9, 0, b"x")).is_err());
    assert_eq!(refused, Some(MAX_BEGINNINGS));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (json, mark) = sample();
    let (other, later) = (RegistryMark { version: 1, ..mark.clone() }, Snapshot::MAX_BYTES + 1);
    let too_long = page(&mark, later - 1, 100, &vec![b' '; MAX_SNAPSHOT_PAGE_BYTES]);
    let rows: [(&str, Vec<u8>); 11] = [
        ("no head", json.clone()),
        ("no head at all", Vec::new()),
        ("a head that is none", b"{}\nx".to_vec()),
        ("one too far", page(&mark, json.len(), 101, b"x")),
        ("the first one again", page(&mark, json.len(), 0, b"x")),
        ("none of it", page(&mark, json.len(), 100, b"")),
        ("more than all", page(&mark, json.len(), 100, &json)),
        ("another length", page(&mark, json.len() + 1, 100, b"x")),
        ("the middle of another state", page(&other, json.len(), 100, b"x")),
        ("a state that is too long", page(&other, later, 0, b"x")),
        ("a page that is too long", too_long),
    ];
    for (what, bytes) in rows {
        let mut collecting = Collect::default();
        collecting.take(&page(&mark, json.len(), 0, &json[..100])).unwrap();
        assert!(collecting.take(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_whole_with_anything_wrong_in_it_is_not_read() {
    let (json, mark) = sample();
    for (what, bytes, mark) in [
        ("another byte", json.iter().map(|byte| byte ^ u8::from(*byte == b'1')).collect(), mark.clone()),
        ("another version", json.clone(), RegistryMark { version: 1, ..mark.clone() }),
        ("no state", b"{}".to_vec(), RegistryMark { digest: Digest::of(b"{}").to_string(), ..mark.clone() }),
        ("another digest", json.clone(), RegistryMark { digest: mark.digest.to_uppercase(), ..mark }),
    ] {
        let whole = collect(&mut Collect::default(), &mark, &bytes, 100).unwrap();
        assert!(whole.read().is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_taken(pages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5)) {
        let mut collecting = Collect::default();
        for page in &pages {
            prop_assert!(collecting.take(page).is_err());
        }
    }

    /// Whatever the pages say, no more is kept than they may have, and nothing is read that was not sent.
    #[test]
    fn any_pages_can_be_taken(
        pages in prop::collection::vec((0_u64..3, 0_usize..40, 0_usize..40, 0_usize..20), 1..40),
    ) {
        let mut collecting = Collect::default();
        for (version, total, offset, len) in pages {
            let mark = RegistryMark { version, digest: "d".repeat(64) };
            if let Ok(Some(whole)) = collecting.take(&page(&mark, total, offset, &vec![b'x'; len])) {
                prop_assert_eq!(whole.bytes.len(), total);
                prop_assert!(whole.read().is_err());
            }
            prop_assert!(collecting.bytes.len() <= 40);
        }
    }
}
