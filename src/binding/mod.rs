//! Statement → LogicalPlan: names become relations at pinned versions, views and SQL functions are
//! expanded, parameters get types. Policy text is bound here too, so that a policy and a query mean the
//! same thing by the same words. Nothing here decides who may see what: that is `governance`.

mod agreement;
mod bound_table;
mod call_arguments;
mod calls;
mod column_sources;
mod comparisons;
mod composites;
mod computed_limits;
mod correlation;
mod declared_keys;
mod domains;
mod equal_keys;
mod exact_averages;
mod expression;
mod frame_bounds;
mod frame_exclusion;
mod frame_offsets;
mod fresh_names;
mod function;
mod function_rows;
mod grouping_keys;
mod inherited_order;
mod key_groups;
mod meaning;
mod modification;
mod multisets;
mod named_relations;
mod names;
mod outer_aggregates;
mod output_column;
mod parameters;
mod positions;
mod query_function;
mod recursive_queries;
mod registered_output;
mod relations;
mod rewrite;
mod scope;
mod sort_keys;
mod stored_expression;
mod shown_digits;
mod spellings;
mod system_columns;
mod string_aggregates;
mod ties;
mod true_keys;
mod time_travel;
mod typed_elements;
mod types;
mod unions;
mod updatable;
mod used_names;
mod view_source;
mod whole_rows;
mod with_parts;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast as sql;

pub use bound_table::{BoundPolicies, BoundTable, RelationVersion, bound_table};
pub use call_arguments::placed_values as placed_arguments;
pub use column_sources::{ColumnOrigin, ColumnSource};
pub use declared_keys::{BoundKey, KeyValue, bind_keys, bind_side};
pub use domains::{bind_domain_rule, check_domain_condition};
pub use expression::{bind_constant, bind_expression_over};
pub use frame_bounds::{FramedQuery, with_frame_bounds};
pub use function::check_function;
pub use function_rows::{called_names, calls_volatile, columns_of_call, gives_row};
pub(crate) use modification::not_updatable;
pub use modification::{
    ACTION, Action, BoundModification, Changed, FILE, FIRST_VALUE, PLACE, Repeated, TargetView, ViewCheck, ViewLevel,
    bind_delete, bind_insert, bind_merge, bind_update, insert_columns,
};
pub(crate) use names::parts as name_parts;
pub use output_column::OutputColumn;
pub use parameters::{compares_with_texts, parameter_types};
pub use positions::placed;
pub use query_function::columns as function_columns;
pub(crate) use relations::parse_query as query_of;
pub use relations::{is_current, table_address};
pub(crate) use rewrite::{call, folded, literal_type};
pub use rewrite::{output_column_name, output_name};
pub use shown_digits::show_digits;
pub use stored_expression::{
    BoundChecks, BoundGenerated, BoundRule, RowExpression, RowRule, add_view_checks, bind_checks, bind_conversion,
    bind_copied, bind_defaults, bind_stored_generated, check_condition, check_default, check_generated,
    check_row_expression,
};
pub use system_columns::without_marks;
pub use time_travel::TimeTravel;
pub use true_keys::with_true_keys;
pub(crate) use updatable::updatable;
pub use with_parts::SharedPart;

use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Function, Object, Oid, Reference, View};
use crate::context::{QueryContext, SystemTables};
use crate::error::Result;
use crate::storage::{Freshness, Storage};
use crate::types::SqlType;
use crate::types::format::FormatSettings;

/// What binding needs of the process.
#[derive(Clone)]
pub struct BindingServices {
    /// Functions, expression planners and options, shared by all statements.
    pub base: Arc<SessionState>,
    /// Where table snapshots come from.
    pub storage: Arc<Storage>,
    /// pg_catalog, information_schema and system, as this statement's principal sees them.
    pub system_tables: Arc<dyn SystemTables>,
    /// How long ago a table's version may have been checked.
    pub freshness: Freshness,
    /// How the statement's session reads texts as times.
    pub format: FormatSettings,
    /// What the parts of its WITH that changed rows returned.
    pub with_relations: Vec<WithRelation>,
}

