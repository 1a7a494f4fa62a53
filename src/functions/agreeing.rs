//! `coalesce`, `nullif`, `greatest` and `least` of DataFusion, which know layouts alone: their results are described by
//! the SQL type that all arguments have, so that what is built upon them finds jsonb as jsonb while it is planned.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue, plan_err};
use datafusion::functions::core;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::types::SqlType;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [core::coalesce(), core::nullif(), core::greatest(), core::least()]
        .into_iter()
        .map(|inner| Arc::new(ScalarUDF::new_from_impl(Agreeing::new(inner))))
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Agreeing {
    inner: Arc<ScalarUDF>,
    /// Types are decided here.
    signature: Signature,
}

impl Agreeing {
    fn new(inner: Arc<ScalarUDF>) -> Agreeing {
        Agreeing {
            inner,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// The types that the engine brings these to.
    fn common(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        if self.inner.name() != "nullif" {
            return self.inner.coerce_types(types);
        }
        let common = match types {
            [one, other] => comparison_coercion(one, other),
            _ => None,
        };
        match common {
            Some(DataType::Null) => Ok(vec![DataType::Utf8View; 2]),
            Some(common) => Ok(vec![common; 2]),
            None => plan_err!("nullif() compares two values of one type"),
        }
    }
}

impl ScalarUDFImpl for Agreeing {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let known = arguments
            .arg_fields
            .iter()
            .zip(arguments.scalar_arguments)
            .filter(|(field, literal)| {
                // A literal of unknown type says nothing.
                let is_quoted = matches!(literal, Some(ScalarValue::Utf8(_))) && field.metadata().is_empty();
                !is_quoted && !field.data_type().is_null()
            });
        let types: Vec<SqlType> = known.map(|(field, _)| SqlType::from_field(field)).collect();
        let agreed = types
            .first()
            .filter(|first| types.iter().all(|sql_type| sql_type == *first))
            .cloned();
        let field = self.inner.return_field_from_args(arguments)?;
        Ok(match agreed {
            Some(sql_type) if SqlType::from_arrow(field.data_type()) != sql_type => {
                let metadata = sql_type.to_field("", true).metadata().clone();
                Arc::new(field.as_ref().clone().with_metadata(metadata))
            }
            _ => field,
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        // Literals that nobody has read yet, and parameters that have no type yet, are of the type of the others.
        let is_open = |data_type: &DataType| data_type.is_null() || data_type.is_string();
        let known: Vec<DataType> = types.iter().filter(|data_type| !is_open(data_type)).cloned().collect();
        match known.as_slice() {
            [first, others @ ..] if known.len() < types.len() => {
                let common = match others.iter().all(|other| other == first) {
                    true => first.clone(),
                    false => self.common(&known)?.swap_remove(0),
                };
                Ok(vec![common; types.len()])
            }
            _ => self.common(types),
        }
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> PlanResult<ExprSimplifyResult> {
        self.inner.simplify(arguments, context)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(&self, arguments: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        self.inner.invoke_with_args(arguments)
    }
}
