//! The object stores behind a URL: file, S3, Azure, Google Cloud, configured by options over the usual
//! environment variables. One handle per store and options; a handle knows whether its store keeps
//! put-if-absent, on which every commit rests.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
};
use tokio::sync::OnceCell;
use url::Url;

use super::local_store::DurableLocalStore;
use super::location::invalid_url;
use crate::error::{Error, Result, SqlState};

/// Option that declares one writer where the store ignores put-if-absent.
const SINGLE_WRITER: &str = "single_writer";

/// A store with the facts that Boathouse keeps about it.
#[derive(Debug)]
pub(super) struct StoreHandle {
    /// Tells stores apart in cache keys.
    pub(super) id: u64,
    pub(super) store: Arc<dyn ObjectStore>,
    /// The name under which DataFusion's runtime finds the store.
    pub(super) runtime_url: ObjectStoreUrl,
    local: Option<Arc<DurableLocalStore>>,
    single_writer: bool,
    conditional_put: OnceCell<bool>,
}

impl StoreHandle {
    /// Builds the store that holds `url`.
    pub(super) fn open(url: &Url, options: &[(String, String)]) -> Result<Arc<StoreHandle>> {
        let single_writer = options
            .iter()
            .any(|(key, value)| key.eq_ignore_ascii_case(SINGLE_WRITER) && value == "true");
        let (local, store): (_, Arc<dyn ObjectStore>) = match url.scheme() {
            "file" => {
                let local = Arc::new(DurableLocalStore::new());
                (Some(Arc::clone(&local)), local)
            }
            "s3" | "s3a" => (None, Arc::new(amazon_s3(url, options)?)),
            "az" | "azure" | "abfs" | "abfss" | "adl" => (None, Arc::new(azure(url, options)?)),
            "gs" => (None, Arc::new(google_cloud(url, options)?)),
            other => {
                return Err(Error::unsupported(format!("location scheme \"{other}\""))
                    .with_hint("Boathouse reads file://, s3://, az:// and gs:// locations."));
            }
        };
        StoreHandle::new(store, local, single_writer)
    }

    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        local: Option<Arc<DurableLocalStore>>,
        single_writer: bool,
    ) -> Result<Arc<StoreHandle>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let runtime_url = ObjectStoreUrl::parse(format!("boathouse://store-{id}/"))?;
        Ok(Arc::new(StoreHandle {
            id,
            store,
            runtime_url,
            local,
            single_writer,
            conditional_put: OnceCell::new(),
        }))
    }

    #[cfg(test)]
    pub(super) fn local_for_tests() -> Arc<StoreHandle> {
        let local = Arc::new(DurableLocalStore::new());
        StoreHandle::new(Arc::clone(&local) as _, Some(local), false).unwrap()
    }

    /// The operating system's path of an object, where the store is a local disk.
    pub(super) fn file_path(&self, path: &Path) -> Option<PathBuf> {
        self.local.as_ref()?.file_path(path).ok()
    }

    /// Whether a failed request can still take effect later, as it can on a network.
    pub(super) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Answers with an error unless commits are safe here. The first call probes the store: of two
    /// put-if-absent requests on one object below `folder` the second has to fail.
    pub(super) async fn ensure_writable(&self, folder: &Path) -> Result<()> {
        if self.local.is_some() || self.single_writer {
            return Ok(());
        }
        let conditional = self.conditional_put.get_or_try_init(|| self.probe(folder)).await?;
        if *conditional {
            return Ok(());
        }
        Err(Error::new(SqlState::ReadOnlySqlTransaction, "the storage location is read-only")
            .with_detail("The store ignores put-if-absent, so concurrent commits could overwrite each other.")
            .with_hint("Use a store with conditional writes, or set the option single_writer=true if exactly one server writes here."))
    }

    async fn probe(&self, folder: &Path) -> Result<bool> {
        let path = folder
            .clone()
            .join(format!("_boathouse_probe_{}", uuid::Uuid::new_v4()));
        let put = || {
            self.store
                .put_opts(&path, PutPayload::from_static(b"probe"), PutMode::Create.into())
        };
        let unknown = |error| from_store(error, "could not probe the storage location for conditional writes");
        match put().await {
            Ok(_) => {}
            Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => return Ok(false),
            Err(error) => return Err(unknown(error)),
        }
        let second = put().await;
        if let Err(error) = self.store.delete(&path).await {
            tracing::warn!(%path, %error, "could not remove the probe object");
        }
        match second {
            Ok(_) => Ok(false),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(true),
            Err(error) => Err(unknown(error)),
        }
    }
}

