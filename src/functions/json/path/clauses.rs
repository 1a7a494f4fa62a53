//! JSON_EXISTS, JSON_VALUE, JSON_QUERY and the rows of JSON_TABLE, as `statement/dialect/sql_json` calls them. A path that
//! cannot be read is an error; what is wrong with a value is what ON ERROR says.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::{cast, interleave};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::super::datum::Datum;
use super::super::super::environment::environment;
use super::super::super::overload::{OverloadedFunction, rows};
use super::super::populating::as_text;
use super::super::scan::{self, Kind};
use super::syntax::Path;
use crate::error::{Error, Result, SqlState};
use crate::types::builder::ColumnBuilder;
use crate::types::json::check;
use crate::types::parse::parse_value;
use crate::types::{FormatSettings, SqlType, TimeZone};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let clause = |name, is_query| {
        Arc::new(ScalarUDF::new_from_impl(Clause {
            name,
            is_query,
            signature: Signature::any(7, Volatility::Immutable),
        }))
    };
    vec![
        clause("json_value", false),
        clause("json_query", true),
        OverloadedFunction::immutable(
            "json_exists",
            vec![rows("(jsonb, text, jsonb, text) bool", |args, row| {
                exists(row, &args.zone())
            })],
        ),
        OverloadedFunction::immutable(
            "json_table_rows",
            vec![rows("(jsonb, text, jsonb, text) jsonb[]", |args, row| {
                table_rows(row, &args.zone())
            })],
        ),
    ]
}

fn text(row: &[Datum], index: usize) -> &str {
    row.get(index).and_then(Datum::as_text).unwrap_or_default()
}

/// Whether ON ERROR speaks of it: the value is at fault, and not the query.
fn is_of_value(error: &Error) -> bool {
    error.state().code().starts_with("22")
}

fn exists(row: &[Datum], zone: &TimeZone) -> Result<Datum> {
    let path = Path::parse(text(row, 1))?;
    match (path.items(text(row, 0), text(row, 2), Some(zone)), text(row, 3)) {
        (Ok(found), _) => Ok((!found.is_empty()).into()),
        (Err(error), on_error) if on_error != "error" && is_of_value(&error) => Ok(match on_error {
            "true" => true.into(),
            "false" => false.into(),
            _ => Datum::Null,
        }),
        (Err(error), _) => Err(error),
    }
}

/// A path of JSON_TABLE and those nested in it, all numbered in the order of the text.
struct Level {
    number: usize,
    path: Path,
    nested: Vec<Level>,
}

impl Level {
    /// Reads `["path", [nested], …]`.
    fn parse(text: &str, count: &mut usize) -> Result<Level> {
        let mut parts = scan::elements(text).into_iter();
        let path = scan::unquoted(parts.next().unwrap_or("\"$\""))?;
        let number = *count;
        *count += 1;
        Ok(Level {
            number,
            path: Path::parse(&path)?,
            nested: parts.map(|part| Level::parse(part, count)).collect::<Result<_>>()?,
        })
    }

    /// What each row has of this level and those in it: nested paths one behind the other, each beside nothing of the
    /// others; a value below which nothing is found is a row by itself.
    fn rows(&self, value: &str, rows: &Rows<'_>) -> Result<Vec<Vec<(usize, String)>>> {
        let found = match self.path.items(value, rows.variables, Some(rows.zone)) {
            Err(error) if !rows.is_strict && is_of_value(&error) => return Ok(vec![]),
            found => found?,
        };
        let mut made = vec![];
        for (index, value) in found.into_iter().enumerate() {
            let own = (self.number, format!("[{}, {value}]", index + 1));
            let before = made.len();
            for level in &self.nested {
                for mut row in level.rows(&value, rows)? {
                    row.push(own.clone());
                    made.push(row);
                }
            }
            if made.len() == before {
                made.push(vec![own]);
            }
        }
        Ok(made)
    }
}

/// What all paths of a table share.
struct Rows<'a> {
    variables: &'a str,
    /// ERROR ON ERROR.
    is_strict: bool,
    zone: &'a TimeZone,
}

fn table_rows(row: &[Datum], zone: &TimeZone) -> Result<Datum> {
    let mut count = 0;
    let table = Level::parse(text(row, 1), &mut count)?;
    let shared = Rows {
        variables: text(row, 2),
        is_strict: text(row, 3) == "error",
        zone,
    };
    let rows = table.rows(text(row, 0), &shared)?;
    let written = rows.into_iter().map(|found| {
        let mut levels = vec!["[]".to_string(); count];
        for (level, value) in found {
            levels[level] = value;
        }
        Datum::from(format!("[{}]", levels.join(", ")))
    });
    Ok(Datum::List(written.collect()))
}

