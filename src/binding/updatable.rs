//! Which views stand for the table below them, so that statements may change its rows through them: PostgreSQL's
//! automatically updatable views. Told by a view's text and by what its names meant, without planning anything.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, GroupByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, Visit,
    Visitor,
};

use super::{names, relations};
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Object, Reference, Table, View};
use crate::functions::builtin::builtin_functions_named;

/// Views over views.
const MAX_DEPTH: usize = 32;

/// A view whose rows are rows of one relation.
pub(crate) struct SimpleView<'a> {
    pub view: &'a View,
    /// What the view's text names in FROM.
    pub reference: &'a Reference,
    /// What the text calls it.
    pub alias: String,
    /// The columns of the relation below as the text knows them.
    pub known: Vec<(i16, String)>,
    /// For each of the view's columns its value, and the column of the relation below that it is, by id.
    pub items: Vec<(Expr, Option<i16>)>,
    /// The text, whose select list is `items`.
    pub query: sql::Query,
}

/// A view down to the table that its rows are of.
pub(crate) struct UpdatableView<'a> {
    /// The view, the one below it and so on.
    pub levels: Vec<SimpleView<'a>>,
    pub table: &'a Table,
}

impl UpdatableView<'_> {
    /// For each of the view's columns that of the table that it is, by id.
    pub fn table_columns(&self) -> Vec<Option<i16>> {
        let Some(first) = self.levels.first() else {
            return vec![];
        };
        let below = |id: i16, (above, level): (&SimpleView<'_>, &SimpleView<'_>)| {
            debug_assert_eq!(above.reference.object, level.view.id);
            let place = level.view.columns.iter().position(|column| column.id == id)?;
            level.items.get(place)?.1
        };
        let of_table = |id: &Option<i16>| {
            let pairs = self.levels.iter().zip(self.levels.iter().skip(1));
            pairs.fold(*id, |id, pair| below(id?, pair))
        };
        first.items.iter().map(|(_, id)| of_table(id)).collect()
    }
}

/// The table below the view; else why there is none, as PostgreSQL's DETAIL says it.
pub(crate) fn updatable<'a>(catalog: &'a CatalogSnapshot, view: &'a View) -> Result<UpdatableView<'a>, &'static str> {
    const NO_RELATION: &str = "Views that do not select from a single table or view are not automatically updatable.";
    let (mut levels, mut next) = (vec![], view);
    while levels.len() < MAX_DEPTH {
        let simple = simple_view(catalog, next)?;
        let below = catalog.object(simple.reference.object);
        levels.push(simple);
        match below {
            Some(Object::Table(table)) if table.materialized.is_none() => {
                let found = UpdatableView { levels, table };
                return match found.table_columns().iter().any(Option::is_some) {
                    true => Ok(found),
                    false => Err("Views that have no updatable columns are not automatically updatable."),
                };
            }
            Some(Object::View(below)) => next = below,
            _ => return Err(NO_RELATION),
        }
    }
    Err(NO_RELATION)
}

fn simple_view<'a>(catalog: &CatalogSnapshot, view: &'a View) -> Result<SimpleView<'a>, &'static str> {
    const OTHER: &str = "Views of this kind are not automatically updatable.";
    let mut query = relations::parse_query(&view.query).map_err(|_| OTHER)?;
    if query.with.is_some() {
        return Err("Views containing WITH are not automatically updatable.");
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err("Views containing LIMIT or OFFSET are not automatically updatable.");
    }
    let select = match query.body.as_mut() {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { .. } => {
            return Err("Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.");
        }
        _ => return Err("Views that do not select from a single table or view are not automatically updatable."),
    };
    check_select(select)?;
    let (name, alias) = relation_of(select)?;
    let reference = view
        .references
        .iter()
        .find(|reference| reference.name == name)
        .ok_or("Views that do not select from a single table or view are not automatically updatable.")?;
    let object = catalog.object(reference.object).ok_or(OTHER)?;
    let known: Vec<(i16, String)> = match reference.columns.is_empty() {
        true => object
            .columns()
            .iter()
            .map(|column| (column.id, column.name.clone()))
            .collect(),
        false => reference
            .columns
            .iter()
            .filter(|(id, _)| object.columns().iter().any(|column| column.id == *id))
            .cloned()
            .collect(),
    };
    let items = items_of(select, &known, &alias).ok_or(OTHER)?;
    if items.len() != view.columns.len() {
        return Err(OTHER);
    }
    query.order_by = None;
    Ok(SimpleView {
        view,
        reference,
        alias,
        known,
        items,
        query,
    })
}

