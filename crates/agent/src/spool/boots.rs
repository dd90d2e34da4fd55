//! How far each boot of each Machine has come, and where entries are missing.

use super::format::{Fields, Kind};
use super::recovery::{BootState, Hole, HoleReason};
use super::{Error, Pos};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Every boot that has entries in the spool or has not ended.
///
/// It is bounded by the disk: a boot is here because of a record in a segment, or because a checkpoint (at most a quarter
/// of a segment) carries it.
#[derive(Debug, Default)]
pub(super) struct Boots {
    keys: HashMap<Arc<[u8]>, Vec<Boot>>,
}

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    pub(super) boot: u64,
    pub(super) start_seq: u64,
    pub(super) next_seq: u64,
    pub(super) ended: bool,
    /// Where its last record stands.
    pub(super) last_pos: Pos,
    /// Where the last of them with entries stands, if it was met.
    pub(super) last_batch: Option<Pos>,
    /// Missing entries, in rising order.
    holes: Vec<(Range<u64>, HoleReason)>,
    /// The boot's own word on how far it has come; 0 if there is none.
    pub(super) told_seq: u64,
    /// Stated as missing, and may still come; in rising order, at most [`MAX_VANISHED`].
    pub(super) vanished: Vec<Range<u64>>,
}

/// Ranges of a boot that may still come. When there are more, the oldest stay gaps for good.
const MAX_VANISHED: usize = 64;

/// Whether a batch found on disk belongs to the spool's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Yes.
    New,
    /// No: its entries stand at a lower position already.
    Twice,
}

impl Boots {
    pub(super) fn get(&self, key: &[u8], boot: u64) -> Option<&Boot> {
        self.keys.get(key)?.iter().find(|known| known.boot == boot)
    }

