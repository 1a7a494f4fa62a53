//! The analyzer's state: the names that are visible at each level of a query, the parameters' types as they become
//! known, and what was collected on the way. Name lookup is here; the rest of the analysis is in the files beside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self as sql, Ident};

use super::evaluate::Executor;
use super::node::{AggregateCall, Kind, Node, Query, SetCall, WindowCall};
use super::operators::Operator;
use super::value_type::{Field, Type};
use crate::binding::folded;
use crate::error::{Error, Result, SqlState};
use crate::functions::Lookup;

/// What the analysis of one statement works with.
pub(super) struct Analyzer<'a> {
    pub lookup: Lookup<'a>,
    /// Folds constants and reads literals.
    pub executor: Executor<'a>,
    pub parameters: Vec<Option<Type>>,
    pub levels: Vec<Level>,
    /// The outermost level that the query under analysis reads.
    pub reach: usize,
    pub next_id: usize,
    pub shared: Vec<SharedQuery>,
    /// Operators that were chosen, by name and operands' types.
    pub operators: RefCell<HashMap<(String, u32, u32), &'static Operator>>,
    /// The SELECT that comes next is a branch of a set operation, which chooses the types of its literals.
    pub is_branch: bool,
}

/// A WITH query in scope.
#[derive(Clone)]
pub(super) struct SharedQuery {
    pub name: String,
    pub columns: Vec<Field>,
    pub source: SharedSource,
}

#[derive(Clone)]
pub(super) enum SharedSource {
    Query(Arc<Query>),
    /// The recursive query's own name inside it.
    Working(usize),
    /// One that reads the queries around it, of WITH RECURSIVE or not: analyzed where the SELECT beside it, so many levels deep,
    /// names it.
    Correlated(Arc<sql::Cte>, bool, usize),
}

/// The names of one SELECT's FROM, and what its expressions collected.
#[derive(Default)]
pub(super) struct Level {
    pub relations: Vec<ScopeRelation>,
    pub columns: Vec<ScopeColumn>,
    pub item_count: usize,
    /// Whether a subquery in FROM may read the items before it.
    pub is_hidden: bool,
    pub aggregates: Vec<AggregateCall>,
    pub windows: Vec<WindowCall>,
    pub sets: Vec<SetCall>,
    /// Inside an aggregate's arguments, WHERE or ON there is none; the text names the place.
    pub no_aggregates: Option<&'static str>,
}

pub(super) struct ScopeRelation {
    pub name: String,
    pub schema: Option<String>,
    pub item: usize,
    pub width: usize,
    /// A function of one column may be named as a value.
    pub is_scalar: bool,
}

pub(super) struct ScopeColumn {
    /// Index in `relations`; `None` for a merged column of USING.
    pub relation: Option<usize>,
    pub name: String,
    pub node: Node,
    pub in_star: bool,
    /// Found without a qualifier.
    pub is_plain: bool,
}

/// What the evaluator leaves to the other path.
pub(super) fn not_covered(what: impl std::fmt::Display) -> Error {
    Error::unsupported(what)
}

