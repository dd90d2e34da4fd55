//! Filters of many frames, side by side.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use disk::File;

use super::super::error::Bad;
use super::super::ints;
use super::super::press::Press;
use super::super::wire::{put_bytes, put_count, take_bytes, take_count, take_u32, take_u64};
use super::{FrameFilter, PAGE, PROBES, place};

/// Most frames of a group.
const MAX_FRAMES: usize = 4096;

/// Most bytes of filters that are gathered before they are written.
const MAX_BYTES: usize = 8 << 20;

/// Gathers the filters of a group.
#[derive(Debug, Default)]
pub(in crate::part) struct GroupWriter {
    filters: Vec<FrameFilter>,
    bytes: usize,
}

impl GroupWriter {
    /// Adds the filter of the next frame; says whether it is time to [`GroupWriter::finish`].
    pub(in crate::part) fn add(&mut self, filter: FrameFilter) -> bool {
        self.bytes += filter.words.len() * 8;
        self.filters.push(filter);
        self.filters.len() >= MAX_FRAMES || self.bytes >= MAX_BYTES
    }

    /// Whether nothing was added.
    pub(in crate::part) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Appends the pages, and says what the group is, except where it stands. The writer is empty then.
    pub(in crate::part) fn finish(&mut self, first_frame: usize, out: &mut Vec<u8>) -> Group {
        let bits: Vec<u32> = self.filters.iter().map(|filter| filter.bits).collect();
        let group = Group::new(0, first_frame, bits);
        for class in &group.classes {
            let count = class.frames.len();
            let mut matrix = vec![0u8; class.bytes()];
            for (slot, &frame) in class.frames.iter().enumerate() {
                for bit in self.filters[frame].set_bits() {
                    let at = bit * count + slot;
                    matrix[at / 8] |= 1 << (at % 8);
                }
            }
            for page in matrix.chunks(PAGE) {
                out.extend_from_slice(page);
                out.extend_from_slice(&crc32fast::hash(page).to_le_bytes());
            }
        }
        *self = Self::default();
        group
    }
}

/// Where the filters of a run of frames stand.
#[derive(Clone, Debug)]
pub(in crate::part) struct Group {
    /// Place of the first page in the file.
    pub(in crate::part) at: u64,
    first_frame: usize,
    /// Bits of the filter of each frame.
    bits: Vec<u32>,
    classes: Vec<Class>,
}

/// Frames whose filters have the same number of bits.
#[derive(Clone, Debug)]
struct Class {
    bits: u32,
    /// Frames of the group, rising.
    frames: Vec<usize>,
    /// Where its pages begin in the group.
    offset: u64,
}

impl Class {
    fn bytes(&self) -> usize {
        (self.bits as usize * self.frames.len()).div_ceil(8)
    }
}

impl Group {
    fn new(at: u64, first_frame: usize, bits: Vec<u32>) -> Self {
        let mut distinct: Vec<u32> = bits.iter().copied().filter(|&bits| bits > 0).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut classes: Vec<Class> =
            distinct.into_iter().map(|bits| Class { bits, frames: Vec::new(), offset: 0 }).collect();
        for (frame, bits) in bits.iter().enumerate() {
            if let Ok(class) = classes.binary_search_by_key(bits, |class| class.bits) {
                classes[class].frames.push(frame);
            }
        }
        let mut offset = 0;
        for class in &mut classes {
            class.offset = offset;
            offset += (class.bytes() + 4 * class.bytes().div_ceil(PAGE)) as u64;
        }
        Self { at, first_frame, bits, classes }
    }

    /// The frames of the part that the group is about.
    pub(in crate::part) fn frames(&self) -> Range<usize> {
        self.first_frame..self.first_frame + self.bits.len()
    }

    /// Bytes of all pages.
    pub(in crate::part) fn len(&self) -> u64 {
        let last = self.classes.last();
        last.map_or(0, |class| class.offset + (class.bytes() + 4 * class.bytes().div_ceil(PAGE)) as u64)
    }

