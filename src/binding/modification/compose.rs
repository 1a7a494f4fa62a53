//! Puts a modification's plan together: the action of each row, the new values laid over the target's columns, and
//! above them what RETURNING shows, which so sees the rows as they will be.

use std::collections::BTreeSet;

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};

use super::expressions::{columns_read, is_internal, locators, null};
use super::rows::Rows;
use super::{Action, BoundModification, Repeated, finish};
use crate::binding::rewrite;
use crate::error::{Error, Result};
use crate::functions::retyped;
use crate::types::SqlType;

/// The column that holds the number of each row's clause.
pub(super) const ACTION_NAME: &str = "\u{0}action";

/// One thing that may become of a row.
pub(super) struct Clause {
    pub action: Action,
    /// Positions of the target's columns with their values, of the columns' types.
    pub values: Vec<(usize, Expr)>,
}

/// What decides a row's clause.
pub(super) enum Choice {
    /// There is one.
    Only,
    /// An expression over the rows that is the clause's number, or null.
    Number(Expr),
}

/// Where a row of the target is told from a new one.
pub(super) enum Located {
    /// The relations have the target.
    Yes,
    /// All rows are new, and the alias is theirs.
    No,
}

/// The plan of `rows` with these clauses; the items from `returned_from` on are RETURNING's.
pub(super) fn compose(
    rows: Rows,
    mut clauses: Vec<Clause>,
    choice: Choice,
    located: Located,
    returned_from: Option<usize>,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let Rows {
        target,
        alias,
        input,
        items,
        sources: item_sources,
        generated,
    } = rows;
    let of_target = |name: &str| Expr::Column(Column::new(Some(alias.clone()), name));
    let mut builder = LogicalPlanBuilder::from(input);
    let number = match choice {
        Choice::Only => lit(0_i32),
        Choice::Number(number) => {
            let columns = builder.schema().columns().into_iter().map(Expr::Column);
            let all: Vec<Expr> = columns.chain([number.alias(ACTION_NAME)]).collect();
            builder = builder.project(all)?;
            Expr::Column(Column::new_unqualified(ACTION_NAME))
        }
    };
    let (mut positions, mut sources) = (BTreeSet::new(), BTreeSet::new());
    for clause in &clauses {
        for (position, value) in &clause.values {
            positions.insert(*position);
            if matches!(clause.action, Action::Update(_)) {
                columns_read(value, &alias, &target, &mut sources)?;
            }
        }
    }
    let is_computed = !generated.is_empty() && !positions.is_empty();
    if is_computed {
        for (position, value) in &generated {
            positions.insert(*position);
            // What a mask hides must not be stored again as it is shown.
            columns_read(value, &alias, &target, &mut sources)?;
        }
        for clause in &mut clauses {
            if let Action::Update(updated) = &mut clause.action {
                updated.retain(|position| !generated.iter().any(|(known, _)| known == position));
                updated.extend(generated.iter().map(|(position, _)| *position));
            }
        }
    }
    let values: Vec<usize> = positions.into_iter().collect();
    let is_returning = returned_from.is_some();
    if !values.is_empty() {
        let replaced = |column: Column| -> Result<Expr> {
            let position = values.iter().copied().find(|position| {
                column.relation.as_ref() == Some(&alias) && target.shown_name(*position) == column.name
            });
            let Some(position) = position else {
                return Ok(Expr::Column(column));
            };
            let value = value_of(
                position,
                &clauses,
                &number,
                &column,
                is_returning || is_computed,
                &target.column_type(position)?,
            )?;
            Ok(value.alias_qualified(column.relation.clone(), column.name))
        };
        let columns = builder.schema().columns().into_iter().map(replaced);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        builder = builder.project(columns)?;
    }
    if is_computed {
        let computed = |column: Column| {
            let of_target = column.relation.as_ref() == Some(&alias);
            let value = generated
                .iter()
                .find(|(position, _)| of_target && target.shown_name(*position) == column.name);
            match value {
                Some((_, value)) => value.clone().alias_qualified(column.relation.clone(), column.name),
                None => Expr::Column(column),
            }
        };
        let columns: Vec<Expr> = builder.schema().columns().into_iter().map(computed).collect();
        builder = builder.project(columns)?;
    }
    if let Some(view) = target.view.as_ref().filter(|_| is_returning && !values.is_empty()) {
        let computed = |column: Column| -> Result<Expr> {
            let value = view.computed_value(&column, &alias)?;
            Ok(value.unwrap_or(Expr::Column(column)))
        };
        let columns = builder.schema().columns().into_iter().map(computed);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        builder = builder.project(columns)?;
    }
    let mut shown = vec![number.alias(ACTION_NAME)];
    shown.extend(match located {
        Located::Yes => {
            let [file, place] = locators(&alias);
            [file.alias("\u{0}file"), place.alias("\u{0}place")]
        }
        Located::No => [
            lit(ScalarValue::Int32(None)).alias("\u{0}file"),
            lit(ScalarValue::Int64(None)).alias("\u{0}place"),
        ],
    });
    for position in &values {
        shown.push(of_target(&target.shown_name(*position)).alias(format!("\u{0}new {position}")));
    }
    let mut returned = BTreeSet::new();
    let mut returned_sources = vec![];
    let items = items
        .into_iter()
        .zip(item_sources)
        .skip(returned_from.unwrap_or(usize::MAX))
        .filter(|(item, _)| !is_internal(item));
    for (number, (item, source)) in items.enumerate() {
        returned_sources.push(source);
        columns_read(&item, &alias, &target, &mut returned)?;
        if let Some(view) = target.view.as_ref().filter(|_| !values.is_empty()) {
            view.require_known(&item, &alias)?;
        }
        let name = match &item {
            Expr::Column(column) => column.name.clone(),
            other => other.qualified_name().1,
        };
        shown.push(item.unalias().alias(rewrite::numbered_name(&name, number)));
    }
    let changes = |clause: &Clause| matches!(clause.action, Action::Update(_) | Action::Insert);
    if clauses.iter().any(changes) && returned.iter().any(|column| target.tells_place(*column)) {
        let what = "RETURNING ctid or xmin of rows that are written";
        return Err(Error::unsupported(what).with_hint("Their places are known once the statement has ended."));
    }
    let (plan, parameter_types) = finish(builder.project(shown)?.build()?, declared)?;
    Ok(BoundModification {
        plan,
        parameter_types,
        target,
        actions: clauses.into_iter().map(|clause| clause.action).collect(),
        values,
        sources,
        inserted: BTreeSet::new(),
        returned,
        returned_sources,
        returning: is_returning,
        repeated: Repeated::Ignored,
        keys: vec![],
        reads_absence: false,
    })
}

