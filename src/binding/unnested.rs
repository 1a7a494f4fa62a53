//! Columns of unnested arrays whose elements have a type that their layout does not tell: `jsonb_array_elements` gives
//! jsonb and no text.

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Unnest};

use crate::error::Result;
use crate::functions::retyped;
use crate::types::SqlType;

/// The unnested columns with their types.
pub(super) fn with_types(unnest: Unnest) -> Result<LogicalPlan> {
    let input = unnest.input.schema();
    let element = |place: &usize| {
        let is_list = unnest.list_type_columns.iter().any(|(list, _)| list == place);
        match SqlType::from_field(input.fields().get(*place).filter(|_| is_list)?) {
            SqlType::Array(element) if SqlType::from_arrow(&element.to_arrow()) != *element => Some(*element),
            _ => None,
        }
    };
    let types: Vec<Option<SqlType>> = unnest.dependency_indices.iter().map(element).collect();
    let columns = unnest.schema.columns();
    let plan = LogicalPlan::Unnest(unnest);
    if types.iter().all(Option::is_none) {
        return Ok(plan);
    }
    let typed = columns.into_iter().zip(types).map(|(column, sql_type)| {
        let plain = Expr::Column(column.clone());
        match sql_type {
            Some(sql_type) => retyped(plain, sql_type).alias_qualified(column.relation, column.name),
            None => plain,
        }
    });
    let typed: Vec<Expr> = typed.collect();
    Ok(LogicalPlanBuilder::from(plan).project(typed)?.build()?)
}
