//! What an error of TLS means for the operator.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};

use crate::dial::Failure;

/// Why there is no TLS with `host`, or why it ended. What a person has to mend is a refusal.
pub fn explain(host: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidInput {
        return Failure::Refused(format!(
            "no certificate can be for {host:?}: dial a name or an address (LB06)"
        ));
    }
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        return Failure::Broken(error.to_string());
    };
    match tls {
        TlsError::InvalidCertificate(why) => {
            Failure::Refused(format!("its certificate {} (LB06)", of_server(host, why)))
        }
        TlsError::AlertReceived(alert) if is_of_certificate(*alert) => Failure::Refused(format!(
            "the server does not accept our certificate ({alert:?}): give one that its CA has signed, and the key of it (LB06)"
        )),
        TlsError::InvalidMessage(_) => {
            Failure::Broken("what it answers is not TLS: is this port one for TLS?".to_owned())
        }
        _ => Failure::Broken(format!("TLS failed: {tls}")),
    }
}

fn of_server(host: &str, why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by an authority of our CA file: give the file of the CA that signed it".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired: renew it, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: set this machine's clock, or wait".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("is not for {host}: dial a name that stands in it, or have it issued for this one")
        }
        _ => format!("is not accepted: {why}: have it issued anew"),
    }
}

/// Whether a server that checks clients says with it that ours will not do: there is none, or it is not a good one.
const fn is_of_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
