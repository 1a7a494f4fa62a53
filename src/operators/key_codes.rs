//! A join's key, one or several whole numbers, as one number below a span: its place among all keys that the built
//! side could have between its least and greatest values.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date64Type, Decimal64Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};

use super::lane::{self, Lane, MOST_BITS};

/// The code of a key that the built side cannot have.
pub const NO_CODE: u64 = u64::MAX;

/// Least and greatest value of a key's column; the least is above the greatest where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub low: i64,
    pub high: i64,
}

impl Bounds {
    pub const NONE: Bounds = Bounds {
        low: i64::MAX,
        high: i64::MIN,
    };

    /// With the values of a lane that are not null.
    pub fn and(self, lane: &Lane) -> Bounds {
        let widen = |bounds: Bounds, value: i64| Bounds {
            low: bounds.low.min(value),
            high: bounds.high.max(value),
        };
        match &lane.nulls {
            None => lane.values.iter().copied().fold(self, widen),
            Some(nulls) => nulls.valid_indices().map(|row| lane.values[row]).fold(self, widen),
        }
    }

    pub fn with(self, other: Bounds) -> Bounds {
        Bounds {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

/// All keys between bounds.
#[derive(Debug)]
pub struct KeySpace {
    columns: Vec<Dimension>,
    /// Codes are below it.
    pub span: u64,
}

#[derive(Debug)]
struct Dimension {
    low: i64,
    count: u64,
    stride: u64,
}

impl KeySpace {
    /// `None` where there are more keys than codes.
    pub fn between(bounds: &[Bounds]) -> Option<KeySpace> {
        let mut span = 1_u64;
        let mut columns = Vec::with_capacity(bounds.len());
        for bounds in bounds {
            let count = match bounds.is_empty() {
                true => 0,
                false => bounds.high.abs_diff(bounds.low).checked_add(1)?,
            };
            columns.push(Dimension {
                low: bounds.low,
                count,
                stride: span,
            });
            span = span.checked_mul(count)?;
        }
        (span < NO_CODE).then_some(KeySpace { columns, span })
    }

    /// The code of each row's key; `NO_CODE` where a column is null or beyond the bounds.
    pub fn codes(&self, lanes: &[Lane], codes: &mut Vec<u64>) {
        codes.clear();
        for (dimension, lane) in self.columns.iter().zip(lanes) {
            let Dimension { low, count, stride } = *dimension;
            let place = |value: i64| value.wrapping_sub(low) as u64;
            if codes.is_empty() {
                let code = |value: &i64| match place(*value) {
                    place if place < count => place,
                    _ => NO_CODE,
                };
                codes.extend(lane.values.iter().map(code));
            } else {
                for (code, value) in codes.iter_mut().zip(lane.values.iter()) {
                    let place = place(*value);
                    *code = match *code != NO_CODE && place < count {
                        true => *code + place * stride,
                        false => NO_CODE,
                    };
                }
            }
            if let Some(nulls) = &lane.nulls {
                for (code, valid) in codes.iter_mut().zip(nulls.iter()) {
                    if !valid {
                        *code = NO_CODE;
                    }
                }
            }
        }
    }
}

/// Whether a column of this type can be a part of a key.
pub fn is_key_type(data_type: &DataType) -> bool {
    *data_type != DataType::Boolean && lane::fits_a_lane(data_type)
}

/// The column of a probing batch as a lane: values that no lane holds, and so no built key has, are nulls.
pub fn probing_lane(array: &ArrayRef) -> Option<Lane> {
    if let Some(lane) = lane::load(array.as_ref(), None) {
        return Some(lane);
    }
    let small = |value: &i64| (value ^ (value >> 63)) >> MOST_BITS == 0;
    macro_rules! held {
        ($type:ty) => {
            array
                .as_primitive::<$type>()
                .unary_opt::<_, Int64Type>(|value| Some(value).filter(small))
        };
    }
    let held = match array.data_type() {
        DataType::Int64 => held!(Int64Type),
        DataType::Date64 => held!(Date64Type),
        DataType::Decimal64(..) => held!(Decimal64Type),
        DataType::Time64(TimeUnit::Microsecond) => held!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => held!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => held!(TimestampNanosecondType),
        DataType::Decimal128(..) => array
            .as_primitive::<Decimal128Type>()
            .unary_opt::<_, Int64Type>(|value| i64::try_from(value).ok().filter(small)),
        _ => return None,
    };
    lane::load(&held, None)
}
