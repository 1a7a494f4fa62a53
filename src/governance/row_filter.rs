//! A table's row filter as it applies to one principal. Only TRUE shows a row: FALSE and NULL hide it.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};

use super::policy::{PolicyCompiler, is_untyped_null};
use crate::error::{Error, Result, SqlState};

/// `None` when every row is visible; the literal FALSE when none is.
pub(crate) fn compile(bound: &Expr, compiler: &PolicyCompiler) -> Result<Option<Expr>> {
    let coerced = compiler.coerce(bound)?;
    let data_type = coerced.get_type(compiler.schema())?;
    if data_type != DataType::Boolean && !is_untyped_null(&data_type) {
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            "a row filter must return boolean",
        ));
    }
    let simplified = compiler.simplify(coerced)?;
    Ok(match &simplified {
        Expr::Literal(ScalarValue::Boolean(Some(true)), _) => None,
        Expr::Literal(..) => Some(lit(false)),
        _ => Some(simplified),
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::{col, when};

    use super::*;

    #[test]
    fn only_true_shows_a_row() {
        let schema = Schema::new(vec![Field::new("region", DataType::Utf8View, true)]);
        let compiler = PolicyCompiler::new(&schema, &Default::default()).unwrap();
        let null = |data_type: DataType| lit(ScalarValue::try_from(&data_type).unwrap());
        let by_membership = |member: bool| {
            when(lit(member), lit(true))
                .otherwise(col("region").eq(lit("north")))
                .unwrap()
        };
        assert_eq!(compile(&lit(true), &compiler).unwrap(), None);
        assert_eq!(compile(&by_membership(true), &compiler).unwrap(), None);
        assert_eq!(compile(&lit(false), &compiler).unwrap(), Some(lit(false)));
        assert_eq!(compile(&null(DataType::Boolean), &compiler).unwrap(), Some(lit(false)));
        assert_eq!(compile(&null(DataType::Null), &compiler).unwrap(), Some(lit(false)));
        let kept = compile(&by_membership(false), &compiler).unwrap().unwrap();
        assert!(kept.to_string().contains("north"), "{kept}");
        assert_eq!(
            compile(&lit("yes"), &compiler).unwrap_err().state(),
            SqlState::DatatypeMismatch
        );
    }
}
