//! pg_cancel_backend() and pg_terminate_backend(), which may wait until the other session is gone.

use std::time::{Duration, Instant};

use datafusion::logical_expr::Volatility;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::datum::Datum;
use super::environment::FunctionEnvironment;
use super::row_function::{Argument, Call, RowFunction};
use crate::context::canceled;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// How often a session is looked for that is to end.
const GLANCE: Duration = Duration::from_millis(10);

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::immutable("pg_cancel_backend", &[&[Argument::Int]], SqlType::Bool, |call, row| {
            let signalled = call.environment()?.signal_session(process_id(row)?, false)?;
            Ok(signalled.into())
        })
        .with_volatility(Volatility::Volatile),
        RowFunction::immutable(
            "pg_terminate_backend",
            &[&[Argument::Int], &[Argument::Int, Argument::Int]],
            SqlType::Bool,
            terminate,
        )
        .with_volatility(Volatility::Volatile),
    ]
}

fn process_id(row: &[Datum]) -> Result<i32> {
    let given = row.first().and_then(Datum::as_int).unwrap_or_default();
    i32::try_from(given).map_err(|_| Error::new(SqlState::NumericValueOutOfRange, "integer out of range"))
}

fn terminate(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let Ok(timeout) = u64::try_from(row.get(1).and_then(Datum::as_int).unwrap_or_default()) else {
        let message = "\"timeout\" must not be negative";
        return Err(Error::new(SqlState::NumericValueOutOfRange, message));
    };
    let (environment, process_id) = (call.environment()?, process_id(row)?);
    let signalled = environment.signal_session(process_id, true)?;
    if !signalled || timeout == 0 {
        return Ok(signalled.into());
    }
    let wait = || wait_for_end(environment, process_id, Duration::from_millis(timeout));
    let gone = match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        // Others' work on this thread moves to another one meanwhile.
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => Ok(!environment.has_session(process_id)),
    }?;
    if !gone {
        let unit = if timeout == 1 { "millisecond" } else { "milliseconds" };
        let message = format!("backend with PID {process_id} did not terminate within {timeout} {unit}");
        environment.context().warn(SqlState::Warning, message);
    }
    Ok(gone.into())
}

fn wait_for_end(environment: &dyn FunctionEnvironment, process_id: i32, timeout: Duration) -> Result<bool> {
    let begun = Instant::now();
    while environment.has_session(process_id) {
        if environment.context().cancel.is_cancelled() {
            return Err(canceled());
        }
        if begun.elapsed() >= timeout {
            return Ok(false);
        }
        std::thread::sleep(GLANCE);
    }
    Ok(true)
}
