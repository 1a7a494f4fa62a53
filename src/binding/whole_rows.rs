//! Whole rows as values: `SELECT t FROM t`, `row_to_json(t)`, `count(t.*)`, `(t).a`. A name that is a relation's and no
//! column's stands for its row; here it becomes a record of the relation's columns, told by their names alone. A row
//! that an outer join had to make up is NULL: where that can be, the relation gets a column that says it is there.

mod aliases;
mod constructors;
mod distinct_positions;
mod fields;
mod natural_joins;

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, ExceptSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinOperator,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins,
    Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::names;
use super::relations::parse_query;
use super::rewrite::{always_there, call, output_column_name, output_name, spread_rows};
use crate::error::{Error, Result, SqlState};
use crate::functions::ROW_VALUE;
use crate::statement::relation;

/// Begins the name of the column that says that a row is there.
const THERE: &str = "\u{0}there";

/// What is known of names that are not the query's own.
pub(super) trait KnownNames {
    /// The columns of a relation.
    fn columns(&self, relation: &[String]) -> Option<Vec<String>>;
    /// Whether somebody created a function of this name.
    fn has_function(&self, name: &[String]) -> bool;
    /// Whether the query may have rows of composite types.
    fn has_row_types(&self) -> bool;
    /// The fields of what a query of one column gives, if it is of rows.
    fn fields(&self, query: Query) -> Result<Option<Vec<String>>>;
}

