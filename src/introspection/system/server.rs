//! system.queries, system.settings, system.caches and system.sessions. Whoever is no superuser sees its
//! own statements and sessions only, and of caches their names: their bytes tell of rows that a policy hides, and their
//! hits of what others asked.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn queries(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let principal = &introspection.lookup.context.principal;
    let sees_all = introspection.lookup.access.is_superuser();
    for query in introspection.monitoring.queries() {
        if !sees_all && *query.user_name != *principal.login_name {
            continue;
        }
        rows.add([
            ("query_id", (query.id as i64).into()),
            ("started", micros(query.started)),
            ("user_name", query.user_name.into()),
            ("role_name", query.role_name.into()),
            ("database", query.database.into()),
            ("process_id", query.process_id.into()),
            ("application_name", query.application_name.into()),
            ("fingerprint", query.fingerprint.into()),
            ("statement", query.statement.into()),
            ("bind_microseconds", query.bind_micros.into()),
            ("plan_microseconds", query.plan_micros.into()),
            ("queue_microseconds", query.queue_micros.into()),
            ("execute_microseconds", query.execute_micros.into()),
            ("total_microseconds", query.total_micros.into()),
            ("rows", query.rows.into()),
            ("bytes", query.bytes.into()),
            ("plan_cache", query.plan_cache.into()),
            ("result_cache", query.result_cache.into()),
            ("sqlstate", query.sqlstate.into()),
            ("message", query.message.into()),
        ])?;
    }
    Ok(())
}

pub(super) fn settings(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for setting in introspection.monitoring.settings(introspection.environment) {
        rows.add([
            ("name", setting.name.into()),
            ("value", setting.value.into()),
            ("unit", setting.unit.into()),
            ("category", setting.category.into()),
            ("description", setting.description.into()),
            ("context", setting.context.into()),
            ("type", setting.kind.into()),
            ("source", setting.source.into()),
            ("default_value", setting.default.into()),
        ])?;
    }
    Ok(())
}

pub(super) fn caches(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let sees_all = introspection.lookup.access.is_superuser();
    let shown = |number: Datum| if sees_all { number } else { Datum::Null };
    for cache in introspection.monitoring.caches() {
        rows.add([
            ("name", cache.name.into()),
            ("entries", shown(cache.entries.into())),
            ("bytes", shown(cache.bytes.into())),
            ("capacity_bytes", cache.capacity_bytes.into()),
            ("hits", shown(cache.hits.into())),
            ("misses", shown(cache.misses.into())),
            ("evictions", shown(cache.evictions.into())),
        ])?;
    }
    Ok(())
}

pub(super) fn sessions(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for session in introspection.monitoring.sessions() {
        if !introspection.lookup.access.has_privileges_of(session.user) {
            continue;
        }
        rows.add([
            ("process_id", session.process_id.into()),
            ("user_name", session.user_name.into()),
            ("database", session.database_name.into()),
            ("application_name", session.application_name.into()),
            ("client_address", session.client_address.into()),
            ("client_port", session.client_port.into()),
            ("started", micros(session.started)),
            ("state", session.state.into()),
            ("query", session.query.into()),
        ])?;
    }
    Ok(())
}

fn micros(time: DateTime<Utc>) -> Datum {
    Datum::Micros(time.timestamp_micros())
}
