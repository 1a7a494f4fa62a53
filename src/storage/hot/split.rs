//! A file that is in memory as a whole is divided between a scan's partitions by blocks instead of row groups, so that
//! they have equal shares of a single row group too. All partitions go by the same decision: if one divided the file
//! by blocks and another by row groups, rows would be missing or come twice. The footer belongs to it: while one
//! partition reads it, another would find it held.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::common::Result;
use datafusion_datasource::FileRange;
use parking_lot::Mutex;

use super::super::footer_cache::Footer;
use super::rows::HotRows;

/// What the partitions of a scan decided about a file, attached to the file.
#[derive(Debug, Default)]
pub(in crate::storage) struct Decision {
    footer: OnceLock<Option<Footer>>,
    files: Mutex<Vec<(Needs, Option<Arc<WholeFile>>)>>,
}

/// What is read of the file: scans that need something else decide for themselves.
#[derive(Debug, PartialEq)]
struct Needs {
    columns: Vec<usize>,
    row_groups: Vec<bool>,
}

/// The row groups of a file that can hold rows asked for, all in memory.
#[derive(Debug)]
pub(super) struct WholeFile(pub(super) Vec<WholeGroup>);

/// One of its row groups.
#[derive(Debug, Clone)]
pub(super) struct WholeGroup {
    pub(super) rows: Arc<HotRows>,
    /// A byte for each row, 0 for those that a deletion vector hides.
    pub(super) live: Option<Arc<[u8]>>,
}

impl Decision {
    /// The file's footer, if it was held when the first partition asked.
    pub(super) fn footer(&self, held: impl FnOnce() -> Option<Footer>) -> Option<Footer> {
        self.footer.get_or_init(held).clone()
    }

    /// The file by blocks, or `None` where it is read by row groups. Whoever asks first decides for all.
    pub(super) fn whole_file(
        &self,
        columns: &[usize],
        row_groups: &[bool],
        decide: impl FnOnce() -> Result<Option<WholeFile>>,
    ) -> Result<Option<Arc<WholeFile>>> {
        let mut decided = self.files.lock();
        let made = |(needs, _): &&(Needs, _)| needs.columns == columns && needs.row_groups == row_groups;
        if let Some((_, decision)) = decided.iter().find(made) {
            return Ok(decision.clone());
        }
        let decision = decide()?.map(Arc::new);
        let needs = Needs {
            columns: columns.to_vec(),
            row_groups: row_groups.to_vec(),
        };
        decided.push((needs, decision.clone()));
        Ok(decision)
    }
}

impl WholeFile {
    /// The blocks that belong to a range of the file's bytes: every block belongs to one of adjoining ranges.
    pub(super) fn blocks_of(&self, range: Option<&FileRange>, size: u64) -> Vec<(WholeGroup, Range<usize>)> {
        let blocks: usize = self.0.iter().map(|group| group.rows.blocks()).sum();
        let share = |offset: i64| match u64::try_from(offset) {
            Ok(offset) if offset < size => (blocks as u128 * u128::from(offset) / u128::from(size)) as usize,
            Ok(_) => blocks,
            Err(_) => 0,
        };
        let wanted = range.map_or(0..blocks, |range| share(range.start)..share(range.end));
        let mut first = 0;
        let mut found = Vec::new();
        for group in &self.0 {
            let last = first + group.rows.blocks();
            let (from, until) = (wanted.start.max(first), wanted.end.min(last));
            if from < until {
                found.push((group.clone(), from - first..until - first));
            }
            first = last;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::parquet::file::metadata::{FileMetaData, ParquetMetaData};
    use datafusion::parquet::schema::types::{SchemaDescriptor, Type};

    use super::super::column::BLOCK_ROWS;
    use super::*;

    fn whole(rows: &[usize]) -> WholeFile {
        let group = |len: &usize| WholeGroup {
            rows: Arc::new(HotRows {
                len: *len,
                slots: vec![],
            }),
            live: None,
        };
        WholeFile(rows.iter().map(group).collect())
    }

    #[test]
    fn adjoining_ranges_have_each_block_once() {
        for rows in [vec![], vec![1], vec![BLOCK_ROWS * 7 + 1, 3, BLOCK_ROWS * 2]] {
            let file = whole(&rows);
            for cuts in [vec![], vec![1], vec![50, 50, 99], vec![0, 13, 14, 15, 16, 70, 100]] {
                let mut bounds = cuts.clone();
                bounds.insert(0, 0);
                bounds.push(100);
                let mut found: Vec<(usize, usize)> = Vec::new();
                for pair in bounds.windows(2) {
                    let range = FileRange {
                        start: pair[0],
                        end: pair[1],
                    };
                    for (group, blocks) in file.blocks_of(Some(&range), 100) {
                        found.extend(blocks.map(|block| (group.rows.len, block)));
                    }
                }
                let every = |len: &usize| {
                    (0..len.div_ceil(BLOCK_ROWS))
                        .map(|block| (*len, block))
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    found,
                    rows.iter().flat_map(every).collect::<Vec<_>>(),
                    "{rows:?} {cuts:?}"
                );
            }
        }
    }

    #[test]
    fn the_first_decision_holds() {
        let decision = Decision::default();
        let decided = |columns: &[usize], file| decision.whole_file(columns, &[true], || Ok(file)).unwrap().is_some();
        assert!(!decided(&[1], None));
        assert!(!decided(&[1], Some(whole(&[1]))));
        assert!(decided(&[2], Some(whole(&[1]))));
        assert!(decided(&[2], None));
    }

    #[test]
    fn a_footer_read_meanwhile_changes_no_decision() {
        let footer = || {
            let schema = Arc::new(Schema::empty());
            let root = Type::group_type_builder("root").build().unwrap();
            let descriptor = Arc::new(SchemaDescriptor::new(Arc::new(root)));
            let metadata = FileMetaData::new(1, 0, None, None, descriptor, None);
            let metadata = Arc::new(ParquetMetaData::new(metadata, vec![]));
            Footer { metadata, schema }
        };
        let decision = Decision::default();
        assert!(decision.footer(|| None).is_none());
        assert!(decision.footer(|| Some(footer())).is_none());
        let decision = Decision::default();
        assert!(decision.footer(|| Some(footer())).is_some());
        assert!(decision.footer(|| None).is_some());
    }
}
