//! MERGE: source and target joined, and for each row the first clause whose condition holds.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, lit, when};

use super::compose::{ACTION_NAME, Choice, Clause, Located, compose};
use super::expressions::{assigned, locators, refuse_reading};
use super::rows::{Rows, first_relation, items, joined_relation, retarget, shorten};
use super::{
    Action, BoundModification, Changed, Repeated, column_named, column_set, declare_item, load_target, own_values,
    require_updatable,
};
use crate::binding::{BindingServices, stored_expression};
use crate::catalog::model::Table;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::MERGE_ACTION;
use crate::statement::ast::{Merge, MergeAction, MergeWhen};
use crate::types::SqlType;

/// Set in every row of the source (`statement::merge`).
const MARK: &str = "\u{0}mark";

/// Binds MERGE.
pub async fn bind_merge(
    services: &BindingServices,
    context: &QueryContext,
    changed: &Changed,
    merge: &Merge,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let mut declared = declared.to_vec();
    let target = load_target(services, context, changed).await?;
    let table = &Arc::clone(target.shown_table());
    let columns = columns_of(table, merge)?;
    let mut given = items(&merge.rows).iter();
    for clause in &columns {
        given.next();
        for column in clause {
            if let Some(item) = given.next() {
                declare_item(&mut declared, item, &column_named(table, &column.0)?.sql_type);
                require_updatable(&target, &column.0, "merge into")?;
            }
        }
    }
    let mut query = merge.rows.as_ref().clone();
    let source = match first_relation(&mut query)? {
        datafusion::sql::sqlparser::ast::TableFactor::Derived { alias: Some(alias), .. } => alias.name.clone(),
        _ => return Err(Error::internal("a MERGE has no source")),
    };
    let alias = retarget(joined_relation(&mut query)?)?;
    shorten(&mut query, &merge.table, &alias);
    let alias = TableReference::bare(alias.value);
    let source = TableReference::bare(crate::binding::names::fold(&source));
    let mut rows = Rows::plan(services, context, target, alias.clone(), query, None, &declared).await?;

    let [_, place] = locators(&alias);
    let in_target = place.is_not_null();
    let in_source = Expr::Column(Column::new(Some(source.clone()), MARK)).is_not_null();
    let (mut clauses, mut conditions) = (vec![], vec![]);
    let mut item = 0;
    for (clause, columns) in merge.clauses.iter().zip(&columns) {
        let (side, hidden) = match clause.when {
            MergeWhen::Matched => (in_target.clone().and(in_source.clone()), None),
            MergeWhen::NotInTarget => (in_target.clone().is_false(), Some(&alias)),
            MergeWhen::NotInSource => (in_target.clone().and(in_source.clone().is_false()), Some(&source)),
        };
        let expressions = &rows.items[item..=item + columns.len()];
        for expression in expressions {
            hidden.map_or(Ok(()), |relation| refuse_reading(expression, relation))?;
        }
        item += expressions.len();
        conditions.push(side.and(expressions[0].clone().unalias()));
        let overriding = match clause.action {
            MergeAction::Insert { overriding, .. } => Some(overriding),
            _ => None,
        };
        let mut values = vec![];
        for ((name, is_given), value) in columns.iter().zip(&expressions[1..]) {
            let known = column_named(table, name)?;
            let is_own = match overriding {
                Some(overriding) => own_values::takes_own(known, *is_given, overriding)?,
                None if *is_given => own_values::check_updated(known).map(|()| false)?,
                None => false,
            };
            let value = match (*is_given && !is_own, overriding) {
                (true, _) => assigned(
                    value.clone(),
                    rows.input.schema(),
                    name,
                    &known.sql_type,
                    &services.format,
                )?,
                (false, Some(_)) => stored_expression::default_of(services, context, known).await?,
                (false, None) => own_values::updated_default(services, context, &rows.target, known).await?,
            };
            values.push((rows.target.position(name)?, value));
        }
        let action = match clause.action {
            MergeAction::Update(_) => Action::Update(values.iter().map(|(position, _)| *position).collect()),
            MergeAction::Delete => Action::Delete,
            MergeAction::Nothing => Action::Nothing,
            MergeAction::Insert { .. } => {
                for column in &table.columns {
                    let Ok(position) = rows.target.position(&column.name) else {
                        continue;
                    };
                    if !values.iter().any(|(known, _)| *known == position) {
                        values.push((
                            position,
                            stored_expression::default_of(services, context, column).await?,
                        ));
                    }
                }
                Action::Insert
            }
        };
        clauses.push(Clause { action, values });
    }
    let mut numbers = conditions.into_iter().enumerate();
    let Some((_, first)) = numbers.next() else {
        return Err(Error::internal("a MERGE has no clause"));
    };
    let mut number = when(first, lit(0_i32));
    for (index, condition) in numbers {
        number = number.when(condition, lit(index as i32));
    }
    let number = number.otherwise(lit(ScalarValue::Int32(None)))?;
    let target = Arc::clone(&rows.target);
    for shown in &mut rows.items[item..] {
        *shown = with_action(std::mem::take(shown), &clauses)?;
    }
    let returned = merge.returning.then_some(item);
    let mut bound = compose(rows, clauses, Choice::Number(number), Located::Yes, returned, &declared)?;
    for (clause, columns) in merge.clauses.iter().zip(&columns) {
        if let MergeAction::Insert { .. } = clause.action {
            for (name, _) in columns {
                bound.inserted.insert(target.position(name)?);
            }
            bound.reads_absence = true;
        }
    }
    bound.repeated = Repeated::Refused(
        "MERGE command cannot affect row a second time",
        "Ensure that not more than one source row matches any one target row.",
    );
    Ok(bound)
}

