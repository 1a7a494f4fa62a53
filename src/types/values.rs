//! One column's values in the few Arrow layouts that the encoders know: downcast once per batch, so
//! that writing a value is one match and no allocation.

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    LargeStringArray, StringArray, StringViewArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    UInt32Array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, IntervalUnit, TimeUnit, TimestampNanosecondType,
};

use crate::error::{Error, Result, SqlState};
use crate::types::numeric::WideDigits;
use crate::types::{Spelled, SqlType, UNCONSTRAINED_NUMERIC, is_unconstrained, row_columns};

/// The typed arrays of one column of one batch.
#[derive(Debug, Clone)]
pub enum ColumnValues {
    /// Nothing but NULL.
    Null,
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    Oid(UInt32Array),
    Float4(Float32Array),
    Float8(Float64Array),
    Numeric {
        array: Decimal128Array,
        scale: i8,
        trim: bool,
    },
    WideNumeric {
        array: Decimal256Array,
        scale: i8,
        digits: WideDigits,
    },
    /// Numerics as they are shown.
    NumericText(StringViewArray),
    Utf8(StringArray),
    LargeUtf8(LargeStringArray),
    Utf8View(StringViewArray),
    /// Values in the spelling of their type.
    Spelled(StringViewArray, Spelled),
    Binary(BinaryArray),
    BinaryView(BinaryViewArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    Timestamptz(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    List(Box<ListValues>),
    /// Written as a JSON object.
    Struct(Box<StructValues>),
    /// Written as a row: `(1,x)`.
    Record(Box<StructValues>),
    /// Written as a JSON object; the keys are text.
    Map(Box<ListValues>),
}

/// A list column: row `i` holds `elements[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone)]
pub struct ListValues {
    pub ranges: Vec<(usize, usize)>,
    pub elements: Column,
    pub element_type: SqlType,
}

#[derive(Debug, Clone)]
pub struct StructValues {
    pub names: Vec<String>,
    pub columns: Vec<Column>,
    pub types: Vec<SqlType>,
}

/// Values with their logical nulls: those of dictionaries and run-length encodings are resolved.
#[derive(Debug, Clone)]
pub struct Column {
    pub values: ColumnValues,
    pub nulls: Option<NullBuffer>,
}

impl Column {
    /// Prepares an array to be written as `sql_type`; an Arrow type that is close enough is converted.
    pub fn new(array: &ArrayRef, sql_type: &SqlType) -> Result<Column> {
        if *sql_type == SqlType::Void {
            // Shown as an empty text, which is not NULL.
            let empty = StringArray::from(vec![""; array.len()]);
            return Ok(Column {
                values: ColumnValues::Utf8(empty),
                nulls: None,
            });
        }
        if array.data_type() == &DataType::Null {
            return Ok(Column {
                values: ColumnValues::Null,
                nulls: array.logical_nulls(),
            });
        }
        let array = flatten(array)?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Column {
            values: column_values(&array, sql_type.base())?,
            nulls,
        })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

/// Replaces dictionaries and run-length encodings by their values.
fn flatten(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, value) => {
            let target = match value.as_ref() {
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                other => other.clone(),
            };
            flatten(&convert(array, &target)?)
        }
        DataType::RunEndEncoded(_, value) => flatten(&convert(array, &value.data_type().clone())?),
        _ => Ok(array.clone()),
    }
}

fn convert(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(array.clone());
    }
    Ok(cast_with_options(
        array,
        target,
        &CastOptions {
            safe: false,
            ..Default::default()
        },
    )?)
}

