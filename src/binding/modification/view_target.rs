//! A view as the target of a change: the rows of the table below it that the view shows, under the view's names, with what
//! locates them. The table is read and written with the rights of who owns the view over it, and its policies are for the
//! effective role, as when the view is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::sql::sqlparser::ast as sql;

use super::TARGET;
use super::expressions::null;
use super::rows::{first_relation, retarget, shorten};
use crate::binding::bound_table::{BoundTable, LOCATORS};
use crate::binding::scope::LoadedRelation;
use crate::binding::updatable::{SimpleView, UpdatableView, updatable};
use crate::binding::view_source::ViewSource;
use crate::binding::{BindingServices, Rights, function, relations, rewrite};
use crate::catalog::model::{CheckOption, Column as CatalogColumn, Oid, Table, View};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::ObjectName;
use crate::statement::table_in_from;
use crate::types::SqlType;

/// What a view makes of the table that a statement changes.
#[derive(Clone)]
pub struct TargetView {
    /// The table as the statement knows it: under the view's name, with the view's columns first.
    pub(super) shown: Arc<Table>,
    /// The view's rows, with its columns, those of the table that it does not show, and the locators.
    pub(super) source: Arc<dyn TableSource>,
    /// For each column of the table its name in `source`.
    pub(super) names: Vec<String>,
    /// The view's columns that are none of the table's.
    pub(super) computed: Vec<ComputedColumn>,
    /// The view's columns in order.
    columns: Vec<String>,
    /// The view and those below it.
    pub levels: Vec<ViewLevel>,
    /// What new rows must fulfil, the lowest view's condition first.
    pub checks: Vec<ViewCheck>,
}

/// A column of the view that is no column of the table.
#[derive(Debug, Clone)]
pub(super) struct ComputedColumn {
    pub name: String,
    /// Over the names of the table's columns; `None` where it reads other rows.
    pub value: Option<Expr>,
    pub sql_type: SqlType,
}

/// Whose rights on which view a change needs.
#[derive(Debug, Clone)]
pub struct ViewLevel {
    pub view: Oid,
    pub checked_as: Oid,
    /// For each column of the table the view's column that it is, by id.
    pub columns: Vec<Option<i16>>,
}

/// A condition of WITH CHECK OPTION.
#[derive(Debug, Clone)]
pub struct ViewCheck {
    pub view: String,
    /// Over the table's columns, named by `below_name`.
    pub condition: Expr,
}

impl ViewCheck {
    /// Positions of the table's columns that the condition reads.
    pub fn columns(&self) -> Vec<usize> {
        let position = |column: &Column| column.name.strip_prefix(BELOW)?.parse().ok();
        self.condition.column_refs().into_iter().filter_map(position).collect()
    }
}

/// What the names of `below_name` begin with.
const BELOW: &str = "\u{0}below ";

/// What a column of the table is called in the plans of the views over it.
pub(crate) fn below_name(position: usize) -> String {
    format!("{BELOW}{position}")
}

/// 55000 for a view that no statement can change rows through.
pub(crate) fn not_updatable(verb: &str, view: &View, detail: &str) -> Error {
    let message = format!("cannot {verb} view \"{}\"", view.name);
    Error::new(SqlState::ObjectNotInPrerequisiteState, message).with_detail(detail)
}

/// A relation on the way up: a plan, and its columns.
struct Below {
    plan: LogicalPlan,
    columns: Vec<BelowColumn>,
}

struct BelowColumn {
    id: i16,
    name: String,
    /// Over `below_name`s.
    value: Option<Expr>,
    /// The table's column that it is.
    base: Option<usize>,
}

/// The table below a view as the statement's target.
pub(super) async fn load(services: &BindingServices, context: &QueryContext, view: &View) -> Result<BoundTable> {
    let chain = updatable(&context.catalog, view).map_err(|detail| not_updatable("change", view, detail))?;
    // Whose rights each view is used with, and below them the table.
    let mut roles = vec![context.principal.role];
    for level in &chain.levels {
        roles.push(level.view.reads_as(roles.last().copied().unwrap_or(level.view.owner)));
    }
    let reader = roles.last().copied().unwrap_or(view.owner);
    let table = Arc::new(chain.table.clone());
    let bound = relations::load_table(services, context, table, None, reader, 0).await?;
    let bound = Arc::try_unwrap(bound).map_err(|_| Error::internal("a target is in use"))?;
    let mut target = bound.into_target();
    let count = target.column_count();
    let mut below = of_table(&target)?;
    let (mut levels, mut checks) = (vec![], vec![]);
    let checked = checked_levels(&chain);
    for (place, level) in chain.levels.iter().enumerate().rev() {
        let (above, condition) = over(services, context, level, roles[place + 1], below, count).await?;
        below = above;
        levels.push(ViewLevel {
            view: level.view.id,
            checked_as: roles[place],
            columns: (0..count)
                .map(|base| {
                    below
                        .columns
                        .iter()
                        .find(|column| column.base == Some(base))
                        .map(|column| column.id)
                })
                .collect(),
        });
        match condition {
            Condition::None => {}
            Condition::Over(condition) if checked[place] => checks.push(ViewCheck {
                view: level.view.name.clone(),
                condition: condition.is_true(),
            }),
            Condition::Other if checked[place] => {
                return Err(Error::unsupported(
                    "WITH CHECK OPTION of a view whose condition is a subquery",
                ));
            }
            _ => {}
        }
    }
    target.view = Some(Arc::new(target_view(view, &target, below, levels, checks)?));
    Ok(target)
}

