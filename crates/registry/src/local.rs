//! The machine's own org and its token, so that the commands on it just work.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use access::MAX_TOKEN_BYTES;
use disk::{Disk, SyncPoint, read_file, replace_file};
use line::OrgId;

use crate::Error;
use crate::clock::unix_ns;
use crate::desk::Desk;
use crate::keeper::Keeper;

/// An org that is there from the start, and a file with a token for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The org's id. Lines may have been kept under it before there was a registry.
    pub org: OrgId,
    /// What it is called when it is made; it may be renamed.
    pub slug: String,
    /// The file of the token, mode 0600. It is written anew when the token is revoked or its key is about to retire. Once the org
    /// has ended it stays as it is.
    pub token_file: PathBuf,
}

/// Makes org and token if they are missing, or good no more.
pub(crate) fn settle(local: &Local, desk: &mut Desk, disk: &dyn Disk) -> Result<(), Error> {
    let now_ns = unix_ns();
    match desk.registry_mut().import_org(&local.org, &local.slug, now_ns) {
        Err(Error::OrgEnded(_)) => return Ok(()),
        imported => imported?,
    };
    let kept = read_file(disk, &local.token_file, MAX_TOKEN_BYTES + 1).ok();
    let kept = kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(token) = desk.local_token(&local.org, kept, now_ns)? else { return Ok(()) };
    let error = |source| Error::KeyFile { action: "write", path: local.token_file.clone(), source };
    let (Some(dir), Some(name)) = (local.token_file.parent(), local.token_file.file_name()) else {
        return Err(error(io::ErrorKind::InvalidFilename.into()));
    };
    let (name, text) = (name.to_string_lossy(), format!("{token}\n"));
    replace_file(disk, dir, &name, text.as_bytes(), (SyncPoint::KeyFile, SyncPoint::KeyDir)).map_err(error)
}

/// Does it again after each change, for as long as the process lives.
pub(crate) async fn keep(local: Option<Local>, keeper: &Arc<Keeper>, disk: &Arc<dyn Disk>) {
    let Some(local) = local else { return std::future::pending().await };
    let mut version = keeper.version();
    while version.changed().await.is_ok() {
        let (local, disk) = (local.clone(), Arc::clone(disk));
        let settled = keeper.with(move |desk| settle(&local, desk, &*disk)).await;
        if let Err(error) = settled {
            tracing::warn!(code = "LR02", %error, "the token of this machine cannot be renewed");
        }
    }
}