fn column_values(array: &ArrayRef, sql_type: &SqlType) -> Result<ColumnValues> {
    Ok(match sql_type {
        SqlType::Bool => ColumnValues::Bool(convert(array, &DataType::Boolean)?.as_boolean().clone()),
        SqlType::Int2 => ColumnValues::Int2(convert(array, &DataType::Int16)?.as_primitive().clone()),
        SqlType::Int4 => ColumnValues::Int4(convert(array, &DataType::Int32)?.as_primitive().clone()),
        SqlType::Int8 => ColumnValues::Int8(convert(array, &DataType::Int64)?.as_primitive().clone()),
        SqlType::Float4 => ColumnValues::Float4(convert(array, &DataType::Float32)?.as_primitive().clone()),
        SqlType::Float8 => ColumnValues::Float8(convert(array, &DataType::Float64)?.as_primitive().clone()),
        SqlType::Numeric(modifier) => numeric_values(array, modifier.is_none())?,
        SqlType::Date => ColumnValues::Date(convert(array, &DataType::Date32)?.as_primitive().clone()),
        SqlType::Time(_) => ColumnValues::Time(
            convert(array, &DataType::Time64(TimeUnit::Microsecond))?
                .as_primitive()
                .clone(),
        ),
        SqlType::Timestamp(_) => ColumnValues::Timestamp(microseconds(array)?),
        SqlType::Timestamptz(_) => ColumnValues::Timestamptz(microseconds(array)?),
        SqlType::Interval(_) => {
            let target = DataType::Interval(IntervalUnit::MonthDayNano);
            ColumnValues::Interval(convert(array, &target)?.as_primitive().clone())
        }
        SqlType::Bytea => match array.data_type() {
            DataType::Binary => ColumnValues::Binary(array.as_binary::<i32>().clone()),
            _ => ColumnValues::BinaryView(convert(array, &DataType::BinaryView)?.as_binary_view().clone()),
        },
        SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text_values(array)?,
            _ => ColumnValues::Oid(convert(array, &DataType::UInt32)?.as_primitive().clone()),
        },
        SqlType::Spelled(spelled) => {
            let array = convert(array, &DataType::Utf8View)?;
            ColumnValues::Spelled(array.as_string_view().clone(), *spelled)
        }
        // Elements that are shown as names come as the array's whole text.
        SqlType::Array(_) | SqlType::System(_) if is_text(array) => text_values(array)?,
        SqlType::Array(element) => ColumnValues::List(Box::new(list_values(array, element)?)),
        SqlType::System(_) => match array.data_type() {
            DataType::List(element) => {
                let element = SqlType::from_field(element);
                ColumnValues::List(Box::new(list_values(array, &element)?))
            }
            _ => ColumnValues::Oid(convert(array, &DataType::UInt32)?.as_primitive().clone()),
        },
        SqlType::Json | SqlType::Jsonb => json_values(array)?,
        SqlType::Void => ColumnValues::Null,
        SqlType::Record => match array.data_type() {
            DataType::Struct(_) => ColumnValues::Record(Box::new(struct_values(array.as_struct())?)),
            _ => text_values(array)?,
        },
        SqlType::Composite(_) => match row_columns(array, sql_type) {
            Some((columns, rows)) => ColumnValues::Record(Box::new(named_values(rows, columns)?)),
            None => text_values(array)?,
        },
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Bpchar(_)
        | SqlType::Name
        | SqlType::Char
        | SqlType::Uuid
        | SqlType::Enum(_)
        | SqlType::Domain(_)
        | SqlType::Stored(_)
        | SqlType::Named(_)
        | SqlType::Unknown => text_values(array)?,
    })
}

