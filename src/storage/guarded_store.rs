//! The store as the Delta kernel may use it for one table: every path has to lie below the table's root.
//! Sidecars, checkpoints and deletion vectors that a crafted log names elsewhere are refused here.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store that ends at `root`.
#[derive(Debug)]
pub(super) struct GuardedStore {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) root: Path,
}

impl GuardedStore {
    fn check(&self, path: &Path) -> Result<()> {
        if path.prefix_matches(&self.root) {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            path: path.to_string(),
            source: format!("the path lies outside the table at {}", self.root).into(),
        })
    }
}

impl std::fmt::Display for GuardedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuardedStore({})", self.root)
    }
}

#[async_trait]
impl ObjectStore for GuardedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.check(location)?;
        self.store.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.check(location)?;
        self.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.store.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.store.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let guard = GuardedStore {
            store: Arc::clone(&self.store),
            root: self.root.clone(),
        };
        let checked = locations.map(move |location| location.and_then(|path| guard.check(&path).map(|()| path)));
        self.store.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(Some(self.below(prefix)))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list_with_offset(Some(self.below(prefix)), offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(Some(self.below(prefix))).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check(from)?;
        self.check(to)?;
        self.store.copy_opts(from, to, options).await
    }
}

impl GuardedStore {
    fn below<'a>(&'a self, prefix: Option<&'a Path>) -> &'a Path {
        prefix
            .filter(|prefix| prefix.prefix_matches(&self.root))
            .unwrap_or(&self.root)
    }
}
