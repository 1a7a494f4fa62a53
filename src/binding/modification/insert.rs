//! INSERT: the source's rows become rows of the table, with defaults where nothing is given. RETURNING reads them as a
//! relation; ON CONFLICT joins them with the target by the key.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, TableType, lit, when};
use datafusion::sql::sqlparser::ast as sql;

use super::compose::{Choice, Clause, Located, compose};
use super::expressions::{assigned, assigned_from_query, locators, refuse_reading};
use super::rows::{Rows, retarget};
use super::{
    ACTION, Action, BoundModification, Changed, Repeated, column_named, column_set, declare, declare_item, finish,
    load_target, require_updatable,
};
use super::{own_values, value_rows};
use crate::binding::{BindingServices, BoundTable, Rights, names, relations, rewrite, stored_expression};
use crate::catalog::model::{Constraint, ConstraintRule, Index, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::{ASSIGNED_FIELD, assigned_field_type, retyped, scalar_functions};
use crate::statement::ast::{ConflictAction, ConflictTarget, Insert, OnConflict};
use crate::statement::change_own_expressions;
use crate::types::SqlType;

/// The rows that an INSERT brings, as a relation.
const NEW_ROWS: &str = "\u{0}new rows";

/// The columns that the statement names, or all of them.
pub fn insert_columns(table: &Table, named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() {
        let shown = table.columns.iter().filter(|column| !column.name.starts_with('\u{0}'));
        return Ok(shown.map(|column| column.name.clone()).collect());
    }
    for (position, name) in named.iter().enumerate() {
        column_named(table, name)?;
        if named[..position].contains(name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateColumn, message));
        }
    }
    Ok(named.to_vec())
}

/// The columns that an INSERT names, one for each value: a column is there again for each of its fields.
fn assigned_columns(table: &Table, insert: &Insert) -> Result<Vec<String>> {
    if insert.columns.is_empty() {
        return insert_columns(table, &[]);
    }
    for (place, (name, path)) in insert.columns.iter().zip(&insert.fields).enumerate() {
        let placed = |error: Error| match insert.positions.get(place) {
            Some(position) => error.at(*position),
            None => error,
        };
        column_named(table, name).map_err(placed)?;
        let mut earlier = insert.columns[..place].iter().zip(&insert.fields);
        if earlier.any(|(known, known_path)| known == name && (path.is_empty() || known_path.is_empty())) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(placed(Error::new(SqlState::DuplicateColumn, message)));
        }
    }
    Ok(insert.columns.clone())
}

/// The type of what the value at this place goes to.
fn assigned_type(table: &Table, insert: &Insert, name: &str, place: usize) -> Result<SqlType> {
    let mut sql_type = column_named(table, name)?.sql_type.clone();
    for field in insert.fields.get(place).into_iter().flatten() {
        sql_type = assigned_field_type(&sql_type, field, name)?.clone();
    }
    Ok(sql_type)
}

/// A row whose fields are the values at these places.
fn of_fields(insert: &Insert, name: &str, of_source: &[Column], sql_type: &SqlType) -> Result<Expr> {
    let function = scalar_functions()
        .iter()
        .find(|function| function.name() == ASSIGNED_FIELD);
    let function = function.ok_or_else(|| Error::internal("fields cannot be assigned"))?;
    let mut row = super::expressions::null(sql_type)?;
    for (place, path) in insert.fields.iter().enumerate() {
        if insert.columns[place] == name {
            let path = path.iter().map(|field| lit(field.as_str()));
            let value = [row, Expr::Column(of_source[place].clone())];
            row = function.call(value.into_iter().chain(path).collect());
        }
    }
    Ok(row)
}

