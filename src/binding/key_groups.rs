//! GROUP BY a table's primary key: the table's other columns have one value in each group, so PostgreSQL lets a query use them
//! as if they were keys too. Here those that it uses become keys. The primary key decides what a text may say and nothing
//! else: where another engine wrote a key twice, its rows are groups of their own.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderByExpr, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::names::{fold, parts};
use crate::catalog::model::{ConstraintRule, Table};

/// The columns of a relation, and those of its primary key, which most have none of.
pub(super) struct KeyedColumns {
    pub columns: Vec<String>,
    pub key: Vec<String>,
}

/// What a query's names mean.
pub(super) trait KnownKeys {
    fn keyed_columns(&self, relation: &[String]) -> Option<KeyedColumns>;
    fn is_aggregate(&self, function: &[String]) -> bool;
}

/// The ids of the columns of a table's primary key. One that waits for COMMIT determines nothing before.
pub(super) fn primary_key(table: &Table) -> Vec<i16> {
    let key = table.constraints.iter().find_map(|constraint| match &constraint.rule {
        ConstraintRule::PrimaryKey { columns } if !constraint.timing.is_deferrable() => Some(columns.clone()),
        _ => None,
    });
    key.unwrap_or_default()
}

/// Makes keys of the columns that the keys of a GROUP BY determine.
pub(super) fn complete(tree: &mut impl VisitMut, known: &dyn KnownKeys) {
    let mut groups = Groups {
        known,
        with: HashSet::new(),
    };
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut groups);
}

struct Groups<'a> {
    known: &'a dyn KnownKeys,
    /// The names of WITH queries: they hide tables.
    with: HashSet<String>,
}

impl VisitorMut for Groups<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.with.extend(tables.map(|table| fold(&table.alias.name)));
        if let SetExpr::Select(select) = query.body.as_mut() {
            let order = match query.order_by.as_ref().map(|order| &order.kind) {
                Some(OrderByKind::Expressions(keys)) => keys.as_slice(),
                _ => &[],
            };
            self.complete(select, order);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.complete(select, &[]);
        ControlFlow::Continue(())
    }
}

impl Groups<'_> {
    fn complete(&self, select: &mut Select, order: &[OrderByExpr]) {
        let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
            return;
        };
        if keys.is_empty() || !modifiers.is_empty() {
            return;
        }
        let from = From {
            relations: select.from.iter().flat_map(|table| self.joined(table)).collect(),
        };
        if from.relations.iter().all(|relation| relation.key.is_empty()) {
            return;
        }
        let column = |key: &Expr| from.key_column(key, &select.projection);
        // What is a key in every grouping set determines other columns; one that is a key in some is NULL in the others.
        let (mut grouped, mut in_sets) = (Columns::new(), Columns::new());
        for key in keys {
            let Some(sets) = sets(key) else {
                grouped.extend(members(key).iter().filter_map(column));
                continue;
            };
            let each = sets.iter().map(|set| set.iter().flat_map(members).filter_map(column));
            let each: Vec<Columns> = each.map(Iterator::collect).collect();
            in_sets.extend(each.iter().flatten().cloned());
            if matches!(key, Expr::GroupingSets(_)) {
                let common = in_sets
                    .iter()
                    .filter(|column| each.iter().all(|set| set.contains(*column)));
                grouped.extend(common.cloned());
            }
        }
        let is_determined = |place: usize| {
            let key = &from.relations[place].key;
            !key.is_empty() && key.iter().all(|column| grouped.contains(&(place, column.clone())))
        };
        let used = self.used(select, order, &from);
        let determined = used
            .into_iter()
            .filter(|column| is_determined(column.0) && !grouped.contains(column) && !in_sets.contains(column));
        let further: Vec<Expr> = determined.map(|(place, column)| from.column(place, &column)).collect();
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            keys.extend(further);
        }
    }

    /// The columns that stand outside of aggregates, each once.
    fn used(&self, select: &Select, order: &[OrderByExpr], from: &From) -> Vec<(usize, String)> {
        let mut used = Used {
            known: self.known,
            from,
            queries: 0,
            aggregates: 0,
            columns: vec![],
        };
        let outputs: HashSet<String> = select.projection.iter().filter_map(output).collect();
        let is_output =
            |key: &&OrderByExpr| matches!(&key.expr, Expr::Identifier(name) if outputs.contains(&fold(name)));
        let sorted: Vec<&Expr> = order
            .iter()
            .filter(|key| !is_output(key))
            .map(|key| &key.expr)
            .collect();
        // Never breaks.
        let _ = select.projection.visit(&mut used);
        let _ = select.distinct.visit(&mut used);
        let _ = select.having.visit(&mut used);
        let _ = select.qualify.visit(&mut used);
        let _ = select.named_window.visit(&mut used);
        for key in sorted {
            let _ = key.visit(&mut used);
        }
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => (0..from.relations.len()).for_each(|place| used.all(place)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let place = parts(name).last().and_then(|name| from.named(name));
                    place.into_iter().for_each(|place| used.all(place));
                }
                _ => {}
            }
        }
        used.columns
    }

    fn joined(&self, table: &TableWithJoins) -> Vec<Relation> {
        let joined = table.joins.iter().map(|join| &join.relation);
        let factors = std::iter::once(&table.relation).chain(joined);
        factors.flat_map(|factor| self.relations(factor)).collect()
    }

    fn relations(&self, factor: &TableFactor) -> Vec<Relation> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let written = parts(name);
                let is_with = matches!(written.as_slice(), [only] if self.with.contains(only));
                let renames = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
                let known = match is_with || renames {
                    true => None,
                    false => self.known.keyed_columns(&written),
                };
                let shown = match alias {
                    Some(alias) => Some(alias.name.clone()),
                    None => name.0.last().and_then(|last| last.as_ident()).cloned(),
                };
                let (Some(known), Some(name)) = (known, shown) else {
                    return vec![];
                };
                vec![Relation {
                    name,
                    columns: known.columns,
                    key: known.key,
                }]
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.joined(table_with_joins),
            _ => vec![],
        }
    }
}