    fn get_mut(&mut self, key: &[u8], boot: u64) -> Option<&mut Boot> {
        self.keys.get_mut(key)?.iter_mut().find(|known| known.boot == boot)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// The shared copy of a key, made if it is new.
    pub(super) fn intern(&mut self, key: &[u8]) -> Arc<[u8]> {
        if let Some((shared, _)) = self.keys.get_key_value(key) {
            return Arc::clone(shared);
        }
        let shared: Arc<[u8]> = key.into();
        self.keys.insert(Arc::clone(&shared), Vec::new());
        shared
    }

    fn insert(&mut self, key: &[u8], boot: Boot) {
        let key = self.intern(key);
        self.keys.entry(key).or_default().push(boot);
    }

    /// Whether a batch may be appended; changes nothing.
    pub(super) fn check(&self, key: &[u8], boot: u64, seqs: &Range<u64>, fill: bool) -> Result<(), Error> {
        let Some(known) = self.get(key, boot) else { return Ok(()) };
        let next_seq = known.next_seq;
        if fill {
            let inside = |hole: &Range<u64>| hole.start <= seqs.start && seqs.end <= hole.end;
            // The last entry of a vanished range may reach beyond it: nobody knew where the entry ends.
            let reaches_on = |range: &Range<u64>| {
                range.end == next_seq && range.contains(&seqs.start) && seqs.end > next_seq
            };
            let fits = known.holes.iter().any(|(hole, _)| inside(hole))
                || known.vanished.iter().any(|range| inside(range) || reaches_on(range));
            return match fits {
                true => Ok(()),
                false => Err(Error::Duplicate { next_seq }),
            };
        }
        match seqs.start.cmp(&next_seq) {
            std::cmp::Ordering::Less => Err(Error::Duplicate { next_seq }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Error::Ahead { next_seq }),
        }
    }

    /// Takes in a batch that was appended or found. What is missing before it is a hole if `lost_is_needed`: if not all
    /// cursors had passed the place.
    pub(super) fn batch(
        &mut self,
        key: &[u8],
        boot: u64,
        seqs: Range<u64>,
        kind: Kind,
        pos: Pos,
        lost_is_needed: bool,
    ) -> Seen {
        let Some(known) = self.get_mut(key, boot) else {
            let mut new = Boot::new(boot, seqs.start, pos);
            new.take(seqs, kind);
            new.last_batch = Some(pos);
            self.insert(key, new);
            return Seen::New;
        };
        if kind == Kind::Fill {
            // A fill found before anything that shows its hole goes on from what is known, like any batch.
            if seqs.start > known.next_seq && lost_is_needed {
                known.holes.push((known.next_seq..seqs.start, HoleReason::Damaged));
            }
            known.take(seqs, kind);
        } else if seqs.start < known.next_seq {
            return Seen::Twice;
        } else {
            if seqs.start > known.next_seq && lost_is_needed {
                known.holes.push((known.next_seq..seqs.start, HoleReason::Damaged));
            }
            known.take(seqs, kind);
        }
        known.last_pos = known.last_pos.max(pos);
        known.last_batch = known.last_batch.max(Some(pos));
        Seen::New
    }

    /// Takes in what a checkpoint or a mark says of a boot. What it has that was not met is a hole, unless the boot's last
    /// record had been passed by every cursor.
    pub(super) fn noted(&mut self, note: Note<'_>, needed: Pos, reason: HoleReason) {
        let lost_is_needed = note.last_pos >= needed;
        let Some(known) = self.get_mut(note.key, note.boot) else {
            let mut boot = Boot {
                next_seq: note.next_seq,
                ended: note.ended,
                told_seq: note.told_seq,
                vanished: note.vanished,
                ..Boot::new(note.boot, note.start_seq, note.last_pos)
            };
            if lost_is_needed && note.start_seq < note.next_seq {
                boot.holes.push((note.start_seq..note.next_seq, reason));
            }
            self.insert(note.key, boot);
            return;
        };
        if note.next_seq > known.next_seq {
            if lost_is_needed {
                known.holes.push((known.next_seq..note.next_seq, reason));
            }
            known.next_seq = note.next_seq;
        }
        known.start_seq = known.start_seq.min(note.start_seq);
        known.ended |= note.ended;
        known.told_seq = known.told_seq.max(note.told_seq);
        known.last_pos = known.last_pos.max(note.last_pos);
    }

    /// Notes a boot's own word on how far it has come; one not known is known from now on.
    pub(super) fn told(&mut self, key: &[u8], boot: u64, told_seq: u64, pos: Pos) {
        if self.get(key, boot).is_none() {
            self.insert(key, Boot::new(boot, 1, pos));
        }
        if let Some(known) = self.get_mut(key, boot) {
            known.told_seq = known.told_seq.max(told_seq);
            known.last_pos = known.last_pos.max(pos);
        }
    }

    /// The boots of a Machine that have vanished, and nobody has said that they will not come back.
    pub(super) fn vanished(&self, key: &[u8]) -> Vec<u64> {
        let boots = self.keys.get(key).into_iter().flatten();
        boots.filter(|boot| !boot.ended && !boot.vanished.is_empty()).map(|boot| boot.boot).collect()
    }

    /// Notes the end of a boot; one not known stays so.
    pub(super) fn end(&mut self, key: &[u8], boot: u64, pos: Pos) {
        if let Some(known) = self.get_mut(key, boot) {
            known.ended = true;
            known.last_pos = known.last_pos.max(pos);
        }
    }

    /// Moves a boot's last record, which was written anew.
    pub(super) fn moved(&mut self, key: &[u8], boot: u64, pos: Pos, is_batch: bool) {
        if let Some(known) = self.get_mut(key, boot) {
            known.last_pos = known.last_pos.max(pos);
            known.last_batch = if is_batch { Some(pos) } else { known.last_batch };
        }
    }

    /// Forgets the boots that have ended, have no record at or after `oldest` and no open hole.
    pub(super) fn forget_before(&mut self, oldest: Pos) {
        for boots in self.keys.values_mut() {
            boots.retain(|boot| !boot.ended || boot.last_pos >= oldest || !boot.holes.is_empty());
        }
        self.keys.retain(|_, boots| !boots.is_empty());
    }

    /// Forgets boots that a checkpoint had no room for and that have no record at or after `oldest`.
    pub(super) fn forget(&mut self, left_out: &[(Arc<[u8]>, u64)], oldest: Pos) {
        for (key, boot) in left_out {
            if let Some(boots) = self.keys.get_mut(key) {
                boots.retain(|known| known.boot != *boot || known.last_pos >= oldest);
            }
        }
        self.keys.retain(|_, boots| !boots.is_empty());
    }

    /// What is known of one boot.
    pub(super) fn state(&self, key: &[u8], boot: u64) -> Option<BootState> {
        let (key, boots) = self.keys.get_key_value(key)?;
        boots.iter().find(|known| known.boot == boot).map(|known| known.state(key))
    }

    /// What is known of all, ordered by key and boot.
    pub(super) fn states(&self) -> Vec<BootState> {
        let mut states: Vec<_> =
            self.keys.iter().flat_map(|(key, boots)| boots.iter().map(move |boot| boot.state(key))).collect();
        states.sort_by(|a, b| (&a.key, a.boot).cmp(&(&b.key, b.boot)));
        states
    }

    /// All holes, ordered by key, boot and seq.
    pub(super) fn holes(&self) -> Vec<Hole> {
        let mut holes: Vec<Hole> = Vec::new();
        for (key, boots) in &self.keys {
            for boot in boots {
                holes.extend(boot.holes.iter().map(|(range, reason)| Hole {
                    key: Arc::clone(key),
                    boot: boot.boot,
                    from_seq: range.start,
                    next_seq: range.end,
                    reason: *reason,
                }));
            }
        }
        holes.sort_by(|a, b| (&a.key, a.boot, a.from_seq).cmp(&(&b.key, b.boot, b.from_seq)));
        holes
    }

    /// The boots, those first that matter most in a checkpoint: not ended, then the latest heard of.
    pub(super) fn by_weight(&self) -> Vec<(&Arc<[u8]>, &Boot)> {
        let mut all: Vec<_> =
            self.keys.iter().flat_map(|(key, boots)| boots.iter().map(move |boot| (key, boot))).collect();
        all.sort_by_key(|(key, boot)| {
            (boot.ended, std::cmp::Reverse(boot.last_pos), Arc::clone(key), boot.boot)
        });
        all
    }
}

impl Boot {
    /// A boot without entries.
    fn new(boot: u64, start_seq: u64, last_pos: Pos) -> Self {
        let (holes, vanished) = (Vec::new(), Vec::new());
        Self {
            boot,
            start_seq,
            next_seq: start_seq,
            ended: false,
            last_pos,
            last_batch: None,
            holes,
            told_seq: 0,
            vanished,
        }
    }

