//! Binary input: Bind's parameters and binary COPY.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::ScalarValue;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::builder::{ColumnBuilder, Scalar, too_many_dimensions};
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_DAY, FIRST_DAY, FIRST_MICRO, MICROS_PER_DAY, POSTGRES_EPOCH_DAYS,
    POSTGRES_EPOCH_MICROS, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::format::FormatSettings;
use crate::types::parse::{Decimal, utf8};

const JSONB_VERSION: u8 = 1;
const NUMERIC_NEGATIVE: u16 = 0x4000;

/// Reads one value. A numeric without a modifier gets the precision and scale that hold it exactly.
pub fn decode_value(sql_type: &SqlType, bytes: &[u8], settings: &FormatSettings) -> Result<ScalarValue> {
    if *sql_type == SqlType::Numeric(None) {
        return decode_numeric(bytes)?.to_scalar();
    }
    let mut builder = ColumnBuilder::new(sql_type, settings, 1);
    append_binary(&mut builder, bytes)?;
    Ok(ScalarValue::try_from_array(&builder.finish()?, 0)?)
}

/// Appends a value in binary format to a column.
pub fn append_binary(builder: &mut ColumnBuilder, bytes: &[u8]) -> Result<()> {
    let scalar = match builder.sql_type() {
        SqlType::Bool => Scalar::Bool(u8::from_be_bytes(exact(bytes)?) != 0),
        SqlType::Int2 => Scalar::Int2(i16::from_be_bytes(exact(bytes)?)),
        SqlType::Int4 => Scalar::Int4(i32::from_be_bytes(exact(bytes)?)),
        SqlType::Int8 => Scalar::Int8(i64::from_be_bytes(exact(bytes)?)),
        SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => {
            Scalar::Oid(u32::from_be_bytes(exact(bytes)?))
        }
        SqlType::Float4 => Scalar::Float4(f32::from_be_bytes(exact(bytes)?)),
        SqlType::Float8 => Scalar::Float8(f64::from_be_bytes(exact(bytes)?)),
        SqlType::Numeric(_) => return builder.append_decimal(decode_numeric(bytes)?),
        SqlType::Bytea => Scalar::Bytes(bytes),
        SqlType::Date => Scalar::Date(date(i32::from_be_bytes(exact(bytes)?))?),
        SqlType::Time(_) => match i64::from_be_bytes(exact(bytes)?) {
            micros @ 0..=MICROS_PER_DAY => Scalar::Micros(micros),
            _ => return Err(Error::new(SqlState::DatetimeFieldOverflow, "time out of range")),
        },
        SqlType::Timestamp(_) | SqlType::Timestamptz(_) => {
            Scalar::Micros(timestamp(i64::from_be_bytes(exact(bytes)?))?)
        }
        SqlType::Interval(_) => Scalar::Interval(interval(bytes)?),
        SqlType::Uuid => {
            let id = uuid::Uuid::from_bytes(exact(bytes)?);
            let mut buffer = uuid::Uuid::encode_buffer();
            return append(builder, Scalar::Text(id.hyphenated().encode_lower(&mut buffer)));
        }
        SqlType::Jsonb => {
            let [JSONB_VERSION, text @ ..] = bytes else {
                let version = bytes.first().copied().unwrap_or(0);
                return Err(invalid(format!("unsupported jsonb version number {version}")));
            };
            return builder.append_text(utf8(text)?);
        }
        SqlType::Array(_) => return append_array(builder, bytes),
        SqlType::Spelled(spelled) => {
            let spelling = spelled.receive(bytes)?;
            return append(builder, Scalar::Text(&spelling));
        }
        SqlType::Composite(_) => return append_row(builder, bytes),
        SqlType::Void => Scalar::Text(""),
        SqlType::Char => match bytes {
            [0] => Scalar::Text(""),
            bytes => Scalar::Text(utf8(bytes)?),
        },
        // xid, cid and the registered names are numbers.
        SqlType::System(28 | 29 | 2202..=2204 | 3734 | 3769 | 4089 | 4096 | 4191) => {
            return builder.append_text(&u32::from_be_bytes(exact(bytes)?).to_string());
        }
        SqlType::System(oid @ (22 | 30)) => {
            let text = vector(*oid, bytes)?;
            return builder.append_text(&text);
        }
        other
        @ (SqlType::System(_) | SqlType::Record | SqlType::Stored(_) | SqlType::Named(_) | SqlType::Domain(_)) => {
            return Err(Error::unsupported(format!("binary input of type {other}")));
        }
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Bpchar(_)
        | SqlType::Name
        | SqlType::Json
        | SqlType::Enum(_)
        | SqlType::Unknown => {
            return builder.append_text(utf8(bytes)?);
        }
    };
    append(builder, scalar)
}

