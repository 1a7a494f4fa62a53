//! A set of whole numbers as a bitmap, and the condition that a column's value is in it: what a join knows of its built
//! side, for the scan of the other side. Hot columns test it on their codes.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, FieldRef, Int16Type, Int32Type, Int64Type, Schema,
};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// Whole numbers from `low` on, a bit for each.
pub struct KeySet {
    low: i64,
    words: Vec<u64>,
    len: usize,
}

impl KeySet {
    /// An empty set for numbers from `low` to `high`.
    pub fn between(low: i64, high: i64) -> KeySet {
        let span = high.abs_diff(low) as usize + 1;
        KeySet {
            low,
            words: vec![0; span.div_ceil(64)],
            len: 0,
        }
    }

    pub fn insert(&mut self, value: i64) {
        let place = value.wrapping_sub(self.low) as u64;
        if let Some(word) = self.words.get_mut((place / 64) as usize) {
            let bit = 1 << (place % 64);
            self.len += usize::from(*word & bit == 0);
            *word |= bit;
        }
    }

    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        let place = value.wrapping_sub(self.low) as u64;
        let word = self.words.get((place / 64) as usize);
        word.is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that a set of this range holds.
    pub fn size(low: i64, high: i64) -> u64 {
        high.abs_diff(low) / 8 + 1
    }

    /// Whether a number of a short range may be in the set.
    pub(super) fn may_meet(&self, low: i64, high: i64) -> bool {
        const MOST_WORDS: u64 = 1 << 10;
        let (from, until) = (low.max(self.low), high);
        if until < from {
            return false;
        }
        let (first, last) = (from.abs_diff(self.low) / 64, until.abs_diff(self.low) / 64);
        if last - first > MOST_WORDS {
            return true;
        }
        let last = (last as usize + 1).min(self.words.len());
        self.words
            .get(first as usize..last)
            .is_some_and(|words| words.iter().any(|word| *word != 0))
    }

    fn among<T>(&self, array: &dyn Array) -> BooleanBuffer
    where
        T: ArrowPrimitiveType,
        T::Native: TryInto<i64>,
    {
        let values = array.as_primitive::<T>().values();
        BooleanBuffer::collect_bool(values.len(), |row| {
            values[row].try_into().is_ok_and(|value| self.contains(value))
        })
    }
}

/// Whether the key is in the set; a null is not.
#[derive(Debug)]
pub struct InKeySet {
    key: Arc<dyn PhysicalExpr>,
    set: Arc<KeySet>,
}

impl InKeySet {
    /// `None` where the key's type is none that the set can hold.
    pub fn new(key: Arc<dyn PhysicalExpr>, data_type: &DataType, set: Arc<KeySet>) -> Option<InKeySet> {
        let covered = matches!(
            data_type,
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Decimal128(..)
        );
        covered.then_some(InKeySet { key, set })
    }

    pub(super) fn key(&self) -> &Arc<dyn PhysicalExpr> {
        &self.key
    }

    pub(super) fn set(&self) -> &Arc<KeySet> {
        &self.set
    }
}

impl PhysicalExpr for InKeySet {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &datafusion::arrow::array::RecordBatch) -> Result<ColumnarValue> {
        let array = self.key.evaluate(batch)?.into_array(batch.num_rows())?;
        let array = array.as_ref();
        let found = match array.data_type() {
            DataType::Int16 => self.set.among::<Int16Type>(array),
            DataType::Int32 => self.set.among::<Int32Type>(array),
            DataType::Int64 => self.set.among::<Int64Type>(array),
            DataType::Date32 => self.set.among::<Date32Type>(array),
            DataType::Decimal128(..) => self.set.among::<Decimal128Type>(array),
            other => return internal_err!("no set of keys holds values of type {other}"),
        };
        let found = match array.nulls() {
            Some(nulls) => &found & nulls.inner(),
            None => found,
        };
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(found, None))))
    }

    fn return_field(&self, _schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(datafusion::arrow::datatypes::Field::new(
            "in_key_set",
            DataType::Boolean,
            false,
        )))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(key) => Ok(Arc::new(InKeySet {
                key,
                set: Arc::clone(&self.set),
            })),
            None => internal_err!("a set of keys needs a key"),
        }
    }

    fn fmt_sql(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.key.fmt_sql(formatter)?;
        write!(formatter, " IN (joined keys)")
    }
}

impl Display for InKeySet {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} IN ({} joined keys)", self.key, self.set.len())
    }
}

impl PartialEq for InKeySet {
    fn eq(&self, other: &InKeySet) -> bool {
        self.key.eq(&other.key) && Arc::ptr_eq(&self.set, &other.set)
    }
}

impl Eq for InKeySet {}

impl Hash for InKeySet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        Arc::as_ptr(&self.set).hash(state);
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeySet").finish_non_exhaustive()
    }
}