/// Binds INSERT.
pub async fn bind_insert(
    services: &BindingServices,
    context: &QueryContext,
    changed: &Changed,
    insert: &Insert,
    declared: &[Option<SqlType>],
) -> Result<BoundModification> {
    let mut declared = declared.to_vec();
    let target = load_target(services, context, changed).await?;
    let table = &Arc::clone(target.shown_table());
    let columns = assigned_columns(table, insert)?;
    if target.view.is_some() && insert.overwrite {
        return Err(Error::unsupported("INSERT OVERWRITE of a view"));
    }
    let new_rows = new_rows(services, context, table, &target, insert, &columns, &mut declared).await?;
    let is_plain = insert.on_conflict.is_none() && insert.returning.is_empty();
    let new_rows = match &target.view {
        Some(view) if !is_plain => view.of_new_rows(new_rows)?,
        _ => new_rows,
    };
    let mut bound = match &insert.on_conflict {
        Some(conflict) => on_conflict(services, context, table, target, insert, conflict, new_rows, declared).await?,
        None if insert.returning.is_empty() => plain(target, new_rows, &declared)?,
        None => {
            let alias = sql::Ident::with_quote('"', &insert.alias);
            let query = query(insert.returning.clone(), NEW_ROWS, alias.clone());
            let source = (NEW_ROWS, Arc::new(NewRows::new(new_rows)) as Arc<dyn TableSource>);
            let alias = TableReference::bare(alias.value);
            let rows = Rows::plan(services, context, target, alias.clone(), query, Some(source), &declared).await?;
            let all = all_columns(&rows.target, &alias);
            let clause = Clause {
                action: Action::Insert,
                values: all,
            };
            compose(rows, vec![clause], Choice::Only, Located::No, Some(0), &declared)?
        }
    };
    for name in &columns {
        // A column that a view computes is named only where no value is given for it.
        if insert.source.is_some()
            && let Ok(position) = bound.target.position(name)
        {
            bound.inserted.insert(position);
        }
    }
    Ok(bound)
}

/// The target's columns, each as itself.
fn all_columns(target: &BoundTable, relation: &TableReference) -> Vec<(usize, Expr)> {
    (0..target.column_count())
        .map(|position| {
            let column = Column::new(Some(relation.clone()), target.shown_name(position));
            (position, Expr::Column(column))
        })
        .collect()
}

/// An INSERT that nothing else is asked of: its plan is the rows.
fn plain(target: Arc<BoundTable>, new_rows: LogicalPlan, declared: &[Option<SqlType>]) -> Result<BoundModification> {
    let mut shown = vec![
        lit(ACTION as i32).alias("\u{0}action"),
        lit(ScalarValue::Int32(None)).alias("\u{0}file"),
        lit(ScalarValue::Int64(None)).alias("\u{0}place"),
    ];
    shown.extend(new_rows.schema().columns().into_iter().map(Expr::Column));
    let values = (0..target.column_count()).collect();
    let plan = LogicalPlanBuilder::from(new_rows).project(shown)?.build()?;
    let (plan, parameter_types) = finish(plan, declared)?;
    Ok(BoundModification {
        plan,
        parameter_types,
        target,
        actions: vec![Action::Insert],
        values,
        sources: BTreeSet::new(),
        inserted: BTreeSet::new(),
        returned: BTreeSet::new(),
        returned_sources: vec![],
        returning: false,
        repeated: Repeated::Ignored,
        keys: vec![],
        reads_absence: false,
    })
}

