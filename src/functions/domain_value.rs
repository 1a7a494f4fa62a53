//! What a cast to a domain lets through: the function holds the domain's rules, bound over one column, and passes its
//! argument on where none is broken.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
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

/// The function for the domain of this OID. The rules' conditions are over the one column of `schema`.
pub fn domain_value(
    oid: u32,
    sql_type: &SqlType,
    schema: SchemaRef,
    rules: Vec<(DomainRule, Arc<dyn PhysicalExpr>)>,
) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DomainValue {
        name: format!("{DOMAIN_VALUE} {oid}"),
        sql_type: sql_type.base().clone(),
        schema,
        rules,
        signature: Signature::any(1, Volatility::Stable),
    }))
}

struct DomainValue {
    name: String,
    sql_type: SqlType,
    schema: SchemaRef,
    rules: Vec<(DomainRule, Arc<dyn PhysicalExpr>)>,
    signature: Signature,
}

impl DomainValue {
    fn check(&self, values: &ArrayRef) -> Result<()> {
        let values = match values.data_type() == self.schema.field(0).data_type() {
            true => Arc::clone(values),
            false => datafusion::arrow::compute::cast(values, self.schema.field(0).data_type())?,
        };
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), vec![values])?;
        for (rule, condition) in &self.rules {
            if first_failing(condition.as_ref(), &rows)?.is_some() {
                return Err(rule.broken());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DomainValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for DomainValue {
    fn eq(&self, other: &Self) -> bool {
        let shown = |value: &Self| -> Vec<String> {
            let rules = value.rules.iter();
            rules.map(|(rule, condition)| format!("{rule:?} {condition}")).collect()
        };
        self.name == other.name && shown(self) == shown(other)
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
        self.check(&values)?;
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
