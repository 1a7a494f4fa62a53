//! Parquet footers, decoded once for all queries: the reader that scans use asks this cache first. A footer is
//! known by its file's identity, so a path that is written anew is another entry.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};

use super::cache::ByteCache;
use super::disk_tier::DiskTier;
use super::store::StoreHandle;

/// Store, absolute path, size, modification time in milliseconds.
pub(super) type FileIdentity = (u64, String, u64, i64);

/// Decoded footers of all tables.
pub(super) type FooterCache = ByteCache<FileIdentity, Footer>;

/// A footer, with the Arrow schema that it stands for.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) schema: SchemaRef,
}

/// Bytes read at a file's end in the hope that the footer is inside, where a request is dear.
const REMOTE_FOOTER_GUESS: usize = 64 * 1024;

/// Makes readers that share the footers.
#[derive(Clone)]
pub(super) struct CachedReaderFactory {
    pub(super) store: Arc<StoreHandle>,
    pub(super) footers: Arc<FooterCache>,
    /// Where the store is far away: blocks of its files near by.
    pub(super) disk: Option<Arc<DiskTier>>,
}

impl CachedReaderFactory {
    /// What identifies this file in caches.
    pub(super) fn identity(&self, meta: &ObjectMeta) -> FileIdentity {
        (
            self.store.id,
            meta.location.to_string(),
            meta.size,
            meta.last_modified.timestamp_millis(),
        )
    }
}

impl std::fmt::Debug for CachedReaderFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedReaderFactory")
            .field("store", &self.store.id)
            .finish_non_exhaustive()
    }
}

impl ParquetFileReaderFactory for CachedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        partitioned_file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let meta = partitioned_file.object_meta;
        let identity = Arc::new(self.identity(&meta));
        let bytes_scanned = MetricBuilder::new(metrics).counter("bytes_scanned", partition_index);
        Ok(Box::new(CachedReader {
            factory: self.clone(),
            meta,
            identity,
            bytes_scanned,
        }))
    }
}

struct CachedReader {
    factory: CachedReaderFactory,
    meta: ObjectMeta,
    identity: Arc<FileIdentity>,
    bytes_scanned: Count,
}

impl AsyncFileReader for CachedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let mut read = self.get_byte_ranges(vec![range]).await?;
            read.pop()
                .ok_or_else(|| ParquetError::General("nothing was read".to_string()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.bytes_scanned
            .add(ranges.iter().map(|range| (range.end - range.start) as usize).sum());
        async move {
            let store = &self.factory.store.store;
            let read = match &self.factory.disk {
                Some(disk) => disk.read(store, &self.identity, &self.meta, &ranges).await,
                None => store.get_ranges(&self.meta.location, &ranges).await,
            };
            read.map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let wants_index = options.is_some_and(|options| options.column_index_policy() != PageIndexPolicy::Skip);
        async move {
            let has_index =
                |footer: &ParquetMetaData| footer.column_index().is_some() || footer.offset_index().is_some();
            if let Some(footer) = self.factory.footers.get(&self.identity)
                && (!wants_index || has_index(&footer.metadata))
            {
                return Ok(footer.metadata);
            }
            let policy = if wants_index {
                PageIndexPolicy::Optional
            } else {
                PageIndexPolicy::Skip
            };
            let store: &dyn ObjectStore = &self.factory.store.store;
            let metadata = DFParquetMetadata::new(store, &self.meta)
                .with_metadata_size_hint((!self.factory.store.is_local()).then_some(REMOTE_FOOTER_GUESS))
                .with_page_index_policy(Some(policy))
                .fetch_metadata()
                .await
                .map_err(|error| ParquetError::External(Box::new(error)))?;
            let file = metadata.file_metadata();
            let schema = Arc::new(parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?);
            let bytes = metadata.memory_size() + schema.fields().size() + 256;
            let footer = Footer {
                metadata: Arc::clone(&metadata),
                schema,
            };
            self.factory
                .footers
                .insert(self.identity.as_ref().clone(), footer, bytes);
            Ok(metadata)
        }
        .boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
