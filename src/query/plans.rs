//! The optimized, governed plan of a query: bind → govern → optimize, or the plan cache. A statement that was not seen
//! finds the plan of its shape (`statement::with_open_literals`) when another of the shape was planned before: the first
//! one of a shape is planned as it stands, so that a statement that comes once, or always the same, costs nothing more.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::{ParamValues, ScalarValue};
use datafusion::sql::sqlparser::ast as sql;

use super::keys::settings_fingerprint;
use super::{Request, binding_services, planning_session};
use crate::binding::{self, BoundQuery};
use crate::error::Result;
use crate::governance::{self, GovernedPlan};
use crate::planning::{self, CachedPlan, Kept, PlanKey, PlanKeyView};
use crate::result_cache::HashedKey;
use crate::statement::{OpenQuery, with_open_literals};
use crate::types::SqlType;
use crate::types::parse::parse_value;

/// The plan of a statement, and the values that its literals have in it.
pub(super) struct Planned {
    pub plan: Arc<CachedPlan>,
    literals: Option<Arc<[ScalarValue]>>,
    /// What an answer of it was looked for with the last time.
    pub answer: Option<Arc<HashedKey>>,
}

impl Planned {
    fn new(plan: Arc<CachedPlan>, literals: Option<Arc<[ScalarValue]>>) -> Planned {
        Planned {
            plan,
            literals,
            answer: None,
        }
    }

    /// The values of the plan's parameters; `given` are those of the statement's.
    pub fn values<'a>(&'a self, given: &'a [ScalarValue]) -> &'a [ScalarValue] {
        self.literals.as_deref().unwrap_or(given)
    }

    /// The types of the statement's own parameters.
    pub fn parameter_types(&self) -> Vec<SqlType> {
        match self.literals {
            Some(_) => vec![],
            None => self.plan.parameter_types.clone(),
        }
    }
}

/// The plan of the client's own query.
pub(super) async fn plan_statement(request: &Request<'_>, query: &sql::Query) -> Result<Planned> {
    let key = cache_key(request, &request.statement.text).map(PlanKeyView::to_key);
    if let Some(key) = &key {
        if let Some(plan) = kept_plan(request, key).await? {
            count(request, true);
            let planned = Planned::new(plan, None);
            remember(request, key, &planned);
            return Ok(planned);
        }
        if let Some(planned) = plan_of_shape(request, query, key).await? {
            count(request, true);
            remember(request, key, &planned);
            return Ok(planned);
        }
    }
    let plan = plan_and_keep(request, query, key.clone(), true).await?;
    let planned = Planned::new(plan, None);
    if let Some(key) = key.filter(|_| planned.plan.repeatable) {
        remember(request, &key, &planned);
    }
    Ok(planned)
}

/// The plan that the statement had when it was described, or when it ran last.
pub(super) async fn remembered_plan(request: &Request<'_>) -> Result<Option<Planned>> {
    let (Some(memory), Some(key)) = (request.memory, cache_key(request, &request.statement.text)) else {
        return Ok(None);
    };
    let Some(recalled) = memory.recall(&key, request.engine.plan_cache.clears()) else {
        return Ok(None);
    };
    if !is_current(request, &recalled.plan).await? {
        return Ok(None);
    }
    count(request, true);
    Ok(Some(Planned {
        plan: recalled.plan,
        literals: recalled.literals,
        answer: recalled.answer,
    }))
}

fn remember(request: &Request<'_>, key: &PlanKey, planned: &Planned) {
    if let Some(memory) = request.memory {
        let clears = request.engine.plan_cache.clears();
        memory.keep(key.clone(), clears, &planned.plan, planned.literals.clone());
    }
}

/// The plan of a query, kept under a text. An empty `text` is not cached.
pub(super) async fn get_or_plan(request: &Request<'_>, query: &sql::Query, text: &str) -> Result<Arc<CachedPlan>> {
    let key = cache_key(request, text).map(PlanKeyView::to_key);
    if let Some(key) = &key
        && let Some(plan) = kept_plan(request, key).await?
    {
        count(request, true);
        return Ok(plan);
    }
    // Only a client is shown digits; what is stored or copied keeps its numbers.
    plan_and_keep(request, query, key, !text.is_empty()).await
}

/// The plan that the statements of a shape share, once two of them were seen.
async fn plan_of_shape(request: &Request<'_>, query: &sql::Query, key: &PlanKey) -> Result<Option<Planned>> {
    if request.statement.parameter_count > 0 || !request.declared.is_empty() {
        return Ok(None);
    }
    let Some(open) = with_open_literals(query) else {
        return Ok(None);
    };
    let Ok(literals) = values_of(&open, request) else {
        return Ok(None);
    };
    let declared: Vec<_> = open.literals.iter().map(|literal| literal.sql_type.clone()).collect();
    let shape = PlanKey {
        text: open.query.to_string(),
        is_shape: true,
        declared,
        ..key.clone()
    };
    let cache = &request.engine.plan_cache;
    let kept = match cache.get(&shape) {
        Some(Kept::Literal) => return Ok(None),
        Some(Kept::Plan(plan)) if is_current(request, &plan).await? => Some(plan),
        Some(_) => {
            // What is wrong with the statement, it is told with its literals in it.
            let plan = open_plan(request, query, &open, &literals, &shape.declared)
                .await
                .unwrap_or(None)
                .map(Arc::new);
            cache.insert(shape, plan.clone().map_or(Kept::Literal, Kept::Plan));
            plan
        }
        None => {
            cache.insert(shape, Kept::Seen);
            None
        }
    };
    Ok(kept.map(|plan| Planned::new(plan, Some(literals.into()))))
}