/// JSON_VALUE or JSON_QUERY: `(null::type, value, path, variables, rules, on empty, on error)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Clause {
    name: &'static str,
    is_query: bool,
    signature: Signature,
}

/// What the clauses say: `null default without keep column`.
struct Rules<'a> {
    on_empty: &'a str,
    on_error: &'a str,
    wrapper: &'a str,
    omits_quotes: bool,
    column: &'a str,
}

impl<'a> Rules<'a> {
    fn parse(text: &'a str) -> Rules<'a> {
        let mut words = text.splitn(5, ' ');
        let mut next = || words.next().unwrap_or_default();
        Rules {
            on_empty: next(),
            on_error: next(),
            wrapper: next(),
            omits_quotes: next() == "omit",
            column: next(),
        }
    }

    /// ` of column "a"`, for what an error is said of.
    fn place(&self, preposition: &str) -> String {
        match self.column {
            "" => String::new(),
            column => format!(" {preposition} column \"{column}\""),
        }
    }
}

/// What a row gets: the place of a default, or a text that its type reads.
enum Found {
    Null,
    Text(String),
    DefaultOnEmpty,
    DefaultOnError,
}

impl ScalarUDFImpl for Clause {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("values of json are known by the type of the first argument").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let sql_type = SqlType::from_field(&arguments.arg_fields[0]);
        Ok(Arc::new(sql_type.to_field(self.name, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let environment = environment(&arguments.config_options);
        let setting = |name: &str| environment.and_then(|environment| environment.setting(name));
        let settings = FormatSettings {
            time_zone: setting("timezone")
                .and_then(|name| TimeZone::parse(&name))
                .unwrap_or(TimeZone::UTC),
            date_style: setting("datestyle")
                .and_then(|text| crate::types::format::DateStyle::parse(&text, Default::default()))
                .unwrap_or_default(),
            ..FormatSettings::default()
        };
        let count = arguments.number_rows;
        let texts = |index: usize| -> PlanResult<StringViewArray> {
            let array = cast(&arguments.args[index].to_array(count)?, &DataType::Utf8View)?;
            Ok(array.as_string_view().clone())
        };
        let sql_type = SqlType::from_field(&arguments.return_field);
        let built = self.column(
            &sql_type,
            &settings,
            [texts(1)?, texts(2)?, texts(3)?, texts(4)?],
            count,
        )?;
        let (values, places) = built;
        if places.iter().all(|place| *place == 0) {
            return Ok(ColumnarValue::Array(values));
        }
        let default = |index: usize| -> PlanResult<ArrayRef> {
            Ok(cast(&arguments.args[index].to_array(count)?, values.data_type())?)
        };
        let (on_empty, on_error) = (default(5)?, default(6)?);
        let places: Vec<(usize, usize)> = places.into_iter().zip(0..count).collect();
        Ok(ColumnarValue::Array(interleave(
            &[&values, &on_empty, &on_error],
            &places,
        )?))
    }
}

impl Clause {
    /// The values, and for each row whether they or one of the defaults answer it.
    fn column(
        &self,
        sql_type: &SqlType,
        settings: &FormatSettings,
        [values, paths, variables, rules]: [StringViewArray; 4],
        count: usize,
    ) -> Result<(ArrayRef, Vec<usize>)> {
        let mut builder = ColumnBuilder::new(sql_type, settings, count);
        let mut places = Vec::with_capacity(count);
        let mut last: Option<(String, Path)> = None;
        for row in 0..count {
            let is_null = values.is_null(row) || paths.is_null(row) || variables.is_null(row);
            if is_null {
                builder.append_null();
                places.push(0);
                continue;
            }
            let path = match last.take() {
                Some((text, path)) if text == paths.value(row) => (text, path),
                _ => (paths.value(row).to_string(), Path::parse(paths.value(row))?),
            };
            let rules = Rules::parse(rules.value(row));
            let (_, path) = last.insert(path);
            let found = self
                .found(
                    path,
                    values.value(row),
                    variables.value(row),
                    (&rules, &settings.time_zone),
                    sql_type,
                )
                .and_then(|found| read(found, sql_type, settings));
            let found = match found {
                Err(error) if is_of_value(&error) && error.state() != SqlState::NoSqlJsonItem => {
                    on_error(&rules, error, sql_type)?
                }
                found => found?,
            };
            places.push(match found {
                Found::DefaultOnEmpty => 1,
                Found::DefaultOnError => 2,
                _ => 0,
            });
            match found {
                Found::Text(text) => builder.append_text(&text)?,
                _ => builder.append_null(),
            }
        }
        Ok((builder.finish()?, places))
    }

    fn found(
        &self,
        path: &Path,
        value: &str,
        variables: &str,
        (rules, zone): (&Rules<'_>, &TimeZone),
        sql_type: &SqlType,
    ) -> Result<Found> {
        let found = path.items(value, variables, Some(zone))?;
        if found.is_empty() {
            return match rules.on_empty {
                "error" => {
                    let message = format!("no SQL/JSON item found for specified path{}", rules.place("of"));
                    Err(Error::new(SqlState::NoSqlJsonItem, message))
                }
                "default" => Ok(Found::DefaultOnEmpty),
                word => constant(word, sql_type),
            };
        }
        match self.is_query {
            true => queried(found, rules, sql_type),
            false => scalar(found, rules, sql_type),
        }
    }
}

fn on_error(rules: &Rules<'_>, error: Error, sql_type: &SqlType) -> Result<Found> {
    match rules.on_error {
        "error" => Err(error),
        "default" => Ok(Found::DefaultOnError),
        word => constant(word, sql_type),
    }
}

/// EMPTY ARRAY, EMPTY OBJECT or NULL.
fn constant(word: &str, sql_type: &SqlType) -> Result<Found> {
    match word {
        "array" => converted("[]", sql_type),
        "object" => converted("{}", sql_type),
        _ => Ok(Found::Null),
    }
}

/// What JSON_QUERY finds.
fn queried(found: Vec<String>, rules: &Rules<'_>, sql_type: &SqlType) -> Result<Found> {
    let wraps = match rules.wrapper {
        "unconditional" => true,
        "conditional" => found.len() > 1,
        _ => false,
    };
    if wraps {
        return converted(&format!("[{}]", found.join(", ")), sql_type);
    }
    let [only] = found.as_slice() else {
        let message = format!(
            "JSON path expression{} must return single item when no wrapper is requested",
            match rules.column {
                "" => " in JSON_QUERY".to_string(),
                _ => rules.place("for"),
            }
        );
        return Err(Error::new(SqlState::MoreThanOneSqlJsonItem, message)
            .with_hint("Use the WITH WRAPPER clause to wrap SQL/JSON items into an array."));
    };
    match (rules.omits_quotes, scan::kind(only)) {
        (true, Kind::String) => {
            let text = scan::unquoted(only)?;
            if matches!(sql_type, SqlType::Json | SqlType::Jsonb) {
                check(&text)?;
            }
            Ok(Found::Text(text))
        }
        _ => converted(only, sql_type),
    }
}

/// json as a value of the type: texts hold its text.
fn converted(json: &str, sql_type: &SqlType) -> Result<Found> {
    let is_text = matches!(
        sql_type,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name
    );
    Ok(match (is_text, sql_type) {
        (true, _) => Found::Text(json.to_string()),
        (_, SqlType::Bytea) => Found::Text(bytes(json)),
        (_, SqlType::Json | SqlType::Jsonb) => Found::Text(json.to_string()),
        _ => as_text(sql_type, json)?.map_or(Found::Null, Found::Text),
    })
}

/// Text as bytea's input has it.
fn bytes(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// What JSON_VALUE finds.
fn scalar(found: Vec<String>, rules: &Rules<'_>, sql_type: &SqlType) -> Result<Found> {
    let refused = |state: SqlState| {
        let place = match rules.column {
            "" => " in JSON_VALUE".to_string(),
            _ => rules.place("for"),
        };
        let message = format!("JSON path expression{place} must return single scalar item");
        Err(Error::new(state, message))
    };
    let [only] = found.as_slice() else {
        return refused(SqlState::MoreThanOneSqlJsonItem);
    };
    let is_json = matches!(sql_type, SqlType::Json | SqlType::Jsonb);
    Ok(match scan::kind(only) {
        Kind::Array | Kind::Object => return refused(SqlState::SqlJsonScalarRequired),
        Kind::Null => Found::Null,
        _ if is_json => Found::Text(only.clone()),
        Kind::String if *sql_type == SqlType::Bytea => Found::Text(bytes(&scan::unquoted(only)?)),
        Kind::String => Found::Text(scan::unquoted(only)?),
        Kind::Boolean => Found::Text(only[..1].to_string()),
        Kind::Number if *sql_type == SqlType::Bytea => Found::Text(bytes(only)),
        _ => Found::Text(only.clone()),
    })
}

/// A text that the type's input takes, cut to the type's length.
fn read(found: Found, sql_type: &SqlType, settings: &FormatSettings) -> Result<Found> {
    let Found::Text(text) = found else {
        return Ok(found);
    };
    let length = match sql_type {
        SqlType::Varchar(Some(length)) | SqlType::Bpchar(Some(length)) => Some(*length as usize),
        _ => None,
    };
    if let Some(length) = length {
        return Ok(Found::Text(text.chars().take(length).collect()));
    }
    if !matches!(sql_type, SqlType::Text | SqlType::Varchar(None)) {
        parse_value(sql_type, &text, settings)?;
    }
    Ok(Found::Text(text))
}