fn is_text(array: &ArrayRef) -> bool {
    matches!(
        array.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn text_values(array: &ArrayRef) -> Result<ColumnValues> {
    Ok(match array.data_type() {
        DataType::Utf8 => ColumnValues::Utf8(array.as_string::<i32>().clone()),
        DataType::LargeUtf8 => ColumnValues::LargeUtf8(array.as_string::<i64>().clone()),
        _ => ColumnValues::Utf8View(convert(array, &DataType::Utf8View)?.as_string_view().clone()),
    })
}

fn numeric_values(array: &ArrayRef, unconstrained: bool) -> Result<ColumnValues> {
    let narrow = match array.data_type() {
        DataType::Decimal128(_, scale) => (array.clone(), *scale),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            (convert(array, &DataType::Decimal128(*precision, *scale))?, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            return Ok(ColumnValues::WideNumeric {
                array: array.as_primitive().clone(),
                scale: *scale,
                digits: WideDigits::of(*precision, *scale),
            });
        }
        DataType::Utf8View => return Ok(ColumnValues::NumericText(array.as_string_view().clone())),
        data_type if data_type.is_integer() => (convert(array, &DataType::Decimal128(20, 0))?, 0),
        _ => {
            let (precision, scale) = UNCONSTRAINED_NUMERIC;
            (convert(array, &DataType::Decimal128(precision, scale))?, scale)
        }
    };
    let (array, scale) = narrow;
    // The carrier's scale is not the value's: PostgreSQL shows 1.5 and not 1.5000000000000000.
    let trim = unconstrained && is_unconstrained(DECIMAL128_MAX_PRECISION, scale);
    Ok(ColumnValues::Numeric {
        array: array.as_primitive().clone(),
        scale,
        trim,
    })
}

fn microseconds(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    Ok(match array.data_type() {
        // Rounded down, as a clock reads; Arrow's cast rounds towards 1970.
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .unary(|nanoseconds| nanoseconds.div_euclid(1000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive().clone(),
        DataType::Timestamp(_, zone) => convert(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?
            .as_primitive()
            .clone(),
        _ => convert(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?
            .as_primitive()
            .clone(),
    })
}

fn list_values(array: &ArrayRef, element_type: &SqlType) -> Result<ListValues> {
    let (elements, ranges): (ArrayRef, Vec<(usize, usize)>) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            (
                list.values().clone(),
                offsets
                    .windows(2)
                    .map(|pair| (pair[0] as usize, pair[1] as usize))
                    .collect(),
            )
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            (
                list.values().clone(),
                offsets
                    .windows(2)
                    .map(|pair| (pair[0] as usize, pair[1] as usize))
                    .collect(),
            )
        }
        DataType::FixedSizeList(_, size) => {
            let size = (*size).max(0) as usize;
            let list = array.as_fixed_size_list();
            (
                list.values().clone(),
                (0..list.len()).map(|row| (row * size, (row + 1) * size)).collect(),
            )
        }
        DataType::ListView(field) | DataType::LargeListView(field) => {
            return list_values(&convert(array, &DataType::LargeList(field.clone()))?, element_type);
        }
        other => return Err(mismatch(other, "array")),
    };
    Ok(ListValues {
        ranges,
        elements: Column::new(&elements, element_type)?,
        element_type: element_type.clone(),
    })
}

fn json_values(array: &ArrayRef) -> Result<ColumnValues> {
    match array.data_type() {
        DataType::Struct(_) => Ok(ColumnValues::Struct(Box::new(struct_values(array.as_struct())?))),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let ranges = offsets
                .windows(2)
                .map(|pair| (pair[0] as usize, pair[1] as usize))
                .collect();
            let entries = Column {
                values: ColumnValues::Struct(Box::new(struct_values(map.entries())?)),
                nulls: None,
            };
            Ok(ColumnValues::Map(Box::new(ListValues {
                ranges,
                elements: entries,
                element_type: SqlType::Json,
            })))
        }
        DataType::Union(_, _) => Err(Error::unsupported("a union column")),
        _ => text_values(array),
    }
}

fn struct_values(array: &StructArray) -> Result<StructValues> {
    let types = array.fields().iter().map(|field| SqlType::from_field(field));
    named_values(array, array.columns().iter().zip(types).collect())
}

/// The columns of a struct with their types.
fn named_values(array: &StructArray, typed: Vec<(&ArrayRef, SqlType)>) -> Result<StructValues> {
    let mut columns = Vec::with_capacity(array.num_columns());
    let mut names = Vec::with_capacity(array.num_columns());
    let mut types = Vec::with_capacity(array.num_columns());
    for (field, (column, sql_type)) in array.fields().iter().zip(typed) {
        names.push(field.name().clone());
        columns.push(Column::new(column, &sql_type)?);
        types.push(sql_type);
    }
    Ok(StructValues { names, columns, types })
}

fn mismatch(data_type: &DataType, wanted: &str) -> Error {
    Error::new(
        SqlState::DatatypeMismatch,
        format!("cannot show a value of Arrow type {data_type} as {wanted}"),
    )
}
