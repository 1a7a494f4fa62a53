//! Queries: WITH, set operations, VALUES, ORDER BY and LIMIT.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, Level, SharedQuery, SharedSource, not_covered};
use super::coercion::{Place, common_type};
use super::node::{Kind, Node, Query, QueryBody, SetOperator, SortKey};
use super::value_type::{Field, INT8, Type};
use crate::binding::folded;
use crate::error::{Error, Result, SqlState};

impl Analyzer<'_> {
    /// A query inside an expression.
    pub fn subquery(&mut self, query: &sql::Query) -> Result<Arc<Query>> {
        self.query(query).map(Arc::new)
    }

    pub fn query(&mut self, query: &sql::Query) -> Result<Query> {
        if !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(not_covered("a clause of this query"));
        }
        self.noting_reach(|analyzer| {
            let shared_before = analyzer.shared.len();
            let analyzed = analyzer.query_in_scope(query);
            analyzer.shared.truncate(shared_before);
            analyzed
        })
    }

    /// A query, with what it is told whether it reads the queries around it.
    fn noting_reach(&mut self, analyze: impl FnOnce(&mut Self) -> Result<Query>) -> Result<Query> {
        let outer_reach = std::mem::replace(&mut self.reach, usize::MAX);
        let analyzed = analyze(self);
        let is_correlated = self.reach < self.levels.len();
        self.reach = self.reach.min(outer_reach);
        let mut analyzed = analyzed?;
        analyzed.is_correlated = is_correlated;
        Ok(analyzed)
    }

    fn query_in_scope(&mut self, query: &sql::Query) -> Result<Query> {
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                self.with_query(cte, with.recursive)?;
            }
        }
        let keys = match &query.order_by {
            None => &[][..],
            Some(order) => match &order.kind {
                sql::OrderByKind::Expressions(keys) => keys,
                sql::OrderByKind::All(_) => return Err(not_covered("ORDER BY ALL")),
            },
        };
        let mut analyzed = self.body(&query.body, keys)?;
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(sql::LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => (limit.as_ref(), offset.as_ref().map(|offset| &offset.value)),
            Some(_) => return Err(not_covered("this LIMIT")),
        };
        let limit = match &query.fetch {
            None => limit,
            Some(fetch) if !fetch.with_ties && !fetch.percent => fetch.quantity.as_ref(),
            Some(_) => return Err(not_covered("FETCH WITH TIES")),
        };
        analyzed.limit = limit.map(|limit| self.count(limit)).transpose()?;
        analyzed.offset = offset.map(|offset| self.count(offset)).transpose()?;
        Ok(analyzed)
    }

    fn count(&mut self, expression: &sql::Expr) -> Result<Node> {
        // LIMIT ALL reads as a column of that name.
        if matches!(expression, sql::Expr::Identifier(_)) {
            return Err(not_covered("LIMIT ALL"));
        }
        self.levels.push(Level::default());
        let node = self.expression(expression);
        self.levels.pop();
        self.coerce(node?, &Type::of(INT8), Place::Implicit)
    }

    fn with_query(&mut self, cte: &sql::Cte, recursive: bool) -> Result<()> {
        if cte.from.is_some() {
            return Err(not_covered("SEARCH and CYCLE"));
        }
        let name = folded(&cte.alias.name);
        let names: Vec<String> = cte.alias.columns.iter().map(|column| folded(&column.name)).collect();
        let query = self.shared_query(cte, recursive)?;
        let columns = renamed(&query.columns, &names);
        let source = match query.is_correlated {
            true => SharedSource::Correlated(Arc::new(cte.clone()), recursive, self.levels.len() + 1),
            false => SharedSource::Query(Arc::new(query)),
        };
        self.shared.push(SharedQuery { name, columns, source });
        Ok(())
    }

    /// What a query of WITH, or of WITH RECURSIVE, gives where the analyzer stands.
    pub fn shared_query(&mut self, cte: &sql::Cte, recursive: bool) -> Result<Query> {
        let name = folded(&cte.alias.name);
        match recursive.then(|| recursive_parts(&cte.query)).flatten() {
            Some((base, term, all)) if mentions(&cte.query, &name) => {
                let names: Vec<String> = cte.alias.columns.iter().map(|column| folded(&column.name)).collect();
                self.noting_reach(|analyzer| analyzer.recursive(&name, &names, base, term, all))
            }
            _ => self.query(&cte.query),
        }
    }

    fn recursive(
        &mut self,
        name: &str,
        names: &[String],
        base: &sql::SetExpr,
        term: &sql::SetExpr,
        all: bool,
    ) -> Result<Query> {
        let base = self.body(base, &[])?;
        let columns = renamed(&base.columns, names);
        let table = self.id();
        let before = self.shared.len();
        self.shared.push(SharedQuery {
            name: name.to_string(),
            columns: columns.clone(),
            source: SharedSource::Working(table),
        });
        let term = self.body(term, &[]);
        self.shared.truncate(before);
        let types: Vec<Type> = columns.iter().map(|column| column.ty.clone()).collect();
        let term = self.coerced_query(term?, &types)?;
        let id = self.id();
        Ok(Query {
            id,
            body: QueryBody::Recursive {
                table,
                base: Box::new(base),
                term: Box::new(term),
                all,
            },
            columns,
            order: vec![],
            limit: None,
            offset: None,
            is_correlated: false,
        })
    }

    /// What a query's parentheses, SELECT, VALUES or set operation give, sorted by `keys`.
    pub fn body(&mut self, body: &sql::SetExpr, keys: &[sql::OrderByExpr]) -> Result<Query> {
        match body {
            sql::SetExpr::Select(select) => self.select(select, keys),
            sql::SetExpr::Query(query) if keys.is_empty() => self.query(query),
            sql::SetExpr::Query(query) => {
                let mut inner = self.query(query)?;
                if !inner.order.is_empty() || inner.limit.is_some() || inner.offset.is_some() {
                    return Err(not_covered("ORDER BY around a sorted query"));
                }
                inner.order = self.output_keys(&inner.columns, keys)?;
                Ok(inner)
            }
            sql::SetExpr::Values(values) => self.values(values, keys),
            sql::SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let operator = match op {
                    sql::SetOperator::Union => SetOperator::Union,
                    sql::SetOperator::Intersect => SetOperator::Intersect,
                    sql::SetOperator::Except => SetOperator::Except,
                    sql::SetOperator::Minus => return Err(not_covered("MINUS")),
                };
                let all = *set_quantifier == sql::SetQuantifier::All;
                let left = self.branch(left)?;
                let right = self.branch(right)?;
                self.set_operation(operator, all, left, right, keys)
            }
            _ => Err(not_covered("this query")),
        }
    }

    fn branch(&mut self, body: &sql::SetExpr) -> Result<Query> {
        self.is_branch = matches!(body, sql::SetExpr::Select(_));
        self.body(body, &[])
    }

    fn set_operation(
        &mut self,
        operator: SetOperator,
        all: bool,
        left: Query,
        right: Query,
        keys: &[sql::OrderByExpr],
    ) -> Result<Query> {
        let word = match operator {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        if left.columns.len() != right.columns.len() {
            let message = format!("each {word} query must have the same number of columns");
            return Err(Error::syntax(message));
        }
        let types = left
            .columns
            .iter()
            .zip(&right.columns)
            .map(|(left, right)| common_type(&[left.ty.clone(), right.ty.clone()], word))
            .collect::<Result<Vec<_>>>()?;
        let columns: Vec<Field> = left
            .columns
            .iter()
            .zip(&types)
            .map(|(column, ty)| Field::new(column.name.clone(), ty.clone()))
            .collect();
        let left = Box::new(self.coerced_query(left, &types)?);
        let right = Box::new(self.coerced_query(right, &types)?);
        let order = self.output_keys(&columns, keys)?;
        let id = self.id();
        Ok(Query {
            id,
            body: QueryBody::Set {
                operator,
                all,
                left,
                right,
            },
            columns,
            order,
            limit: None,
            offset: None,
            is_correlated: false,
        })
    }

    /// The query with its columns cast to `types`.
    pub fn coerced_query(&mut self, mut query: Query, types: &[Type]) -> Result<Query> {
        let same =
            |column: &Field, ty: &Type| column.ty.oid == ty.oid && (ty.typmod < 0 || column.ty.typmod == ty.typmod);
        if query.columns.len() == types.len() && query.columns.iter().zip(types).all(|(column, ty)| same(column, ty)) {
            return Ok(query);
        }
        match &mut query.body {
            QueryBody::Select(select) if select.targets.len() >= types.len() => {
                for (target, ty) in select.targets.iter_mut().zip(types) {
                    *target = self.coerce(target.clone(), ty, Place::Implicit)?;
                }
            }
            QueryBody::Values(rows) => {
                for row in rows {
                    for (node, ty) in row.iter_mut().zip(types) {
                        *node = self.coerce(node.clone(), ty, Place::Implicit)?;
                    }
                }
            }
            QueryBody::Set { left, right, .. } => {
                **left = self.coerced_query(left.as_ref().clone(), types)?;
                **right = self.coerced_query(right.as_ref().clone(), types)?;
            }
            _ => return Err(not_covered("a recursive query that needs casts")),
        }
        for (column, ty) in query.columns.iter_mut().zip(types) {
            column.ty = ty.clone();
        }
        Ok(query)
    }

    fn values(&mut self, values: &sql::Values, keys: &[sql::OrderByExpr]) -> Result<Query> {
        self.levels.push(Level {
            no_aggregates: Some("VALUES"),
            ..Level::default()
        });
        let rows: Result<Vec<Vec<Node>>> = values
            .rows
            .iter()
            .map(|row| {
                row.content
                    .iter()
                    .map(|expression| self.expression(expression))
                    .collect()
            })
            .collect();
        self.levels.pop();
        let rows = rows?;
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(Error::syntax("VALUES lists must all be the same length"));
        }
        let mut columns = vec![];
        let mut coerced: Vec<Vec<Node>> = vec![vec![]; rows.len()];
        for column in 0..width {
            let nodes = rows.iter().map(|row| row[column].clone()).collect();
            let (nodes, ty) = self.unify(nodes, "VALUES")?;
            columns.push(Field::new(format!("column{}", column + 1), ty));
            for (row, node) in coerced.iter_mut().zip(nodes) {
                row.push(node);
            }
        }
        let order = self.output_keys(&columns, keys)?;
        let id = self.id();
        Ok(Query {
            id,
            body: QueryBody::Values(coerced),
            columns,
            order,
            limit: None,
            offset: None,
            is_correlated: false,
        })
    }

    /// ORDER BY where only output columns can be named.
    fn output_keys(&mut self, columns: &[Field], keys: &[sql::OrderByExpr]) -> Result<Vec<SortKey>> {
        keys.iter()
            .map(|key| {
                let column = output_column(&key.expr, columns, "ORDER BY")?
                    .ok_or_else(|| not_covered("ORDER BY of an expression after a set operation"))?;
                Ok(sort_key(column, &key.options))
            })
            .collect()
    }
}

