//! Is an executable static? The answer stands in the ELF program headers: a dynamic one names its loader.

use anyhow::{Context, Result, ensure};

/// The program header type that names the loader.
const PT_INTERP: u32 = 3;

/// Whether the 64-bit little-endian ELF file in `bytes` runs without a loader.
pub(crate) fn is_static(bytes: &[u8]) -> Result<bool> {
    ensure!(bytes.starts_with(b"\x7fELF"), "not an ELF file");
    ensure!(bytes.get(4..6) == Some(&[2, 1]), "not a 64-bit little-endian ELF file");
    let table = usize::try_from(number::<8>(bytes, 0x20)?)?;
    let entry_size = usize::try_from(number::<2>(bytes, 0x36)?)?;
    let count = usize::try_from(number::<2>(bytes, 0x38)?)?;
    ensure!(count > 0, "the ELF file has no program headers");
    for index in 0..count {
        let at = table.checked_add(index * entry_size).context("program header out of range")?;
        if number::<4>(bytes, at)? == u64::from(PT_INTERP) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The little-endian number of `N` bytes at `at`.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64> {
    let field = bytes.get(at..at.saturating_add(N)).context("the ELF file is cut short")?;
    Ok(field.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one program header of each of `kinds`.
    fn sample(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 0x40];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20] = 0x40;
        bytes[0x36] = 56;
        bytes[0x38] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        bytes
    }

    #[test]
    fn a_loader_makes_it_dynamic() {
        assert!(is_static(&sample(&[1, 2, 6])).unwrap());
        assert!(!is_static(&sample(&[1, 3, 2])).unwrap());
        assert!(!is_static(&std::fs::read("/proc/self/exe").unwrap()).unwrap());
    }

    #[test]
    fn bad_files_are_errors() {
        for bytes in [&b""[..], b"#!/bin/sh", b"\x7fELF\x01\x01", b"\x7fELF\x02\x01", &sample(&[])] {
            assert!(is_static(bytes).is_err());
        }
        let whole = sample(&[1, 1]);
        assert!(is_static(&whole[..whole.len() - 56]).is_err());
    }
}
