//! FROM: relations of the system's schemas, subqueries, functions and joins become numbered items, and their columns names.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, ScopeColumn, ScopeRelation, SharedSource, not_covered};
use super::calls::function_name;
use super::node::{Conjunct, Item, ItemKind, JoinKind, Kind, Node, Query, QueryBody, SetCall, Source};
use super::queries::column_node;
use super::reads::{items_read, query_reads, set_nodes};
use super::selects::conjuncts;
use super::value_type::{BOOL, Field, INT8, OID, Type, XID};
use crate::binding::folded;
use crate::catalog::model::{Object, Privilege, Sequence};
use crate::error::{Error, Result, SqlState};
use crate::functions::Relation;
use crate::functions::builtin::BuiltinRelation;
use crate::statement::{DEFINED, ROWS_FROM, join_alias};

/// Columns that every relation has besides its own, in the order in which rows carry them.
pub(super) const SYSTEM_COLUMNS: [(&str, u32); 6] = [
    ("tableoid", OID),
    ("xmin", XID),
    ("xmax", XID),
    ("ctid", 27),
    ("cmin", 29),
    ("cmax", 29),
];

/// The analyzed FROM of one SELECT while it grows.
#[derive(Default)]
struct Clause {
    items: Vec<Item>,
}

impl Analyzer<'_> {
    pub fn sources(&mut self, from: &[sql::TableWithJoins]) -> Result<(Vec<Item>, Option<Source>)> {
        let mut clause = Clause::default();
        let mut source: Option<Source> = None;
        for table in from {
            let next = self.joined(table, &mut clause)?;
            source = Some(match source {
                None => next,
                Some(left) => Source::Join {
                    left: Box::new(left),
                    right: Box::new(next),
                    kind: JoinKind::Inner,
                    on: vec![],
                },
            });
        }
        // Aggregates, window functions and sets take three more places.
        if clause.items.len() > 120 {
            return Err(not_covered("so many items in FROM"));
        }
        self.level()?.item_count = clause.items.len();
        Ok((clause.items, source))
    }

    fn joined(&mut self, table: &sql::TableWithJoins, clause: &mut Clause) -> Result<Source> {
        let start = self.level()?.columns.len();
        let mut left = self.factor(&table.relation, clause)?;
        for join in &table.joins {
            let (kind, constraint) = join_kind(&join.join_operator)?;
            let middle = self.level()?.columns.len();
            let right = self.factor(&join.relation, clause)?;
            let on = match constraint {
                sql::JoinConstraint::None => vec![],
                sql::JoinConstraint::On(condition) => {
                    self.level()?.item_count = clause.items.len();
                    conjuncts(self.condition(condition, "JOIN/ON")?)
                }
                sql::JoinConstraint::Using(names) if names.iter().any(|name| join_alias(name).is_some()) => {
                    return Err(not_covered("a join's name"));
                }
                sql::JoinConstraint::Using(names) => {
                    let names: Vec<String> = names
                        .iter()
                        .filter_map(|name| name.0.last()?.as_ident().map(folded))
                        .collect();
                    self.merge(start, middle, &names, kind)?
                }
                sql::JoinConstraint::Natural => {
                    let names = self.shared_names(start, middle)?;
                    self.merge(start, middle, &names, kind)?
                }
            };
            left = Source::Join {
                left: Box::new(left),
                right: Box::new(right),
                kind,
                on,
            };
        }
        Ok(left)
    }

    fn shared_names(&mut self, start: usize, middle: usize) -> Result<Vec<String>> {
        let columns = &self.level()?.columns;
        let visible = |column: &&ScopeColumn| column.is_plain && column.in_star;
        let rights: Vec<&str> = columns[middle..]
            .iter()
            .filter(visible)
            .map(|column| column.name.as_str())
            .collect();
        Ok(columns[start..middle]
            .iter()
            .filter(visible)
            .filter(|column| rights.contains(&column.name.as_str()))
            .map(|column| column.name.clone())
            .collect())
    }

    /// USING: one column for each name, and the equalities that join.
    fn merge(&mut self, start: usize, middle: usize, names: &[String], kind: JoinKind) -> Result<Vec<Conjunct>> {
        let mut on = vec![];
        let mut merged = vec![];
        for name in names {
            let columns = &mut self.level()?.columns;
            let (lefts, rights) = columns.split_at_mut(middle);
            let left = take_plain(&mut lefts[start..], name);
            let right = take_plain(rights, name);
            let (Some(left), Some(right)) = (left, right) else {
                let message = format!("column \"{name}\" specified in USING clause does not exist in both tables");
                return Err(Error::new(SqlState::UndefinedColumn, message));
            };
            on.extend(conjuncts(self.binary("=", left.clone(), right.clone())?));
            let node = match kind {
                JoinKind::Inner | JoinKind::Left => left,
                JoinKind::Right => right,
                JoinKind::Full => {
                    let (nodes, ty) = self.unify(vec![left, right], "JOIN/USING")?;
                    Node::new(ty, Kind::Coalesce(nodes))
                }
            };
            merged.push(ScopeColumn {
                relation: None,
                name: name.clone(),
                node,
                in_star: true,
                is_plain: true,
            });
        }
        let columns = &mut self.level()?.columns;
        columns.splice(start..start, merged);
        Ok(on)
    }

    fn factor(&mut self, factor: &sql::TableFactor, clause: &mut Clause) -> Result<Source> {
        match factor {
            sql::TableFactor::Table {
                name,
                alias,
                args: None,
                version: None,
                with_ordinality: false,
                sample: None,
                json_path: None,
                ..
            } => self.relation(name, alias.as_ref(), clause),
            sql::TableFactor::Table {
                name,
                alias,
                args: Some(arguments),
                with_ordinality,
                ..
            } => {
                let name = function_name(name)?;
                let arguments = arguments.args.iter().map(plain_argument).collect::<Result<Vec<_>>>()?;
                self.functions(&name, &arguments, *with_ordinality, alias.as_ref(), clause)
            }
            sql::TableFactor::Function {
                name,
                args,
                with_ordinality,
                alias,
                ..
            } => {
                let name = function_name(name)?;
                let arguments = args.iter().map(plain_argument).collect::<Result<Vec<_>>>()?;
                self.functions(&name, &arguments, *with_ordinality, alias.as_ref(), clause)
            }
            sql::TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_ordinality,
                ..
            } => {
                let arguments: Vec<&sql::Expr> = array_exprs.iter().collect();
                self.functions("unnest", &arguments, *with_ordinality, alias.as_ref(), clause)
            }
            sql::TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => {
                let query = self.subquery_in_from(subquery, *lateral)?;
                let mut reads = 0;
                if query.is_correlated {
                    query_reads(&query, 1, &mut reads);
                }
                let columns = query.columns.clone();
                let is_dependent = query.is_correlated;
                self.add_item(
                    clause,
                    ItemKind::Query(query),
                    reads,
                    is_dependent,
                    columns,
                    alias.as_ref(),
                    None,
                )
            }
            sql::TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.joined(table_with_joins, clause),
            _ => Err(not_covered("this item of FROM")),
        }
    }

    fn subquery_in_from(&mut self, query: &sql::Query, lateral: bool) -> Result<Arc<Query>> {
        self.level()?.is_hidden = !lateral;
        let query = self.subquery(query);
        self.level()?.is_hidden = false;
        query
    }

    fn relation(
        &mut self,
        name: &sql::ObjectName,
        alias: Option<&sql::TableAlias>,
        clause: &mut Clause,
    ) -> Result<Source> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
        if let [only] = parts.as_slice()
            && let Some(shared) = self.shared.iter().rev().find(|shared| shared.name == *only).cloned()
        {
            let named = Some((None, only.clone()));
            let kind = match shared.source {
                SharedSource::Query(query) => ItemKind::Shared(query),
                SharedSource::Working(table) => ItemKind::Working(table),
                SharedSource::Correlated(cte, recursive, depth) if depth == self.levels.len() => {
                    self.level()?.is_hidden = true;
                    let query = self.shared_query(&cte, recursive);
                    self.level()?.is_hidden = false;
                    let query = Arc::new(query?);
                    return self.add_item(clause, ItemKind::Query(query), 0, true, shared.columns, alias, named);
                }
                SharedSource::Correlated(..) => return Err(not_covered("a WITH query that reads outer columns")),
            };
            return self.add_item(clause, kind, 0, false, shared.columns, alias, named);
        }
        match self.lookup.relation_named(&parts)? {
            Some(Relation::Builtin(relation)) => {
                let named = (Some(relation.schema.to_string()), relation.name.to_string());
                let columns = relation_columns(relation);
                self.add_item(
                    clause,
                    ItemKind::Relation(relation),
                    0,
                    false,
                    columns,
                    alias,
                    Some(named),
                )
            }
            Some(Relation::Object(object @ Object::Sequence(sequence))) => {
                if !self.lookup.access.has(object, Privilege::Select) {
                    return Err(Error::denied("sequence", &sequence.name));
                }
                let query = self.sequence(sequence);
                let columns = query.columns.clone();
                let named = Some((
                    parts.len().checked_sub(2).map(|at| parts[at].clone()),
                    sequence.name.clone(),
                ));
                self.add_item(
                    clause,
                    ItemKind::Query(Arc::new(query)),
                    0,
                    false,
                    columns,
                    alias,
                    named,
                )
            }
            // A relation of the user's, or none: the other path reads or refuses it.
            _ => Err(not_covered(format!("the relation {name}"))),
        }
    }

    /// The one row that a sequence is in PostgreSQL.
    fn sequence(&mut self, sequence: &Sequence) -> Query {
        let last = sequence.last();
        let row = vec![
            Node::constant(INT8, last.unwrap_or(sequence.start)),
            Node::constant(INT8, 0),
            Node::constant(BOOL, last.is_some()),
        ];
        let names = ["last_value", "log_cnt", "is_called"];
        let columns = names
            .iter()
            .zip(&row)
            .map(|(name, node)| Field::new(*name, node.ty.clone()));
        Query {
            id: self.id(),
            columns: columns.collect(),
            body: QueryBody::Values(vec![row]),
            order: vec![],
            limit: None,
            offset: None,
            is_correlated: false,
        }
    }

    fn functions(
        &mut self,
        name: &str,
        arguments: &[&sql::Expr],
        ordinality: bool,
        alias: Option<&sql::TableAlias>,
        clause: &mut Clause,
    ) -> Result<Source> {
        let before = self.level()?.no_aggregates.replace("functions in FROM");
        let calls = match name {
            ROWS_FROM => self.side_by_side(arguments),
            _ => self.set_calls(name, arguments),
        };
        self.level()?.no_aggregates = before;
        let calls = calls?;
        let name = calls.first().map_or(name, |(name, _)| name.as_str()).to_string();
        let mut columns = vec![];
        for (name, call) in &calls {
            match &call.result.fields {
                Some(fields) => columns.extend(fields.iter().cloned()),
                None => columns.push(Field::new(name, call.result.clone())),
            }
        }
        let calls: Vec<SetCall> = calls.into_iter().map(|(_, call)| call).collect();
        let is_scalar = columns.len() == 1;
        // One column that has no name of its own is called as the item is.
        if let (true, [column], Some(alias)) = (calls[0].result.fields.is_none(), columns.as_mut_slice(), alias) {
            column.name = folded(&alias.name);
        }
        if ordinality {
            columns.push(Field::new("ordinality", INT8));
        }
        let reads = calls
            .iter()
            .flat_map(set_nodes)
            .fold(0, |reads, node| reads | items_read(node));
        let is_dependent = !calls
            .iter()
            .flat_map(set_nodes)
            .all(|node| matches!(node.kind, Kind::Constant(_)));
        let named = Some((None, name));
        let kind = ItemKind::Functions { calls, ordinality };
        let source = self.add_item(clause, kind, reads, is_dependent, columns, alias, named)?;
        if let Some(relation) = self.level()?.relations.last_mut() {
            relation.is_scalar = is_scalar;
        }
        Ok(source)
    }

    /// The functions of ROWS FROM, none of which has its columns defined.
    fn side_by_side(&mut self, functions: &[&sql::Expr]) -> Result<Vec<(String, SetCall)>> {
        let mut calls = vec![];
        for function in functions {
            let sql::Expr::Function(function) = function else {
                return Err(not_covered("this ROWS FROM"));
            };
            let sql::FunctionArguments::List(list) = &function.args else {
                return Err(not_covered("this ROWS FROM"));
            };
            let name = function_name(&function.name)?;
            if name == DEFINED {
                return Err(not_covered("a list of column definitions"));
            }
            let arguments = list.args.iter().map(plain_argument).collect::<Result<Vec<_>>>()?;
            calls.extend(self.set_calls(&name, &arguments)?);
        }
        Ok(calls)
    }

    /// A function of FROM, with its name; of unnest() several where it has several arguments.
    fn set_calls(&mut self, name: &str, arguments: &[&sql::Expr]) -> Result<Vec<(String, SetCall)>> {
        let arguments: Result<Vec<Node>> = arguments.iter().map(|argument| self.expression(argument)).collect();
        let arguments = arguments?;
        let calls = match (name, arguments.len()) {
            // Several arrays side by side.
            ("unnest", 2..) => arguments
                .into_iter()
                .map(|argument| self.set_call("unnest", vec![argument]))
                .collect::<Result<Vec<_>>>()?,
            _ if super::sets::is_set_returning(name) => vec![self.set_call(name, arguments)?],
            _ => {
                let node = self.call_named(name, arguments)?;
                vec![SetCall {
                    arguments: vec![],
                    result: node.ty.clone(),
                    body: super::sets::one_value,
                    scalar: Some(Box::new(node)),
                }]
            }
        };
        Ok(calls.into_iter().map(|call| (name.to_string(), call)).collect())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an item is made in one place from all that it has"
    )]
    fn add_item(
        &mut self,
        clause: &mut Clause,
        kind: ItemKind,
        reads: u128,
        is_dependent: bool,
        columns: Vec<Field>,
        alias: Option<&sql::TableAlias>,
        named: Option<(Option<String>, String)>,
    ) -> Result<Source> {
        let (schema, name) = match (alias, named) {
            (Some(alias), _) => (None, folded(&alias.name)),
            (None, Some(named)) => named,
            (None, None) => (None, String::new()),
        };
        let has_system_columns = matches!(kind, ItemKind::Relation(_));
        let id = self.id();
        let item = clause.items.len();
        clause.items.push(Item {
            kind,
            id,
            reads,
            is_dependent,
        });
        let width = columns.len();
        let names = alias.map_or(&[][..], |alias| &alias.columns);
        if names.len() > width {
            let message = format!(
                "table \"{name}\" has {width} columns available but {} columns specified",
                names.len()
            );
            return Err(Error::new(SqlState::InvalidColumnReference, message));
        }
        let level = self.level()?;
        if level
            .relations
            .iter()
            .any(|other| other.name == name && !name.is_empty() && other.schema == schema)
        {
            let message = format!("table name \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateAlias, message));
        }
        let relation = level.relations.len();
        level.relations.push(ScopeRelation {
            name,
            schema,
            item,
            width,
            is_scalar: false,
        });
        for (column, field) in columns.into_iter().enumerate() {
            let is_hidden = has_system_columns && is_hidden_column(&field.name);
            level.columns.push(ScopeColumn {
                relation: Some(relation),
                name: names.get(column).map_or(field.name, |name| folded(&name.name)),
                node: column_node(item, column, &field.ty),
                in_star: !is_hidden,
                is_plain: true,
            });
        }
        if has_system_columns {
            for (position, (name, oid)) in SYSTEM_COLUMNS.iter().enumerate() {
                level.columns.push(ScopeColumn {
                    relation: Some(relation),
                    name: (*name).to_string(),
                    node: column_node(item, width + position, &Type::of(*oid)),
                    in_star: false,
                    is_plain: true,
                });
            }
        }
        Ok(Source::Item(item))
    }
}

