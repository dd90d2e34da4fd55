//! How far each boot of each Machine has come, and where entries are missing.

use super::format::Fields;
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
    /// Missing entries, in rising order.
    holes: Vec<(Range<u64>, HoleReason)>,
}

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
            return match known.holes.iter().any(|(hole, _)| inside(hole)) {
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
        fill: bool,
        pos: Pos,
        lost_is_needed: bool,
    ) -> Seen {
        let Some(known) = self.get_mut(key, boot) else {
            let (start_seq, next_seq) = (seqs.start, seqs.end);
            self.insert(
                key,
                Boot { boot, start_seq, next_seq, ended: false, last_pos: pos, holes: Vec::new() },
            );
            return Seen::New;
        };
        if fill {
            // A fill found before anything that shows its hole goes on from what is known, like any batch.
            if seqs.start > known.next_seq && lost_is_needed {
                known.holes.push((known.next_seq..seqs.start, HoleReason::Damaged));
            }
            known.next_seq = known.next_seq.max(seqs.end);
            known.fill(&seqs);
        } else if seqs.start < known.next_seq {
            return Seen::Twice;
        } else {
            if seqs.start > known.next_seq && lost_is_needed {
                known.holes.push((known.next_seq..seqs.start, HoleReason::Damaged));
            }
            known.next_seq = seqs.end;
        }
        known.last_pos = known.last_pos.max(pos);
        Seen::New
    }

    /// Takes in what a checkpoint or a mark says of a boot. What it has that was not met is a hole, unless the boot's last
    /// record had been passed by every cursor.
    pub(super) fn noted(&mut self, note: Note<'_>, needed: Pos, reason: HoleReason) {
        let lost_is_needed = note.last_pos >= needed;
        let Some(known) = self.get_mut(note.key, note.boot) else {
            let mut boot = Boot {
                boot: note.boot,
                start_seq: note.start_seq,
                next_seq: note.next_seq,
                ended: note.ended,
                last_pos: note.last_pos,
                holes: Vec::new(),
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
        known.last_pos = known.last_pos.max(note.last_pos);
    }

    /// Notes the end of a boot; one not known stays so.
    pub(super) fn end(&mut self, key: &[u8], boot: u64, pos: Pos) {
        if let Some(known) = self.get_mut(key, boot) {
            known.ended = true;
            known.last_pos = known.last_pos.max(pos);
        }
    }

    /// Moves a boot's last record, which was written anew.
    pub(super) fn moved(&mut self, key: &[u8], boot: u64, pos: Pos) {
        if let Some(known) = self.get_mut(key, boot) {
            known.last_pos = known.last_pos.max(pos);
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
    fn state(&self, key: &Arc<[u8]>) -> BootState {
        BootState {
            key: Arc::clone(key),
            boot: self.boot,
            start_seq: self.start_seq,
            next_seq: self.next_seq,
            ended: self.ended,
        }
    }

    /// Takes `seqs` out of the holes.
    fn fill(&mut self, seqs: &Range<u64>) {
        let mut left = Vec::with_capacity(self.holes.len());
        for (hole, reason) in self.holes.drain(..) {
            let before = hole.start..hole.end.min(seqs.start);
            let after = hole.start.max(seqs.end)..hole.end;
            left.extend(
                [before, after].into_iter().filter(|rest| !rest.is_empty()).map(|rest| (rest, reason)),
            );
        }
        self.holes = left;
    }
}

/// What a checkpoint or a mark says of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) key: &'a [u8],
    pub(super) boot: u64,
    pub(super) start_seq: u64,
    pub(super) next_seq: u64,
    pub(super) last_pos: Pos,
    pub(super) ended: bool,
}

impl Note<'_> {
    /// Bytes of an encoded note, without its key.
    pub(super) const FIXED_BYTES: usize = 2 + 4 * 8 + 1;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u16::try_from(self.key.len()).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(self.key);
        for number in [self.boot, self.start_seq, self.next_seq, self.last_pos.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(u8::from(self.ended));
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
    Some(Note {
        key: fields.bytes(key_len)?,
        boot: fields.u64()?,
        start_seq: fields.u64()?,
        next_seq: fields.u64()?,
        last_pos: Pos(fields.u64()?),
        ended: fields.take::<1>()? != [0],
    })
}
