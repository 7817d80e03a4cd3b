//! TLS towards a broker, as terminals speak it and as they never do, to see what the broker takes.

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::SupportedProtocolVersion;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
};

/// What TLS is told.
pub(crate) type Told = Arc<ClientConfig>;

/// Those whose word counts.
pub(super) type Roots = Arc<RootCertStore>;

/// A connection that is encrypted.
pub(super) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// The certificates in a file.
pub(super) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("read the certificate {}", path.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).with_context(doing)?;
    ensure!(!found.is_empty(), "there is no certificate in {}", path.display());
    Ok(found)
}

/// Those whose word counts for a broker.
pub(super) fn authority(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).with_context(|| format!("{} is no authority", path.display()))?;
    }
    Ok(roots)
}

/// What TLS is told for a client that exists in memory only. Nothing is kept for a later connection: there are too many.
pub(super) fn in_memory(roots: &Roots, certificate: Vec<u8>, key: Vec<u8>) -> anyhow::Result<Told> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
        )?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Versions that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// What Doorward speaks.
    Present,
    /// What it refuses.
    Older,
}

/// Whom to trust, and as whom to come.
pub(super) struct Papers<'a> {
    pub(super) authority: &'a Path,
    /// The certificate and its key; none: to come as nobody.
    pub(super) own: Option<(&'a Path, &'a Path)>,
}

/// What TLS is told.
pub(super) fn told(papers: &Papers<'_>, version: Version) -> anyhow::Result<Told> {
    let roots = authority(papers.authority)?;
    let versions: [&SupportedProtocolVersion; 1] = match version {
        Version::Present => [&rustls::version::TLS13],
        Version::Older => [&rustls::version::TLS12],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_root_certificates(roots);
    Ok(Arc::new(match papers.own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key)
                .with_context(|| format!("read the private key {}", key.display()))?;
            config.with_client_auth_cert(certificates(certificate)?, private).with_context(|| {
                format!("{} and {} do not belong together", certificate.display(), key.display())
            })?
        }
    }))
}

/// Shakes hands. What the broker thinks of our certificate shows only at the first answer.
pub(super) fn shake(config: Arc<ClientConfig>, host: &str, mut socket: TcpStream) -> io::Result<Encrypted> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// A fault of TLS in words that say what to do; none where it is another kind of fault.
pub(super) fn words(fault: &io::Error) -> Option<String> {
    use rustls::Error;
    let fault = fault.get_ref()?.downcast_ref::<Error>()?;
    let text = if let Error::InvalidCertificate(why) = fault {
        certificate_words(why)
    } else if matches!(fault, Error::AlertReceived(AlertDescription::ProtocolVersion)) {
        "it does not speak this version of TLS".to_owned()
    } else if let Error::AlertReceived(alert) = fault {
        format!("it does not accept our certificate ({alert:?})")
    } else if matches!(fault, Error::InvalidMessage(_)) {
        "what answers there is not TLS".to_owned()
    } else {
        fault.to_string()
    };
    Some(text)
}

/// What is wrong with the broker's certificate. An authority of the same name signed it where only the signature is bad.
fn certificate_words(why: &CertificateError) -> String {
    use CertificateError as Why;
    let text = if matches!(why, Why::UnknownIssuer | Why::BadSignature) {
        "its certificate was not signed by this authority: give the broker the one that `doorctl broker certificates` \
         made, or give the right --authority"
    } else if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        "its certificate has ended: draw a new one"
    } else if matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }) {
        "its certificate does not count yet: look at the clocks"
    } else if matches!(why, Why::NotValidForName | Why::NotValidForNameContext { .. }) {
        "its certificate is for another name: call the broker by the name that it was drawn for"
    } else {
        return format!("its certificate does not count: {why}");
    };
    text.to_owned()
}
