//! The server's certificate: loaded, reloaded when its files change, and hashed for SCRAM's channel
//! binding (RFC 5929, tls-server-end-point). A broken replacement keeps the certificate in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};
use x509_parser::prelude::FromDer;

use crate::error::{Error, Result, SqlState};

/// The protocol's name in ALPN (PostgreSQL 17).
pub const ALPN: &[u8] = b"postgresql";
/// The files are looked at no more often than this.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// A certificate chain and its key, both PEM files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    identity: Identity,
    stamps: Stamps,
    checked: Instant,
}

type Stamps = [Option<(SystemTime, u64)>; 2];

/// What one handshake uses.
#[derive(Debug, Clone)]
pub struct Identity {
    pub config: Arc<ServerConfig>,
    /// `None` where the certificate's signature algorithm defines no hash: no channel binding then.
    pub endpoint_hash: Option<Arc<[u8]>>,
}

impl Certificate {
    /// Loads both files; fails where a server must not start.
    pub fn load(chain: &Path, key: &Path) -> Result<Certificate> {
        let stamps = stamps(chain, key);
        let current = Current {
            identity: load(chain, key)?,
            stamps,
            checked: Instant::now(),
        };
        Ok(Certificate {
            chain: chain.to_owned(),
            key: key.to_owned(),
            current: Mutex::new(current),
        })
    }

    /// The certificate in force, after a look at the files.
    pub fn identity(&self) -> Identity {
        let mut current = self.current.lock();
        if current.checked.elapsed() >= CHECK_INTERVAL {
            current.checked = Instant::now();
            self.reload(&mut current);
        }
        current.identity.clone()
    }

    fn reload(&self, current: &mut Current) {
        let found = stamps(&self.chain, &self.key);
        if found == current.stamps {
            return;
        }
        match load(&self.chain, &self.key) {
            Ok(identity) => {
                tracing::info!(certificate = %self.chain.display(), "TLS certificate reloaded");
                current.identity = identity;
                current.stamps = found;
            }
            // The other file may be about to follow: the stamps stay old, so the next look tries again.
            Err(error) => tracing::warn!(%error, "TLS certificate not reloaded, the old one stays in force"),
        }
    }
}

fn stamps(chain: &Path, key: &Path) -> Stamps {
    [chain, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn load(chain_path: &Path, key_path: &Path) -> Result<Identity> {
    let invalid = |path: &Path, reason: String| {
        Error::new(
            SqlState::ConfigFileError,
            format!("could not load \"{}\"", path.display()),
        )
        .with_detail(format!("{reason}."))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain_path)
        .and_then(Iterator::collect)
        .map_err(|error| invalid(chain_path, error.to_string()))?;
    let Some(leaf) = chain.first() else {
        return Err(invalid(chain_path, "The file holds no certificate".into()));
    };
    let endpoint_hash = endpoint_hash(leaf).map(Arc::from);
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| invalid(key_path, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(VERSIONS)
        .map_err(|error| invalid(chain_path, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| invalid(key_path, error.to_string()))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Identity {
        config: Arc::new(config),
        endpoint_hash,
    })
}

/// The certificate hashed with the hash of its signature algorithm, SHA-256 in place of MD5 and SHA-1.
fn endpoint_hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // md5WithRSA, sha1WithRSA, sha256WithRSA, ecdsa-with-SHA1, ecdsa-with-SHA256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
        // sha384WithRSA, ecdsa-with-SHA384
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(certificate).to_vec()),
        // sha512WithRSA, ecdsa-with-SHA512
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_certificate(folder: &Path) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (chain, key)
    }

    fn look_again(certificate: &Certificate) -> Identity {
        certificate.current.lock().checked = Instant::now() - 2 * CHECK_INTERVAL;
        certificate.identity()
    }

    #[test]
    fn a_changed_file_is_reloaded_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = write_certificate(folder.path());
        let certificate = Certificate::load(&chain, &key).unwrap();
        let first = certificate.identity();
        assert_eq!(first.endpoint_hash.as_ref().unwrap().len(), 32);

        std::fs::write(&chain, "broken").unwrap();
        assert!(Arc::ptr_eq(&look_again(&certificate).config, &first.config));

        write_certificate(folder.path());
        let second = look_again(&certificate);
        assert!(!Arc::ptr_eq(&second.config, &first.config));
        assert_ne!(second.endpoint_hash, first.endpoint_hash);
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let error = Certificate::load(&missing, &missing).unwrap_err();
        assert_eq!(error.state(), SqlState::ConfigFileError);
        assert!(error.message().contains("missing.pem"));
    }
}
