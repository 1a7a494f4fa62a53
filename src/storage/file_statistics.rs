//! Statistics of a file while it is written, as the add action carries them. Bounds are exact or wider than the
//! truth: decimals by their digits, timestamps cut outward to milliseconds, long strings cut outward, and none
//! where NaN or the calendar's edge would make them lie.

use std::fmt::Write;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, DecimalType};
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;

use super::column_sketches;
use super::distinct_values::DistinctValues;
use crate::error::Result;

/// Characters of a string that a bound keeps.
const BOUND_CHARACTERS: usize = 32;

/// Gathers the statistics of one file.
#[derive(Debug)]
pub(super) struct FileStatistics {
    rows: u64,
    columns: Vec<ColumnAccumulator>,
}

#[derive(Debug)]
struct ColumnAccumulator {
    name: String,
    nulls: u64,
    /// None for types without order, and past the columns that the table indexes.
    bounds: Option<(MinAccumulator, MaxAccumulator)>,
    /// None for types that are not covered, and past the columns that the table indexes.
    distinct: Option<DistinctValues>,
    is_counted: bool,
}

impl FileStatistics {
    /// Statistics of batches of `fields`; only the first `indexed` columns get bounds and null counts.
    pub(super) fn new(schema: &datafusion::arrow::datatypes::Schema, indexed: usize) -> Result<FileStatistics> {
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(position, field)| {
                let is_counted = position < indexed && !field.data_type().is_nested();
                let has_bounds = is_counted
                    && !matches!(
                        field.data_type(),
                        DataType::Binary | DataType::BinaryView | DataType::LargeBinary
                    );
                let bounds = match has_bounds {
                    true => Some((
                        MinAccumulator::try_new(field.data_type())?,
                        MaxAccumulator::try_new(field.data_type())?,
                    )),
                    false => None,
                };
                Ok(ColumnAccumulator {
                    name: field.name().clone(),
                    nulls: 0,
                    bounds,
                    distinct: (is_counted && DistinctValues::covers(field.data_type())).then(DistinctValues::default),
                    is_counted,
                })
            })
            .collect::<Result<_>>()?;
        Ok(FileStatistics { rows: 0, columns })
    }

    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += values.null_count() as u64;
            if let Some(distinct) = &mut column.distinct {
                distinct.update(values);
            }
            if let Some((min, max)) = &mut column.bounds {
                let values: &[ArrayRef] = std::slice::from_ref(values);
                min.update_batch(values)?;
                max.update_batch(values)?;
            }
        }
        Ok(())
    }

    /// The text of the sketches of the columns' different values.
    pub(super) fn distinct_values(&self) -> Option<String> {
        let columns = self.columns.iter();
        column_sketches::to_text(columns.filter_map(|column| Some((column.name.as_str(), column.distinct.as_ref()?))))
    }

    /// The JSON text of the add action's `stats`.
    pub(super) fn finish(mut self) -> Result<String> {
        let (mut mins, mut maxs, mut nulls) = (String::new(), String::new(), String::new());
        for column in &mut self.columns {
            let name = quoted(&column.name);
            if let Some((min, max)) = &mut column.bounds {
                append(&mut mins, &name, lower_bound(&min.evaluate()?));
                append(&mut maxs, &name, upper_bound(&max.evaluate()?));
            }
            if column.is_counted {
                append(&mut nulls, &name, Some(column.nulls.to_string()));
            }
        }
        Ok(format!(
            "{{\"numRecords\":{},\"minValues\":{{{mins}}},\"maxValues\":{{{maxs}}},\"nullCount\":{{{nulls}}}}}",
            self.rows
        ))
    }
}

fn append(members: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        let comma = if members.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(members, "{comma}{name}:{value}");
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON of a value at most the smallest one.
fn lower_bound(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Some(quoted(&text.chars().take(BOUND_CHARACTERS).collect::<String>()))
        }
        ScalarValue::Float32(Some(number)) => float(f64::from(*number), *number == 0.0, "-0.0", number.to_string()),
        ScalarValue::Float64(Some(number)) => float(*number, *number == 0.0, "-0.0", number.to_string()),
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => timestamp(micros.div_euclid(1000), zone.is_some()),
        other => plain(other),
    }
}

/// JSON of a value at least the greatest one.
fn upper_bound(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            string_above(text).map(|text| quoted(&text))
        }
        ScalarValue::Float32(Some(number)) => float(f64::from(*number), *number == 0.0, "0.0", number.to_string()),
        ScalarValue::Float64(Some(number)) => float(*number, *number == 0.0, "0.0", number.to_string()),
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            timestamp(micros.checked_add(999)?.div_euclid(1000), zone.is_some())
        }
        other => plain(other),
    }
}

