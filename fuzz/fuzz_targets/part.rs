//! Disk to store: any bytes as a part. It is refused, or whatever can be read of it is bounded; with checksums put right, so that what is behind them is
//! reached too.
#![no_main]

use std::path::Path;

use disk::Disk;
use disk::fault::FaultDisk;
use libfuzzer_sys::fuzz_target;
use store::part::{Lookup, Part};

/// Bytes of a footer, and where its parts are.
const FOOTER: usize = 40;

/// Puts the checksums of tables and footer right, if the bytes are long enough to have them.
fn mend(bytes: &mut [u8]) -> Option<()> {
    let end = bytes.len().checked_sub(FOOTER)?;
    let at = usize::try_from(u64::from_le_bytes(bytes[end..end + 8].try_into().ok()?)).ok()?;
    let crc = crc32fast::hash(bytes.get(at..end)?);
    bytes[end..end + 8].copy_from_slice(&(at as u64).to_le_bytes());
    bytes[end + 8..end + 16].copy_from_slice(&((end - at) as u64).to_le_bytes());
    bytes[end + 16..end + 20].copy_from_slice(&crc.to_le_bytes());
    bytes[end + 20..end + 24].copy_from_slice(&1u32.to_le_bytes());
    let crc = crc32fast::hash(&bytes[end..end + 24]);
    bytes[end + 24..end + 28].copy_from_slice(&crc.to_le_bytes());
    bytes[end + 28..end + 32].fill(0);
    bytes[end + 32..].copy_from_slice(b"LWPART\r\n");
    Some(())
}

// A slice, not a vector: that one would be made of every second byte, and a real part could be no seed.
fuzz_target!(|input: (bool, &[u8])| {
    let (mended, bytes) = input;
    let mut bytes = bytes.to_vec();
    if mended && mend(&mut bytes).is_none() {
        return;
    }
    let file = FaultDisk::new().create(Path::new("/part")).expect("a disk in memory");
    file.write_at(0, &bytes).expect("a disk in memory");
    let Ok(part) = Part::open(file) else { return };
    let _damage = part.check();
    let needs = vec![vec![vec![1, 2], vec![3]]];
    let _frames = part.candidates(&Lookup { needs, ..Lookup::default() });
    for index in 0..part.frames().len() {
        let Ok(frame) = part.frame(index) else { continue };
        let names: Vec<_> = frame.further_fields().map(str::to_owned).collect();
        for field in store::rows::PLATFORM_FIELDS.into_iter().chain(names.iter().map(String::as_str)) {
            let _column = frame.column(field);
        }
        let _templates = frame.templates();
    }
});