struct Relation {
    name: Ident,
    columns: Vec<String>,
    key: Vec<String>,
}

/// The relations of a FROM clause whose columns are known.
struct From {
    relations: Vec<Relation>,
}

impl From {
    fn named(&self, name: &str) -> Option<usize> {
        self.relations.iter().position(|relation| fold(&relation.name) == name)
    }

    /// The column that a name without a relation means; the planner refuses one that two relations have.
    fn unqualified(&self, column: String) -> Option<(usize, String)> {
        let has = |relation: &Relation| relation.columns.contains(&column);
        let place = self.relations.iter().position(has)?;
        Some((place, column))
    }

    fn qualified(&self, names: &[Ident]) -> Option<(usize, String)> {
        let [.., relation, column] = names else { return None };
        let place = self.named(&fold(relation))?;
        let column = fold(column);
        self.relations[place]
            .columns
            .contains(&column)
            .then_some((place, column))
    }

    /// The column that is a key of GROUP BY, by itself, by an output's position or by its name.
    fn key_column(&self, key: &Expr, projection: &[SelectItem]) -> Option<(usize, String)> {
        let plain = |expression: &Expr| match unwrapped(expression) {
            Expr::Identifier(name) => self.unqualified(fold(name)),
            Expr::CompoundIdentifier(names) => self.qualified(names),
            _ => None,
        };
        let item = match unwrapped(key) {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) => projection.get(text.parse::<usize>().ok()?.checked_sub(1)?),
                _ => None,
            },
            Expr::Identifier(name) if self.unqualified(fold(name)).is_none() => {
                let name = fold(name);
                projection.iter().find(|item| output(item).as_ref() == Some(&name))
            }
            other => return plain(other),
        };
        match item? {
            SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
                plain(expression)
            }
            _ => None,
        }
    }

    fn column(&self, place: usize, column: &str) -> Expr {
        let relation = self.relations[place].name.clone();
        Expr::CompoundIdentifier(vec![relation, Ident::with_quote('"', column)])
    }
}

fn unwrapped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => unwrapped(inner),
        other => other,
    }
}

/// Columns of a FROM clause, by the place of their relation.
type Columns = HashSet<(usize, String)>;

/// The sets that a key of GROUP BY stands for; the parts of them for ROLLUP and CUBE, whose sets have nothing in common.
fn sets(key: &Expr) -> Option<&[Vec<Expr>]> {
    match key {
        Expr::GroupingSets(sets) | Expr::Rollup(sets) | Expr::Cube(sets) => Some(sets),
        _ => None,
    }
}

/// The keys that one of GROUP BY stands for: `(a, b)` is two.
fn members(key: &Expr) -> &[Expr] {
    match key {
        Expr::Tuple(members) => members,
        other => std::slice::from_ref(other),
    }
}

/// The name that an output was given.
fn output(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        _ => None,
    }
}

/// Collects columns of a FROM clause that stand outside of aggregates.
struct Used<'a> {
    known: &'a dyn KnownKeys,
    from: &'a From,
    /// How many subqueries are around the expression, which have columns of their own.
    queries: usize,
    /// How many aggregates are.
    aggregates: usize,
    columns: Vec<(usize, String)>,
}

impl Used<'_> {
    fn add(&mut self, column: (usize, String)) {
        if !self.columns.contains(&column) {
            self.columns.push(column);
        }
    }

    fn all(&mut self, place: usize) {
        for column in &self.from.relations[place].columns {
            self.add((place, column.clone()));
        }
    }

    fn aggregates(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Function(function)
            if function.over.is_none() && self.known.is_aggregate(&parts(&function.name)))
    }
}

impl Visitor for Used<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.aggregates += usize::from(self.aggregates(expression));
        if self.aggregates > 0 {
            return ControlFlow::Continue(());
        }
        let column = match expression {
            Expr::Identifier(name) if self.queries == 0 => self.from.unqualified(fold(name)),
            Expr::CompoundIdentifier(names) => self.from.qualified(names),
            _ => None,
        };
        column.into_iter().for_each(|column| self.add(column));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.aggregates -= usize::from(self.aggregates(expression));
        ControlFlow::Continue(())
    }
}
