//! What an error may say after it crossed a barrier. A policy's own failure carries values of rows that
//! the asker must not see, so only kinds that storage and the machine raise survive, and never their text.

use datafusion::common::DataFusionError;

use super::barrier_exec::BarrierIdentity;
use crate::error::{Error, SqlState};

/// The error that the client of a governed table gets for `error` raised inside its barrier.
pub(crate) fn scrub(error: DataFusionError, barrier: &BarrierIdentity) -> DataFusionError {
    let name = &barrier.table_name;
    let inside = Error::from(error);
    let outside = match inside.state() {
        SqlState::QueryCanceled => Error::new(SqlState::QueryCanceled, inside.message()),
        SqlState::AdminShutdown => Error::new(SqlState::AdminShutdown, inside.message()),
        SqlState::OutOfMemory => Error::new(SqlState::OutOfMemory, "out of memory")
            .with_hint("Raise memory.limit, or make the query read less."),
        SqlState::DiskFull => Error::new(SqlState::DiskFull, "no space left on device"),
        state if comes_from_storage(state) => Error::new(state, format!("could not read table {name}")),
        _ => policy_failed(name),
    };
    outside.into()
}

/// The one sentence that a failing policy says, whatever it failed on.
pub(crate) fn policy_failed(table_name: &str) -> Error {
    Error::new(
        SqlState::PolicyFailed,
        format!("a row filter or column mask of table {table_name} failed"),
    )
}

fn comes_from_storage(state: SqlState) -> bool {
    matches!(
        state,
        SqlState::ConnectionFailure
            | SqlState::CannotConnectNow
            | SqlState::InsufficientResources
            | SqlState::IoError
            | SqlState::UndefinedFile
            | SqlState::DataCorrupted
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::error::ArrowError;

    use super::*;
    use crate::governance::fingerprint::PolicyFingerprint;

    #[test]
    fn values_stay_inside_and_kinds_of_the_machine_pass() {
        let barrier = BarrierIdentity {
            table: 1,
            table_name: "staff".into(),
            fingerprint: PolicyFingerprint::default(),
        };
        let cases: Vec<(DataFusionError, &str)> = vec![
            (
                ArrowError::CastError("Cannot cast string 'secret' to value of Int32 type".into()).into(),
                "P0001",
            ),
            (ArrowError::DivideByZero.into(), "P0001"),
            (DataFusionError::Execution("secret".into()), "P0001"),
            (
                Error::new(SqlState::InvalidTextRepresentation, "secret").into(),
                "P0001",
            ),
            (
                DataFusionError::Shared(Arc::new(ArrowError::DivideByZero.into())),
                "P0001",
            ),
            (DataFusionError::ResourcesExhausted("FilterExec secret".into()), "53200"),
            (
                Error::new(SqlState::QueryCanceled, "canceling statement due to user request").into(),
                "57014",
            ),
            (DataFusionError::IoError(std::io::Error::other("secret")), "58030"),
            (
                Error::new(SqlState::DataCorrupted, "part-0001.secret.parquet").into(),
                "XX001",
            ),
        ];
        for (error, code) in cases {
            let shown = Error::from(scrub(error, &barrier));
            assert_eq!(shown.state().code(), code);
            let text = format!("{shown} {:?} {:?}", shown.detail(), shown.hint());
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
