//! What becomes of a boot besides its entries: it says how far it has come, it vanishes, it ends.

use super::format::{Kind, Record};
use super::{BatchRef, Error, Pos, Spool};

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
    pub fn tell(&mut self, key: &[u8], boot: u64, told_seq: u64, now: i64) -> Result<bool, Error> {
        let known = self.boots.get(key, boot);
        if told_seq <= known.map_or(1, |known| known.next_seq.max(known.told_seq)) {
            return Ok(false);
        }
        let pos = self.write_bare(Kind::Told, key, boot, told_seq, now)?;
        self.boots.told(key, boot, told_seq, pos);
        Ok(true)
    }

    /// Ends the boots of a Machine that have vanished, save `keep`: nobody will come back with their lines.
    ///
    /// # Errors
    /// As [`Spool::end_boot`]; those that were ended before the error stay so.
    pub fn retire(&mut self, key: &[u8], keep: Option<u64>, now: i64) -> Result<(), Error> {
        for boot in self.boots.vanished(key) {
            if Some(boot) != keep {
                self.end_boot(key, boot, now)?;
            }
        }
        Ok(())
    }

    /// Notes that a boot has ended; it is forgotten when its last segment has been released. Durable with the next sync.
    ///
    /// # Errors
    /// As [`Spool::append`]. A boot not known, or ended already, is no error.
    pub fn end_boot(&mut self, key: &[u8], boot: u64, now: i64) -> Result<(), Error> {
        let Some(next_seq) =
            self.boots.get(key, boot).filter(|known| !known.ended).map(|known| known.next_seq)
        else {
            return Ok(());
        };
        let pos = self.write_bare(Kind::End, key, boot, next_seq, now)?;
        self.boots.end(key, boot, pos);
        Ok(())
    }

    /// Writes a record without entries.
    fn write_bare(&mut self, kind: Kind, key: &[u8], boot: u64, seq: u64, time: i64) -> Result<Pos, Error> {
        self.write_record(&Record {
            kind,
            pos: Pos(0),
            group_len: 0,
            boot,
            first_seq: seq,
            next_seq: seq,
            count: 0,
            time,
            key,
            body: &[],
        })
    }
}