/// The item with what the row's clause does in the place of merge_action().
fn with_action(item: Expr, clauses: &[Clause]) -> Result<Expr> {
    let words = clauses.iter().enumerate().filter_map(|(number, clause)| {
        let word = match clause.action {
            Action::Update(_) => "UPDATE",
            Action::Delete => "DELETE",
            Action::Insert => "INSERT",
            Action::Nothing => return None,
        };
        let word = lit(ScalarValue::Utf8View(Some(word.to_string())));
        Some((Box::new(lit(number as i32)), Box::new(word)))
    });
    let number = Expr::Column(Column::new_unqualified(ACTION_NAME));
    let word = Expr::Case(Case::new(Some(Box::new(number)), words.collect(), None));
    let replaced = item.transform(|part| {
        Ok(match &part {
            Expr::ScalarFunction(call) if call.func.name() == MERGE_ACTION => Transformed::yes(word.clone()),
            _ => Transformed::no(part),
        })
    });
    Ok(replaced?.data)
}

/// For each clause its columns, each with whether an item of the query has the value: else it is the default.
fn columns_of(table: &Table, merge: &Merge) -> Result<Vec<Vec<(String, bool)>>> {
    let mut all = vec![];
    for clause in &merge.clauses {
        all.push(match &clause.action {
            MergeAction::Update(columns) => {
                let known = columns.iter().map(|column| column_set(table, column));
                known.collect::<Result<Vec<_>>>()?;
                let named = columns.iter().map(|column| (column.name.clone(), !column.default));
                named.collect()
            }
            MergeAction::Insert { columns, values, .. } => {
                let names = super::insert_columns(table, columns)?;
                if values.len() > names.len() {
                    return Err(Error::new(
                        SqlState::SyntaxError,
                        "INSERT has more expressions than target columns",
                    ));
                }
                if values.len() < names.len() && !columns.is_empty() && !values.is_empty() {
                    return Err(Error::new(
                        SqlState::SyntaxError,
                        "INSERT has more target columns than expressions",
                    ));
                }
                names.into_iter().zip(values.iter().copied()).collect()
            }
            MergeAction::Delete | MergeAction::Nothing => vec![],
        });
    }
    Ok(all)
}
