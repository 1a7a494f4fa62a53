//! Lanes: a column of one batch as 64-bit integers, whatever its type (decimals scaled, dates as days), with a
//! bound on their magnitude. Arithmetic on lanes needs no check for overflow where the bounds exclude it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type,
};

/// Values of a lane stay within two to the power of this: their sums and negations are 64-bit integers.
pub const MOST_BITS: u32 = 62;

/// One column of a batch, or of the rows selected from it.
#[derive(Debug, Clone)]
pub struct Lane {
    pub values: ScalarBuffer<i64>,
    pub nulls: Option<NullBuffer>,
    /// No value, not even one under a null, is beyond ±2^bits.
    pub bits: u32,
}

impl Lane {
    pub fn new(values: Vec<i64>, nulls: Option<NullBuffer>, bits: u32) -> Lane {
        Lane {
            values: values.into(),
            nulls: nulls.filter(|nulls| nulls.null_count() > 0),
            bits,
        }
    }
}

/// Whether a column of this type can be a lane.
pub fn fits_a_lane(data_type: &DataType) -> bool {
    from_integers(data_type, Vec::new(), None).is_some()
}

/// Bits that hold the magnitude of all values.
pub fn magnitude(values: &[i64]) -> u32 {
    let folded = values.iter().fold(0, |folded, value| folded | (value ^ (value >> 63)));
    u64::BITS - (folded as u64).leading_zeros()
}

/// The rows of `array` that `selection` names, or all, as a lane; `None` where the type has none or a value
/// is too large.
pub fn load(array: &dyn Array, selection: Option<&[u32]>) -> Option<Lane> {
    let nulls = selected_nulls(array.nulls(), selection);
    let known_nulls = nulls.clone();
    // The magnitude of all rows is found at their own width, of which a register holds more.
    macro_rules! narrow {
        ($type:ty) => {{
            let narrow = array.as_primitive::<$type>().values();
            let sign = <$type as ArrowPrimitiveType>::Native::BITS - 1;
            let values = widen::<$type>(array, selection);
            let fold = |folded, value: &<$type as ArrowPrimitiveType>::Native| folded | (value ^ (value >> sign));
            let bits = match selection {
                None => magnitude(&[narrow.iter().fold(0, fold).into()]),
                Some(_) => magnitude(&values),
            };
            let nulls = known_nulls;
            Lane { values, nulls, bits }
        }};
    }
    let lane = |values: ScalarBuffer<i64>| match (magnitude(&values), nulls) {
        // What is under a null may be anything.
        (bits, Some(nulls)) if bits > MOST_BITS => {
            let value = |(value, valid): (&i64, bool)| if valid { *value } else { 0 };
            let values: Vec<i64> = values.iter().zip(nulls.iter()).map(value).collect();
            let bits = magnitude(&values);
            Lane::new(values, Some(nulls), bits)
        }
        (bits, nulls) => Lane { values, nulls, bits },
    };
    Some(match array.data_type() {
        DataType::Int8 => narrow!(Int8Type),
        DataType::Int16 => narrow!(Int16Type),
        DataType::Int32 => narrow!(Int32Type),
        DataType::UInt8 => lane(widen::<UInt8Type>(array, selection)),
        DataType::UInt16 => lane(widen::<UInt16Type>(array, selection)),
        DataType::UInt32 => lane(widen::<UInt32Type>(array, selection)),
        DataType::Date32 => narrow!(Date32Type),
        DataType::Decimal32(..) => narrow!(Decimal32Type),
        DataType::Int64 => lane(as_is::<Int64Type>(array, selection)),
        DataType::Date64 => lane(as_is::<Date64Type>(array, selection)),
        DataType::Decimal64(..) => lane(as_is::<Decimal64Type>(array, selection)),
        DataType::Time64(TimeUnit::Microsecond) => lane(as_is::<Time64MicrosecondType>(array, selection)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => lane(as_is::<TimestampMicrosecondType>(array, selection)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => lane(as_is::<TimestampNanosecondType>(array, selection)),
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            lane(halve(values, selection, known_nulls.as_ref())?.into())
        }
        DataType::Boolean => lane(zero_or_one(array.as_boolean().values(), selection).into()),
        _ => return None,
    })
    .filter(|lane| lane.bits <= MOST_BITS)
}

/// Validity of the selected rows; `None` where all are valid.
pub fn selected_nulls(nulls: Option<&NullBuffer>, selection: Option<&[u32]>) -> Option<NullBuffer> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
    let Some(rows) = selection else {
        return Some(nulls.clone());
    };
    let valid = BooleanBuffer::collect_bool(rows.len(), |index| nulls.is_valid(rows[index] as usize));
    Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
}

