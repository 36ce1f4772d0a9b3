//! TLS for both sides: what the settings name as PEM files becomes what rustls takes.
//!
//! TLS 1.2 and 1.3 with the cryptography of AWS-LC. Targets are always verified in full: the
//! certificate chains to a named authority, and names the host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proxy::ClientTls;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::{ClientCertificates, ListenTls};

/// A PEM file that does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// It cannot be read, or holds nothing of the kind.
    #[error("{path} has no usable {what}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What was found instead. Never the content.
        why: String,
    },
    /// Certificate and key do not make a server.
    #[error("certificate {certificate} and key {private_key} do not work together: {why}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
        /// What rustls says.
        why: String,
    },
}

/// Prepares TLS for clients' connections.
///
/// # Errors
///
/// [`TlsError`] names the file.
pub(crate) fn for_clients(files: &ListenTls) -> Result<ClientTls, TlsError> {
    let chain = certificates(&files.certificate)?;
    let certificate = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
    let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| {
        let (path, what) = (files.private_key.clone(), "private key");
        TlsError::File { path, what, why: error.to_string() }
    })?;
    let pair = |error: rustls::Error| TlsError::Pair {
        certificate: files.certificate.clone(),
        private_key: files.private_key.clone(),
        why: error.to_string(),
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let (builder, clients) = match &files.clients {
        ClientCertificates::Off => (builder.with_no_client_auth(), proxy::ClientCertificates::Off),
        ClientCertificates::Optional(ca) => {
            let verifier = client_verifier(ca, proxy::ClientCertificates::Optional)?;
            (builder.with_client_cert_verifier(verifier), proxy::ClientCertificates::Optional)
        }
        ClientCertificates::Required(ca) => {
            let verifier = client_verifier(ca, proxy::ClientCertificates::Required)?;
            (builder.with_client_cert_verifier(verifier), proxy::ClientCertificates::Required)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![pgwire::ALPN.to_vec()];
    // A resumed session would skip the look at the client's certificate, and keep memory for it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ClientTls { config: Arc::new(config), certificate, clients })
}

fn client_verifier(
    ca: &Path,
    clients: proxy::ClientCertificates,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider());
    let builder = match clients {
        proxy::ClientCertificates::Required => builder,
        proxy::ClientCertificates::Optional | proxy::ClientCertificates::Off => {
            builder.allow_unauthenticated()
        }
    };
    builder.build().map_err(|error| TlsError::File {
        path: ca.to_owned(),
        what: "certificate",
        why: error.to_string(),
    })
}

/// Prepares TLS for the connection to a target.
///
/// # Errors
///
/// [`TlsError`] names the file.
pub(crate) fn for_target(ca: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let file = |why: String| TlsError::File { path: ca.to_owned(), what: "certificate", why };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| file(error.to_string()))?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![pgwire::ALPN.to_vec()];
    Ok(Arc::new(config))
}

fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Files of public authorities hold certificates that rustls does not take; the others serve.
    let (added, _ignored) = roots.add_parsable_certificates(certificates(ca)?);
    if added == 0 {
        let why = "none of its certificates can be an authority".into();
        return Err(TlsError::File { path: ca.to_owned(), what: "certificate", why });
    }
    Ok(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |why: String| TlsError::File { path: path.to_owned(), what: "certificate", why };
    let list: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file(error.to_string()))?;
    if list.is_empty() {
        return Err(file("there is no CERTIFICATE section".into()));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        for content in ["", "hunter2", "-----BEGIN CERTIFICATE-----\nhunter2!\n"] {
            std::fs::write(&path, content).unwrap();
            let error = for_target(&path).unwrap_err().to_string();
            assert!(error.contains("ca.pem") && !error.contains("hunter2"), "{error}");
        }
        let absent = dir.path().join("absent.pem");
        assert!(for_target(&absent).unwrap_err().to_string().contains("absent.pem"));
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = write("cert.pem", one.cert.pem());
        let right = write("right.pem", one.signing_key.serialize_pem());
        let wrong = write("wrong.pem", other.signing_key.serialize_pem());
        let files = |private_key| ListenTls {
            certificate: certificate.clone(),
            private_key,
            clients: ClientCertificates::Off,
        };
        assert!(for_clients(&files(right)).is_ok());
        assert!(matches!(for_clients(&files(wrong)), Err(TlsError::Pair { .. })));
        let error = for_clients(&files(certificate.clone())).unwrap_err().to_string();
        assert!(error.contains("no usable private key"), "{error}");
        assert!(for_target(&certificate).is_ok());
    }
}
