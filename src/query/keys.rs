//! What answers and states of files are kept for: all that they depend on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::Request;
use super::plans::Planned;
use crate::context::settings::Settings;
use crate::planning::CachedPlan;
use crate::result_cache::{HashedKey, ResultKey, StateKey};
use crate::types::format::Format;

/// The key of a statement's answer, or the one that it was looked for with the last time. The plan is the same then, and
/// with it, by the key that it is remembered under, all of the answer's key but what is compared here.
pub(super) fn answer_key(
    request: &Request<'_>,
    planned: &Planned,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> Option<Arc<HashedKey>> {
    if !may_keep_answer(request, &planned.plan) {
        return None;
    }
    if let Some(known) = &planned.answer {
        let known_key = known.result();
        if known_key.parameters == parameters
            && known_key.formats == formats
            && known_key.format_settings == request.settings.format
        {
            return Some(Arc::clone(known));
        }
    }
    let key = Arc::new(HashedKey::new(result_key(request, &planned.plan, parameters, formats)?));
    if let Some(memory) = request.memory {
        memory.keep_answer(&planned.plan, &key);
    }
    Some(key)
}

fn may_keep_answer(request: &Request<'_>, plan: &CachedPlan) -> bool {
    let context = request.context;
    plan.repeatable
        && !request.keeps_rows
        && request.settings.result_cache
        && !context.catalog.is_staged()
        && !context.own_writes
}

/// The key of a statement's answer; `None` where an answer may not be kept.
pub(super) fn result_key(
    request: &Request<'_>,
    cached: &CachedPlan,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> Option<ResultKey> {
    if !may_keep_answer(request, cached) {
        return None;
    }
    let context = request.context;
    Some(ResultKey {
        text: request.statement.text.clone(),
        login: context.principal.login,
        role: context.principal.role,
        database: context.database,
        search_path: context.search_path.clone(),
        catalog_version: context.catalog.definitions_changed_at(),
        policies: cached.plan.fingerprint(),
        parameters: parameters.to_vec(),
        formats: formats.to_vec(),
        format_settings: request.settings.format.clone(),
        settings: settings_fingerprint(request.settings),
        relations: cached.plan.relations().to_vec(),
    })
}

/// The statement that what is computed of single files is kept for. Its key is dear, and few statements need one.
#[derive(Clone, Copy)]
pub(super) struct StatesOf<'a> {
    query: &'a sql::Query,
    result: &'a ResultKey,
}

impl<'a> StatesOf<'a> {
    /// `None` where nothing may be kept.
    pub(super) fn statement(
        request: &Request<'_>,
        query: &'a sql::Query,
        result: Option<&'a ResultKey>,
    ) -> Option<StatesOf<'a>> {
        let result = result.filter(|_| request.settings.partial_aggregates)?;
        Some(StatesOf { query, result })
    }

    pub(super) fn key(&self) -> StateKey {
        StateKey::of_statement(&ResultKey {
            // EXPLAIN ANALYZE of the statement shows what is kept of it.
            text: self.query.to_string(),
            ..self.result.clone()
        })
    }
}

/// A hash of the settings that change what a text means.
pub(super) fn settings_fingerprint(settings: &Settings) -> u64 {
    let mut hasher = DefaultHasher::new();
    settings.format.hash(&mut hasher);
    hasher.finish()
}