/// What a part of WITH that changed rows returned; `None` without RETURNING.
#[derive(Debug, Clone)]
pub struct WithRelation {
    pub name: String,
    pub rows: Option<Arc<dyn TableProvider>>,
}

/// A query after all names are resolved.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    pub plan: LogicalPlan,
    /// Types of `$1`, `$2` …
    pub parameter_types: Vec<SqlType>,
    /// What its names meant, for a view that stores the text.
    pub references: Vec<Reference>,
    /// Of each of its columns.
    pub sources: Vec<ColumnSource>,
}

/// Binds a query for the statement's principal. `declared` are the parameter types that the client
/// gave; `None` leaves one to inference.
pub async fn bind_query(
    services: &BindingServices,
    context: &QueryContext,
    query: &sql::Query,
    declared: &[Option<SqlType>],
) -> Result<BoundQuery> {
    let mut rewritten = query.clone();
    rewrite::rewrite(&mut rewritten)?;
    let scope = relations::load(services, context, &mut rewritten, Rights::of_statement(context), 0).await?;
    let references = scope.references().to_vec();
    let (plan, sources) = scope.plan_statement(rewritten, declared, scope.is_open_to(context))?;
    system_columns::refuse_with_locks(query, &sources)?;
    let plan = correlation::unnest_subqueries(function::inline_functions(plan)?)?;
    if let Some(declared) = parameters::first_uses(&plan, declared)? {
        return Box::pin(bind_query(services, context, query, &declared)).await;
    }
    let (plan, parameter_types) = parameters::infer(registered_output::show_names(plan)?, declared)?;
    Ok(BoundQuery {
        plan,
        parameter_types,
        references,
        sources,
    })
}

/// The references with the columns that the text may use: those whose name occurs in the plan.
pub fn with_used_columns(
    mut references: Vec<Reference>,
    plan: &LogicalPlan,
    catalog: &CatalogSnapshot,
) -> Result<Vec<Reference>> {
    let mut names = HashSet::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = part {
                    names.insert(column.name.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    for reference in &mut references {
        let columns = catalog.object(reference.object).map_or(&[][..], Object::columns);
        let used = columns.iter().filter(|column| names.contains(&column.name));
        reference.columns = used.map(|column| (column.id, column.name.clone())).collect();
    }
    Ok(references)
}

/// Binds the query of a materialized view for its owner.
pub async fn bind_view(services: &BindingServices, context: &QueryContext, view: &View) -> Result<LogicalPlan> {
    let rights = Rights {
        checked_as: view.owner,
        ..Rights::of_statement(context)
    };
    let source = relations::load_definition(services, context, view, &rights, 0).await?;
    correlation::unnest_subqueries(registered_output::show_names(source.into_plan())?)
}

/// How a text's names resolve, and whose privileges its scans are checked against.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    pub search_path: Vec<Oid>,
    /// What the names of a stored text meant when it was written; looked up first.
    pub references: Vec<Reference>,
    pub checked_as: Oid,
    /// Whether the session runs what the text calls for rows: a policy asks nobody.
    pub calls_routines: bool,
}

impl Rights {
    fn of_statement(context: &QueryContext) -> Rights {
        Rights {
            search_path: context.search_path.clone(),
            references: vec![],
            checked_as: context.principal.role,
            calls_routines: true,
        }
    }

    /// A function's that a text with these `rights` calls.
    fn of_function(function: &Function, rights: &Rights) -> Rights {
        Rights {
            search_path: function.search_path.clone(),
            references: function.references.clone(),
            ..rights.clone()
        }
    }

    /// A policy's, whoever asks.
    fn of_policy(function: &Function) -> Rights {
        Rights {
            search_path: function.search_path.clone(),
            references: function.references.clone(),
            checked_as: function.owner,
            calls_routines: false,
        }
    }

    fn without_routines(self) -> Rights {
        Rights {
            calls_routines: false,
            ..self
        }
    }
}
