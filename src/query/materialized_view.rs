//! The query of a materialized view through the pipeline, with the rights and policies of the view's owner.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;

use super::{Request, binding_services, command_context, execute, planning_session};
use crate::binding;
use crate::context::Principal;
use crate::error::{Error, Result};
use crate::execution::commands::materialized_view;
use crate::execution::outcome::{Notice, Outcome};
use crate::execution::transaction::Transaction;
use crate::governance;
use crate::planning::{self, CachedPlan};
use crate::statement::ast::{CreateMaterializedView, RefreshMaterializedView};

/// The rows as their reader sees them now: who creates a view becomes its owner.
pub(super) async fn create(
    request: &Request<'_>,
    create: &CreateMaterializedView,
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let bound = binding::bind_query(&binding_services(request), request.context, &create.query, &[]).await?;
    if !bound.parameter_types.is_empty() {
        return Err(Error::unsupported("a materialized view with parameters"));
    }
    let references = binding::with_used_columns(bound.references, &bound.plan, &request.context.catalog)?;
    let rows = rows_of(request, bound.plan).await?;
    let mut command = command_context(request, transaction, notices);
    let tag = materialized_view::create(&mut command, create, references, rows).await?;
    Ok(Outcome::Done(tag))
}

/// The rows as the owner sees them, whoever asks for the refresh.
pub(super) async fn refresh(
    request: &Request<'_>,
    refresh: &RefreshMaterializedView,
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let mut command = command_context(request, transaction, notices);
    let view = materialized_view::begin_refresh(&mut command, refresh).await?;
    let rows = match (refresh.with_no_data, view.defining_view()) {
        (true, _) | (_, None) => None,
        (false, Some(definition)) => {
            let catalog = &request.context.catalog;
            let owner = catalog
                .role(view.owner)
                .ok_or_else(|| Error::internal("a materialized view has no owner"))?;
            let principal = Principal {
                role: owner.id,
                role_name: owner.name.as_str().into(),
                ..request.context.principal.clone()
            };
            let context = Arc::new(request.context.acting_as(principal));
            let as_owner = Request {
                context: &context,
                ..*request
            };
            let plan = binding::bind_view(&binding_services(&as_owner), &context, &definition).await;
            if context.outdated.load(Ordering::Relaxed) {
                request.context.outdated.store(true, Ordering::Relaxed);
            }
            Some(rows_of(&as_owner, plan?).await?)
        }
    };
    let mut command = command_context(request, transaction, notices);
    let tag = materialized_view::refresh(&mut command, &view, rows).await?;
    Ok(Outcome::Done(tag))
}

async fn rows_of(request: &Request<'_>, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
    let session = planning_session(request);
    let governed = governance::govern(plan, request.context, session.config_options())?;
    let optimized = planning::optimize(&governed, &session)?;
    let planned = CachedPlan::new(optimized, vec![], &[], &session)?;
    execute(request, &planned, &[]).await
}