/// The source's rows with a value of its type for each column of the target, in order.
async fn new_rows(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    target: &BoundTable,
    insert: &Insert,
    columns: &[String],
    declared: &mut Vec<Option<SqlType>>,
) -> Result<LogicalPlan> {
    let (source, flags) = source(services, context, table, insert, columns, declared).await?;
    let width = source.schema().fields().len() - flags.len();
    let given = if insert.source.is_some() { width } else { 0 };
    if given > columns.len() {
        let message = "INSERT has more expressions than target columns";
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    if given < columns.len() && !insert.columns.is_empty() {
        let message = "INSERT has more target columns than expressions";
        return Err(Error::new(SqlState::SyntaxError, message));
    }
    for name in &columns[..given] {
        require_updatable(target, name, "insert into")?;
    }
    let of_source = source.schema().columns();
    let mut values = vec![];
    for position in 0..target.column_count() {
        let name = target.shown_name(position);
        let Some(known) = table.column_named(&name) else {
            values.push(super::expressions::null(&target.column_type(position)?)?.alias(name));
            continue;
        };
        let place = columns[..given].iter().position(|column| *column == name);
        let all_default = |place: usize| {
            let rows = insert.defaults.iter().filter(|(_, column)| *column == place).count();
            matches!(insert.source.as_ref().map(|query| query.body.as_ref()),
                Some(sql::SetExpr::Values(values)) if values.rows.len() == rows)
        };
        let is_given = place.is_some_and(|place| !all_default(place));
        let place = match own_values::takes_own(known, is_given, insert.overriding)? {
            true => None,
            false => place,
        };
        if known.generated().is_some() {
            values.push(super::expressions::null(&known.sql_type)?.alias(name));
            continue;
        }
        let value = match place {
            None => stored_expression::default_of(services, context, known).await?,
            Some(place) if insert.fields.get(place).is_some_and(|path| !path.is_empty()) => {
                if flags.iter().any(|flagged| columns[*flagged] == name) {
                    return Err(Error::unsupported("DEFAULT for a field"));
                }
                of_fields(insert, &name, &of_source, &known.sql_type)?
            }
            Some(place) => {
                let column = Expr::Column(of_source[place].clone());
                let value = assigned_from_query(column, source.schema(), &name, &known.sql_type, &services.format)?;
                match flags.iter().position(|flagged| *flagged == place) {
                    None => value,
                    Some(flag) => {
                        let is_default = Expr::Column(of_source[width + flag].clone());
                        let default = stored_expression::default_of(services, context, known).await?;
                        let value = when(is_default, default).otherwise(value)?;
                        match value_rows::row_type(&known.sql_type) {
                            Some(_) => retyped(value, known.sql_type.base().clone()),
                            None => value,
                        }
                    }
                }
            }
        };
        values.push(value.alias(name));
    }
    let rows = LogicalPlanBuilder::from(source).project(values)?;
    let stored = rows.schema().as_arrow().clone();
    let generated = stored_expression::bind_generated(services, context, table, &stored, None).await?;
    if generated.is_empty() {
        return Ok(rows.build()?);
    }
    let columns = rows.schema().columns().into_iter().enumerate();
    let columns = columns.map(
        |(place, column)| match generated.iter().find(|(position, _)| *position == place) {
            Some((_, value)) => value.clone().alias(&column.name),
            None => Expr::Column(column),
        },
    );
    let columns: Vec<Expr> = columns.collect();
    Ok(rows.project(columns)?.build()?)
}

/// The source's plan, and the columns for which it has a flag that says that the row takes the default.
async fn source(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    insert: &Insert,
    columns: &[String],
    declared: &mut Vec<Option<SqlType>>,
) -> Result<(LogicalPlan, Vec<usize>)> {
    let Some(query) = &insert.source else {
        return Ok((LogicalPlanBuilder::empty(true).build()?, vec![]));
    };
    let mut query = query.as_ref().clone();
    let (mut flags, mut rows) = (vec![], vec![]);
    if let sql::SetExpr::Values(values) = query.body.as_mut() {
        for row in &values.rows {
            for (place, (expression, name)) in row.content.iter().zip(columns).enumerate() {
                declare(declared, expression, &assigned_type(table, insert, name, place)?);
            }
        }
        for (place, name) in columns.iter().enumerate() {
            let sql_type = assigned_type(table, insert, name, place)?;
            value_rows::type_cells(&mut values.rows, place, &sql_type);
            if let Some(row_type) = value_rows::row_type(&sql_type) {
                rows.push((value_rows::private_name(row_type), row_type.clone()));
            }
        }
        flags = insert
            .defaults
            .iter()
            .map(|(_, column)| *column)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        for (row, expressions) in values.rows.iter_mut().enumerate() {
            for column in &flags {
                let is_default = insert.defaults.contains(&(row, *column));
                let flag = sql::Expr::Value(sql::Value::Boolean(is_default).into());
                expressions.content.push(flag);
            }
        }
    }
    if let sql::SetExpr::Select(select) = query.body.as_ref() {
        for (place, (item, name)) in select.projection.iter().zip(columns).enumerate() {
            if let sql::SelectItem::UnnamedExpr(value) | sql::SelectItem::ExprWithAlias { expr: value, .. } = item {
                declare(declared, value, &assigned_type(table, insert, name, place)?);
            }
        }
    }
    rewrite::rewrite(&mut query)?;
    let mut scope = relations::load(services, context, &mut query, Rights::of_statement(context), 0).await?;
    for (name, sql_type) in rows {
        scope.add_type(name, sql_type);
    }
    Ok((scope.plan_statement(query, declared, false)?.0, flags))
}

/// SELECT `items` FROM `relation` AS `alias`.
fn query(items: Vec<sql::SelectItem>, relation: &str, alias: sql::Ident) -> sql::Query {
    let name = crate::statement::ast::ObjectName(vec![relation.to_string()]);
    crate::statement::rows_query(items, vec![crate::statement::table_in_from(&name, &alias.value)])
}

/// The rows joined with those of the target that have the same key.
#[expect(clippy::too_many_arguments, reason = "what binding an INSERT has come to know")]
async fn on_conflict(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    target: Arc<BoundTable>,
    insert: &Insert,
    conflict: &OnConflict,
    new_rows: LogicalPlan,
    mut declared: Vec<Option<SqlType>>,
) -> Result<BoundModification> {
    let keys = match (&target.view, &conflict.target) {
        // A view has no constraints of its own.
        (Some(_), ConflictTarget::Constraint(wanted)) => return Err(missing_constraint(wanted, table)),
        (_, wanted) => keys(context, table, wanted)?,
    };
    let excluded = sql::Ident::with_quote('"', "excluded");
    let alias = sql::Ident::with_quote('"', &insert.alias);
    let (columns, mut items, condition) = match &conflict.action {
        ConflictAction::Nothing => (vec![], vec![], None),
        ConflictAction::Update {
            columns,
            values,
            condition,
        } => (columns.clone(), values.clone(), condition.clone()),
    };
    for (column, item) in columns.iter().zip(&items) {
        declare_item(&mut declared, item, &column_set(table, column)?.sql_type);
        require_updatable(&target, &column.name, "update")?;
    }
    items.push(sql::SelectItem::ExprWithAlias {
        expr: condition.map_or_else(
            || sql::Expr::Value(sql::Value::Boolean(true).into()),
            |condition| *condition,
        ),
        alias: sql::Ident::with_quote('"', "\u{0}condition"),
    });
    let first_returned = items.len();
    items.extend(
        insert
            .returning
            .iter()
            .cloned()
            .map(|item| of_table(item, table, &alias)),
    );
    let mut query = query(items, NEW_ROWS, excluded.clone());
    let mut relation = crate::statement::table_in_from(&insert.table, &alias.value).relation;
    retarget(&mut relation)?;
    if let sql::SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.joins.push(sql::Join {
            relation,
            global: false,
            join_operator: sql::JoinOperator::LeftOuter(sql::JoinConstraint::On(same_key(&keys, &excluded, &alias))),
        });
    }
    let source = (NEW_ROWS, Arc::new(NewRows::new(new_rows)) as Arc<dyn TableSource>);
    let alias = TableReference::bare(alias.value);
    let rows = Rows::plan(services, context, target, alias.clone(), query, Some(source), &declared).await?;
    let mut values = vec![];
    for (column, value) in columns.iter().zip(&rows.items) {
        let known = column_set(table, column)?;
        let value = match column.default {
            true => own_values::updated_default(services, context, &rows.target, known).await?,
            false => {
                own_values::check_updated(known)?;
                let schema = rows.input.schema();
                assigned(value.clone(), schema, &column.name, &known.sql_type, &services.format)?
            }
        };
        values.push((rows.target.position(&column.name)?, value));
    }
    let [_, place] = locators(&alias);
    let is_update = rows.items[columns.len()].clone().unalias();
    let number = when(place.is_null(), lit(0_i32))
        .when(is_update, lit(1_i32))
        .otherwise(lit(ScalarValue::Int32(None)))?;
    let clauses = vec![
        Clause {
            action: Action::Insert,
            values: all_columns(&rows.target, &TableReference::bare("excluded")),
        },
        match &conflict.action {
            ConflictAction::Nothing => Clause {
                action: Action::Nothing,
                values: vec![],
            },
            ConflictAction::Update { .. } => Clause {
                action: Action::Update(values.iter().map(|(position, _)| *position).collect()),
                values,
            },
        },
    ];
    let positions = |key: &Vec<String>| {
        key.iter()
            .map(|name| rows.target.position(name))
            .collect::<Result<Vec<_>>>()
    };
    let keys = keys.iter().map(positions).collect::<Result<Vec<_>>>()?;
    for item in &rows.items[first_returned..] {
        refuse_reading(item, &TableReference::bare("excluded"))?;
    }
    let returned = (!insert.returning.is_empty()).then_some(first_returned);
    let mut bound = compose(rows, clauses, Choice::Number(number), Located::Yes, returned, &declared)?;
    bound.keys = keys;
    bound.reads_absence = true;
    if matches!(conflict.action, ConflictAction::Update { .. }) {
        bound.repeated = Repeated::Refused(
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
            "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
        );
    }
    Ok(bound)
}

