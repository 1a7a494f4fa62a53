//! pg_stat_activity: connected sessions. Others' statements show to superusers only.

use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};
use chrono::{DateTime, Utc};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for session in introspection.monitoring.sessions() {
        let is_shown = lookup.access.has_privileges_of(session.user);
        let micros = |time: Option<DateTime<Utc>>| match time {
            Some(time) if is_shown => Datum::Micros(time.timestamp_micros()),
            _ => Datum::Null,
        };
        rows.add([
            ("datid", session.database.into()),
            ("datname", session.database_name.into()),
            ("pid", session.process_id.into()),
            ("usesysid", session.user.into()),
            ("usename", session.user_name.into()),
            ("application_name", session.application_name.into()),
            ("client_addr", session.client_address.filter(|_| is_shown).into()),
            ("client_port", session.client_port.filter(|_| is_shown).into()),
            ("backend_start", micros(Some(session.started))),
            ("xact_start", micros(session.transaction_started)),
            ("query_start", micros(session.query_started)),
            ("state_change", micros(Some(session.state_changed))),
            ("state", is_shown.then_some(session.state).into()),
            (
                "query",
                if is_shown {
                    session.query
                } else {
                    "<insufficient privilege>".to_string()
                }
                .into(),
            ),
            ("backend_type", "client backend".into()),
        ])?;
    }
    Ok(())
}
