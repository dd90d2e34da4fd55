//! The secret halves of the signing keys: one file each, for their owner alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::SigningKey;
use disk::{Disk, SyncPoint, replace_file};

use crate::Error;

/// Longest key file that is read: number, ':', 64 digits and a newline have far fewer bytes.
const MAX_KEY_FILE_BYTES: usize = 256;

/// Where the files of the keys lie: `root-N.key` for key N.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl KeyFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned() }
    }

    /// Writes a key so that it survives a power cut.
    pub(crate) fn save(&self, key: &SigningKey) -> Result<(), Error> {
        let text = format!("{}\n", key.to_text());
        let points = (SyncPoint::KeyFile, SyncPoint::KeyDir);
        let saved = replace_file(&*self.disk, &self.dir, &name(key.id), text.as_bytes(), points);
        saved.map_err(|source| self.error("write", key.id, source))
    }

    /// Reads the key of this number.
    pub(crate) fn load(&self, id: u32) -> Result<SigningKey, Error> {
        let path = self.dir.join(name(id));
        let bytes = disk::read_file(&*self.disk, &path, MAX_KEY_FILE_BYTES);
        let bytes = bytes.map_err(|source| self.error("read", id, source))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| self.error("read", id, io::ErrorKind::InvalidData.into()))?;
        Ok(SigningKey::from_text(&text)?)
    }

    /// Removes the secret of a key that signs no more. One that stays does no harm but that it could be stolen.
    pub(crate) fn remove(&self, id: u32) {
        match self.disk.remove(&self.dir.join(name(id))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(key = id, %error, "the file of a key that signs no more cannot be removed");
            }
            _ => {}
        }
    }

    fn error(&self, action: &'static str, id: u32, source: io::Error) -> Error {
        Error::KeyFile { action, path: self.dir.join(name(id)), source }
    }
}

fn name(id: u32) -> String {
    format!("root-{id}.key")
}
