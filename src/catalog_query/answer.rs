//! From a statement to its description or rows: analysis, evaluation, and columns of the types that the wire writes.

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatchOptions, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, not_covered};
use super::evaluate::{Executor, Row};
use super::node::Query;
use super::origins::origin;
use super::value_type::{NUMERIC, Type, UNKNOWN};
use crate::binding::ColumnSource;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{OutputColumn, RowSet, Rows, stream_of};
use crate::functions::{Datum, FunctionEnvironment, Lookup, to_array};
use crate::introspection::Monitoring;
use crate::types::format::{Format, FormatSettings};
use crate::types::{SqlType, UNCONSTRAINED_NUMERIC};

/// A query with its surroundings.
pub struct Asked<'a> {
    pub query: &'a sql::Query,
    /// Types that the client gave to `$1`, `$2` …
    pub declared: &'a [Option<SqlType>],
    pub parameter_count: usize,
    pub environment: &'a dyn FunctionEnvironment,
    pub monitoring: &'a dyn Monitoring,
    pub settings: &'a FormatSettings,
}

/// What a query takes and gives.
pub struct Described {
    pub parameters: Vec<SqlType>,
    pub columns: Vec<OutputColumn>,
}

/// Names and types of a query's columns and parameters. `None` where it is not covered.
pub fn describe(asked: &Asked<'_>) -> Result<Option<Described>> {
    let described = analyzed(asked).and_then(|(query, analyzer)| {
        Ok(Described {
            columns: output_columns(&query),
            parameters: parameter_types(&analyzer, asked)?,
        })
    });
    covered(described)
}

/// The rows of a query. `None` where it is not covered.
pub fn answer(asked: &Asked<'_>, parameters: &[ScalarValue], formats: &[Format]) -> Result<Option<RowSet>> {
    let rows = analyzed(asked).and_then(|(query, analyzer)| {
        let mut executor = Executor::new(asked.environment, asked.monitoring, asked.settings);
        for (value, known) in parameters.iter().zip(&analyzer.parameters) {
            let value = Datum::from_scalar(value)?;
            let ty = known.clone().unwrap_or(Type::of(UNKNOWN));
            // Types without an Arrow type of their own come as text.
            executor.parameters.push(match (&value, ty.to_sql_type()) {
                (Datum::Text(text), SqlType::System(_)) => executor.input(text, &ty)?,
                _ => value,
            });
        }
        let rows = executor.run(&query)?;
        batch(&executor, &query, &rows, formats).map(|batch| (output_columns(&query), batch))
    });
    Ok(covered(rows)?.map(|(columns, batch)| RowSet {
        columns: columns.into(),
        rows: Rows::Stream {
            stream: stream_of(batch),
            fill: None,
        },
        tag: "SELECT",
    }))
}

fn analyzed<'a>(asked: &Asked<'a>) -> Result<(Query, Analyzer<'a>)> {
    let count = asked.declared.len().max(asked.parameter_count);
    let declared = |index: usize| {
        asked
            .declared
            .get(index)
            .and_then(Option::as_ref)
            .map(Type::of_sql_type)
    };
    let mut analyzer = Analyzer {
        lookup: Lookup::new(asked.environment.context()),
        executor: Executor::new(asked.environment, asked.monitoring, asked.settings),
        parameters: (0..count).map(declared).collect(),
        levels: vec![],
        reach: usize::MAX,
        next_id: 0,
        shared: vec![],
        operators: RefCell::default(),
        is_branch: false,
    };
    let query = analyzer.query(asked.query)?;
    Ok((query, analyzer))
}

/// What 0A000 refuses is for the other path.
fn covered<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.state() == SqlState::FeatureNotSupported => {
            tracing::debug!(reason = error.message(), "a catalog query is left to the planner");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn parameter_types(analyzer: &Analyzer<'_>, asked: &Asked<'_>) -> Result<Vec<SqlType>> {
    let known = analyzer
        .parameters
        .iter()
        .enumerate()
        .map(|(index, known)| match known {
            // A type that the client gave comes back as it was given.
            Some(ty) => match asked.declared.get(index).cloned().flatten() {
                Some(declared) => declared,
                None => ty.to_sql_type(),
            },
            None => SqlType::Text,
        });
    Ok(known.collect())
}

fn output_columns(query: &Query) -> Vec<OutputColumn> {
    query
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| OutputColumn {
            source: ColumnSource {
                origin: origin(query, index),
                is_computed: false,
            },
            ..OutputColumn::new(column.name.clone(), column.ty.to_sql_type())
        })
        .collect()
}