/// Options by our names and by the store's own (`aws_endpoint_url`, `region`, …); unknown ones are refused.
fn apply<B, K: std::str::FromStr>(
    mut builder: B,
    options: &[(String, String)],
    set: impl Fn(B, K, &str) -> B,
) -> Result<B> {
    for (key, value) in options {
        let name = key.to_ascii_lowercase();
        if name == SINGLE_WRITER {
            continue;
        }
        let key = name.parse().map_err(|_| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("unrecognized storage option \"{key}\""),
            )
        })?;
        builder = set(builder, key, value);
    }
    Ok(builder)
}

/// Time limits of one request; the environment and options go before them.
const CLIENT_DEFAULTS: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::Timeout, "60 seconds"),
    (ClientConfigKey::ConnectTimeout, "5 seconds"),
];

fn retry_config() -> RetryConfig {
    RetryConfig {
        max_retries: 5,
        retry_timeout: std::time::Duration::from_secs(30),
        ..Default::default()
    }
}

fn amazon_s3(url: &Url, options: &[(String, String)]) -> Result<impl ObjectStore> {
    let mut builder = AmazonS3Builder::from_env()
        .with_retry(retry_config())
        .with_url(format!("s3://{}", host(url)?));
    for (key, value) in CLIENT_DEFAULTS {
        let key = AmazonS3ConfigKey::Client(key);
        if builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = apply(builder, options, |builder, key: AmazonS3ConfigKey, value| {
        builder.with_config(key, value)
    })?;
    builder
        .build()
        .map_err(|error| from_store(error, "could not open the S3 location"))
}

fn azure(url: &Url, options: &[(String, String)]) -> Result<impl ObjectStore> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_retry(retry_config())
        .with_url(url.to_string());
    for (key, value) in CLIENT_DEFAULTS {
        let key = AzureConfigKey::Client(key);
        if builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = apply(builder, options, |builder, key: AzureConfigKey, value| {
        builder.with_config(key, value)
    })?;
    builder
        .build()
        .map_err(|error| from_store(error, "could not open the Azure location"))
}

fn google_cloud(url: &Url, options: &[(String, String)]) -> Result<impl ObjectStore> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_retry(retry_config())
        .with_url(format!("gs://{}", host(url)?));
    for (key, value) in CLIENT_DEFAULTS {
        let key = GoogleConfigKey::Client(key);
        if builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = apply(builder, options, |builder, key: GoogleConfigKey, value| {
        builder.with_config(key, value)
    })?;
    builder
        .build()
        .map_err(|error| from_store(error, "could not open the Google Cloud Storage location"))
}

fn host(url: &Url) -> Result<&str> {
    url.host_str().ok_or_else(|| invalid_url(url.as_str()))
}

/// A store's error in PostgreSQL's words.
pub(super) fn from_store(error: StoreError, message: &str) -> Error {
    let state = match &error {
        StoreError::NotFound { .. } => SqlState::UndefinedFile,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => SqlState::InsufficientPrivilege,
        StoreError::Generic { source, .. } => match source.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => SqlState::DiskFull,
            _ => SqlState::IoError,
        },
        StoreError::NotImplemented { .. } | StoreError::NotSupported { .. } => SqlState::FeatureNotSupported,
        _ => SqlState::IoError,
    };
    let text = error.to_string();
    let line = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_string();
    Error::new(state, message).with_detail(format!("{line}."))
}
