//! A column's mask as it applies to one principal: an expression of the column's own type.

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, cast};

use super::infallible::is_lossless;
use super::policy::{PolicyCompiler, subject};
use crate::error::{Error, Result, SqlState};

/// `None` when the principal sees the column as it is.
pub(crate) fn compile(bound: &Expr, column: &Field, compiler: &PolicyCompiler) -> Result<Option<Expr>> {
    let coerced = compiler.coerce(bound)?;
    let data_type = coerced.get_type(compiler.schema())?;
    if !can_cast_types(&data_type, column.data_type()) {
        let message = format!("the mask of column \"{}\" must return the column's type", column.name());
        return Err(Error::new(SqlState::DatatypeMismatch, message));
    }
    let typed = convert(compiler.simplify(coerced)?, column.data_type(), compiler.schema())?;
    let simplified = compiler.simplify(typed)?;
    let unmasked = Expr::Column(Column::new(Some(subject()), column.name()));
    Ok((simplified != unmasked).then_some(simplified))
}

/// Converts where the values arise. A function declared to return numeric widens the column that it passes
/// on; narrowing the widened value again could fail, undoing the widening cannot.
fn convert(expr: Expr, to: &DataType, schema: &DFSchema) -> Result<Expr> {
    let from = expr.get_type(schema)?;
    if from == *to {
        return Ok(expr);
    }
    Ok(match expr {
        Expr::Cast(widening) if undoes(&widening, to, schema) => convert(*widening.expr, to, schema)?,
        Expr::Case(mut case) => {
            for (_, then) in &mut case.when_then_expr {
                **then = convert(then.as_ref().clone(), to, schema)?;
            }
            if let Some(otherwise) = &mut case.else_expr {
                **otherwise = convert(otherwise.as_ref().clone(), to, schema)?;
            }
            Expr::Case(case)
        }
        other => cast(other, to.clone()),
    })
}

/// Whether each value that the cast yields came losslessly, so that converting its input directly is the same.
fn undoes(widening: &Cast, to: &DataType, schema: &DFSchema) -> bool {
    let widened = widening.field.data_type();
    widening.expr.get_type(schema).is_ok_and(|from| {
        is_lossless(&from, widened) && (from == *to || matches!(widening.expr.as_ref(), Expr::Case(_)))
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::logical_expr::{col, lit, when};

    use super::*;

    #[test]
    fn a_mask_has_the_columns_type_or_is_refused() {
        let salary = Field::new("salary", DataType::Decimal128(10, 2), false);
        let days = Field::new(
            "days",
            DataType::List(Field::new("item", DataType::Int32, true).into()),
            false,
        );
        let compiler = PolicyCompiler::new(&Schema::new(vec![salary.clone(), days]), &Default::default()).unwrap();
        let by_membership = |member: bool| when(lit(member), col("salary")).otherwise(lit(0i64)).unwrap();
        assert_eq!(compile(&by_membership(true), &salary, &compiler).unwrap(), None);
        let masked = compile(&by_membership(false), &salary, &compiler).unwrap().unwrap();
        assert_eq!(masked.get_type(compiler.schema()).unwrap(), *salary.data_type());
        // As a function that returns numeric passes the column on.
        let numeric = |expr| cast(expr, DataType::Decimal128(38, 16));
        let passed_on = numeric(
            when(col("days").is_null(), numeric(col("salary")))
                .otherwise(lit(0i64))
                .unwrap(),
        );
        let converted = compile(&passed_on, &salary, &compiler).unwrap().unwrap();
        assert!(
            crate::governance::infallible::infallible(&converted, compiler.schema()),
            "{converted}"
        );
        assert_eq!(compile(&numeric(col("salary")), &salary, &compiler).unwrap(), None);
        assert_eq!(
            compile(&col("days"), &salary, &compiler).unwrap_err().state(),
            SqlState::DatatypeMismatch
        );
    }
}
