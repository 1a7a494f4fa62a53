//! What a cast to a domain lets through, or to a type that has parts of one: the function holds the domains' rules, each
//! bound over one column, and passes its argument on where none is broken.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat, filter};
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_plan::PhysicalExpr;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// The name that plans show.
pub const DOMAIN_VALUE: &str = "domain_value";

/// A rule of a domain: a CHECK by its name, or NOT NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainRule {
    pub domain: String,
    pub check: Option<String>,
}

impl DomainRule {
    /// What is said of a value that breaks it.
    pub fn broken(&self) -> Error {
        let domain = &self.domain;
        match &self.check {
            Some(check) => {
                let message = format!("value for domain {domain} violates check constraint \"{check}\"");
                Error::new(SqlState::CheckViolation, message).of_constraint(check)
            }
            None => Error::new(
                SqlState::NotNullViolation,
                format!("domain {domain} does not allow null values"),
            ),
        }
    }
}

/// The first row whose condition is false.
pub fn first_failing(condition: &dyn PhysicalExpr, rows: &RecordBatch) -> Result<Option<usize>> {
    let outcome = condition.evaluate(rows)?.into_array(rows.num_rows())?;
    let Some(outcome) = outcome.as_boolean_opt() else {
        return Ok(None);
    };
    Ok((0..outcome.len()).find(|row| outcome.is_valid(*row) && !outcome.value(*row)))
}

/// What a value of a type has to pass: the rules of its domains, those of its parts first.
#[derive(Clone)]
pub struct ValueTest {
    /// The value as the one column that the rules are over.
    pub schema: SchemaRef,
    pub rules: Vec<(DomainRule, Arc<dyn PhysicalExpr>)>,
    pub parts: Vec<(ValuePart, ValueTest)>,
}

/// A part of a value that has rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValuePart {
    /// The field of a row at this place.
    Field(usize),
    /// Each element of an array.
    Elements,
}

impl ValueTest {
    fn check(&self, values: &ArrayRef) -> Result<()> {
        let wanted = self.schema.field(0).data_type();
        let values = match values.data_type() == wanted {
            true => Arc::clone(values),
            false => datafusion::arrow::compute::cast(values, wanted)?,
        };
        for (part, test) in &self.parts {
            test.check(&part.of(&values)?)?;
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), vec![values])?;
        for (rule, condition) in &self.rules {
            if first_failing(condition.as_ref(), &rows)?.is_some() {
                return Err(rule.broken());
            }
        }
        Ok(())
    }

    /// What tells one test from another.
    fn shown(&self) -> String {
        let rules = self.rules.iter();
        let rules: Vec<String> = rules.map(|(rule, condition)| format!("{rule:?} {condition}")).collect();
        let parts = self.parts.iter();
        let parts: Vec<String> = parts.map(|(part, test)| format!("{part:?} {}", test.shown())).collect();
        format!("{rules:?} {parts:?}")
    }
}

impl ValuePart {
    /// The part of all values that are not NULL.
    fn of(self, values: &ArrayRef) -> Result<ArrayRef> {
        let lost = || Error::internal("a value without the parts of its type");
        match self {
            ValuePart::Field(place) => {
                let rows = values.as_struct_opt().ok_or_else(lost)?;
                let field = rows.columns().get(place).ok_or_else(lost)?;
                Ok(match rows.nulls() {
                    Some(nulls) => filter(field, &BooleanArray::new(nulls.inner().clone(), None))?,
                    None => Arc::clone(field),
                })
            }
            ValuePart::Elements => {
                let lists = values.as_list_opt::<i32>().ok_or_else(lost)?;
                let elements: Vec<ArrayRef> = lists.iter().flatten().collect();
                let elements: Vec<&dyn Array> = elements.iter().map(AsRef::as_ref).collect();
                match elements.is_empty() {
                    true => Ok(lists.values().slice(0, 0)),
                    false => Ok(concat(&elements)?),
                }
            }
        }
    }
}

/// The function that passes on the values of a type that break no rule of its domains; its OID names it.
pub fn domain_value(sql_type: &SqlType, test: ValueTest) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DomainValue {
        name: format!("{DOMAIN_VALUE} {}", sql_type.oid()),
        sql_type: sql_type.carried(),
        is_condition: false,
        test,
        signature: Signature::any(1, Volatility::Stable),
    }))
}

/// The same as a condition, which is true or an error.
pub fn holds_domains(sql_type: &SqlType, test: ValueTest) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DomainValue {
        name: format!("{DOMAIN_VALUE} {} holds", sql_type.oid()),
        sql_type: SqlType::Bool,
        is_condition: true,
        test,
        signature: Signature::any(1, Volatility::Stable),
    }))
}

struct DomainValue {
    name: String,
    /// The type of the value, or of the truth about it.
    sql_type: SqlType,
    is_condition: bool,
    test: ValueTest,
    signature: Signature,
}

impl fmt::Debug for DomainValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for DomainValue {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.test.shown() == other.test.shown()
    }
}

impl Eq for DomainValue {}

impl Hash for DomainValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for DomainValue {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(self.sql_type.to_arrow())
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        Ok(Arc::new(self.sql_type.to_field(self.name(), true)))
    }

    fn schema_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        let shown = arguments.first().map(|argument| argument.schema_name().to_string());
        Ok(shown.unwrap_or_default())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let Some(value) = arguments.args.into_iter().next() else {
            return Err(Error::internal("a domain without a value").into());
        };
        let values = value.to_array(match &value {
            ColumnarValue::Array(values) => values.len(),
            ColumnarValue::Scalar(_) => 1,
        })?;
        self.test.check(&values)?;
        if self.is_condition {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))));
        }
        let wanted = self.sql_type.to_arrow();
        Ok(match value {
            value if value.data_type() == wanted => value,
            ColumnarValue::Array(_) => ColumnarValue::Array(datafusion::arrow::compute::cast(&values, &wanted)?),
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(match value.is_null() {
                true => ScalarValue::try_from(&wanted)?,
                false => value.cast_to(&wanted)?,
            }),
        })
    }
}