fn append(builder: &mut ColumnBuilder, scalar: Scalar<'_>) -> Result<()> {
    match builder.append_scalar(scalar) {
        true => Ok(()),
        false => Err(Error::internal("a decoded value does not fit its column")),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::InvalidBinaryRepresentation, message)
}

fn exact<const LENGTH: usize>(bytes: &[u8]) -> Result<[u8; LENGTH]> {
    bytes.try_into().map_err(|_| match bytes.len() < LENGTH {
        true => Error::new(SqlState::ProtocolViolation, "insufficient data left in message"),
        false => invalid("incorrect binary data format"),
    })
}

fn date(days: i32) -> Result<i32> {
    match days {
        DATE_INFINITY | DATE_NEGATIVE_INFINITY => Ok(days),
        days => Some(i64::from(days) + i64::from(POSTGRES_EPOCH_DAYS))
            .filter(|days| (FIRST_DAY..END_DAY).contains(days))
            .map(|days| days as i32)
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "date out of range")),
    }
}

fn timestamp(micros: i64) -> Result<i64> {
    match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => Ok(micros),
        micros => micros
            .checked_add(POSTGRES_EPOCH_MICROS)
            .filter(|micros| *micros >= FIRST_MICRO)
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")),
    }
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano> {
    let mut reader = Reader::new(bytes);
    let micros = i64::from_be_bytes(reader.take()?);
    let days = i32::from_be_bytes(reader.take()?);
    let months = i32::from_be_bytes(reader.take()?);
    reader.end()?;
    let infinite = matches!(
        (months, days, micros),
        (i32::MAX, i32::MAX, i64::MAX) | (i32::MIN, i32::MIN, i64::MIN)
    );
    let nanoseconds = match infinite {
        true => micros,
        false => micros
            .checked_mul(1000)
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "interval out of range"))?,
    };
    Ok(IntervalMonthDayNano {
        months,
        days,
        nanoseconds,
    })
}

/// Groups of four decimal digits; the first has the weight 10000^weight.
fn decode_numeric(bytes: &[u8]) -> Result<Decimal> {
    let mut reader = Reader::new(bytes);
    let groups = u16::from_be_bytes(reader.take()?);
    let weight = i16::from_be_bytes(reader.take()?);
    let sign = u16::from_be_bytes(reader.take()?);
    let scale = u16::from_be_bytes(reader.take()?);
    if sign != 0 && sign != NUMERIC_NEGATIVE {
        return match sign {
            0xC000 | 0xD000 | 0xF000 => Err(Error::unsupported("a numeric value that is NaN or infinite")),
            _ => Err(invalid("invalid sign in external \"numeric\" value")),
        };
    }
    let too_wide = || {
        Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
            .with_detail("A numeric holds at most 38 digits.")
    };
    let mut value = 0_i128;
    for _ in 0..groups {
        let group = u16::from_be_bytes(reader.take()?);
        if group > 9999 {
            return Err(invalid("invalid digit in external \"numeric\" value"));
        }
        value = value
            .checked_mul(10_000)
            .and_then(|value| value.checked_add(i128::from(group)))
            .ok_or_else(too_wide)?;
    }
    reader.end()?;
    let scale = i8::try_from(scale)
        .ok()
        .filter(|scale| *scale <= 38)
        .ok_or_else(too_wide)?;
    // The value so far counts units of 10000^(weight - groups + 1); bring it to 10^-scale.
    let shift = (i32::from(weight) - i32::from(groups) + 1) * 4 + i32::from(scale);
    let power = |exponent: u32| 10_i128.checked_pow(exponent).ok_or_else(too_wide);
    let value = match (value, shift) {
        (0, _) => 0,
        (value, 0..) => value.checked_mul(power(shift as u32)?).ok_or_else(too_wide)?,
        (value, _) => value / power(shift.unsigned_abs())?,
    };
    Ok(Decimal {
        value: if sign == NUMERIC_NEGATIVE { -value } else { value },
        scale,
    })
}

/// Bytes of a message that are read one part after the other.
pub(in crate::types) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH]> {
        exact(self.slice(LENGTH)?)
    }

    pub fn slice(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| Error::new(SqlState::ProtocolViolation, "insufficient data left in message"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn integer(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(invalid("incorrect binary data format"))
        }
    }
}

