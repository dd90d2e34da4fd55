//! TLS on the bus: what the operator's PEM files become, for the side that dials and for the side that listens.
//!
//! TLS 1.2 and 1.3 by rustls. There are no settings of ciphers and no way to skip the check of a certificate: whoever dials trusts
//! the authorities in one file and nothing else, and wants the host that it dialled to stand in the certificate.

mod explain;
mod pem;

pub use explain::explain;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::Error;

/// How we show who we are: two PEM files, each of at most 1 MiB.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Our certificate, and behind it those that lead to the authority, if there are any.
    pub certificate: &'a Path,
    /// The certificate's private key, without a passphrase.
    pub key: &'a Path,
}

/// What it takes to dial a server with TLS. Cheap to clone. The files were read once: whoever renews them starts anew.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    is_first: bool,
}

impl Client {
    /// Trusts the authorities in the PEM file `ca` and no others, and shows `identity` to a server that asks for a certificate.
    /// [`Error::TlsFile`] for a file that cannot be read, [`Error::Tls`] for one that is not what it should be.
    pub fn load(ca: &Path, identity: Option<Identity<'_>>) -> Result<Self, Error> {
        let roots = roots(ca)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
        let verifier = verifier.map_err(|why| pem::unusable(ca, &why.to_string()))?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| pem::unusable(ca, &why.to_string()))?
            .with_webpki_verifier(verifier);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = (pem::certificates(identity.certificate)?, pem::key(identity.key)?);
                config.with_client_auth_cert(chain, key).map_err(|why| mismatch(&identity, &why))?
            }
        };
        Ok(Self { config: Arc::new(config), is_first: false })
    }

    /// Begins with the handshake, before the server has said a word (`handshake_first` of a nats-server, from 2.10.4 on): for a
    /// way that lets nothing but TLS pass. A server that is not set so waits for us as we for it, until the dialling times out.
    #[must_use]
    pub fn handshake_first(mut self) -> Self {
        self.is_first = true;
        self
    }

    /// Whether the handshake comes before the server's INFO.
    pub(crate) const fn is_first(&self) -> bool {
        self.is_first
    }

    /// Shakes hands with the server at the other end of `stream`, which must have a certificate for `host`, a name or an address.
    /// Waits as long as the server does: the caller bounds it. The error is for [`explain`].
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<client::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("tls::Client").field("is_first", &self.is_first).finish_non_exhaustive()
    }
}

/// What it takes to accept clients with TLS. Cheap to clone. The files were read once: whoever renews them starts anew.
#[derive(Clone)]
pub struct Server {
    acceptor: TlsAcceptor,
}

impl Server {
    /// Shows `identity`. With `client_ca`, a PEM file of authorities, a client must have a certificate that one of them signed.
    /// Fails as [`Client::load`] does.
    pub fn load(identity: Identity<'_>, client_ca: Option<&Path>) -> Result<Self, Error> {
        let (chain, key) = (pem::certificates(identity.certificate)?, pem::key(identity.key)?);
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|why| pem::unusable(identity.certificate, &why.to_string()))?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(ca) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca)?, provider()).build();
                config.with_client_cert_verifier(verifier.map_err(|why| pem::unusable(ca, &why.to_string()))?)
            }
        };
        let config = config.with_single_cert(chain, key).map_err(|why| mismatch(&identity, &why))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Shakes hands with a client. Waits as long as the client does: the caller bounds it. After an error the stream is gone, and
    /// the client has been told why as far as TLS has words for it.
    ///
    /// What is written to the stream may stay in it until the next flush.
    pub async fn accept<S>(&self, stream: S) -> io::Result<server::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("tls::Server").finish_non_exhaustive()
    }
}

/// The cryptography: ring, named here, so that no other crate's choice can change ours.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(ca: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(ca)? {
        roots.add(certificate).map_err(|_| {
            pem::unusable(ca, "a certificate in it is damaged: fetch the authority's file anew")
        })?;
    }
    Ok(Arc::new(roots))
}

fn mismatch(identity: &Identity<'_>, why: &rustls::Error) -> Error {
    if matches!(why, rustls::Error::InconsistentKeys(_)) {
        let certificate = identity.certificate.display();
        return pem::unusable(
            identity.key,
            &format!(
                "is not the key of the first certificate in {certificate}: give the two files that were made together"
            ),
        );
    }
    pem::unusable(identity.certificate, &format!("cannot be used: {why}: have it issued anew"))
}

#[cfg(test)]
mod tests;