/// Columns of version 15 that psql 15 reads by name; version 17 has none of them.
pub(super) fn is_hidden_column(name: &str) -> bool {
    matches!(name, "daticulocale" | "colliculocale")
}

/// The columns of a system relation with the types that PostgreSQL gives them.
pub(super) fn relation_columns(relation: &BuiltinRelation) -> Vec<Field> {
    relation
        .columns
        .iter()
        .map(|column| {
            let declared = Type::of_sql_type(&column.sql_type);
            let ty = match column.exact_type() {
                Some(oid) if oid != declared.oid => Type::of(oid),
                _ => declared,
            };
            Field::new(column.name, ty)
        })
        .collect()
}

fn plain_argument(argument: &sql::FunctionArg) -> Result<&sql::Expr> {
    match argument {
        sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expression)) => Ok(expression),
        _ => Err(not_covered("named arguments in FROM")),
    }
}

fn join_kind(operator: &sql::JoinOperator) -> Result<(JoinKind, &sql::JoinConstraint)> {
    use sql::JoinOperator::*;
    Ok(match operator {
        Join(constraint) | Inner(constraint) | CrossJoin(constraint) => (JoinKind::Inner, constraint),
        Left(constraint) | LeftOuter(constraint) => (JoinKind::Left, constraint),
        Right(constraint) | RightOuter(constraint) => (JoinKind::Right, constraint),
        FullOuter(constraint) => (JoinKind::Full, constraint),
        _ => return Err(not_covered("this join")),
    })
}

/// The column that USING takes from one side; from then on it needs its qualifier.
fn take_plain(columns: &mut [ScopeColumn], name: &str) -> Option<Node> {
    let column = columns
        .iter_mut()
        .find(|column| column.is_plain && column.name == name)?;
    column.is_plain = false;
    column.in_star = false;
    Some(column.node.clone())
}