impl Analyzer<'_> {
    pub fn id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    pub fn level(&mut self) -> Result<&mut Level> {
        self.levels.last_mut().ok_or_else(|| Error::internal("no query level"))
    }

    /// A node of `levels[index]` as the innermost level reads it.
    fn reached(&mut self, node: &Node, index: usize) -> Node {
        self.reach = self.reach.min(index);
        shifted(node, self.levels.len() - 1 - index)
    }

    /// An unqualified name: a column, or an item of FROM as one record.
    pub fn resolve_name(&mut self, identifier: &Ident) -> Result<Node> {
        let name = folded(identifier);
        for index in (0..self.levels.len()).rev() {
            let level = &self.levels[index];
            if level.is_hidden {
                continue;
            }
            let mut found = level
                .columns
                .iter()
                .filter(|column| column.is_plain && column.name == name);
            match (found.next(), found.next()) {
                (Some(column), None) => {
                    let node = column.node.clone();
                    return Ok(self.reached(&node, index));
                }
                (Some(_), Some(_)) => {
                    let message = format!("column reference \"{name}\" is ambiguous");
                    return Err(located(Error::new(SqlState::AmbiguousColumn, message), identifier));
                }
                _ => {}
            }
        }
        if let Some((index, relation)) = self.find_relation(None, &name) {
            return Ok(self.whole_row(index, relation));
        }
        let message = format!("column \"{name}\" does not exist");
        Err(located(Error::new(SqlState::UndefinedColumn, message), identifier))
    }

    fn find_relation(&self, schema: Option<&str>, name: &str) -> Option<(usize, usize)> {
        (0..self.levels.len()).rev().find_map(|index| {
            let level = &self.levels[index];
            if level.is_hidden {
                return None;
            }
            let position = level.relations.iter().position(|relation| {
                relation.name == name && schema.is_none_or(|schema| relation.schema.as_deref() == Some(schema))
            })?;
            Some((index, position))
        })
    }

    fn whole_row(&mut self, index: usize, relation: usize) -> Node {
        let level = &self.levels[index];
        let columns: Vec<&ScopeColumn> = level
            .columns
            .iter()
            .filter(|column| column.relation == Some(relation) && column.in_star)
            .collect();
        if let ([only], true) = (columns.as_slice(), level.relations[relation].is_scalar) {
            let node = only.node.clone();
            return self.reached(&node, index);
        }
        let fields = level
            .columns
            .iter()
            .filter(|column| column.relation == Some(relation) && matches!(&column.node.kind, Kind::Column { column, .. } if *column < level.relations[relation].width))
            .map(|column| Field::new(column.name.clone(), column.node.ty.clone()))
            .collect();
        let row = Node::new(
            Type::record(fields),
            Kind::WholeRow {
                depth: 0,
                item: level.relations[relation].item,
                width: level.relations[relation].width,
            },
        );
        self.reached(&row, index)
    }

    /// `relation.column` or `schema.relation.column`.
    pub fn resolve_qualified(&mut self, parts: &[Ident]) -> Result<Node> {
        let names: Vec<String> = parts.iter().map(folded).collect();
        let (schema, relation_name, name) = match names.as_slice() {
            [relation, name] => (None, relation.as_str(), name.as_str()),
            [schema, relation, name] => (Some(schema.as_str()), relation.as_str(), name.as_str()),
            _ => return Err(not_covered("a name of more than three parts")),
        };
        let Some((index, relation)) = self.find_relation(schema, relation_name) else {
            let message = format!("missing FROM-clause entry for table \"{relation_name}\"");
            return Err(located(Error::new(SqlState::UndefinedTable, message), &parts[0]));
        };
        let found = self.levels[index]
            .columns
            .iter()
            .find(|column| column.relation == Some(relation) && column.name == name);
        let Some(column) = found else {
            let message = format!("column {relation_name}.{name} does not exist");
            return Err(located(Error::new(SqlState::UndefinedColumn, message), &parts[0]));
        };
        let node = column.node.clone();
        Ok(self.reached(&node, index))
    }

    /// The columns that `*` or `relation.*` stands for at the innermost level.
    pub fn star(&mut self, relation: Option<&[String]>) -> Result<Vec<(String, Node)>> {
        let index = self.levels.len().saturating_sub(1);
        let wanted = match relation {
            None => None,
            Some([name]) => Some(self.find_relation(None, name)),
            Some([schema, name]) => Some(self.find_relation(Some(schema), name)),
            Some(_) => return Err(not_covered("a name of more than two parts before .*")),
        };
        let (index, position) = match (wanted, relation) {
            (None, _) => (index, None),
            (Some(Some((index, position))), _) => (index, Some(position)),
            (Some(None), names) => {
                let name = names.and_then(<[String]>::last).cloned().unwrap_or_default();
                let message = format!("missing FROM-clause entry for table \"{name}\"");
                return Err(Error::new(SqlState::UndefinedTable, message));
            }
        };
        let Some(level) = self.levels.get(index) else {
            return Ok(vec![]);
        };
        let width_of = |relation: usize| level.relations[relation].width;
        let columns: Vec<(String, Node)> = level
            .columns
            .iter()
            .filter(|column| match position {
                // Columns that USING merged belong to their relation still.
                Some(position) => {
                    column.relation == Some(position)
                        && !super::from_clause::is_hidden_column(&column.name)
                        && matches!(&column.node.kind, Kind::Column { column, .. } if *column < width_of(position))
                }
                None => column.in_star,
            })
            .map(|column| (column.name.clone(), column.node.clone()))
            .collect();
        Ok(columns
            .into_iter()
            .map(|(name, node)| (name, self.reached(&node, index)))
            .collect())
    }
}

/// The error with the place of the name in the text.
pub(super) fn located(error: Error, identifier: &Ident) -> Error {
    match identifier.span.start.column {
        0 => error,
        column => error.at(column as usize),
    }
}

/// The node as a query `levels` further inside reads it.
fn shifted(node: &Node, levels: usize) -> Node {
    let mut node = node.clone();
    match &mut node.kind {
        Kind::Column { depth, .. } | Kind::WholeRow { depth, .. } => *depth += levels,
        Kind::Coalesce(nodes) => {
            for inner in nodes {
                *inner = shifted(inner, levels);
            }
        }
        Kind::Cast { argument, .. } => **argument = shifted(argument, levels),
        _ => {}
    }
    node
}