fn batch(executor: &Executor<'_>, query: &Query, rows: &[Row], formats: &[Format]) -> Result<RecordBatch> {
    let mut arrays: Vec<ArrayRef> = vec![];
    let mut fields = vec![];
    for (index, column) in query.columns.iter().enumerate() {
        let format = match formats {
            [] => Format::Text,
            [one] => *one,
            all => all.get(index).copied().unwrap_or_default(),
        };
        let values: Vec<Datum> = rows
            .iter()
            .map(|row| row.get(index).cloned().unwrap_or(Datum::Null))
            .collect();
        let array = column_array(executor, &values, &column.ty, format)?;
        fields.push(Field::new(column.name.clone(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        arrays,
        &options,
    )?)
}

fn column_array(executor: &Executor<'_>, values: &[Datum], ty: &Type, format: Format) -> Result<ArrayRef> {
    let sql_type = ty.to_sql_type();
    if format == Format::Text && is_shown_as_text(ty) {
        let texts = values
            .iter()
            .map(|value| match value {
                Datum::Null => Ok(None),
                other => executor.output(other, ty).map(Some),
            })
            .collect::<Result<Vec<Option<String>>>>()?;
        return Ok(Arc::new(StringViewArray::from_iter(texts)));
    }
    let data_type = match (&sql_type, ty.element()) {
        (SqlType::Numeric(None), _) => DataType::Decimal128(UNCONSTRAINED_NUMERIC.0, largest_scale(values)),
        (SqlType::System(_), Some(element)) => {
            let element = element.to_sql_type().to_field("item", true);
            DataType::List(Arc::new(element))
        }
        (SqlType::System(_), None) if values.iter().any(|value| matches!(value, Datum::Int(_))) => DataType::UInt32,
        (SqlType::Array(element), _) => match element.as_ref() {
            SqlType::System(_) if holds_numbers(values) => {
                DataType::List(Arc::new(Field::new("item", DataType::UInt32, true)))
            }
            _ => sql_type.to_arrow(),
        },
        _ => sql_type.to_arrow(),
    };
    if ty.fields.is_some() {
        return Err(Error::unsupported("a record in binary"));
    }
    if is_flat(&data_type) && values.iter().any(is_nested) {
        return Err(not_covered("an array of several dimensions"));
    }
    to_array(&data_type, values)
}

fn is_flat(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(element) if !element.data_type().is_nested())
}

fn is_nested(value: &Datum) -> bool {
    matches!(value, Datum::List(elements) if elements.iter().any(|element| matches!(element, Datum::List(_))))
}

/// Types whose values are not what the text shows.
fn is_shown_as_text(ty: &Type) -> bool {
    let element = ty.element().unwrap_or_else(|| ty.clone());
    let is_plain = |oid: u32| matches!(SqlType::from_oid(oid), Some(SqlType::System(_)) | None);
    ty.fields.is_some() || element.is_registered() || is_plain(element.oid) || (ty.is_array() && is_plain(ty.oid))
}

fn holds_numbers(values: &[Datum]) -> bool {
    values.iter().any(|value| match value {
        Datum::List(values) => values.iter().any(|value| matches!(value, Datum::Int(_))),
        _ => false,
    })
}

/// Numbers without a modifier are written with the digits that they have.
fn largest_scale(values: &[Datum]) -> i8 {
    let scales = values.iter().map(|value| match value {
        Datum::Decimal(_, scale) => *scale,
        _ => 0,
    });
    debug_assert_eq!(Type::of(NUMERIC).to_sql_type(), SqlType::Numeric(None));
    scales.max().unwrap_or(0)
}