fn widen<T>(array: &dyn Array, selection: Option<&[u32]>) -> ScalarBuffer<i64>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let values = array.as_primitive::<T>().values();
    match selection {
        None => values.iter().map(|value| (*value).into()).collect::<Vec<i64>>().into(),
        Some(rows) => {
            let pick = |row: &u32| values[*row as usize].into();
            rows.iter().map(pick).collect::<Vec<i64>>().into()
        }
    }
}

fn as_is<T: ArrowPrimitiveType<Native = i64>>(array: &dyn Array, selection: Option<&[u32]>) -> ScalarBuffer<i64> {
    let values = array.as_primitive::<T>().values();
    match selection {
        None => values.clone(),
        Some(rows) => rows
            .iter()
            .map(|row| values[*row as usize])
            .collect::<Vec<i64>>()
            .into(),
    }
}

/// The low halves, if they are the whole of all values that are not null.
fn halve(values: &[i128], selection: Option<&[u32]>, nulls: Option<&NullBuffer>) -> Option<Vec<i64>> {
    let mut lost = 0;
    let mut low = |value: i128| {
        let half = value as i64;
        lost |= ((value >> 64) as i64) ^ (half >> 63);
        half
    };
    let halves: Vec<i64> = match selection {
        None => values.iter().map(|value| low(*value)).collect(),
        Some(rows) => rows.iter().map(|row| low(values[*row as usize])).collect(),
    };
    match (lost == 0, nulls) {
        (true, _) => Some(halves),
        (false, None) => None,
        (false, Some(nulls)) => {
            let value = |(index, valid): (usize, bool)| match valid {
                true => i64::try_from(values[selection.map_or(index, |rows| rows[index] as usize)]).ok(),
                false => Some(0),
            };
            nulls.iter().enumerate().map(value).collect()
        }
    }
}

fn zero_or_one(values: &BooleanBuffer, selection: Option<&[u32]>) -> Vec<i64> {
    match selection {
        None => values.iter().map(i64::from).collect(),
        Some(rows) => rows.iter().map(|row| i64::from(values.value(*row as usize))).collect(),
    }
}

/// The array of type `data_type` whose lane would have these values; `None` where the type has no lane or a
/// value is not one of its values.
pub fn from_integers(data_type: &DataType, values: Vec<i64>, nulls: Option<NullBuffer>) -> Option<ArrayRef> {
    Some(match data_type {
        DataType::Int8 => narrowed::<Int8Type>(data_type, &values, nulls)?,
        DataType::Int16 => narrowed::<Int16Type>(data_type, &values, nulls)?,
        DataType::Int32 => narrowed::<Int32Type>(data_type, &values, nulls)?,
        DataType::UInt8 => narrowed::<UInt8Type>(data_type, &values, nulls)?,
        DataType::UInt16 => narrowed::<UInt16Type>(data_type, &values, nulls)?,
        DataType::UInt32 => narrowed::<UInt32Type>(data_type, &values, nulls)?,
        DataType::Date32 => narrowed::<Date32Type>(data_type, &values, nulls)?,
        DataType::Decimal32(..) => narrowed::<Decimal32Type>(data_type, &values, nulls)?,
        DataType::Int64 => whole::<Int64Type>(data_type, values, nulls),
        DataType::Date64 => whole::<Date64Type>(data_type, values, nulls),
        DataType::Decimal64(..) => whole::<Decimal64Type>(data_type, values, nulls),
        DataType::Time64(TimeUnit::Microsecond) => whole::<Time64MicrosecondType>(data_type, values, nulls),
        DataType::Timestamp(TimeUnit::Microsecond, _) => whole::<TimestampMicrosecondType>(data_type, values, nulls),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => whole::<TimestampNanosecondType>(data_type, values, nulls),
        DataType::Decimal128(..) => {
            let wide: Vec<i128> = values.into_iter().map(i128::from).collect();
            whole::<Decimal128Type>(data_type, wide, nulls)
        }
        DataType::Boolean => {
            let bits = BooleanBuffer::collect_bool(values.len(), |index| values[index] != 0);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        _ => return None,
    })
}

/// An array of `data_type`, which has `T`'s layout.
pub fn whole<T: ArrowPrimitiveType>(
    data_type: &DataType,
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(data_type.clone()))
}

fn narrowed<T>(data_type: &DataType, values: &[i64], nulls: Option<NullBuffer>) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64> + ArrowNativeType,
{
    let narrow = |(row, value): (usize, &i64)| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
        true => Some(T::Native::default()),
        false => T::Native::try_from(*value).ok(),
    };
    let narrow: Option<Vec<T::Native>> = values.iter().enumerate().map(narrow).collect();
    Some(whole::<T>(data_type, narrow?, nulls))
}
