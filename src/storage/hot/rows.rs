//! The columns of one row group that a scan needs, each resident or one value for all rows.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};

use super::coded::constant;
use super::column::{BLOCK_ROWS, HotColumn, Rows};
use super::dictionary::fit;

/// A column of the scan in one row group.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Column(Arc<HotColumn>),
    /// A partition value, or a column that the file does not have.
    Constant(ScalarValue),
}

/// A row group that can be served from memory.
#[derive(Debug)]
pub(super) struct HotRows {
    pub(super) len: usize,
    /// By position in the scan's schema; only those that the scan needs.
    pub(super) slots: Vec<Option<Slot>>,
}

impl HotRows {
    pub(super) fn slot(&self, column: usize) -> Result<&Slot> {
        self.slots
            .get(column)
            .and_then(Option::as_ref)
            .ok_or_else(|| internal_datafusion_err!("the scan did not ask for its column {column}"))
    }

    pub(super) fn read(&self, column: usize, rows: &Rows<'_>, data_type: &DataType) -> Result<ArrayRef> {
        match self.slot(column)? {
            Slot::Column(column) => column.read(rows, data_type),
            Slot::Constant(value) if matches!(data_type, DataType::Dictionary(..)) => {
                constant(fit(value.to_array()?, &DataType::Utf8View)?, rows.len())
            }
            Slot::Constant(value) => fit(value.to_array_of_size(rows.len())?, data_type),
        }
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.len.div_ceil(BLOCK_ROWS)
    }
}

impl Slot {
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Slot::Column(column) => column.data_type.clone(),
            Slot::Constant(value) => value.data_type(),
        }
    }
}