/// The number of fields, and of each its type and its value with the length in front.
fn append_row(builder: &mut ColumnBuilder, bytes: &[u8]) -> Result<()> {
    let Some(fields) = builder.fields() else {
        return Err(Error::internal("a row for a column of something else"));
    };
    let mut reader = Reader { rest: bytes };
    let mismatch = |message: String| Error::new(SqlState::DatatypeMismatch, message);
    let count = reader.integer()?;
    if usize::try_from(count) != Ok(fields.len()) {
        let message = format!("wrong number of columns: {count}, expected {}", fields.len());
        return Err(mismatch(message));
    }
    for (field, place) in fields.iter_mut().zip(1..) {
        let (given, wanted) = (u32::from_be_bytes(reader.take()?), field.sql_type().oid());
        if given != wanted {
            let declared = SqlType::from_oid(given).map_or_else(|| given.to_string(), |given| given.to_string());
            return Err(mismatch(format!(
                "binary data has type {given} ({declared}) instead of expected {wanted} ({}) in record column {place}",
                field.sql_type()
            )));
        }
        match reader.integer()? {
            -1 => field.append_null(),
            size => {
                let size = usize::try_from(size).map_err(|_| invalid("insufficient data left in message"))?;
                append_binary(field, reader.slice(size)?)?;
            }
        }
    }
    reader.end()?;
    builder.end_row();
    Ok(())
}

fn append_array(builder: &mut ColumnBuilder, bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    let dimensions = reader.integer()?;
    let flags = reader.integer()?;
    let element_oid = u32::from_be_bytes(reader.take()?);
    if !(0..=6).contains(&dimensions) {
        return Err(invalid(format!("invalid number of dimensions: {dimensions}")));
    }
    if !matches!(flags, 0 | 1) {
        return Err(invalid(format!("invalid array flags: {flags}")));
    }
    let mut element = builder.sql_type();
    while let SqlType::Array(inner) = element {
        element = inner;
    }
    if element.oid() != element_oid {
        let declared =
            SqlType::from_oid(element_oid).map_or_else(|| element_oid.to_string(), |sql_type| sql_type.to_string());
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!(
                "binary data has array element type {element_oid} ({declared}) instead of expected {} ({element})",
                element.oid()
            ),
        ));
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.integer()?).map_err(|_| invalid("invalid array size"))?);
        reader.integer()?;
    }
    let elements: usize = lengths
        .iter()
        .try_fold(1_usize, |product, length| product.checked_mul(*length))
        .unwrap_or(usize::MAX);
    // Every element has a length of four bytes: a header cannot promise more than came.
    if elements > bytes.len() {
        return Err(invalid("incorrect binary data format"));
    }
    append_dimension(builder, &lengths, &mut reader)?;
    reader.end()
}

/// int2vector and oidvector: arrays of one dimension that count from zero, without nulls; their text.
fn vector(oid: u32, bytes: &[u8]) -> Result<String> {
    let (name, element) = match oid {
        22 => ("int2vector", SqlType::Int2.oid()),
        _ => ("oidvector", SqlType::Oid.oid()),
    };
    let not_a_vector = || invalid(format!("invalid {name} data"));
    let mut reader = Reader::new(bytes);
    let header = (reader.integer()?, reader.integer()?, reader.integer()?);
    if header != (1, 0, element as i32) {
        return Err(not_a_vector());
    }
    let (length, first) = (reader.integer()?, reader.integer()?);
    if first != 0 {
        return Err(not_a_vector());
    }
    let mut numbers = vec![];
    for _ in 0..length {
        let size = usize::try_from(reader.integer()?).map_err(|_| not_a_vector())?;
        let number = reader.slice(size)?;
        numbers.push(match oid {
            22 => i16::from_be_bytes(exact(number)?).to_string(),
            _ => u32::from_be_bytes(exact(number)?).to_string(),
        });
    }
    reader.end()?;
    Ok(numbers.join(" "))
}

fn append_dimension(builder: &mut ColumnBuilder, lengths: &[usize], reader: &mut Reader<'_>) -> Result<()> {
    let Some(elements) = builder.elements() else {
        return Err(too_many_dimensions());
    };
    let length = lengths.first().copied().unwrap_or(0);
    let nested = matches!(elements.sql_type(), SqlType::Array(_));
    if nested && lengths.len() == 1 && length > 0 {
        append_dimension(elements, lengths, reader)?;
        builder.end_list(1);
        return Ok(());
    }
    for _ in 0..length {
        if nested {
            append_dimension(elements, &lengths[1..], reader)?;
        } else if lengths.len() > 1 {
            return Err(too_many_dimensions());
        } else {
            match reader.integer()? {
                -1 => elements.append_null(),
                size => {
                    let size = usize::try_from(size).map_err(|_| invalid("invalid array size"))?;
                    append_binary(elements, reader.slice(size)?)?;
                }
            }
        }
    }
    builder.end_list(length);
    Ok(())
}