/// RETURNING sees the table alone: `*` and plain names are the table's, not those of `excluded`.
fn of_table(mut item: sql::SelectItem, table: &Table, alias: &sql::Ident) -> sql::SelectItem {
    if let sql::SelectItem::Wildcard(options) = item {
        let name = sql::ObjectName(vec![sql::ObjectNamePart::Identifier(alias.clone())]);
        return sql::SelectItem::QualifiedWildcard(sql::SelectItemQualifiedWildcardKind::ObjectName(name), options);
    }
    change_own_expressions(&mut item, |expression| {
        if let sql::Expr::Identifier(name) = expression
            && table.column_named(&names::fold(name)).is_some()
        {
            *expression = sql::Expr::CompoundIdentifier(vec![alias.clone(), name.clone()]);
        }
    });
    item
}

fn missing_constraint(name: &str, table: &Table) -> Error {
    let message = format!("constraint \"{name}\" for table \"{}\" does not exist", table.name);
    Error::new(SqlState::UndefinedObject, message)
}

/// Rows are not compared by a key that may wait before other statements have brought theirs.
fn must_be_immediate(constraint: &Constraint) -> Result<()> {
    match constraint.timing.is_deferrable() {
        true => Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
        )),
        false => Ok(()),
    }
}

/// The declared keys that ON CONFLICT means, by their columns' names.
fn keys(context: &QueryContext, table: &Table, target: &ConflictTarget) -> Result<Vec<Vec<String>>> {
    let name = |id: &i16| table.column(*id).map(|column| column.name.clone());
    let names = |columns: &[i16]| columns.iter().filter_map(name).collect::<Vec<_>>();
    let indexes = context.catalog.indexes(table.id).filter_map(Index::declared_key);
    let mut all = table.keys().map(|(_, columns)| columns.to_vec()).chain(indexes);
    match target {
        ConflictTarget::Any => {
            table
                .keys()
                .try_for_each(|(constraint, _)| must_be_immediate(constraint))?;
            Ok(all.map(|columns| names(&columns)).collect())
        }
        ConflictTarget::Constraint(wanted) => {
            let missing = || missing_constraint(wanted, table);
            let found = table.constraints.iter().find(|constraint| constraint.name == *wanted);
            let found = found.ok_or_else(missing)?;
            match &found.rule {
                ConstraintRule::PrimaryKey { columns } | ConstraintRule::Unique { columns, .. } => {
                    must_be_immediate(found)?;
                    Ok(vec![names(columns)])
                }
                _ => {
                    let message = "constraint in ON CONFLICT clause has no associated index";
                    Err(Error::new(SqlState::WrongObjectType, message))
                }
            }
        }
        ConflictTarget::Columns(columns) => {
            for column in columns {
                if table.column_named(column).is_none() {
                    let message = format!("column \"{column}\" does not exist");
                    return Err(Error::new(SqlState::UndefinedColumn, message));
                }
            }
            let wanted: BTreeSet<&String> = columns.iter().collect();
            let is_wanted = |key: &[i16]| names(key).iter().collect::<BTreeSet<_>>() == wanted;
            let found = all.find(|key| is_wanted(key));
            let mut constraints = table.keys().filter(|(_, key)| is_wanted(key));
            constraints.try_for_each(|(constraint, _)| must_be_immediate(constraint))?;
            match found {
                Some(key) => Ok(vec![names(&key)]),
                None => {
                    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    Err(Error::new(SqlState::InvalidColumnReference, message)
                        .with_hint("Declare PRIMARY KEY or UNIQUE on the columns."))
                }
            }
        }
    }
}