/// Finds whole rows and makes records of them.
pub(super) fn expand(tree: &mut impl VisitMut, known: &dyn KnownNames) -> Result<()> {
    let mut expander = Expander {
        known,
        sources: vec![],
        ctes: vec![],
        with: HashMap::new(),
        frames: vec![],
        marks: 0,
        found: false,
    };
    match VisitMut::visit(tree, &mut expander) {
        ControlFlow::Break(error) => Err(error),
        // Comparisons of rows are spelled out by their columns.
        ControlFlow::Continue(()) if expander.found => spread_rows(tree),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// A relation of a FROM clause.
struct Visible {
    name: String,
    columns: Vec<String>,
    /// An outer join may make up its rows.
    optional: bool,
    /// The column that says otherwise, once somebody asks.
    mark: Option<String>,
    /// Nobody has made that column yet.
    is_new: bool,
    /// A function's only column: the row is its value, and no record of it.
    is_value: bool,
}

/// Whether a row is there, if that is a question, and its columns with their names.
type RowParts = (Option<Expr>, Vec<(String, Expr)>);

struct Expander<'a> {
    known: &'a dyn KnownNames,
    /// The FROM clauses around the SELECT that is looked at.
    sources: Vec<Vec<TableWithJoins>>,
    ctes: Vec<Cte>,
    with: HashMap<String, Vec<String>>,
    frames: Vec<Vec<Visible>>,
    marks: usize,
    found: bool,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(with) = &query.with {
            let is_new = |known: &Cte| with.cte_tables.iter().all(|table| table.alias.name != known.alias.name);
            self.ctes.retain(is_new);
            self.ctes.extend(with.cte_tables.iter().cloned());
        }
        for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            let columns = self.output(&table.query.body);
            aliases::complete(&mut table.alias, columns.clone());
            for known in self
                .ctes
                .iter_mut()
                .filter(|known| known.alias.name == table.alias.name)
            {
                known.alias = table.alias.clone();
            }
            let columns = renamed(columns, &table.alias.columns);
            self.with
                .extend(columns.map(|columns| (names::fold(&table.alias.name), columns)));
        }
        ControlFlow::Continue(())
    }

    /// ORDER BY sees the relations of the one SELECT below it.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return ControlFlow::Continue(());
        };
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(keys) = &mut order.kind
        {
            let outputs = self.selected(select).unwrap_or_default();
            self.frames.push(self.relations(&select.from));
            for key in keys {
                let is_output = matches!(&key.expr, Expr::Identifier(name) if outputs.contains(&names::fold(name)));
                if !is_output && let ControlFlow::Break(error) = VisitMut::visit(&mut key.expr, self) {
                    return ControlFlow::Break(error);
                }
            }
            self.leave(select);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.spread_calls(&mut select.from);
        self.complete_aliases(&mut select.from);
        if let Err(error) = self.name_natural_columns(select) {
            return ControlFlow::Break(error);
        }
        self.frames.push(self.relations(&select.from));
        if select.projection.iter().any(|item| self.starred(item).is_some())
            && let Err(error) = self.spread_fields(select)
        {
            return ControlFlow::Break(error);
        }
        if let Err(error) = self.name_positions(select) {
            return ControlFlow::Break(error);
        }
        self.sources.push(select.from.clone());
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expression @ Expr::Identifier(_)) if self.is_row(expression) => {
                    let name = output_column_name(expression);
                    *item = SelectItem::ExprWithAlias {
                        expr: expression.clone(),
                        alias: Ident::with_quote('"', name),
                    };
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.leave(select);
        self.sources.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        match expression {
            Expr::Identifier(name) => {
                if let Some(error) = self.ambiguous(name) {
                    return ControlFlow::Break(error);
                }
            }
            Expr::Function(function) => match self.constructed(function) {
                Some(row) => {
                    self.found = true;
                    *expression = row;
                }
                None => self.arguments(function),
            },
            Expr::QualifiedWildcard(..) => {
                if let Some((there, columns)) = self.starred_row(expression) {
                    self.found = true;
                    *expression = record(there, columns);
                }
            }
            Expr::Nested(inner) => {
                if let Some((there, columns)) = self.starred_row(inner) {
                    self.found = true;
                    *expression = record(there, columns);
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let Some(field) = self.field(root, access_chain) {
                    *expression = field;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        if let Some(value) = self.value_of(expression) {
            *expression = value;
        } else if let Some((there, columns)) = self.row_of(expression) {
            self.found = true;
            *expression = record(there, columns);
        }
        ControlFlow::Continue(())
    }
}

impl Expander<'_> {
    /// `count(t.*)` and `f(t.*)` take the row. Counting rows that are always there needs no column.
    fn arguments(&mut self, function: &mut Function) {
        let is_count = names::parts(&function.name) == ["count"];
        let FunctionArguments::List(list) = &mut function.args else {
            return;
        };
        let is_plain = list.duplicate_treatment.is_none();
        for argument in &mut list.args {
            let FunctionArg::Unnamed(value) = argument else {
                continue;
            };
            let name = match value {
                FunctionArgExpr::QualifiedWildcard(name) => match name.0.as_slice() {
                    [only] => only.as_ident().cloned(),
                    _ => None,
                },
                FunctionArgExpr::Expr(Expr::Identifier(name)) if is_count => Some(name.clone()),
                _ => None,
            };
            let Some(name) = name else { continue };
            let is_written_out = matches!(value, FunctionArgExpr::QualifiedWildcard(_));
            let row = match is_written_out {
                true => self.relation(&name),
                false => self.row_of(&Expr::Identifier(name)),
            };
            let Some((there, columns)) = row else { continue };
            *value = match (is_count && is_plain, there) {
                (true, None) => FunctionArgExpr::Wildcard,
                (true, Some(there)) => FunctionArgExpr::Expr(there),
                (false, there) => FunctionArgExpr::Expr(record(there, columns)),
            };
        }
    }

    /// What `t.*` is in parentheses: the row.
    fn starred_row(&mut self, expression: &Expr) -> Option<RowParts> {
        let Expr::QualifiedWildcard(name, _) = expression else {
            return None;
        };
        match name.0.as_slice() {
            [only] => self.relation(&only.as_ident()?.clone()),
            _ => None,
        }
    }

    /// 42702 where two columns of one relation have the name; the planner sees those of several relations.
    fn ambiguous(&self, name: &Ident) -> Option<Error> {
        let folded = names::fold(name);
        let same = |relation: &&Visible| {
            relation
                .columns
                .iter()
                .filter(|column| output_name(column) == folded)
                .count()
        };
        let frame = self
            .frames
            .iter()
            .rev()
            .find(|frame| frame.iter().any(|relation| relation.columns.contains(&folded)))?;
        frame.iter().find(|relation| same(relation) > 1)?;
        let message = format!("column reference \"{folded}\" is ambiguous");
        let error = Error::new(SqlState::AmbiguousColumn, message);
        Some(match name.span.start.column {
            // Not of the client's text.
            0 => error,
            position => error.at(position as usize),
        })
    }

    fn is_row(&self, expression: &Expr) -> bool {
        let Expr::Identifier(name) = expression else {
            return false;
        };
        self.place(name).is_some()
    }

    /// The relation that a bare name stands for: the nearest one that has it as a column or as its own name.
    fn place(&self, name: &Ident) -> Option<(usize, usize)> {
        let name = names::fold(name);
        for (depth, frame) in self.frames.iter().enumerate().rev() {
            if frame.iter().any(|relation| relation.columns.contains(&name)) {
                return None;
            }
            if let Some(place) = frame.iter().position(|relation| relation.name == name) {
                return Some((depth, place));
            }
        }
        None
    }

    /// The value that a function's alias stands for.
    fn value_of(&self, expression: &Expr) -> Option<Expr> {
        let Expr::Identifier(name) = expression else {
            return None;
        };
        let (depth, place) = self.place(name)?;
        let relation = &self.frames[depth][place];
        let [column] = relation.columns.as_slice() else {
            return None;
        };
        relation
            .is_value
            .then(|| Expr::CompoundIdentifier(vec![name.clone(), Ident::with_quote('"', column)]))
    }

    fn row_of(&mut self, expression: &Expr) -> Option<RowParts> {
        let Expr::Identifier(name) = expression else {
            return None;
        };
        let place = self.place(name)?;
        Some(self.row_at(name, place))
    }

    /// The same where the name can only be a relation's.
    fn relation(&mut self, name: &Ident) -> Option<RowParts> {
        let folded = names::fold(name);
        let place = self.frames.iter().enumerate().rev().find_map(|(depth, frame)| {
            let place = frame.iter().position(|relation| relation.name == folded)?;
            Some((depth, place))
        })?;
        Some(self.row_at(name, place))
    }

    fn row_at(&mut self, name: &Ident, (depth, place): (usize, usize)) -> RowParts {
        let relation = &mut self.frames[depth][place];
        if relation.optional && relation.mark.is_none() {
            self.marks += 1;
            relation.mark = Some(format!("{THERE}{}", self.marks));
            relation.is_new = true;
        }
        let column = |column: &str| Expr::CompoundIdentifier(vec![name.clone(), Ident::with_quote('"', column)]);
        let there = relation.mark.as_deref().map(column);
        let columns = relation.columns.iter();
        let columns = columns.map(|name| (output_name(name).to_string(), column(name)));
        (there, columns.collect())
    }

    /// Gives relations the columns that were asked for, and takes those out of what `*` means.
    fn leave(&mut self, select: &mut Select) {
        let Some(frame) = self.frames.pop() else { return };
        let marked: Vec<(String, Ident)> = frame
            .into_iter()
            .filter(|relation| relation.is_new)
            .filter_map(|relation| Some((relation.name, Ident::with_quote('"', relation.mark?))))
            .collect();
        if marked.is_empty() {
            return;
        }
        for table in &mut select.from {
            mark_in(table, &marked);
        }
        for item in &mut select.projection {
            let (options, hidden): (&mut WildcardAdditionalOptions, Vec<Ident>) = match item {
                SelectItem::Wildcard(options) => (options, marked.iter().map(|(_, mark)| mark.clone()).collect()),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let parts = names::parts(name);
                    let hidden = marked.iter().filter(|(relation, _)| parts.last() == Some(relation));
                    (options, hidden.map(|(_, mark)| mark.clone()).collect())
                }
                _ => continue,
            };
            let known = options.opt_except.take();
            let known = known.into_iter().flat_map(|except| {
                std::iter::once(except.first_element)
                    .chain(except.additional_elements)
                    .collect::<Vec<_>>()
            });
            let mut hidden = known.chain(hidden);
            if let Some(first_element) = hidden.next() {
                options.opt_except = Some(ExceptSelectItem {
                    first_element,
                    additional_elements: hidden.collect(),
                });
            }
        }
    }

    fn relations(&self, from: &[TableWithJoins]) -> Vec<Visible> {
        from.iter().flat_map(|table| self.joined(table)).collect()
    }

    fn joined(&self, table: &TableWithJoins) -> Vec<Visible> {
        let mut found = self.factor(&table.relation);
        for join in &table.joins {
            let mut right = self.factor(&join.relation);
            let (left_is_optional, right_is_optional) = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
                JoinOperator::FullOuter(_) => (true, true),
                _ => (false, false),
            };
            found
                .iter_mut()
                .for_each(|relation| relation.optional |= left_is_optional);
            right
                .iter_mut()
                .for_each(|relation| relation.optional |= right_is_optional);
            found.append(&mut right);
        }
        found
    }

    fn factor(&self, factor: &TableFactor) -> Vec<Visible> {
        let (name, columns, alias) = match factor {
            TableFactor::Table { name, alias, .. } => {
                let parts = names::parts(name);
                (parts.last().cloned(), self.named(&parts), alias)
            }
            TableFactor::Derived { subquery, alias, .. } => (None, self.output(&subquery.body), alias),
            TableFactor::UNNEST { alias, .. } => (None, Some(vec![]), alias),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.joined(table_with_joins),
            _ => return vec![],
        };
        let given = alias.as_ref().map(|alias| names::fold(&alias.name));
        let renames = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
        match (given.or(name), renamed(columns, renames)) {
            (Some(name), Some(columns)) => {
                let (marks, columns): (Vec<_>, Vec<_>) =
                    columns.into_iter().partition(|column| column.starts_with(THERE));
                vec![Visible {
                    name,
                    columns: columns
                        .into_iter()
                        .filter(|column| !column.starts_with('\u{0}'))
                        .collect(),
                    optional: false,
                    mark: marks.into_iter().next(),
                    is_new: false,
                    is_value: matches!(factor, TableFactor::UNNEST { array_exprs, .. } if array_exprs.len() == 1),
                }]
            }
            _ => vec![],
        }
    }

    /// The columns of the relation of that name.
    fn named(&self, parts: &[String]) -> Option<Vec<String>> {
        let own = match parts {
            [only] => self.with.get(only).cloned(),
            _ => None,
        };
        own.or_else(|| self.known.columns(parts))
    }

    /// The names of a query's columns, as far as its text and its relations tell.
    fn output(&self, body: &SetExpr) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(select) => self.selected(select),
            SetExpr::SetOperation { left, .. } => self.output(left),
            SetExpr::Query(query) => self.output(&query.body),
            SetExpr::Values(values) => {
                let width = values.rows.first().map_or(0, |row| row.len());
                Some((1..=width).map(|index| format!("column{index}")).collect())
            }
            _ => None,
        }
    }

    fn selected(&self, select: &Select) -> Option<Vec<String>> {
        let mut columns = vec![];
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expression) => columns.push(output_column_name(expression)),
                SelectItem::ExprWithAlias { alias, .. } => columns.push(names::fold(alias)),
                SelectItem::Wildcard(options) => {
                    if select.from.iter().any(merges_columns) {
                        return None;
                    }
                    let found = self.relations(&select.from);
                    let all = found.into_iter().flat_map(|relation| relation.columns).collect();
                    columns.extend(aliases::kept(all, options));
                }
                item if self.starred(item).is_some() => {
                    let value = self.starred(item)?;
                    columns.extend(self.fields_of(&select.from, &value).ok()?);
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let wanted = names::parts(name).pop()?;
                    let mut found = self.relations(&select.from).into_iter();
                    let all = found.find(|relation| relation.name == wanted)?.columns;
                    columns.extend(aliases::kept(all, options));
                }
                _ => return None,
            }
        }
        Some(columns)
    }
}

