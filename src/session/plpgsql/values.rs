//! What variables hold, and how a value becomes a variable's: PostgreSQL's casts on assignment, through text where
//! there is none.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::common::ScalarValue;

use super::Interpreter;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::OutputColumn;
use crate::statement::plpgsql::{Shape, Target};
use crate::types::cast::{CastContext, cast_array};
use crate::types::format::{Format, FormatSettings};
use crate::types::parse::parse_value;
use crate::types::{ColumnEncoder, SqlType};

/// A value with its type.
#[derive(Debug, Clone)]
pub(in crate::session) struct Typed {
    pub sql_type: SqlType,
    pub value: ScalarValue,
}

impl Typed {
    pub fn text(text: impl Into<String>) -> Typed {
        Typed {
            sql_type: SqlType::Text,
            value: ScalarValue::Utf8View(Some(text.into())),
        }
    }

    /// The value as its type's output function writes it; `None` is NULL.
    pub fn shown(&self, settings: &FormatSettings) -> Result<Option<String>> {
        if self.value.is_null() {
            return Ok(None);
        }
        let array = self.value.to_array()?;
        let mut text = BytesMut::new();
        ColumnEncoder::new(&self.sql_type, Format::Text, settings).encode(array.as_ref(), 0, &mut text)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// What a variable may hold.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Not declared yet.
    Open,
    Scalar(SqlType),
    /// Any row.
    Record,
    /// Rows with these fields.
    Row(Vec<(String, SqlType)>),
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(ScalarValue),
    /// `None`: not assigned yet.
    Record(Option<Vec<Field>>),
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: String,
    pub typed: Typed,
}

impl Value {
    pub fn null() -> Value {
        Value::Scalar(ScalarValue::Null)
    }
}

impl Kind {
    /// What a variable holds before anything is assigned to it.
    pub fn empty(&self) -> Result<Value> {
        Ok(match self {
            Kind::Open => Value::null(),
            Kind::Scalar(sql_type) => Value::Scalar(null_of(sql_type)?),
            Kind::Record => Value::Record(None),
            Kind::Row(fields) => {
                let fields = fields.iter().map(|(name, sql_type)| {
                    Ok(Field {
                        name: name.clone(),
                        typed: Typed {
                            sql_type: sql_type.clone(),
                            value: null_of(sql_type)?,
                        },
                    })
                });
                Value::Record(Some(fields.collect::<Result<_>>()?))
            }
        })
    }
}

/// NULL of a type.
pub(in crate::session) fn null_of(sql_type: &SqlType) -> Result<ScalarValue> {
    Ok(ScalarValue::try_from(&sql_type.to_arrow())?)
}

/// A value of a result in the layout that parameters have.
pub(super) fn value_at(array: &ArrayRef, row: usize, sql_type: &SqlType) -> Result<ScalarValue> {
    let value = ScalarValue::try_from_array(array, row)?;
    let layout = sql_type.to_arrow();
    match sql_type {
        SqlType::Numeric(None) if !value.is_null() => {
            let settings = FormatSettings::default();
            let sql_type = sql_type.clone();
            exact_numeric(&Typed { sql_type, value }, &settings)
        }
        // A row has the layout of its fields.
        SqlType::Record | SqlType::Composite(_) => Ok(value),
        _ if value.data_type() == layout => Ok(value),
        _ => {
            let options = CastOptions {
                safe: false,
                ..Default::default()
            };
            let cast = cast_with_options(&value.to_array()?, &layout, &options)?;
            Ok(ScalarValue::try_from_array(&cast, 0)?)
        }
    }
}

/// Every numeric without a modifier has digits of its own: those that it is shown with.
pub(in crate::session) fn exact_numeric(value: &Typed, settings: &FormatSettings) -> Result<ScalarValue> {
    let text = value.shown(settings)?.unwrap_or_default();
    parse_value(&SqlType::Numeric(None), &text, settings)
}

/// A value as a parameter: the type of a numeric says its digits, in few widths, so that few plans serve many values.
pub(in crate::session) fn as_parameter(value: Typed) -> Typed {
    const WIDTHS: [u8; 3] = [9, 18, 28];
    match (&value.sql_type, &value.value) {
        (SqlType::Numeric(None), ScalarValue::Decimal128(Some(number), precision, scale)) => {
            let width = WIDTHS.into_iter().find(|width| width >= precision).unwrap_or(38);
            Typed {
                sql_type: SqlType::Numeric(Some((width, *scale))),
                value: ScalarValue::Decimal128(Some(*number), width, *scale),
            }
        }
        _ => value,
    }
}

impl Interpreter<'_> {
    pub(super) fn set_kind(&mut self, variable: usize, kind: Kind) {
        if let Some(slot) = self.kinds.get_mut(variable) {
            *slot = kind;
        }
    }

