//! pg_notify() and what is known of the queue.

use datafusion::logical_expr::Volatility;

use super::datum::Datum;
use super::row_function::{Argument, RowFunction};
use crate::context::notifications::Notification;
use crate::types::SqlType;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::immutable(
            "pg_notify",
            &[&[Argument::Text, Argument::Text]],
            SqlType::Void,
            |call, row| {
                let context = call.environment()?.context();
                let channel = row.first().and_then(Datum::as_text).unwrap_or_default();
                let payload = row.get(1).and_then(Datum::as_text).unwrap_or_default();
                let message = Notification::new(context.session.process_id, channel, payload)?;
                context.messages.lock().push(message);
                Ok(Datum::Null)
            },
        )
        .called_on_null()
        .with_volatility(Volatility::Volatile),
        RowFunction::immutable("pg_notification_queue_usage", &[&[]], SqlType::Float8, |_, _| {
            Ok(Datum::Float(0.0))
        })
        .with_volatility(Volatility::Volatile),
    ]
}
