//! Which names of a text stand for system columns, as PostgreSQL looks them up: a relation's own column first, then the
//! system's, the nearest query first. What is found gets its hidden name, and its table the mark that `load` reads.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ExceptSelectItem, Expr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut,
    VisitorMut, WildcardAdditionalOptions, visit_expressions,
};

use super::{SEPARATOR, hidden_name};
use crate::binding::names::{fold, parts};
use crate::binding::rewrite::output_column_name;
use crate::catalog::{SystemColumn, system_column};
use crate::error::{Error, Result, SqlState};
use crate::statement::relation;

/// What a name in FROM stands for, with its own columns.
#[derive(Debug, Clone)]
pub(in super::super) enum Relation {
    Table(Vec<String>),
    /// What has no system columns.
    Other(Vec<String>),
}

/// Gives each table of the query the system columns that the text names. `known` tells what a name stands for that is not
/// the query's own.
pub(in super::super) fn expose(query: &mut Query, known: &dyn Fn(&[String]) -> Option<Relation>) -> Result<()> {
    if !names_any(query) {
        return Ok(());
    }
    let mut exposer = Exposer {
        known,
        with: vec![],
        frames: vec![],
        orders: vec![],
        tables: 0,
    };
    match VisitMut::visit(query, &mut exposer) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name that a relation of this name has after it got system columns.
pub(in super::super) fn marked(query: &Query, name: &str) -> Option<Vec<String>> {
    let mut found = None;
    let _ = datafusion::sql::sqlparser::ast::visit_relations(query, |relation| {
        let parts = parts(relation);
        if let [only] = parts.as_slice()
            && only.split_once(SEPARATOR).is_some_and(|(plain, _)| plain == name)
        {
            found = Some(parts);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether any column of the text is called like one of the system's.
fn names_any(query: &Query) -> bool {
    let is_system = |name: &Ident| system_column(&fold(name)).is_some();
    let found = visit_expressions(query, |expression| {
        let is_found = match expression {
            Expr::Identifier(name) => is_system(name),
            Expr::CompoundIdentifier(parts) => parts.last().is_some_and(is_system),
            Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.first() {
                Some(AccessExpr::Dot(Expr::Identifier(name))) => is_system(name),
                _ => false,
            },
            _ => false,
        };
        match is_found {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    found.is_break()
}

/// A relation of a FROM clause.
struct Item {
    alias: String,
    /// What the text may qualify its columns with beside the alias.
    name: Vec<String>,
    /// `None` where the text does not tell.
    columns: Option<Vec<String>>,
    /// The number of a table.
    table: Option<usize>,
    /// Whether its columns need no qualifier: a join shows those of its sides, which the system's are not.
    is_alone: bool,
    read: BTreeSet<&'static str>,
}

struct Exposer<'a> {
    known: &'a dyn Fn(&[String]) -> Option<Relation>,
    /// The parts of WITH that are in sight, with their columns.
    with: Vec<HashMap<String, Option<Vec<String>>>>,
    frames: Vec<Vec<Item>>,
    /// ORDER BY of the queries around, while their SELECT is looked at.
    orders: Vec<Option<OrderBy>>,
    tables: usize,
}

impl VisitorMut for Exposer<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut own = HashMap::new();
        for part in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.with.push(own.clone());
            let columns = renamed(self.output(&part.query.body), Some(&part.alias));
            self.with.pop();
            own.insert(fold(&part.alias.name), columns);
        }
        self.with.push(own);
        let is_select = matches!(query.body.as_ref(), SetExpr::Select(_));
        self.orders.push(query.order_by.take_if(|_| is_select));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.with.pop();
        if let Some(order) = self.orders.pop().flatten() {
            query.order_by = Some(order);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let mut frame = vec![];
        for table in &mut select.from {
            let is_alone = table.joins.is_empty();
            self.enter(table, is_alone, &mut frame);
        }
        self.frames.push(frame);
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.shorten_name(name);
            }
            let SelectItem::UnnamedExpr(expression) = item else {
                continue;
            };
            let name = output_column_name(expression);
            match self.found(expression) {
                Ok(Some(hidden)) => {
                    *item = SelectItem::ExprWithAlias {
                        expr: hidden,
                        alias: Ident::with_quote('"', name),
                    };
                }
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }

    /// ORDER BY sees the relations of the one SELECT below it.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Some(mut order) = self.orders.last_mut().and_then(Option::take) {
            // What is met meanwhile has orders of its own.
            let visited = self.visit_order(&mut order, select);
            if let Some(waiting) = self.orders.last_mut() {
                *waiting = Some(order);
            }
            visited?;
        }
        self.leave(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        self.shorten(expression);
        match self.found(expression) {
            Ok(Some(hidden)) => *expression = hidden,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Exposer<'_> {
    fn visit_order(&mut self, order: &mut OrderBy, select: &Select) -> ControlFlow<Error> {
        let OrderByKind::Expressions(keys) = &mut order.kind else {
            return ControlFlow::Continue(());
        };
        for key in keys {
            let is_output = match &key.expr {
                Expr::Identifier(name) => shows(select, &fold(name)),
                _ => false,
            };
            if !is_output {
                VisitMut::visit(&mut key.expr, self)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The relations of an entry of FROM; tables get the alias that their mark would hide.
    fn enter(&mut self, table: &mut TableWithJoins, is_alone: bool, frame: &mut Vec<Item>) {
        let joined = table.joins.iter_mut().map(|join| &mut join.relation);
        for factor in std::iter::once(&mut table.relation).chain(joined) {
            if let TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } = factor
            {
                self.enter(table_with_joins, false, frame);
                continue;
            }
            let item = self.item(factor, is_alone);
            frame.extend(item);
        }
    }

    fn item(&mut self, factor: &mut TableFactor, is_alone: bool) -> Option<Item> {
        let other = |alias: &TableAlias, columns| Item {
            alias: fold(&alias.name),
            name: vec![],
            columns: renamed(columns, Some(alias)),
            table: None,
            is_alone,
            read: BTreeSet::new(),
        };
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let name = parts(name);
                let (columns, is_table) = self.named(&name);
                let columns = renamed(columns, alias.as_ref());
                let (shown, name) = match alias {
                    Some(alias) => (fold(&alias.name), vec![]),
                    None => (name.last()?.clone(), name),
                };
                if is_table && alias.is_none() {
                    *alias = Some(relation::alias(Ident::with_quote('"', &shown)));
                }
                self.tables += usize::from(is_table);
                Some(Item {
                    alias: shown,
                    name,
                    columns,
                    table: is_table.then_some(self.tables),
                    is_alone,
                    read: BTreeSet::new(),
                })
            }
            TableFactor::Derived {
                subquery,
                alias: Some(alias),
                ..
            } => {
                let columns = self.output(&subquery.body);
                Some(other(alias, columns))
            }
            // Functions: their columns are named by the alias, or by nobody like the system's.
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => Some(other(alias, Some(vec![]))),
            _ => None,
        }
    }

    /// The columns of a relation, and whether it is a table.
    fn named(&self, name: &[String]) -> (Option<Vec<String>>, bool) {
        if let [only] = name
            && let Some(columns) = self.with.iter().rev().find_map(|with| with.get(only))
        {
            return (columns.clone(), false);
        }
        match (self.known)(name) {
            Some(Relation::Table(columns)) => (Some(columns), true),
            Some(Relation::Other(columns)) => (Some(columns), false),
            None => (None, false),
        }
    }

    /// The names of a query's columns; `None` where the text does not tell.
    fn output(&self, body: &SetExpr) -> Option<Vec<String>> {
        let select = match body {
            SetExpr::Select(select) => select,
            SetExpr::SetOperation { left, .. } => return self.output(left),
            SetExpr::Query(query) => return self.output(&query.body),
            SetExpr::Values(_) => return Some(vec![]),
            _ => return None,
        };
        let mut columns = vec![];
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expression) => columns.push(output_column_name(expression)),
                SelectItem::ExprWithAlias { alias, .. } => columns.push(fold(alias)),
                SelectItem::Wildcard(_) => {
                    for table in &select.from {
                        columns.extend(self.columns_of(table, None)?);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let wanted = parts(name).pop()?;
                    for table in &select.from {
                        columns.extend(self.columns_of(table, Some(&wanted))?);
                    }
                }
                _ => return None,
            }
        }
        Some(columns)
    }

    /// The columns that `*` or `wanted.*` shows of an entry of FROM.
    fn columns_of(&self, table: &TableWithJoins, wanted: Option<&str>) -> Option<Vec<String>> {
        let mut all = vec![];
        let joined = table.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&table.relation).chain(joined) {
            let (name, columns) = match factor {
                TableFactor::Table {
                    name,
                    alias,
                    args: None,
                    ..
                } => {
                    let name = parts(name);
                    let columns = renamed(self.named(&name).0, alias.as_ref());
                    (
                        alias.as_ref().map_or(name.last()?.clone(), |alias| fold(&alias.name)),
                        columns,
                    )
                }
                TableFactor::Derived { subquery, alias, .. } => {
                    let columns = renamed(self.output(&subquery.body), alias.as_ref());
                    (
                        alias.as_ref().map(|alias| fold(&alias.name)).unwrap_or_default(),
                        columns,
                    )
                }
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    all.extend(self.columns_of(table_with_joins, wanted)?);
                    continue;
                }
                _ => continue,
            };
            if wanted.is_none_or(|wanted| wanted == name) {
                all.extend(columns?);
            }
        }
        Some(all)
    }

    /// What an expression is that names a system column.
    fn found(&mut self, expression: &Expr) -> Result<Option<Expr>> {
        match expression {
            Expr::Identifier(name) => self.bare(name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, name] => Ok(self.qualified(relation, name)),
                _ => Ok(None),
            },
            Expr::CompoundFieldAccess { root, access_chain } => match (root.as_ref(), access_chain.as_slice()) {
                (Expr::Nested(inner), [AccessExpr::Dot(Expr::Identifier(name))]) => match inner.as_ref() {
                    Expr::Identifier(relation) => Ok(self.qualified(relation, name)),
                    _ => Ok(None),
                },
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The nearest query whose relations have a column of this name decides.
    fn bare(&mut self, name: &Ident) -> Result<Option<Expr>> {
        let folded = fold(name);
        let Some(column) = system_column(&folded) else {
            return Ok(None);
        };
        for frame in self.frames.iter_mut().rev() {
            if frame.iter().any(|item| item.may_have(&folded)) {
                return Ok(None);
            }
            let mut tables = frame.iter_mut().filter(|item| item.table.is_some() && item.is_alone);
            let Some(table) = tables.next() else { continue };
            if tables.next().is_some() {
                let message = format!("column reference \"{folded}\" is ambiguous");
                let error = Error::new(SqlState::AmbiguousColumn, message);
                return Err(match name.span.start.column {
                    // Not of the client's text.
                    0 => error,
                    position => error.at(position as usize),
                });
            }
            return Ok(table.read(column));
        }
        Ok(None)
    }

    fn qualified(&mut self, relation: &Ident, name: &Ident) -> Option<Expr> {
        let column = system_column(&fold(name))?;
        let relation = fold(relation);
        let mut items = self.frames.iter_mut().rev().flatten();
        let item = items.find(|item| item.alias == relation)?;
        match item.may_have(column.name) {
            true => None,
            false => item.read(column),
        }
    }

    /// A column that is qualified by a table's whole name is now the alias's.
    fn shorten(&self, expression: &mut Expr) {
        let Expr::CompoundIdentifier(parts) = expression else {
            return;
        };
        let Some((_, qualifier)) = parts.split_last() else {
            return;
        };
        let name: Vec<String> = qualifier.iter().map(fold).collect();
        if let Some(alias) = self.alias_of(&name) {
            let count = name.len();
            parts.splice(..count, [alias]);
        }
    }

    fn shorten_name(&self, name: &mut ObjectName) {
        if let Some(alias) = self.alias_of(&parts(name)) {
            name.0 = vec![ObjectNamePart::Identifier(alias)];
        }
    }

    fn alias_of(&self, name: &[String]) -> Option<Ident> {
        let mut items = self.frames.iter().rev().flatten();
        let item = items.find(|item| name.len() > 1 && item.table.is_some() && item.name.ends_with(name))?;
        Some(Ident::with_quote('"', &item.alias))
    }

    /// Marks the tables whose system columns are read, and takes these out of what `*` means.
    fn leave(&mut self, select: &mut Select) {
        let Some(frame) = self.frames.pop() else { return };
        let read: Vec<Item> = frame.into_iter().filter(|item| !item.read.is_empty()).collect();
        if read.is_empty() {
            return;
        }
        for table in &mut select.from {
            mark_in(table, &read);
        }
        for item in &mut select.projection {
            match item {
                SelectItem::Wildcard(options) => hide(options, read.iter()),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let name = parts(name);
                    hide(options, read.iter().filter(|item| name.last() == Some(&item.alias)));
                }
                _ => {}
            }
        }
    }
}

impl Item {
    /// Whether the relation has, or may have, a column of its own by this name.
    fn may_have(&self, name: &str) -> bool {
        let columns = self.columns.as_ref();
        columns.is_none_or(|columns| columns.iter().any(|column| column == name))
    }

    /// The column under its hidden name, where this is a table.
    fn read(&mut self, column: &'static SystemColumn) -> Option<Expr> {
        let number = self.table?;
        self.read.insert(column.name);
        let hidden = hidden_name(column.name, &number.to_string());
        let names = [self.alias.clone(), hidden];
        let names = names.map(|name| Ident::with_quote('"', name));
        Some(Expr::CompoundIdentifier(names.to_vec()))
    }

    fn hidden(&self) -> impl Iterator<Item = Ident> + '_ {
        let number = self.table.map(|number| number.to_string()).unwrap_or_default();
        let hidden = move |column: &&'static str| Ident::with_quote('"', hidden_name(column, &number));
        self.read.iter().map(hidden)
    }
}

/// Whether a SELECT gives a column this name.
fn shows(select: &Select, name: &str) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => fold(alias) == name,
        SelectItem::UnnamedExpr(expression) => output_column_name(expression) == name,
        _ => false,
    })
}