    pub(super) fn set_value(&mut self, variable: usize, value: Value) {
        if let Some(slot) = self.values.get_mut(variable) {
            *slot = value;
        }
    }

    pub(super) fn set_found(&mut self, found: bool) -> Result<()> {
        let variable = self.routine.found;
        self.set_kind(variable, Kind::Scalar(SqlType::Bool));
        self.set_value(variable, Value::Scalar(ScalarValue::Boolean(Some(found))));
        Ok(())
    }

    /// What names of this variable may stand for.
    pub(super) fn shape(&self, variable: usize) -> Shape {
        match self.values.get(variable) {
            Some(Value::Record(fields)) => Shape::Record(fields.as_ref().map(|fields| {
                let names = fields.iter().map(|field| field.name.clone());
                names.collect()
            })),
            _ => Shape::Scalar,
        }
    }

    /// The value as a variable of this type takes it.
    pub(super) fn cast(&self, from: Typed, target: &SqlType) -> Result<ScalarValue> {
        cast_value(from, target, &self.session.settings.current().format)
    }

    pub(super) fn assign(&mut self, target: &Target, value: Typed) -> Result<()> {
        match &target.field {
            None => self.assign_variable(target.variable, value),
            Some(name) => self.assign_field(target.variable, name, value),
        }
    }

    pub(super) fn assign_variable(&mut self, variable: usize, value: Typed) -> Result<()> {
        match self.kinds.get(variable).cloned() {
            Some(Kind::Scalar(sql_type)) => {
                let routine = Arc::clone(&self.routine);
                if let Some(declared) = routine.variables.get(variable)
                    && declared.not_null
                    && value.value.is_null()
                {
                    let message = format!(
                        "null value cannot be assigned to variable \"{}\" declared NOT NULL",
                        declared.name
                    );
                    return Err(Error::new(SqlState::NullValueNotAllowed, message));
                }
                let value = self.cast(value, &sql_type)?;
                self.set_value(variable, Value::Scalar(value));
                Ok(())
            }
            Some(Kind::Open) | None => {
                self.set_kind(variable, Kind::Scalar(value.sql_type));
                self.set_value(variable, Value::Scalar(value.value));
                Ok(())
            }
            Some(kind @ (Kind::Record | Kind::Row(_))) => {
                if value.value.is_null() {
                    let empty = match kind {
                        Kind::Record => Value::Record(None),
                        kind => kind.empty()?,
                    };
                    self.set_value(variable, empty);
                    return Ok(());
                }
                let Some((columns, row)) = fields_of(&value)? else {
                    let message = "cannot assign non-composite value to a record variable";
                    return Err(Error::new(SqlState::DatatypeMismatch, message));
                };
                self.assign_record(variable, Some((&columns, row)))
            }
        }
    }

    fn assign_field(&mut self, variable: usize, name: &str, value: Typed) -> Result<()> {
        let shown = self
            .routine
            .variables
            .get(variable)
            .map_or("", |variable| &variable.name);
        let fields = match self.values.get(variable) {
            Some(Value::Record(Some(fields))) => fields,
            _ => return Err(not_assigned(shown)),
        };
        let index = fields.iter().position(|field| field.name == name);
        let index = index.ok_or_else(|| no_field(shown, name))?;
        let sql_type = match fields.get(index) {
            Some(field) => field.typed.sql_type.clone(),
            None => return Ok(()),
        };
        let value = self.cast(value, &sql_type)?;
        if let Some(Value::Record(Some(fields))) = self.values.get_mut(variable)
            && let Some(field) = fields.get_mut(index)
        {
            field.typed.value = value;
        }
        Ok(())
    }

    /// Gives a row to one record, or its columns to the targets one by one; no row is NULL for all of them.
    pub(super) fn assign_row(
        &mut self,
        targets: &[Target],
        row: Option<(&[OutputColumn], Vec<ScalarValue>)>,
    ) -> Result<()> {
        if let [Target { variable, field: None }] = targets
            && matches!(self.kinds.get(*variable), Some(Kind::Record | Kind::Row(_)))
        {
            return self.assign_record(*variable, row);
        }
        let mut values = row.into_iter().flat_map(|(columns, values)| {
            let typed = |(column, value): (&OutputColumn, ScalarValue)| Typed {
                sql_type: column.declared_type(),
                value,
            };
            columns.iter().zip(values).map(typed).collect::<Vec<_>>()
        });
        for target in targets {
            let value = values.next().unwrap_or(Typed {
                sql_type: SqlType::Unknown,
                value: ScalarValue::Null,
            });
            self.assign(target, value)?;
        }
        Ok(())
    }

