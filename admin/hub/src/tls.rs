//! The way to the broker: TLS 1.3, its certificate checked against the site's own authority, ours shown.
//!
//! There is no switch for less: without TLS, with another authority, an ended certificate or another name, there is no
//! connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Files of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The authority that signed the broker's certificate.
    pub authority: PathBuf,
    /// Our certificate, with those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Files that make no connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file is missing, or is not what it should be.
    #[error("read {what} {path}: {why}")]
    File {
        /// What it should be.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The files do not fit each other.
    #[error("the certificate {path} and its key do not fit: {why}")]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What TLS needs to know.
///
/// # Errors
/// [`TlsFault`].
pub fn client(files: &Files) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    let authority = certificates("the authority's certificate", &files.authority)?;
    for certificate in authority {
        let added = roots.add(certificate);
        added.map_err(|e| fault("the authority's certificate", &files.authority, &e.to_string()))?;
    }
    let chain = certificates("the certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| fault("the certificate's private key", &files.key, &e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pair = |e: rustls::Error| TlsFault::Pair { path: files.certificate.clone(), why: e.to_string() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(pair)?;
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|e| fault(what, path, &e.to_string()))?;
    if found.is_empty() { Err(fault(what, path, "there is none in it")) } else { Ok(found) }
}

fn fault(what: &'static str, path: &Path, why: &str) -> TlsFault {
    TlsFault::File { what, path: path.to_owned(), why: why.to_owned() }
}