pub(super) fn sort_key(column: usize, options: &sql::OrderByOptions) -> SortKey {
    let descending = options.asc == Some(false);
    SortKey {
        column,
        descending,
        nulls_first: options.nulls_first.unwrap_or(descending),
    }
}

/// The output column that a number or a name in ORDER BY or GROUP BY means.
pub(super) fn output_column(expression: &sql::Expr, columns: &[Field], place: &str) -> Result<Option<usize>> {
    match expression {
        sql::Expr::Value(value) => match &value.value {
            sql::Value::Number(digits, _) => {
                let position = digits
                    .parse::<usize>()
                    .ok()
                    .filter(|number| (1..=columns.len()).contains(number));
                match position {
                    Some(number) => Ok(Some(number - 1)),
                    None => Err(Error::new(
                        SqlState::InvalidColumnReference,
                        format!("{place} position {digits} is not in select list"),
                    )),
                }
            }
            _ => Ok(None),
        },
        sql::Expr::Identifier(identifier) => {
            let name = folded(identifier);
            Ok(columns.iter().position(|column| column.name == name))
        }
        sql::Expr::Collate { expr, .. } | sql::Expr::Nested(expr) => output_column(expr, columns, place),
        _ => Ok(None),
    }
}

fn renamed(columns: &[Field], names: &[String]) -> Vec<Field> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| match names.get(index) {
            Some(name) => Field::new(name.clone(), column.ty.clone()),
            None => column.clone(),
        })
        .collect()
}

/// Base and term of `base UNION [ALL] term`.
fn recursive_parts(query: &sql::Query) -> Option<(&sql::SetExpr, &sql::SetExpr, bool)> {
    match query.body.as_ref() {
        sql::SetExpr::SetOperation {
            left,
            op: sql::SetOperator::Union,
            set_quantifier,
            right,
        } if query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() => {
            Some((left, right, *set_quantifier == sql::SetQuantifier::All))
        }
        _ => None,
    }
}

fn mentions(query: &sql::Query, name: &str) -> bool {
    let mut found = false;
    let _ = sql::visit_relations(query, |relation| {
        if relation.0.len() == 1 && relation.0[0].as_ident().is_some_and(|ident| folded(ident) == name) {
            found = true;
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    found
}

/// A node for the column of a row that a query gave.
pub(super) fn column_node(item: usize, column: usize, ty: &Type) -> Node {
    Node::new(ty.clone(), Kind::Column { depth: 0, item, column })
}
