//! Advisory locks: pg_advisory_lock() and its family. Those that wait do so without holding a thread, and
//! stop when the statement is cancelled.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::datum::Datum;
use super::environment::{FunctionEnvironment, environment};
use super::row_function::{Argument, Call, RowFunction};
use crate::context::locks::{LockMode, LockScope, LockTag, Locks};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const KEYS: &[&[Argument]] = &[&[Argument::Int], &[Argument::Int, Argument::Int]];

/// Those that never wait.
pub(super) fn functions() -> Vec<RowFunction> {
    use LockMode::{Exclusive, Share};
    use LockScope::{Session, Transaction};
    let volatile =
        |name, body| RowFunction::immutable(name, KEYS, SqlType::Bool, body).with_volatility(Volatility::Volatile);
    vec![
        volatile("pg_try_advisory_lock", |call, row| {
            attempt(call, row, Exclusive, Session)
        }),
        volatile("pg_try_advisory_lock_shared", |call, row| {
            attempt(call, row, Share, Session)
        }),
        volatile("pg_try_advisory_xact_lock", |call, row| {
            attempt(call, row, Exclusive, Transaction)
        }),
        volatile("pg_try_advisory_xact_lock_shared", |call, row| {
            attempt(call, row, Share, Transaction)
        }),
        volatile("pg_advisory_unlock", |call, row| release(call, row, Exclusive)),
        volatile("pg_advisory_unlock_shared", |call, row| release(call, row, Share)),
        RowFunction::immutable("pg_advisory_unlock_all", &[&[]], SqlType::Void, |call, _| {
            let environment = call.environment()?;
            locks(environment)?.release_session(environment.context().session.process_id);
            Ok(Datum::Null)
        })
        .with_volatility(Volatility::Volatile),
    ]
}

/// Those that wait.
pub(super) fn waiting_functions() -> Vec<Arc<ScalarUDF>> {
    use LockMode::{Exclusive, Share};
    use LockScope::{Session, Transaction};
    let declared = [
        ("pg_advisory_lock", Exclusive, Session),
        ("pg_advisory_lock_shared", Share, Session),
        ("pg_advisory_xact_lock", Exclusive, Transaction),
        ("pg_advisory_xact_lock_shared", Share, Transaction),
    ];
    let one = |(name, mode, scope)| {
        let signature = Signature::one_of(
            vec![
                TypeSignature::Exact(vec![DataType::Int64]),
                TypeSignature::Exact(vec![DataType::Int64, DataType::Int64]),
            ],
            Volatility::Volatile,
        );
        let function = WaitForLock {
            name,
            mode,
            scope,
            signature,
        };
        Arc::new(AsyncScalarUDF::new(Arc::new(function)).into_scalar_udf())
    };
    declared.into_iter().map(one).collect()
}

fn locks(environment: &dyn FunctionEnvironment) -> Result<Arc<Locks>> {
    environment
        .locks()
        .ok_or_else(|| Error::internal("there are no locks outside a server"))
}

/// The lock that one key of 64 bits or two of 32 name.
fn tag(environment: &dyn FunctionEnvironment, keys: &[i64]) -> Result<LockTag> {
    let database = environment.context().database;
    match *keys {
        [key] => Ok(LockTag::Advisory {
            database,
            first: (key as u64 >> 32) as u32,
            second: key as u32,
            halves: false,
        }),
        [first, second] => {
            let half = |key: i64| {
                i32::try_from(key)
                    .map(|key| key as u32)
                    .map_err(|_| Error::new(SqlState::NumericValueOutOfRange, "integer out of range"))
            };
            Ok(LockTag::Advisory {
                database,
                first: half(first)?,
                second: half(second)?,
                halves: true,
            })
        }
        _ => Err(Error::internal("an advisory lock has one key or two")),
    }
}

fn keys(row: &[Datum]) -> Vec<i64> {
    row.iter().filter_map(Datum::as_int).collect()
}

fn attempt(call: &Call<'_>, row: &[Datum], mode: LockMode, scope: LockScope) -> Result<Datum> {
    let environment = call.environment()?;
    let process_id = environment.context().session.process_id;
    let tag = tag(environment, &keys(row))?;
    Ok(locks(environment)?.try_acquire(process_id, tag, mode, scope).into())
}

fn release(call: &Call<'_>, row: &[Datum], mode: LockMode) -> Result<Datum> {
    let environment = call.environment()?;
    let context = environment.context();
    let released = locks(environment)?.release(context.session.process_id, tag(environment, &keys(row))?, mode);
    if !released {
        context.warn(
            SqlState::Warning,
            format!("you don't own a lock of type {}", mode.name()),
        );
    }
    Ok(released.into())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WaitForLock {
    name: &'static str,
    mode: LockMode,
    scope: LockScope,
    signature: Signature,
}

impl ScalarUDFImpl for WaitForLock {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let field = SqlType::Void.to_field(self.name, true);
        Ok(Arc::new(field.with_data_type(DataType::Utf8View)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Err(Error::internal(format!("{}() was called outside a plan", self.name)).into())
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for WaitForLock {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = arguments.number_rows;
        for row in 0..rows {
            let mut keys = vec![];
            for argument in &arguments.args {
                let value = match argument {
                    ColumnarValue::Scalar(scalar) => scalar.clone(),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row)?,
                };
                if let ScalarValue::Int64(Some(key)) = value {
                    keys.push(key);
                }
            }
            if keys.len() == arguments.args.len() {
                self.wait(&arguments, &keys).await?;
            }
        }
        // void prints as an empty text.
        ColumnarValue::Scalar(ScalarValue::Utf8View(Some(String::new())))
            .into_array(rows)
            .map(ColumnarValue::Array)
    }
}

impl WaitForLock {
    async fn wait(&self, arguments: &ScalarFunctionArgs, keys: &[i64]) -> Result<()> {
        let environment = environment(&arguments.config_options)
            .ok_or_else(|| Error::internal(format!("{}() was called outside a session", self.name)))?;
        let context = environment.context();
        let (process_id, cancel, timeout) = (context.session.process_id, context.cancel.clone(), context.lock_timeout);
        let tag = tag(environment, keys)?;
        let locks = locks(environment)?;
        locks
            .acquire(process_id, tag, self.mode, self.scope, &cancel, timeout)
            .await
    }
}
