//! PEM files of the operator, read with an error that says which file and what to do.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// The longest file that is read, in bytes: some ten times the authorities of a whole browser.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The certificates in a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Err(why) => Err(damaged(path, &why)),
        Ok(found) if found.is_empty() => Err(unusable(
            path,
            "holds no certificate: it must be PEM, with a line -----BEGIN CERTIFICATE-----",
        )),
        Ok(found) => Ok(found),
    }
}

/// The first private key in a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|why| match why {
        pem::Error::NoItemsFound if has(&bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => unusable(
            path,
            "has a passphrase, which nobody types at the start of a service: write it without one, with 'openssl pkey'",
        ),
        pem::Error::NoItemsFound => unusable(
            path,
            "holds no private key: it must be PEM, with a line such as -----BEGIN PRIVATE KEY-----",
        ),
        why => damaged(path, &why),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::TlsFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One more than may be there, to see whether there is more.
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(unusable(
            path,
            "is longer than 1 MiB: give a file with the certificates or the key alone",
        ));
    }
    Ok(bytes)
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

fn damaged(path: &Path, why: &pem::Error) -> Error {
    unusable(path, &format!("is damaged PEM: {why}: copy it anew, from its first line to its last"))
}

/// A file that was read and is not what it should be.
pub(super) fn unusable(path: &Path, why: &str) -> Error {
    Error::Tls { path: path.to_owned(), why: why.to_owned() }
}