    fn assign_record(&mut self, variable: usize, row: Option<(&[OutputColumn], Vec<ScalarValue>)>) -> Result<()> {
        let fields: Vec<Field> = match (self.kinds.get(variable).cloned(), row) {
            (Some(Kind::Row(fields)), row) => {
                let mut values = row.into_iter().flat_map(|(columns, values)| {
                    let columns = columns.iter().map(OutputColumn::declared_type).collect::<Vec<_>>();
                    columns.into_iter().zip(values)
                });
                let fields = fields.into_iter().map(|(name, sql_type)| {
                    let value = match values.next() {
                        Some((from, value)) => self.cast(Typed { sql_type: from, value }, &sql_type)?,
                        None => null_of(&sql_type)?,
                    };
                    let typed = Typed { sql_type, value };
                    Ok(Field { name, typed })
                });
                fields.collect::<Result<_>>()?
            }
            (_, Some((columns, values))) => {
                let fields = columns.iter().zip(values).map(|(column, value)| Field {
                    name: column.name.clone(),
                    typed: Typed {
                        sql_type: column.declared_type(),
                        value,
                    },
                });
                fields.collect()
            }
            // The fields stay, and are NULL.
            (_, None) => match self.values.get(variable) {
                Some(Value::Record(Some(fields))) => {
                    let nulls = fields.iter().map(|field| {
                        let sql_type = field.typed.sql_type.clone();
                        Ok(Field {
                            name: field.name.clone(),
                            typed: Typed {
                                value: null_of(&sql_type)?,
                                sql_type,
                            },
                        })
                    });
                    nulls.collect::<Result<_>>()?
                }
                _ => return Ok(()),
            },
        };
        self.set_value(variable, Value::Record(Some(fields)));
        Ok(())
    }
}

/// The value as a variable of this type takes it.
pub(in crate::session) fn cast_value(from: Typed, target: &SqlType, settings: &FormatSettings) -> Result<ScalarValue> {
    if from.sql_type == *target {
        return Ok(from.value);
    }
    if from.value.is_null() {
        return null_of(target);
    }
    if *target == SqlType::Numeric(None) {
        return exact_numeric(&from, settings);
    }
    let array = from.value.to_array()?;
    let is_text = |sql_type: &SqlType| {
        matches!(
            sql_type,
            SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name
        )
    };
    let source = match &from.sql_type {
        source if is_text(source) && !is_text(target) => SqlType::Unknown,
        source => source.clone(),
    };
    match cast_array(&array, &source, target, CastContext::Assignment, settings) {
        Ok(array) => Ok(ScalarValue::try_from_array(&array, 0)?),
        Err(error) if error.state() == SqlState::CannotCoerce => {
            let text = from.shown(settings)?.unwrap_or_default();
            parse_value(target, &text, settings)
        }
        Err(error) => Err(error),
    }
}

/// The columns and values of a row in one value.
pub(super) fn fields_of(value: &Typed) -> Result<Option<(Vec<OutputColumn>, Vec<ScalarValue>)>> {
    let ScalarValue::Struct(row) = &value.value else {
        return Ok(None);
    };
    let Some(fields) = crate::types::row_fields(&value.sql_type, row.data_type()) else {
        return Ok(None);
    };
    let columns = fields
        .into_iter()
        .map(|field| OutputColumn::new(field.name, field.sql_type));
    let values = row
        .columns()
        .iter()
        .map(|column| ScalarValue::try_from_array(column, 0));
    let values = values.collect::<Result<_, _>>()?;
    Ok(Some((columns.collect(), values)))
}

pub(super) fn not_assigned(record: &str) -> Error {
    Error::new(
        SqlState::ObjectNotInPrerequisiteState,
        format!("record \"{record}\" is not assigned yet"),
    )
    .with_detail("The tuple structure of a not-yet-assigned record is indeterminate.")
}

pub(super) fn no_field(record: &str, field: &str) -> Error {
    let message = format!("record \"{record}\" has no field \"{field}\"");
    Error::new(SqlState::UndefinedColumn, message)
}
