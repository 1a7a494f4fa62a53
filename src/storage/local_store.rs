//! The local file system as a durable object store: `object_store`'s own never syncs. Every file is synced
//! before it gets its name, and the folder after; put-if-absent is a hard link, which one writer wins.
//! Reading is delegated.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

const STORE: &str = "local";

/// `LocalFileSystem` whose writes survive a power cut once they were acknowledged.
#[derive(Debug)]
pub(super) struct DurableLocalStore {
    reader: LocalFileSystem,
}

impl DurableLocalStore {
    /// The whole file system, rooted at `/`.
    pub(super) fn new() -> Self {
        DurableLocalStore {
            reader: LocalFileSystem::new(),
        }
    }

    /// The operating system's path of an object.
    pub(super) fn file_path(&self, location: &Path) -> Result<PathBuf> {
        self.reader.path_to_filesystem(location)
    }
}

impl std::fmt::Display for DurableLocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DurableLocalStore")
    }
}

#[async_trait]
impl ObjectStore for DurableLocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let target = self.file_path(location)?;
        let create = match opts.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "conditional update".into(),
                    implementer: self.to_string(),
                });
            }
        };
        blocking(move || {
            let mut staged = StagedFile::create(&target)?;
            for chunk in payload.iter() {
                staged.file.write_all(chunk)?;
            }
            if create { staged.link() } else { staged.rename() }
        })
        .await
        .map_err(|error| store_error(location, error))?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = self.file_path(location)?;
        let staged = blocking(move || StagedFile::create(&target))
            .await
            .map_err(|error| store_error(location, error))?;
        Ok(Box::new(DurableUpload {
            location: location.clone(),
            staged: Some(staged),
            offset: 0,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.reader.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reader.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.reader.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reader.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.reader.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reader.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.reader.copy_opts(from, to, options).await
    }
}

/// A file that has no name yet; removed when it is dropped without getting one.
struct StagedFile {
    file: Arc<File>,
    path: PathBuf,
    target: PathBuf,
    named: bool,
}

impl StagedFile {
    fn create(target: &FsPath) -> std::io::Result<StagedFile> {
        let folder = parent(target)?;
        create_folder(folder)?;
        // Names of the form `<name>#<digits>` are invisible to listings of LocalFileSystem.
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{name}#{}", rand::random::<u64>()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(StagedFile {
            file: Arc::new(file),
            path,
            target: target.to_path_buf(),
            named: false,
        })
    }

    /// Gives the file its name unless the name is taken.
    fn link(self) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::hard_link(&self.path, &self.target)?;
        sync_folder(parent(&self.target)?)
    }

    /// Gives the file its name, replacing whatever has it.
    fn rename(mut self) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.target)?;
        self.named = true;
        sync_folder(parent(&self.target)?)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.named {
            // The second name of a linked file, or the remains of a failed write.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

struct DurableUpload {
    location: Path,
    staged: Option<StagedFile>,
    offset: u64,
}

impl std::fmt::Debug for DurableUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DurableUpload")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl DurableUpload {
    fn closed(&self) -> Error {
        Error::Generic {
            store: STORE,
            source: format!("upload of {} is already closed", self.location).into(),
        }
    }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let location = self.location.clone();
        let offset = self.offset;
        self.offset += payload.content_length() as u64;
        let Some(file) = self.staged.as_ref().map(|staged| Arc::clone(&staged.file)) else {
            let error = self.closed();
            return Box::pin(async move { Err(error) });
        };
        Box::pin(async move {
            blocking(move || {
                let mut position = offset;
                for chunk in payload.iter() {
                    file.write_all_at(chunk, position)?;
                    position += chunk.len() as u64;
                }
                Ok(())
            })
            .await
            .map_err(|error| store_error(&location, error))
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().ok_or_else(|| self.closed())?;
        blocking(move || staged.rename())
            .await
            .map_err(|error| store_error(&self.location, error))?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged = None;
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

fn parent(path: &FsPath) -> std::io::Result<&FsPath> {
    path.parent()
        .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))
}

/// Creates a folder with its missing parents; each new name is synced into its own parent.
fn create_folder(folder: &FsPath) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder)?;
    create_folder(above)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(above),
    }
}

fn sync_folder(folder: &FsPath) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn store_error(location: &Path, error: std::io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::AlreadyExists {
            path,
            source: error.into(),
        },
        std::io::ErrorKind::NotFound => Error::NotFound {
            path,
            source: error.into(),
        },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ => Error::Generic {
            store: STORE,
            source: error.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    fn at(folder: &tempfile::TempDir, name: &str) -> Path {
        Path::from_absolute_path(folder.path()).unwrap().join(name)
    }

    #[tokio::test]
    async fn one_of_two_creators_wins() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::new();
        let path = at(&folder, "log");
        store
            .put_opts(&path, "first".into(), PutMode::Create.into())
            .await
            .unwrap();
        let second = store.put_opts(&path, "second".into(), PutMode::Create.into()).await;
        assert!(matches!(second, Err(Error::AlreadyExists { .. })));
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "first");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no staged file is left"
        );
    }

    #[tokio::test]
    async fn an_upload_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::new();
        let path = at(&folder, "data");
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("ab".into()).await.unwrap();
        drop(upload);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut upload = store.put_multipart(&path).await.unwrap();
        let (first, second) = (upload.put_part("ab".into()), upload.put_part("cd".into()));
        second.await.unwrap();
        first.await.unwrap();
        assert!(store.head(&path).await.is_err());
        upload.complete().await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "abcd");
    }
}