    /// Appends the group to a part's tables: place (u64), probes (u32), count of frames (varint), a block of numbers with its
    /// length: the bits of each frame.
    pub(in crate::part) fn put(&self, press: &mut Press, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&PROBES.to_le_bytes());
        put_count(out, self.bits.len());
        let bits: Vec<u64> = self.bits.iter().map(|&bits| u64::from(bits)).collect();
        let mut nested = Vec::new();
        ints::put(&bits, press, &mut nested);
        put_bytes(out, &nested);
    }

    /// Takes what was put; its first frame is `first_frame`.
    pub(in crate::part) fn take(bytes: &mut &[u8], first_frame: usize) -> Result<Self, Bad> {
        let at = take_u64(bytes)?;
        if take_u32(bytes)? != PROBES {
            return Err(Bad("token filters of another kind"));
        }
        let count = take_count(bytes, MAX_FRAMES)?;
        let bits = ints::take(take_bytes(bytes)?, count)?;
        let narrow = |bits: u64| u32::try_from(bits).ok().filter(|&bits| bits <= 1 << 31);
        let bits = bits.into_iter().map(narrow).collect::<Option<Vec<_>>>().ok_or(Bad("token filters"))?;
        Ok(Self::new(at, first_frame, bits))
    }

    /// Sets `out[i]` to whether frame `i` of the group may hold one of `sets`, each of which is hashes that must all be there.
    /// Frames whose filter is damaged may.
    pub(in crate::part) fn ask(&self, file: &Arc<dyn File>, sets: &[Vec<u64>], out: &mut [bool]) {
        for class in &self.classes {
            let mut pages =
                Pages { file, at: self.at + class.offset, bytes: class.bytes(), read: HashMap::new() };
            for set in sets {
                let Some(found) = class.ask(&mut pages, set) else {
                    class.frames.iter().for_each(|&frame| out[frame] = true);
                    break;
                };
                for (slot, &frame) in class.frames.iter().enumerate() {
                    out[frame] |= found[slot / 64] >> (slot % 64) & 1 != 0;
                }
            }
        }
    }

    /// The filter of a frame of the part, taken out; `None` if it is damaged or the disk fails.
    pub(in crate::part) fn extract(
        &self,
        file: &Arc<dyn File>,
        class_cache: &mut ClassCache,
        frame: usize,
    ) -> Option<FrameFilter> {
        let local = frame.checked_sub(self.first_frame)?;
        let bits = *self.bits.get(local)?;
        if bits == 0 {
            return Some(FrameFilter::empty(0));
        }
        let class = &self.classes[self.classes.binary_search_by_key(&bits, |class| class.bits).ok()?];
        let slot = class.frames.binary_search(&local).ok()?;
        let key = self.at + class.offset;
        if !class_cache.contains_key(&key) {
            class_cache.clear();
            let mut pages = Pages { file, at: key, bytes: class.bytes(), read: HashMap::new() };
            class_cache.insert(key, pages.all()?);
        }
        let matrix = class_cache.get(&key)?;
        let mut filter = FrameFilter::empty(bits);
        for bit in 0..bits as usize {
            let at = bit * class.frames.len() + slot;
            if matrix.get(at / 8)? >> (at % 8) & 1 != 0 {
                filter.words[bit / 64] |= 1 << (bit % 64);
            }
        }
        Some(filter)
    }

    /// Whether all pages are whole.
    pub(in crate::part) fn is_whole(&self, file: &Arc<dyn File>) -> bool {
        self.classes.iter().all(|class| {
            let mut pages =
                Pages { file, at: self.at + class.offset, bytes: class.bytes(), read: HashMap::new() };
            pages.all().is_some()
        })
    }
}

/// The matrix that was read last, by its place.
pub(in crate::part) type ClassCache = HashMap<u64, Vec<u8>>;

impl Class {
    /// A bit for each frame: whether all of `set` may be in it. `None` if a page is damaged.
    fn ask(&self, pages: &mut Pages<'_>, set: &[u64]) -> Option<Vec<u64>> {
        let count = self.frames.len();
        let mut found = vec![u64::MAX; count.div_ceil(64)];
        for &hash in set {
            for probe in 0..PROBES {
                let row = place(hash, probe, self.bits) as usize * count;
                pages.and_bits(row, count, &mut found)?;
                if found.iter().all(|&word| word == 0) {
                    return Some(found);
                }
            }
        }
        Some(found)
    }
}

/// The pages of a class, read as they are needed.
struct Pages<'a> {
    file: &'a Arc<dyn File>,
    at: u64,
    /// Bytes of the matrix.
    bytes: usize,
    read: HashMap<usize, Vec<u8>>,
}

impl Pages<'_> {
    /// Page `index` without its checksum; `None` if it is damaged.
    fn page(&mut self, index: usize) -> Option<&[u8]> {
        if !self.read.contains_key(&index) {
            let len = PAGE.min(self.bytes.checked_sub(index * PAGE)?);
            let mut page = vec![0; len + 4];
            let filled = self.file.read_at(self.at + (index * (PAGE + 4)) as u64, &mut page).ok()?;
            let crc = page.split_off(len);
            if filled != len + 4 || crc32fast::hash(&page).to_le_bytes() != crc[..] {
                return None;
            }
            self.read.insert(index, page);
        }
        self.read.get(&index).map(Vec::as_slice)
    }

    /// The whole matrix.
    fn all(&mut self) -> Option<Vec<u8>> {
        let mut matrix = Vec::new();
        for index in 0..self.bytes.div_ceil(PAGE) {
            matrix.extend_from_slice(self.page(index)?);
            self.read.clear();
        }
        Some(matrix)
    }

    /// Ands `count` bits from bit `begin` on into `found`, which has bit `i` at bit `i % 64` of word `i / 64`.
    fn and_bits(&mut self, begin: usize, count: usize, found: &mut [u64]) -> Option<()> {
        for (at, word) in found.iter_mut().enumerate() {
            let first = begin + at * 64;
            let wanted = (count - at * 64).min(64);
            *word &= self.bits(first, wanted)?;
        }
        Some(())
    }

    /// Up to 64 bits from bit `first` on, the first one lowest.
    fn bits(&mut self, first: usize, wanted: usize) -> Option<u64> {
        let mut bits = 0u128;
        let begin = first / 8;
        for (at, byte) in (begin..(first + wanted).div_ceil(8)).enumerate() {
            let byte = *self.page(byte / PAGE)?.get(byte % PAGE)?;
            bits |= u128::from(byte) << (8 * at);
        }
        let mask = if wanted == 64 { u64::MAX } else { (1 << wanted) - 1 };
        u64::try_from(bits >> (first % 8) & u128::from(u64::MAX)).ok().map(|bits| bits & mask)
    }
}
