//! MERGE INTO t USING source ON … WHEN [NOT] MATCHED [BY SOURCE | BY TARGET] [AND …] THEN … [RETURNING …].

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, SelectItem, TableFactor, Value, With,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Merge, MergeAction, MergeClause, MergeWhen, Statement};
use super::own_expressions::change_own_expressions;
use super::reader::Reader;
use super::{insert, relation, target, update};
use crate::error::{Error, Result, SqlState};

/// The column that tells a row of the source from a row of nulls.
const MARK: &str = "\u{0}mark";

pub(super) fn merge(reader: &mut Reader, with: Option<With>) -> Result<Statement> {
    reader.expect(&["merge", "into"])?;
    let target::Target {
        name: table,
        position: named_at,
        from: into,
    } = target::target(reader, &["using"])?;
    reader.expect(&["using"])?;
    let position = reader.position();
    let mut sources = reader.tables()?;
    let source = match (sources.pop(), sources.is_empty()) {
        (Some(source), true) if source.joins.is_empty() => source.relation,
        _ => {
            return Err(Error::unsupported("a join as MERGE's source")
                .with_hint("Put it into a subquery.")
                .at(position));
        }
    };
    reader.expect(&["on"])?;
    let condition = reader.expression()?;
    let (mut clauses, mut items) = (vec![], vec![]);
    // What rows a clause without a condition takes all of.
    let mut decided: Vec<MergeWhen> = vec![];
    let source_name = name_of(reader, &source)?;
    let target_name = name_of(reader, &into.relation)?;
    while reader.accept(&["when"]) {
        let first = items.len();
        let (clause, is_conditional) = clause(reader, target::alias(&into), &mut items)?;
        if decided.contains(&clause.when) {
            let message = "unreachable WHEN clause specified after unconditional WHEN clause";
            return Err(Error::new(SqlState::SyntaxError, message));
        }
        if !is_conditional {
            decided.push(clause.when);
        }
        match clause.when {
            MergeWhen::Matched => {}
            MergeWhen::NotInTarget => qualify(&mut items[first..], &source_name),
            MergeWhen::NotInSource => qualify(&mut items[first..], &target_name),
        }
        clauses.push(clause);
    }
    if clauses.is_empty() {
        return Err(reader.error_here());
    }
    let returned = target::returning(reader)?;
    let returning = !returned.is_empty();
    items.extend(returned);
    let has = |when: MergeWhen| clauses.iter().any(|clause: &MergeClause| clause.when == when);
    let on = JoinConstraint::On(condition);
    let join_operator = match (has(MergeWhen::NotInTarget), has(MergeWhen::NotInSource)) {
        (false, false) => JoinOperator::Inner(on),
        (true, false) => JoinOperator::LeftOuter(on),
        (false, true) => JoinOperator::RightOuter(on),
        (true, true) => JoinOperator::FullOuter(on),
    };
    let mut from = into;
    let target = std::mem::replace(&mut from.relation, marked(reader, source)?);
    from.joins = vec![Join {
        relation: target,
        global: false,
        join_operator,
    }];
    Ok(Statement::Merge(Merge {
        table,
        position: named_at,
        rows: target::rows(reader, with, items, vec![from], None)?,
        clauses,
        returning,
    }))
}

/// What the relation is called in the statement.
fn name_of(reader: &Reader, relation: &TableFactor) -> Result<Ident> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Ok(alias.name.clone())
        }
        TableFactor::Table { name, alias: None, .. } => match name.0.last().and_then(|part| part.as_ident()) {
            Some(name) => Ok(name.clone()),
            None => Err(reader.error_here()),
        },
        _ => Err(Error::syntax("subquery in MERGE must have an alias")),
    }
}

/// Says of which relation the columns are, where a clause sees one of the two only.
fn qualify(items: &mut [SelectItem], relation: &Ident) {
    for item in items {
        change_own_expressions(item, |expression| {
            if let Expr::Identifier(column) = expression {
                let mut relation = relation.clone();
                relation.span = column.span;
                *expression = Expr::CompoundIdentifier(vec![relation, column.clone()]);
            }
        });
    }
}

/// The source as a subquery with a mark in every row, under its own name.
fn marked(reader: &Reader, source: TableFactor) -> Result<TableFactor> {
    let name = name_of(reader, &source)?;
    let all = SelectItem::Wildcard(Default::default());
    let mark = SelectItem::ExprWithAlias {
        expr: Expr::Value(Value::Boolean(true).into()),
        alias: Ident::with_quote('"', MARK),
    };
    let from = relation::alone(source);
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: target::rows(reader, None, vec![all, mark], vec![from], None)?,
        alias: Some(relation::alias(name)),
        sample: None,
    })
}

/// [NOT] MATCHED [BY …] [AND condition] THEN action, and whether there is a condition. It and the values go to `items`.
fn clause(reader: &mut Reader, target: Option<Ident>, items: &mut Vec<SelectItem>) -> Result<(MergeClause, bool)> {
    let when = if reader.accept(&["matched"]) {
        MergeWhen::Matched
    } else {
        reader.expect(&["not", "matched"])?;
        match reader.accept(&["by"]) {
            true if reader.accept(&["source"]) => MergeWhen::NotInSource,
            true => {
                reader.expect(&["target"])?;
                MergeWhen::NotInTarget
            }
            false => MergeWhen::NotInTarget,
        }
    };
    let is_conditional = reader.accept(&["and"]);
    let condition = match is_conditional {
        true => reader.expression()?,
        false => Expr::Value(Value::Boolean(true).into()),
    };
    push(items, condition);
    reader.expect(&["then"])?;
    let action = if reader.accept(&["do", "nothing"]) {
        MergeAction::Nothing
    } else if when == MergeWhen::NotInTarget {
        reader.expect(&["insert"])?;
        inserted(reader, items)?
    } else if reader.accept(&["delete"]) {
        MergeAction::Delete
    } else {
        reader.expect(&["update", "set"])?;
        let (columns, values) = update::assignments(reader, target)?;
        for value in values {
            if let SelectItem::ExprWithAlias { expr, .. } = value {
                push(items, expr);
            }
        }
        MergeAction::Update(columns)
    };
    Ok((MergeClause { when, action }, is_conditional))
}

fn inserted(reader: &mut Reader, items: &mut Vec<SelectItem>) -> Result<MergeAction> {
    let columns = match reader.peek() {
        Token::LParen => reader.parenthesized(|reader| reader.name())?,
        _ => vec![],
    };
    let overriding = insert::overriding(reader)?;
    if reader.accept(&["default", "values"]) {
        return Ok(MergeAction::Insert {
            columns,
            values: vec![],
            overriding,
        });
    }
    reader.expect(&["values"])?;
    let given = reader.parenthesized(update::value)?;
    let mut values = vec![];
    for value in given {
        values.push(value.is_some());
        push(items, value.unwrap_or_else(|| Expr::Value(Value::Null.into())));
    }
    Ok(MergeAction::Insert {
        columns,
        values,
        overriding,
    })
}

fn push(items: &mut Vec<SelectItem>, value: Expr) {
    let number = items.len();
    items.push(target::item(value, number));
}