/// Columns under the names that an alias gives them.
fn renamed(columns: Option<Vec<String>>, alias: Option<&TableAlias>) -> Option<Vec<String>> {
    let mut columns = columns?;
    for (index, column) in alias.iter().flat_map(|alias| &alias.columns).enumerate() {
        let name = fold(&column.name);
        match columns.get_mut(index) {
            Some(known) => *known = name,
            None => columns.push(name),
        }
    }
    Some(columns)
}

fn mark_in(table: &mut TableWithJoins, read: &[Item]) {
    let joined = table.joins.iter_mut().map(|join| &mut join.relation);
    for factor in std::iter::once(&mut table.relation).chain(joined) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => mark_in(table_with_joins, read),
            TableFactor::Table {
                name,
                alias: Some(alias),
                ..
            } => {
                let shown = fold(&alias.name);
                let item = read.iter().find(|item| item.alias == shown);
                if let (Some(item), Some(ObjectNamePart::Identifier(last))) = (item, name.0.last_mut()) {
                    let number = item.table.unwrap_or_default();
                    let columns: Vec<&str> = item.read.iter().copied().collect();
                    let name = format!("{}{SEPARATOR}{number},{}", fold(last), columns.join(","));
                    *last = Ident::with_quote('"', name);
                }
            }
            _ => {}
        }
    }
}

/// Takes the columns out of what a wildcard shows.
fn hide<'a>(options: &mut WildcardAdditionalOptions, items: impl Iterator<Item = &'a Item>) {
    let known = options.opt_except.take().into_iter().flat_map(|except| {
        let others = except.additional_elements;
        std::iter::once(except.first_element).chain(others).collect::<Vec<_>>()
    });
    let mut hidden = known.chain(items.flat_map(Item::hidden));
    if let Some(first_element) = hidden.next() {
        options.opt_except = Some(ExceptSelectItem {
            first_element,
            additional_elements: hidden.collect(),
        });
    }
}
