//! Functions that work a row at a time: catalog lookups, formatting, session questions. Each is
//! declared as data (name, overloads, result, body) and becomes a `ScalarUDF` here. Functions over
//! large columns deserve kernels instead.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::datum::{Datum, to_array};
use super::environment::{FunctionEnvironment, environment};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// What an argument may be; other types are cast to it or the overload is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Argument {
    Bool,
    Int,
    /// An OID, also as a number or as text of a number.
    Oid,
    Float,
    Text,
    /// A name as text, or an OID: the body tells them apart.
    NameOrOid,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Time,
    Numeric,
    /// An array of any element type.
    Array,
    /// Anything, as it comes.
    Any,
}

/// The body: arguments of one row to the result. NULLs arrive only where `called_on_null`.
pub(crate) type Body = fn(&Call<'_>, &[Datum]) -> Result<Datum>;

/// What a body may look at besides its arguments.
pub(crate) struct Call<'a> {
    pub name: &'static str,
    pub argument_fields: &'a [FieldRef],
    environment: Option<&'a dyn FunctionEnvironment>,
}

impl<'a> Call<'a> {
    /// The session; an error where a plan is evaluated for nobody.
    pub fn environment(&self) -> Result<&'a dyn FunctionEnvironment> {
        self.environment
            .ok_or_else(|| Error::internal(format!("{}() was called outside a session", self.name)))
    }
}

/// One function, declared.
#[derive(Clone)]
pub(crate) struct RowFunction {
    pub name: &'static str,
    pub overloads: &'static [&'static [Argument]],
    /// Further arguments after the last are allowed, of the last one's kind.
    pub variadic: bool,
    pub returns: SqlType,
    pub volatility: Volatility,
    /// Called with NULL arguments too; otherwise one NULL makes the result NULL.
    pub called_on_null: bool,
    pub body: Body,
    signature: Signature,
}

impl RowFunction {
    /// A strict function that depends on its arguments only.
    pub fn immutable(
        name: &'static str,
        overloads: &'static [&'static [Argument]],
        returns: SqlType,
        body: Body,
    ) -> Self {
        Self {
            name,
            overloads,
            variadic: false,
            returns,
            volatility: Volatility::Immutable,
            called_on_null: false,
            body,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// A strict function that also depends on the session or the catalog.
    pub fn stable(name: &'static str, overloads: &'static [&'static [Argument]], returns: SqlType, body: Body) -> Self {
        Self::immutable(name, overloads, returns, body).with_volatility(Volatility::Stable)
    }

    pub fn with_volatility(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self.signature = Signature::user_defined(volatility);
        self
    }

    pub fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    pub fn called_on_null(mut self) -> Self {
        self.called_on_null = true;
        self
    }

    pub fn into_udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn overload_for(&self, types: &[DataType]) -> Option<Vec<DataType>> {
        let candidates = self
            .overloads
            .iter()
            .filter(|overload| self.takes(overload, types.len()));
        let mut best: Option<(usize, Vec<DataType>)> = None;
        for overload in candidates {
            let last = overload.last().copied();
            let kinds = (0..types.len()).map(|index| overload.get(index).copied().or(last));
            let coerced: Option<Vec<_>> = kinds
                .zip(types)
                .map(|(kind, data_type)| kind.and_then(|kind| coerce(kind, data_type)))
                .collect();
            let Some(coerced) = coerced else { continue };
            let exact: usize = coerced.iter().zip(types).map(|(to, from)| closeness(to, from)).sum();
            if best.as_ref().is_none_or(|(most, _)| exact > *most) {
                best = Some((exact, coerced));
            }
        }
        best.map(|(_, coerced)| coerced)
    }

    fn takes(&self, overload: &[Argument], count: usize) -> bool {
        overload.len() == count || (self.variadic && !overload.is_empty() && count >= overload.len())
    }

    fn evaluate(&self, call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
        if !self.called_on_null && row.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        (self.body)(call, row)
    }
}

/// The functions by name; of one name, the last.
static BY_NAME: LazyLock<HashMap<&'static str, RowFunction>> = LazyLock::new(|| {
    super::row_functions()
        .map(|function| (function.name, function))
        .collect()
});

/// Whether a function of this name works a row at a time.
pub fn is_row_function(name: &str) -> bool {
    BY_NAME.contains_key(name)
}

/// Calls a function that works a row at a time, outside a plan. `None` where there is none of this name.
pub fn call_row_function(
    name: &str,
    environment: &dyn FunctionEnvironment,
    arguments: &[Datum],
) -> Option<Result<Datum>> {
    let function = BY_NAME.get(name)?;
    let call = Call {
        name: function.name,
        argument_fields: &[],
        environment: Some(environment),
    };
    Some(function.evaluate(&call, arguments))
}

/// How little a value changes on its way into an argument: not at all, in its width only, or in its kind.
fn closeness(to: &DataType, from: &DataType) -> usize {
    match (to == from, to.is_integer() && from.is_integer()) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    }
}

