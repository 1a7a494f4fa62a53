//! Types of `$1`, `$2` …: what the client declared wins, then what the plan says, then text.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::ExprSchema;
use datafusion::common::metadata::check_metadata_with_storage_equal;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast as sql;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// What the first use of each parameter says where later ones say something else: the statement is to be bound again
/// with these types declared. `None` where the uses agree.
pub(crate) fn first_uses(plan: &LogicalPlan, declared: &[Option<SqlType>]) -> Result<Option<Vec<Option<SqlType>>>> {
    let mut types = declared.to_vec();
    let mut agree = true;
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::Placeholder(Placeholder { id, field: Some(field) }) = expression
                    && let Ok(number @ 1..) = id.trim_start_matches('$').parse::<usize>()
                {
                    if types.len() < number {
                        types.resize(number, None);
                    }
                    let used = SqlType::from_field(field);
                    let first = types[number - 1].get_or_insert_with(|| used.clone());
                    agree &= *first == used;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok((!agree && types != declared).then_some(types))
}

/// Completes the parameters' types from the plan's use of them.
pub(crate) fn infer(plan: LogicalPlan, declared: &[Option<SqlType>]) -> Result<(LogicalPlan, Vec<SqlType>)> {
    let types = parameter_types(&plan, declared)?;
    Ok((plan, types))
}

/// Whether the plan compares each of the parameters that are `strings` with columns of texts and nothing else: a string
/// that other types are compared with is read as one of them, or without the blanks at its end.
pub fn compares_with_texts(plan: &LogicalPlan, strings: &[bool]) -> Result<bool> {
    let is_string = |id: &str| {
        let number = id.trim_start_matches('$').parse::<usize>().unwrap_or(0);
        number > 0 && strings.get(number - 1) == Some(&true)
    };
    let (mut uses, mut comparisons) = (0, 0);
    plan.apply_with_subqueries(|node| {
        let schema = match node {
            LogicalPlan::Filter(filter) => Some(filter.input.schema()),
            _ => None,
        };
        let is_text = |operand: &Expr| match (operand, schema) {
            (Expr::Column(column), Some(schema)) => schema
                .field_from_column(column)
                .is_ok_and(|field| matches!(SqlType::from_field(field), SqlType::Text | SqlType::Varchar(_))),
            _ => false,
        };
        let is_open = |operand: &Expr| matches!(operand, Expr::Placeholder(place) if is_string(&place.id));
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                match part {
                    part if is_open(part) => uses += 1,
                    Expr::BinaryExpr(binary) if is_text(&binary.left) => {
                        comparisons += usize::from(is_open(&binary.right))
                    }
                    Expr::BinaryExpr(binary) if is_text(&binary.right) => {
                        comparisons += usize::from(is_open(&binary.left))
                    }
                    Expr::Between(between) if is_text(&between.expr) => {
                        let bounds = [&between.low, &between.high];
                        comparisons += bounds.into_iter().filter(|bound| is_open(bound)).count();
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(uses == comparisons)
}

/// The types of a plan's parameters, one for each number up to the highest.
pub fn parameter_types(plan: &LogicalPlan, declared: &[Option<SqlType>]) -> Result<Vec<SqlType>> {
    let mut types: Vec<SqlType> = declared
        .iter()
        .map(|declared| declared.clone().unwrap_or(SqlType::Text))
        .collect();
    for (name, field) in parameter_fields(plan)? {
        let number: usize = name
            .trim_start_matches('$')
            .parse()
            .map_err(|_| Error::new(SqlState::UndefinedParameter, format!("there is no parameter {name}")))?;
        if types.len() < number {
            types.resize(number, SqlType::Text);
        }
        let fixed = declared.get(number - 1).is_some_and(Option::is_some);
        if let (false, Some(field)) = (fixed, field) {
            types[number - 1] = SqlType::from_field(&field);
        }
    }
    Ok(types)
}

/// The field of each parameter, of any use that tells it.
fn parameter_fields(plan: &LogicalPlan) -> Result<HashMap<String, Option<FieldRef>>> {
    let mut fields: HashMap<String, Option<FieldRef>> = HashMap::new();
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::Placeholder(Placeholder { id, field }) = expression {
                    let known = fields.entry(id.clone()).or_default();
                    match (&known, field) {
                        (Some(known), Some(field)) => check_metadata_with_storage_equal(
                            (field.data_type(), Some(field.metadata())),
                            (known.data_type(), Some(known.metadata())),
                            "parameter",
                            &format!(": Conflicting types for id {id}"),
                        )?,
                        (None, Some(field)) => *known = Some(Arc::clone(field)),
                        (_, None) => {}
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(fields)
}

/// The number of an expression that is a parameter and nothing else.
pub(super) fn number_of(expression: &sql::Expr) -> Option<usize> {
    let sql::Expr::Value(value) = expression else {
        return None;
    };
    let sql::Value::Placeholder(placeholder) = &value.value else {
        return None;
    };
    let number = placeholder.trim_start_matches('$').parse::<usize>().ok();
    number.filter(|number| (1..=65535).contains(number))
}

/// A parameter of which nothing was said yet has a type.
pub(super) fn declare(declared: &mut Vec<Option<SqlType>>, number: usize, sql_type: &SqlType) {
    if declared.len() < number {
        declared.resize(number, None);
    }
    declared[number - 1].get_or_insert_with(|| sql_type.clone());
}