/// Refuses what makes rows of several or of none.
fn check_select(select: &Select) -> Result<(), &'static str> {
    if select.distinct.is_some() {
        return Err("Views containing DISTINCT are not automatically updatable.");
    }
    let groups = match &select.group_by {
        GroupByExpr::Expressions(expressions, modifiers) => !expressions.is_empty() || !modifiers.is_empty(),
        GroupByExpr::All(_) => true,
    };
    if groups {
        return Err("Views containing GROUP BY are not automatically updatable.");
    }
    if select.having.is_some() {
        return Err("Views containing HAVING are not automatically updatable.");
    }
    if select.qualify.is_some() || select.top.is_some() || !select.lateral_views.is_empty() {
        return Err("Views containing LIMIT or OFFSET are not automatically updatable.");
    }
    let mut calls = Calls::default();
    for item in &select.projection {
        if let ControlFlow::Break(detail) = item.visit(&mut calls) {
            return Err(detail);
        }
    }
    Ok(())
}

/// The name of the only relation and what the text calls it.
fn relation_of(select: &Select) -> Result<(Vec<String>, String), &'static str> {
    const NO_RELATION: &str = "Views that do not select from a single table or view are not automatically updatable.";
    let [from] = select.from.as_slice() else {
        return Err(NO_RELATION);
    };
    match &from.relation {
        TableFactor::Table { sample: Some(_), .. } => {
            Err("Views containing TABLESAMPLE are not automatically updatable.")
        }
        TableFactor::Table {
            name,
            alias,
            args: None,
            version: None,
            with_ordinality: false,
            ..
        } if from.joins.is_empty() && alias.as_ref().is_none_or(|alias| alias.columns.is_empty()) => {
            let name = names::parts(name);
            let alias = match alias {
                Some(alias) => names::fold(&alias.name),
                None => name.last().cloned().unwrap_or_default(),
            };
            Ok((name, alias))
        }
        _ => Err(NO_RELATION),
    }
}

/// The values of the select list, `*` by its columns, each with the column that it is.
fn items_of(select: &Select, known: &[(i16, String)], alias: &str) -> Option<Vec<(Expr, Option<i16>)>> {
    let all = || {
        known.iter().map(|(id, name)| {
            let column = vec![sql::Ident::with_quote('"', alias), sql::Ident::with_quote('"', name)];
            (Expr::CompoundIdentifier(column), Some(*id))
        })
    };
    let mut items = vec![];
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } => {
                items.push((value.clone(), column_of(value, known, alias)));
            }
            SelectItem::Wildcard(options) if options.to_string().is_empty() => items.extend(all()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if options.to_string().is_empty() && names::parts(name).last().is_some_and(|name| name == alias) =>
            {
                items.extend(all());
            }
            _ => return None,
        }
    }
    Some(items)
}

/// The column that an expression is and nothing else.
fn column_of(value: &Expr, known: &[(i16, String)], alias: &str) -> Option<i16> {
    let name = match value {
        Expr::Nested(inner) => return column_of(inner, known, alias),
        Expr::Identifier(name) => names::fold(name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., relation, name] if names::fold(relation) == alias => names::fold(name),
            _ => return None,
        },
        _ => return None,
    };
    known.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
}

/// Finds calls in a select list that give other rows than one for each.
#[derive(Default)]
struct Calls {
    depth: usize,
}

impl Visitor for Calls {
    type Break = &'static str;

    fn pre_visit_query(&mut self, _: &sql::Query) -> ControlFlow<&'static str> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &sql::Query) -> ControlFlow<&'static str> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<&'static str> {
        let Expr::Function(function) = expression else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let name = names::parts(&function.name);
        let name = name.last().map_or("", String::as_str);
        let is_kind = |kind: &str| builtin_functions_named(name).any(|function| function.kind == kind);
        if function.over.is_some() || is_kind("w") {
            return ControlFlow::Break("Views that return window functions are not automatically updatable.");
        }
        if is_kind("a") {
            return ControlFlow::Break("Views that return aggregate functions are not automatically updatable.");
        }
        if builtin_functions_named(name).any(|function| function.returns_set) {
            return ControlFlow::Break("Views that return set-returning functions are not automatically updatable.");
        }
        ControlFlow::Continue(())
    }
}