/// The Arrow type that an argument of this kind is passed as; `None` where the types do not fit.
fn coerce(kind: Argument, given: &DataType) -> Option<DataType> {
    let is_text = given.is_string();
    let is_integer = given.is_integer();
    let is_number = is_integer || given.is_floating() || given.is_decimal();
    let is_time = matches!(given, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64);
    let fits = given.is_null()
        || match kind {
            Argument::Bool => matches!(given, DataType::Boolean) || is_text,
            Argument::Int | Argument::Oid => is_integer || is_text,
            Argument::Float | Argument::Numeric => is_number || is_text,
            Argument::Text | Argument::Any => true,
            Argument::NameOrOid => is_integer || is_text,
            Argument::Date | Argument::Timestamp | Argument::Timestamptz => is_time || is_text,
            Argument::Interval => matches!(given, DataType::Interval(_) | DataType::Duration(_)) || is_text,
            Argument::Time => matches!(given, DataType::Time64(_)),
            Argument::Array => given.is_list(),
        };
    if !fits {
        return None;
    }
    Some(match kind {
        Argument::Bool => DataType::Boolean,
        Argument::Int => DataType::Int64,
        Argument::Oid => DataType::UInt32,
        Argument::Float => DataType::Float64,
        Argument::Text => DataType::Utf8View,
        Argument::NameOrOid if is_integer => DataType::UInt32,
        Argument::NameOrOid => DataType::Utf8View,
        Argument::Date => DataType::Date32,
        Argument::Timestamp => SqlType::Timestamp(None).to_arrow(),
        Argument::Timestamptz => SqlType::Timestamptz(None).to_arrow(),
        Argument::Interval => SqlType::Interval(None).to_arrow(),
        Argument::Time => SqlType::Time(None).to_arrow(),
        Argument::Numeric if given.is_decimal() => given.clone(),
        Argument::Numeric if is_integer => DataType::Decimal128(20, 0),
        Argument::Numeric => SqlType::Numeric(None).to_arrow(),
        Argument::Array | Argument::Any => given.clone(),
    })
}

impl std::fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowFunction({})", self.name)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        self.overload_for(types).ok_or_else(|| {
            let given: Vec<String> = types
                .iter()
                .map(|given| SqlType::from_arrow(given).to_string())
                .collect();
            Error::new(
                SqlState::UndefinedFunction,
                format!("function {}({}) does not exist", self.name, given.join(", ")),
            )
            .with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            )
            .into()
        })
    }

    fn return_type(&self, _types: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.returns.to_arrow())
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        Ok(Arc::new(self.returns.to_field(self.name, true)))
    }

    fn evaluate_bounds(&self, _arguments: &[&Interval]) -> DataFusionResult<Interval> {
        Interval::make_unbounded(&self.returns.to_arrow())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let call = Call {
            name: self.name,
            argument_fields: &arguments.arg_fields,
            environment: environment(&arguments.config_options),
        };
        let result_type = arguments.return_field.data_type();
        let constant = self.volatility != Volatility::Volatile
            && arguments
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        if constant {
            let row = arguments
                .args
                .iter()
                .map(|argument| match argument {
                    ColumnarValue::Scalar(scalar) => Datum::from_scalar(scalar),
                    ColumnarValue::Array(array) => Datum::from_array(array, 0),
                })
                .collect::<Result<Vec<_>>>()?;
            let array = to_array(result_type, &[self.evaluate(&call, &row)?])?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        let columns = arguments
            .args
            .iter()
            .map(|argument| argument.to_array(arguments.number_rows))
            .collect::<DataFusionResult<Vec<ArrayRef>>>()?;
        let mut results = Vec::with_capacity(arguments.number_rows);
        let mut row = Vec::with_capacity(columns.len());
        for index in 0..arguments.number_rows {
            row.clear();
            for column in &columns {
                row.push(Datum::from_array(column, index)?);
            }
            results.push(self.evaluate(&call, &row)?);
        }
        Ok(ColumnarValue::Array(to_array(result_type, &results)?))
    }

    /// A stable function of constants is one constant as soon as the session is known: its answer
    /// cannot change within the statement.
    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> DataFusionResult<ExprSimplifyResult> {
        let constants: Option<Vec<_>> = arguments
            .iter()
            .map(|argument| match argument {
                Expr::Literal(scalar, _) => Some(scalar.clone()),
                _ => None,
            })
            .collect();
        let (Volatility::Stable, Some(session), Some(constants)) =
            (self.volatility, environment(info.config_options()), constants)
        else {
            return Ok(ExprSimplifyResult::Original(arguments));
        };
        if self.name == "current_setting" && session.context().changes_settings.load(Ordering::Relaxed) {
            return Ok(ExprSimplifyResult::Original(arguments));
        }
        let fields: Vec<FieldRef> = arguments
            .iter()
            .map(|argument| {
                datafusion::logical_expr::ExprSchemable::to_field(argument, info.schema().as_ref())
                    .map(|(_, field)| field)
            })
            .collect::<DataFusionResult<_>>()?;
        let scalars: Vec<Option<&ScalarValue>> = constants.iter().map(Some).collect();
        let field = self.return_field_from_args(ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &scalars,
        })?;
        let call = Call {
            name: self.name,
            argument_fields: &fields,
            environment: Some(session),
        };
        let row = constants.iter().map(Datum::from_scalar).collect::<Result<Vec<_>>>()?;
        let array = to_array(field.data_type(), &[self.evaluate(&call, &row)?])?;
        let value = ScalarValue::try_from_array(&array, 0)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(
            value,
            Some(field.metadata().clone().into()),
        )))
    }
}