/// The literals as values of parameters.
fn values_of(open: &OpenQuery, request: &Request<'_>) -> Result<Vec<ScalarValue>> {
    let values = open.literals.iter().map(|literal| {
        let sql_type = literal.sql_type.as_ref().unwrap_or(&SqlType::Text);
        parse_value(sql_type, &literal.text, &request.settings.format)
    });
    values.collect()
}

/// Plans a shape; `None` where its parameters would mean something else than its literals, where the plan holds once, and
/// where what the literals select decides how it is best run.
async fn open_plan(
    request: &Request<'_>,
    query: &sql::Query,
    open: &OpenQuery,
    literals: &[ScalarValue],
    declared: &[Option<SqlType>],
) -> Result<Option<CachedPlan>> {
    let bound = bind(request, &open.query, declared, true).await?;
    let strings = declared.iter().map(Option::is_none).collect::<Vec<_>>();
    if !binding::compares_with_texts(&bound.plan, &strings)? {
        return Ok(None);
    }
    let plan = optimize(request, bound)?;
    let runs_well = plan.repeatable
        && (planning::runs_well_open(&plan.plan) || becomes_literal(request, query, &plan, literals).await?);
    Ok(runs_well.then_some(plan))
}

/// Whether an open plan becomes with a statement's literals the very plan that these have from the start. The joins of both
/// are put in order by what the literals select; what else they decide about the shape of a plan shows here, once.
async fn becomes_literal(
    request: &Request<'_>,
    query: &sql::Query,
    open: &CachedPlan,
    literals: &[ScalarValue],
) -> Result<bool> {
    let literal = optimize(request, bind(request, query, request.declared, true).await?)?;
    let session = planning_session(request);
    let values = ParamValues::from(literals.to_vec());
    let bound = planning::order_joins(&planning::bind_parameters(&open.ordered, values, &session)?, &session)?;
    let shown = |plan: &GovernedPlan| plan.plan().display_indent().to_string();
    Ok(shown(&literal.ordered) == shown(&bound))
}

/// What the plan of a text depends on; `None` where a plan may not be kept.
fn cache_key<'a>(request: &'a Request<'_>, text: &'a str) -> Option<PlanKeyView<'a>> {
    let context = request.context;
    // A plan may hold an answer (a count from the file list), so one over uncommitted files is nobody else's.
    let private = context.catalog.is_staged() || context.own_writes || !request.relations.is_empty();
    let cacheable = !text.is_empty() && request.settings.plan_cache && !private;
    cacheable.then(|| PlanKeyView {
        text,
        is_shape: false,
        declared: request.declared,
        login: context.principal.login,
        role: context.principal.role,
        database: context.database,
        search_path: &context.search_path,
        settings: settings_fingerprint(request.settings),
        catalog_version: context.catalog.definitions_changed_at(),
    })
}

/// The plan of a key, made for the versions that the statement reads.
async fn kept_plan(request: &Request<'_>, key: &PlanKey) -> Result<Option<Arc<CachedPlan>>> {
    let Some(Kept::Plan(plan)) = request.engine.plan_cache.get(key) else {
        return Ok(None);
    };
    Ok(is_current(request, &plan).await?.then_some(plan))
}

async fn is_current(request: &Request<'_>, plan: &CachedPlan) -> Result<bool> {
    binding::is_current(&binding_services(request), request.context, plan.plan.relations()).await
}

async fn plan_and_keep(
    request: &Request<'_>,
    query: &sql::Query,
    key: Option<PlanKey>,
    shown: bool,
) -> Result<Arc<CachedPlan>> {
    if key.is_some() {
        count(request, false);
    }
    let plan = Arc::new(optimize(request, bind(request, query, request.declared, shown).await?)?);
    if let (Some(key), true) = (key, plan.repeatable) {
        request.engine.plan_cache.insert(key, Kept::Plan(Arc::clone(&plan)));
    }
    Ok(plan)
}

/// Binds a query, whose rows a client is `shown` or a command takes.
async fn bind(
    request: &Request<'_>,
    query: &sql::Query,
    declared: &[Option<SqlType>],
    shown: bool,
) -> Result<BoundQuery> {
    let started = Instant::now();
    let mut bound = binding::bind_query(&binding_services(request), request.context, query, declared).await?;
    if shown {
        bound.plan = binding::show_digits(bound.plan)?;
    }
    request.context.record.add_bind_time(started.elapsed());
    Ok(bound)
}

/// Puts a bound query behind its barriers and optimizes it.
fn optimize(request: &Request<'_>, bound: BoundQuery) -> Result<CachedPlan> {
    let started = Instant::now();
    let session = planning_session(request);
    let governed = governance::govern(bound.plan, request.context, session.config_options())?;
    let optimized = planning::optimize(&governed, &session)?;
    let plan = CachedPlan::new(optimized, bound.parameter_types, &bound.sources, &session)?;
    request.context.record.add_plan_time(started.elapsed());
    Ok(plan)
}

fn count(request: &Request<'_>, found: bool) {
    let record = &request.context.record;
    match found {
        true => record.plan_cache_hit(),
        false => record.plan_cache_miss(),
    }
    request.engine.plan_cache.count(found);
}