/// Whether two rows share one of the keys. A table without keys has no conflicts.
fn same_key(keys: &[Vec<String>], one: &sql::Ident, other: &sql::Ident) -> sql::Expr {
    let connect = |left: sql::Expr, op: sql::BinaryOperator, right: sql::Expr| sql::Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    };
    let column = |relation: &sql::Ident, name: &String| {
        sql::Expr::CompoundIdentifier(vec![relation.clone(), sql::Ident::with_quote('"', name)])
    };
    let equal = |name: &String| connect(column(one, name), sql::BinaryOperator::Eq, column(other, name));
    let same = |key: &Vec<String>| {
        let all = key
            .iter()
            .map(equal)
            .reduce(|left, right| connect(left, sql::BinaryOperator::And, right));
        all.map(|all| sql::Expr::Nested(Box::new(all)))
    };
    let any = keys
        .iter()
        .filter_map(same)
        .reduce(|left, right| connect(left, sql::BinaryOperator::Or, right));
    any.unwrap_or_else(|| sql::Expr::Value(sql::Value::Boolean(false).into()))
}

/// The rows of an INSERT in a plan: put in place by the planner.
#[derive(Debug)]
struct NewRows {
    schema: SchemaRef,
    plan: LogicalPlan,
}

impl NewRows {
    fn new(plan: LogicalPlan) -> NewRows {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        NewRows { schema, plan }
    }
}

impl TableSource for NewRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}
