//! Gives every expression of a VALUES list its column's type. DataFusion types the columns before it
//! coerces what is inside the expressions, and a CASE of an integer and a decimal then no longer fits.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values};
use datafusion::optimizer::AnalyzerRule;

/// Runs after DataFusion's type coercion.
#[derive(Debug)]
pub struct TypedValues;

impl AnalyzerRule for TypedValues {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        let mut is_needed = false;
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Values(values) = node {
                is_needed |= common_types(values)?.is_some();
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !is_needed {
            return Ok(plan);
        }
        let transformed = plan.transform_up_with_subqueries(|node| {
            Ok(Transformed::yes(match node {
                LogicalPlan::Values(values) => LogicalPlan::Values(typed(values)?),
                // A column above a list that became wider is wider too.
                other => other.recompute_schema()?,
            }))
        })?;
        Ok(transformed.data)
    }

    fn name(&self) -> &str {
        "typed_values"
    }
}

/// The columns' types that hold every row; `None` where all expressions have the declared ones.
fn common_types(values: &Values) -> PlanResult<Option<Vec<DataType>>> {
    let outside = DFSchema::empty();
    let declared = values.schema.fields().iter().map(|field| field.data_type().clone());
    let mut types: Vec<DataType> = declared.collect();
    let mut differs = false;
    for row in &values.values {
        for (common, expression) in types.iter_mut().zip(row) {
            let actual = expression.get_type(&outside)?;
            if actual != *common {
                differs = true;
                if let Some(wider) = comparison_coercion(common, &actual) {
                    *common = wider;
                }
            }
        }
    }
    Ok(differs.then_some(types))
}

fn typed(values: Values) -> PlanResult<Values> {
    let Some(types) = common_types(&values)? else {
        return Ok(values);
    };
    let outside = DFSchema::empty();
    let rows = values.values.into_iter().map(|row| {
        let cells = row.into_iter().zip(&types);
        cells
            .map(|(expression, wanted)| expression.cast_to(wanted, &outside))
            .collect::<PlanResult<Vec<Expr>>>()
    });
    let rows = rows.collect::<PlanResult<Vec<_>>>()?;
    let fields = values.schema.iter().zip(&types).map(|((relation, field), wanted)| {
        let field = field.as_ref().clone().with_data_type(wanted.clone());
        (relation.cloned(), field.into())
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), values.schema.metadata().clone())?;
    Ok(Values {
        schema: schema.into(),
        values: rows,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{LogicalPlanBuilder, lit, when};
    use datafusion::scalar::ScalarValue;

    use super::*;

    #[test]
    fn a_case_that_coercion_made_wider_widens_its_column() {
        let fraction = || lit(ScalarValue::Decimal128(Some(9_999_999), 7, 2));
        let mut case = when(
            lit(true),
            lit(300_i64)
                .cast_to(&DataType::Decimal128(22, 2), &DFSchema::empty())
                .unwrap(),
        );
        let wide = case.otherwise(fraction()).unwrap();
        let plan = LogicalPlanBuilder::values(vec![vec![lit(1_i64)], vec![lit(10_i64)]])
            .unwrap()
            .build()
            .unwrap();
        let LogicalPlan::Values(mut values) = plan else {
            panic!("not a list of values")
        };
        values.values[0][0] = wide;
        let options = ConfigOptions::default();
        let analyzed = TypedValues.analyze(LogicalPlan::Values(values), &options).unwrap();
        let LogicalPlan::Values(values) = analyzed else {
            panic!("not a list of values")
        };
        let column = values.schema.field(0).data_type().clone();
        assert!(matches!(column, DataType::Decimal128(_, 2)), "{column}");
        for row in &values.values {
            assert_eq!(row[0].get_type(&DFSchema::empty()).unwrap(), column);
        }
    }
}