/// NaN and infinity have no JSON; zero is written with the sign that makes the bound wider.
fn float(number: f64, is_zero: bool, zero: &str, text: String) -> Option<String> {
    if is_zero {
        return Some(zero.to_string());
    }
    number.is_finite().then_some(text)
}

/// Types whose values are written as they are.
fn plain(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Boolean(Some(value)) => Some(value.to_string()),
        ScalarValue::Int8(Some(value)) => Some(value.to_string()),
        ScalarValue::Int16(Some(value)) => Some(value.to_string()),
        ScalarValue::Int32(Some(value)) => Some(value.to_string()),
        ScalarValue::Int64(Some(value)) => Some(value.to_string()),
        ScalarValue::Decimal128(Some(value), precision, scale) => {
            Some(Decimal128Type::format_decimal(*value, *precision, *scale))
        }
        ScalarValue::Date32(Some(days)) => {
            let date = chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?
                .checked_add_signed(chrono::Duration::days(i64::from(*days)))?;
            has_four_digits(&date).then(|| format!("\"{}\"", date.format("%Y-%m-%d")))
        }
        _ => None,
    }
}

fn timestamp(millis: i64, has_zone: bool) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_millis(millis)?;
    let zone = if has_zone { "Z" } else { "" };
    has_four_digits(&time.date_naive()).then(|| format!("\"{}{zone}\"", time.format("%Y-%m-%dT%H:%M:%S%.3f")))
}

fn has_four_digits(date: &chrono::NaiveDate) -> bool {
    (0..=9999).contains(&chrono::Datelike::year(date))
}

/// The shortest string of at most `BOUND_CHARACTERS` that is not below any string beginning like `text`.
fn string_above(text: &str) -> Option<String> {
    let mut kept: Vec<char> = text.chars().take(BOUND_CHARACTERS + 1).collect();
    if kept.len() <= BOUND_CHARACTERS {
        return Some(text.to_string());
    }
    kept.truncate(BOUND_CHARACTERS);
    while let Some(last) = kept.pop() {
        // Surrogates are no characters.
        let next = if last == '\u{d7ff}' {
            Some('\u{e000}')
        } else {
            char::from_u32(u32::from(last) + 1)
        };
        if let Some(next) = next {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_never_inside_the_values() {
        let long = "a".repeat(40);
        for (value, lower, upper) in [
            (ScalarValue::Int64(Some(-7)), Some("-7"), Some("-7")),
            (
                ScalarValue::Decimal128(Some(12345678901234567890123456789012345678), 38, 10),
                Some("1234567890123456789012345678.9012345678"),
                Some("1234567890123456789012345678.9012345678"),
            ),
            (ScalarValue::Decimal128(Some(-5), 4, 2), Some("-0.05"), Some("-0.05")),
            (ScalarValue::Float64(Some(f64::NAN)), None, None),
            (ScalarValue::Float64(Some(f64::INFINITY)), None, None),
            (ScalarValue::Float64(Some(0.0)), Some("-0.0"), Some("0.0")),
            (
                ScalarValue::TimestampMicrosecond(Some(1_001), Some("UTC".into())),
                Some("\"1970-01-01T00:00:00.001Z\""),
                Some("\"1970-01-01T00:00:00.002Z\""),
            ),
            (
                ScalarValue::TimestampMicrosecond(Some(-1), None),
                Some("\"1969-12-31T23:59:59.999\""),
                Some("\"1970-01-01T00:00:00.000\""),
            ),
            (ScalarValue::TimestampMicrosecond(Some(i64::MAX), None), None, None),
            (ScalarValue::Date32(Some(i32::MAX)), None, None),
            (
                ScalarValue::Date32(Some(-1)),
                Some("\"1969-12-31\""),
                Some("\"1969-12-31\""),
            ),
            (
                ScalarValue::Utf8View(Some("a\"b".into())),
                Some("\"a\\\"b\""),
                Some("\"a\\\"b\""),
            ),
            (
                ScalarValue::Utf8View(Some(long)),
                Some(&format!("\"{}\"", "a".repeat(32))),
                Some(&format!("\"{}b\"", "a".repeat(31))),
            ),
            (ScalarValue::Utf8View(None), None, None),
        ] {
            assert_eq!(lower_bound(&value).as_deref(), lower, "{value:?}");
            assert_eq!(upper_bound(&value).as_deref(), upper, "{value:?}");
        }
        assert_eq!(string_above(&"\u{10ffff}".repeat(40)), None);
    }
}