/// Whether a join shows two columns as one.
fn merges_columns(table: &TableWithJoins) -> bool {
    use datafusion::sql::sqlparser::ast::JoinConstraint::{Natural, Using};
    table.joins.iter().any(|join| match &join.join_operator {
        JoinOperator::Join(by)
        | JoinOperator::Inner(by)
        | JoinOperator::Left(by)
        | JoinOperator::LeftOuter(by)
        | JoinOperator::Right(by)
        | JoinOperator::RightOuter(by)
        | JoinOperator::FullOuter(by) => matches!(by, Natural | Using(_)),
        _ => false,
    })
}

fn renamed(
    columns: Option<Vec<String>>,
    given: &[datafusion::sql::sqlparser::ast::TableAliasColumnDef],
) -> Option<Vec<String>> {
    let mut columns = columns?;
    for (index, column) in given.iter().enumerate() {
        let name = names::fold(&column.name);
        match columns.get_mut(index) {
            Some(known) => *known = name,
            None => columns.push(name),
        }
    }
    Some(columns)
}

/// Puts `(SELECT *, true AS mark FROM relation) AS relation` in the place of the marked relations.
fn mark_in(table: &mut TableWithJoins, marked: &[(String, Ident)]) {
    let joined = table.joins.iter_mut().map(|join| &mut join.relation);
    for factor in std::iter::once(&mut table.relation).chain(joined) {
        let name = match &*factor {
            TableFactor::NestedJoin { .. } => None,
            TableFactor::Table { name, alias: None, .. } => names::parts(name).pop(),
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => Some(names::fold(&alias.name)),
            _ => None,
        };
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            mark_in(table_with_joins, marked);
            continue;
        }
        let mark = marked.iter().find(|(relation, _)| Some(relation) == name.as_ref());
        let (Some((relation, mark)), Ok(mut template)) = (mark, parse_query("SELECT *, true AS x FROM t")) else {
            continue;
        };
        let SetExpr::Select(select) = template.body.as_mut() else {
            continue;
        };
        let (Some(SelectItem::ExprWithAlias { alias, .. }), Some(inner)) =
            (select.projection.last_mut(), select.from.first_mut())
        else {
            continue;
        };
        *alias = mark.clone();
        std::mem::swap(&mut inner.relation, factor);
        *factor = TableFactor::Derived {
            lateral: matches!(
                inner.relation,
                TableFactor::Derived { lateral: true, .. } | TableFactor::UNNEST { .. }
            ),
            subquery: Box::new(template),
            alias: Some(relation::alias(Ident::with_quote('"', relation))),
            sample: None,
        };
    }
}

/// A relation's row.
fn record(there: Option<Expr>, columns: Vec<(String, Expr)>) -> Expr {
    let there = there.unwrap_or_else(always_there);
    let fields = columns
        .into_iter()
        .flat_map(|(name, column)| [Expr::value(Value::SingleQuotedString(name)), column]);
    call(ROW_VALUE, std::iter::once(there).chain(fields).collect())
}
