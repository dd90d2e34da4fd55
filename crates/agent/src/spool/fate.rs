//! What becomes of a boot besides its entries: it says how far it has come, it vanishes, it ends.

use super::format::{Kind, Record, record_len};
use super::{BatchRef, BootRef, Error, Pos, Spool};

impl Spool {
    /// Appends a batch that states entries as missing which may still come: a later [`Spool::fill`] takes their place. Until
    /// then, or until [`Spool::end_boot`], the boot is remembered.
    ///
    /// # Errors
    /// As [`Spool::append`].
    pub fn vanish(&mut self, batch: BatchRef<'_>) -> Result<Pos, Error> {
        self.append_batch(&batch, Kind::Vanished)
    }

    /// Notes a boot's own word that it has given out the numbers below `told_seq`, so that the word outlives a restart.
    /// Durable with the next sync. `false`, and nothing is written, when it says nothing new.
    ///
    /// # Errors
    /// As [`Spool::append`].
    pub fn tell(&mut self, boot: BootRef<'_>, told_seq: u64, now: i64) -> Result<bool, Error> {
        let known = self.boots.get(boot.key, boot.boot);
        if told_seq <= known.map_or(1, |known| known.next_seq.max(known.told_seq)) {
            return Ok(false);
        }
        let pos = self.write_bare(Kind::Told, boot, told_seq, now)?;
        self.boots.told(boot.key, boot.boot, told_seq, pos);
        Ok(true)
    }

    /// Ends the boots of a Machine that have vanished, save `keep`: nobody will come back with the lines of the others.
    ///
    /// # Errors
    /// As [`Spool::end_boot`]; those that were ended before the error stay so.
    pub fn retire(&mut self, key: &[u8], group_len: usize, keep: Option<u64>, now: i64) -> Result<(), Error> {
        for boot in self.boots.vanished(key) {
            if Some(boot) != keep {
                self.end_boot(BootRef { key, group_len, boot }, now)?;
            }
        }
        Ok(())
    }

    /// Notes that a boot has ended; it is forgotten when its last segment has been released. Durable with the next sync.
    ///
    /// # Errors
    /// As [`Spool::append`]. A boot not known, or ended already, is no error.
    pub fn end_boot(&mut self, boot: BootRef<'_>, now: i64) -> Result<(), Error> {
        let known = self.boots.get(boot.key, boot.boot).filter(|known| !known.ended);
        let Some(next_seq) = known.map(|known| known.next_seq) else {
            return Ok(());
        };
        let pos = self.write_bare(Kind::End, boot, next_seq, now)?;
        self.boots.end(boot.key, boot.boot, pos);
        Ok(())
    }

    /// Writes a record without entries, which counts for the group all the same: its Machine may cause many.
    fn write_bare(&mut self, kind: Kind, boot: BootRef<'_>, seq: u64, time: i64) -> Result<Pos, Error> {
        let BootRef { key, group_len, boot } = boot;
        let group = key.get(..group_len).ok_or(Error::Invalid("the group is the first part of the key"))?;
        let (first_seq, next_seq, pos) = (seq, seq, Pos(0));
        let record =
            Record { kind, pos, group_len, boot, first_seq, next_seq, count: 0, time, key, body: &[] };
        let pos = self.write_record(&record)?;
        self.quota.add(group, record_len(key.len(), 0) as u64, self.shared.end());
        self.pass();
        Ok(pos)
    }
}