    /// Takes in entries that stand in the spool.
    fn take(&mut self, seqs: Range<u64>, kind: Kind) {
        self.next_seq = self.next_seq.max(seqs.end);
        if kind == Kind::Fill {
            self.fill(&seqs);
        } else if kind == Kind::Vanished {
            match self.vanished.last_mut() {
                Some(last) if last.end == seqs.start => last.end = seqs.end,
                _ => self.vanished.push(seqs),
            }
            let surplus = self.vanished.len().saturating_sub(MAX_VANISHED);
            self.vanished.drain(..surplus);
        }
    }

    fn state(&self, key: &Arc<[u8]>) -> BootState {
        BootState {
            key: Arc::clone(key),
            boot: self.boot,
            start_seq: self.start_seq,
            next_seq: self.next_seq,
            ended: self.ended,
            told_seq: self.told_seq,
            vanished: self.vanished.clone(),
        }
    }

    /// Takes `seqs` out of what is missing.
    fn fill(&mut self, seqs: &Range<u64>) {
        let holes = std::mem::take(&mut self.holes);
        self.holes = holes
            .into_iter()
            .flat_map(|(hole, reason)| without(&hole, seqs).map(move |rest| (rest, reason)))
            .collect();
        let vanished = std::mem::take(&mut self.vanished);
        self.vanished = vanished.into_iter().flat_map(|range| without(&range, seqs)).collect();
    }
}

/// What is left of a range without `seqs`.
pub(super) fn without(range: &Range<u64>, seqs: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let before = range.start..range.end.min(seqs.start);
    let after = range.start.max(seqs.end)..range.end;
    [before, after].into_iter().filter(|rest| !rest.is_empty())
}

/// What a checkpoint or a mark says of one boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) key: &'a [u8],
    pub(super) boot: u64,
    pub(super) start_seq: u64,
    pub(super) next_seq: u64,
    pub(super) last_pos: Pos,
    pub(super) ended: bool,
    pub(super) told_seq: u64,
    pub(super) vanished: Vec<Range<u64>>,
}

/// The boot has ended.
const ENDED: u8 = 1;
/// What the boot told, and the ranges that vanished, follow.
const EXTENDED: u8 = 2;

impl<'a> Note<'a> {
    /// What is to be said of a boot.
    pub(super) fn of(key: &'a [u8], boot: &Boot) -> Self {
        Self {
            key,
            boot: boot.boot,
            start_seq: boot.start_seq,
            next_seq: boot.next_seq,
            last_pos: boot.last_pos,
            ended: boot.ended,
            told_seq: boot.told_seq,
            vanished: boot.vanished.clone(),
        }
    }

    const fn is_extended(&self) -> bool {
        self.told_seq > 0 || !self.vanished.is_empty()
    }

    /// Bytes of it when encoded.
    pub(super) const fn len(&self) -> usize {
        let extension = if self.is_extended() { 8 + 2 + 16 * self.vanished.len() } else { 0 };
        2 + self.key.len() + 4 * 8 + 1 + extension
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u16::try_from(self.key.len()).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(self.key);
        for number in [self.boot, self.start_seq, self.next_seq, self.last_pos.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let flags = if self.ended { ENDED } else { 0 } | if self.is_extended() { EXTENDED } else { 0 };
        out.push(flags);
        if self.is_extended() {
            out.extend_from_slice(&self.told_seq.to_le_bytes());
            out.extend_from_slice(&u16::try_from(self.vanished.len()).unwrap_or(u16::MAX).to_le_bytes());
            for number in self.vanished.iter().flat_map(|range| [range.start, range.end]) {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
}

/// Reads encoded notes; what follows a broken one is left out.
pub(super) fn decode_notes(body: &[u8]) -> Vec<Note<'_>> {
    let mut fields = Fields(body);
    let mut notes = Vec::new();
    while let Some(note) = decode_note(&mut fields) {
        notes.push(note);
    }
    notes
}

fn decode_note<'a>(fields: &mut Fields<'a>) -> Option<Note<'a>> {
    let key_len = usize::from(fields.u16()?);
    let mut note = Note {
        key: fields.bytes(key_len)?,
        boot: fields.u64()?,
        start_seq: fields.u64()?,
        next_seq: fields.u64()?,
        last_pos: Pos(fields.u64()?),
        ended: false,
        told_seq: 0,
        vanished: Vec::new(),
    };
    let [flags] = fields.take()?;
    note.ended = flags & ENDED != 0;
    if flags & EXTENDED != 0 {
        note.told_seq = fields.u64()?;
        for _ in 0..fields.u16()? {
            note.vanished.push(fields.u64()?..fields.u64()?);
        }
    }
    Some(note)
}