/// The new value of a column: that of the row's clause.
fn value_of(
    position: usize,
    clauses: &[Clause],
    number: &Expr,
    column: &Column,
    is_returning: bool,
    sql_type: &SqlType,
) -> Result<Expr> {
    let of_clause = |clause: &Clause| {
        let mut values = clause.values.iter();
        values
            .find(|(known, _)| *known == position)
            .map(|(_, value)| value.clone())
    };
    if let [clause] = clauses {
        // A generated column has none yet.
        return Ok(of_clause(clause).unwrap_or_else(|| Expr::Column(column.clone())));
    }
    let mut branches = vec![];
    for (index, clause) in clauses.iter().enumerate() {
        if let Some(value) = of_clause(clause) {
            branches.push((Box::new(lit(index as i32)), Box::new(value)));
        }
    }
    // Only RETURNING looks at what a row keeps.
    let kept = match is_returning {
        true => Expr::Column(column.clone()),
        false => null(sql_type)?,
    };
    let value = Expr::Case(Case::new(
        Some(Box::new(number.clone())),
        branches,
        Some(Box::new(kept)),
    ));
    // The engine knows a choice by its layout alone.
    let is_told = matches!(sql_type, SqlType::Numeric(_)) || SqlType::from_arrow(&sql_type.to_arrow()) == *sql_type;
    Ok(match is_told {
        true => value,
        false => retyped(value, sql_type.clone()),
    })
}