/// Which of the views' conditions new rows are held to.
fn checked_levels(chain: &UpdatableView<'_>) -> Vec<bool> {
    let mut cascades = false;
    let of_level = |level: &SimpleView<'_>| {
        let option = level.view.options.check_option;
        let checked = cascades || option.is_some();
        cascades |= option == Some(CheckOption::Cascaded);
        checked
    };
    chain.levels.iter().map(of_level).collect()
}

/// The table's own columns, and again under the names that go up.
fn of_table(target: &BoundTable) -> Result<Below> {
    const SCAN: &str = "below";
    let source = provider_as_source(Arc::new(target.clone()) as Arc<dyn TableProvider>);
    let column = |name: String| Expr::Column(Column::new(Some(SCAN), name));
    let (mut shown, mut columns) = (vec![], vec![]);
    for position in 0..target.column_count() {
        let name = target.column_name(position);
        if let Some(id) = target.column_id(position) {
            shown.push(column(name.clone()).alias(&name));
            columns.push(BelowColumn {
                id,
                name: name.clone(),
                value: Some(Expr::Column(Column::new_unqualified(below_name(position)))),
                base: Some(position),
            });
        }
        shown.push(column(name).alias(below_name(position)));
    }
    shown.extend(LOCATORS.map(|name| column(name.to_string()).alias(name)));
    let plan = LogicalPlanBuilder::scan(SCAN, source, None)?.project(shown)?.build()?;
    Ok(Below { plan, columns })
}

/// What a view's WHERE says.
enum Condition {
    None,
    Over(Expr),
    /// It reads other rows.
    Other,
}

/// The names that every plan hands up.
fn passed_names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(below_name).chain(LOCATORS.map(str::to_string))
}

/// A view over the relation below it, with its owner's rights.
async fn over(
    services: &BindingServices,
    context: &QueryContext,
    level: &SimpleView<'_>,
    checked_as: Oid,
    below: Below,
    count: usize,
) -> Result<(Below, Condition)> {
    let unsupported = || Error::unsupported(format!("changing rows through view \"{}\"", level.view.name));
    // The relation below as the text knows it.
    let passed = |name: String| Expr::Column(Column::new_unqualified(&name)).alias(name);
    let mut known: HashMap<String, Option<Expr>> = HashMap::new();
    let mut renamed = vec![];
    for (id, name) in &level.known {
        let column = below
            .columns
            .iter()
            .find(|column| column.id == *id)
            .ok_or_else(unsupported)?;
        known.insert(name.clone(), column.value.clone());
        renamed.push(Expr::Column(Column::new_unqualified(&column.name)).alias(name));
    }
    renamed.extend(passed_names(count).map(passed));
    let source = LogicalPlanBuilder::from(below.plan).project(renamed)?.build()?;
    let mut query = level.query.clone();
    let relation = first_relation(&mut query)?;
    *relation = table_in_from(&ObjectName(vec![TARGET.to_string()]), &level.alias).relation;
    let alias = retarget(relation)?;
    shorten(&mut query, &ObjectName(level.reference.name.clone()), &alias);
    let item = |value: sql::Expr, name: String| sql::SelectItem::ExprWithAlias {
        expr: value,
        alias: sql::Ident::with_quote('"', name),
    };
    let column = |name: String| {
        let name = sql::Ident::with_quote('"', name);
        sql::Expr::CompoundIdentifier(vec![alias.clone(), name])
    };
    let values = level.items.iter().enumerate();
    let mut items: Vec<sql::SelectItem> = values
        .map(|(place, (value, _))| item(value.clone(), format!("\u{0}view {place}")))
        .collect();
    items.extend(passed_names(count).map(|name| item(column(name.clone()), name)));
    let sql::SetExpr::Select(select) = query.body.as_mut() else {
        return Err(unsupported());
    };
    select.projection = items;
    let is_filtered = select.selection.is_some();
    rewrite::rewrite(&mut query)?;
    let rights = Rights {
        search_path: level.view.search_path.clone(),
        references: level.view.references.clone(),
        checked_as,
        calls_routines: true,
    };
    let mut scope = relations::load(services, context, &mut query, rights, 1).await?;
    let source: Arc<dyn TableSource> = Arc::new(ViewSource::computed(source));
    scope.add_relation(vec![TARGET.to_string()], LoadedRelation::computed(source));
    let plan = function::inline_functions(scope.plan_query(query, &[])?)?;
    let LogicalPlan::Projection(projection) = &plan else {
        return Err(unsupported());
    };
    let (rows, predicate) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (&filter.input, Some(&filter.predicate)),
        _ => (&projection.input, None),
    };
    let is_plain = matches!(rows.as_ref(), LogicalPlan::SubqueryAlias(_));
    if !is_plain || is_filtered != predicate.is_some() || projection.expr.len() < level.view.columns.len() {
        return Err(unsupported());
    }
    let condition = match predicate {
        None => Condition::None,
        Some(predicate) => match substituted(predicate.clone(), &known)? {
            Some(condition) => Condition::Over(condition),
            None => Condition::Other,
        },
    };
    let mut columns = vec![];
    for (place, (column, (_, id))) in level.view.columns.iter().zip(&level.items).enumerate() {
        let same = id.and_then(|id| below.columns.iter().find(|column| column.id == id));
        columns.push(BelowColumn {
            id: column.id,
            name: column.name.clone(),
            value: substituted(projection.expr[place].clone().unalias(), &known)?,
            base: same.and_then(|column| column.base),
        });
    }
    let named = columns
        .iter()
        .enumerate()
        .map(|(place, column)| Expr::Column(Column::new_unqualified(format!("\u{0}view {place}"))).alias(&column.name));
    let all: Vec<Expr> = named.chain(passed_names(count).map(passed)).collect();
    let plan = LogicalPlanBuilder::from(plan).project(all)?.build()?;
    Ok((Below { plan, columns }, condition))
}

/// An expression over a view's relation as one over the table's columns; `None` where it reads other rows.
fn substituted(expression: Expr, known: &HashMap<String, Option<Expr>>) -> Result<Option<Expr>> {
    let mut is_whole = true;
    let replaced = expression.transform_up(|part| {
        Ok(match part {
            Expr::Column(column) => match known.get(&column.name) {
                Some(Some(value)) => Transformed::yes(value.clone()),
                _ => {
                    is_whole = false;
                    Transformed::no(Expr::Column(column))
                }
            },
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => {
                is_whole = false;
                Transformed::no(part)
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(is_whole.then_some(replaced.data))
}

/// The uppermost view with the table's columns in their places.
fn target_view(
    view: &View,
    target: &BoundTable,
    top: Below,
    levels: Vec<ViewLevel>,
    checks: Vec<ViewCheck>,
) -> Result<TargetView> {
    let count = target.column_count();
    let mut names: Vec<String> = (0..count).map(below_name).collect();
    let (mut computed, mut columns) = (vec![], vec![]);
    let mut taken = BTreeSet::new();
    for (column, known) in top.columns.iter().zip(&view.columns) {
        match column.base.filter(|base| taken.insert(*base)) {
            Some(base) => {
                let of_table = target.table.column_named(&target.column_name(base));
                let of_table = of_table.ok_or_else(|| Error::internal("a view has a column that its table has not"))?;
                names[base] = column.name.clone();
                columns.push(CatalogColumn {
                    name: column.name.clone(),
                    ..of_table.clone()
                });
            }
            None => {
                computed.push(ComputedColumn {
                    name: column.name.clone(),
                    value: column.value.clone(),
                    sql_type: known.sql_type.clone(),
                });
                // No column of the table has such an id.
                columns.push(CatalogColumn {
                    id: -column.id,
                    ..known.clone()
                });
            }
        }
    }
    let renamed = names.iter().enumerate();
    let renamed = renamed.map(|(base, name)| (below_name(base), Some(Expr::Column(Column::new_unqualified(name)))));
    let renamed: HashMap<String, Option<Expr>> = renamed.collect();
    for column in &mut computed {
        if let Some(value) = column.value.take() {
            column.value = substituted(value, &renamed)?;
        }
    }
    let order: Vec<String> = top.columns.iter().map(|column| column.name.clone()).collect();
    let hidden = (0..count).filter(|base| !taken.contains(base));
    for base in hidden.clone() {
        if let Some(of_table) = target.table.column_named(&target.column_name(base)) {
            columns.push(CatalogColumn {
                name: below_name(base),
                ..of_table.clone()
            });
        }
    }
    let kept = order.iter().cloned().chain(hidden.map(below_name));
    let kept = kept.chain(LOCATORS.map(str::to_string));
    let kept: Vec<Expr> = kept.map(|name| Expr::Column(Column::new_unqualified(name))).collect();
    let plan = LogicalPlanBuilder::from(top.plan).project(kept)?.build()?;
    let shown = Table {
        name: view.name.clone(),
        columns,
        ..target.table.as_ref().clone()
    };
    Ok(TargetView {
        shown: Arc::new(shown),
        source: Arc::new(ViewSource::computed(plan)),
        names,
        computed,
        columns: order,
        levels,
        checks,
    })
}

impl std::fmt::Debug for TargetView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = (&self.shown.name, &self.names);
        f.debug_tuple("TargetView").field(&names).finish()
    }
}

impl TargetView {
    /// The table under the view's names.
    pub(in crate::binding) fn shown(&self) -> &Arc<Table> {
        &self.shown
    }

    /// The name that the table's column at this position has in the view's rows.
    pub(in crate::binding) fn name(&self, position: usize) -> Option<&str> {
        self.names.get(position).map(String::as_str)
    }

    /// The position of the table's column that has this name.
    pub(in crate::binding) fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Refuses to assign to a column of the view that is none of the table's.
    pub(super) fn require_updatable(&self, column: &str, verb: &str) -> Result<()> {
        if !self.computed.iter().any(|computed| computed.name == column) {
            return Ok(());
        }
        let message = format!("cannot {verb} column \"{column}\" of view \"{}\"", self.shown.name);
        Err(Error::new(SqlState::FeatureNotSupported, message)
            .with_detail("View columns that are not columns of their base relation are not updatable."))
    }

    /// The positions of the table's columns that a column of the view reads; all where nobody can tell.
    pub(super) fn read_by(&self, name: &str) -> Option<Vec<usize>> {
        let computed = self.computed.iter().find(|computed| computed.name == name)?;
        Some(match &computed.value {
            None => (0..self.names.len()).collect(),
            Some(value) => {
                let read = value.column_refs();
                let is_read = |name: &String| read.iter().any(|column| column.name == *name);
                (0..self.names.len())
                    .filter(|base| is_read(&self.names[*base]))
                    .collect()
            }
        })
    }

    /// The value of a computed column for rows of `relation`; `None` for other columns.
    pub(super) fn computed_value(&self, column: &Column, relation: &TableReference) -> Result<Option<Expr>> {
        let computed = match column.relation.as_ref() == Some(relation) {
            true => self.computed.iter().find(|computed| computed.name == column.name),
            false => None,
        };
        match computed {
            Some(computed) if computed.value.is_some() => {
                let value = value_over(computed, Some(relation))?;
                Ok(Some(value.alias_qualified(Some(relation.clone()), &column.name)))
            }
            _ => Ok(None),
        }
    }

    /// Refuses to show for changed rows what reads others.
    pub(super) fn require_known(&self, shown: &Expr, relation: &TableReference) -> Result<()> {
        let is_shown = |computed: &&ComputedColumn| {
            let mut columns = shown.column_refs().into_iter();
            columns.any(|column| column.relation.as_ref() == Some(relation) && column.name == computed.name)
        };
        match self
            .computed
            .iter()
            .filter(|computed| computed.value.is_none())
            .find(is_shown)
        {
            None => Ok(()),
            Some(computed) => Err(Error::unsupported(format!(
                "RETURNING column \"{}\" of view \"{}\", which reads other rows",
                computed.name, self.shown.name
            ))),
        }
    }

    /// New rows of the table, under the names of the view, as rows of the view.
    pub(super) fn of_new_rows(&self, rows: LogicalPlan) -> Result<LogicalPlan> {
        let mut shown = vec![];
        for name in &self.columns {
            shown.push(match self.computed.iter().find(|computed| computed.name == *name) {
                Some(computed) => value_over(computed, None)?.alias(name),
                None => Expr::Column(Column::new_unqualified(name)),
            });
        }
        let hidden = self.names.iter().filter(|name| !self.columns.contains(name));
        shown.extend(hidden.map(|name| Expr::Column(Column::new_unqualified(name))));
        Ok(LogicalPlanBuilder::from(rows).project(shown)?.build()?)
    }
}

/// A computed column over rows of `relation`; NULL where only other rows tell it.
fn value_over(computed: &ComputedColumn, relation: Option<&TableReference>) -> Result<Expr> {
    let Some(value) = computed.value.clone() else {
        return null(&computed.sql_type);
    };
    let placed = value.transform(|part| {
        Ok(match part {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new(relation.cloned(), column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(placed.data)
}
