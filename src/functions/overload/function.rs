//! One function with all its overloads as a function of the engine.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::super::datum::{Datum, to_array};
use super::super::environment::environment;
use super::arguments::{Arguments, Value};
use super::resolve::{Given, Parameter, given, resolve};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::cast::{CastContext, cast_array};
use crate::types::parse::parse_value;

/// A whole column at once.
pub(crate) type Kernel = fn(&Arguments<'_>) -> Result<ArrayRef>;
/// One row, none of whose values is NULL.
pub(crate) type RowBody = fn(&Arguments<'_>, &[Datum]) -> Result<Datum>;
/// The result's type from the arguments' types and literals.
pub(crate) type ReturnType = fn(&[SqlType], &[Option<ScalarValue>]) -> Result<DataType>;

enum Body {
    Kernel(Kernel),
    /// Row by row; with NULL arguments too where the flag says so.
    Rows(RowBody, bool),
    /// A function of DataFusion that is right for these types.
    Delegate(Arc<ScalarUDF>),
}

enum Returns {
    Type(SqlType),
    /// The type of an argument, after its cast.
    Argument(usize),
    /// An array of an argument's type, and the element of an array.
    ArrayOf(usize),
    ElementOf(usize),
    /// What an array of any depth is an array of.
    InnermostOf(usize),
    By(ReturnType),
}

/// One signature of a function.
pub(crate) struct Overload {
    parameters: Vec<Parameter>,
    variadic: bool,
    returns: Returns,
    body: Body,
}

/// A function by name.
#[derive(Clone)]
pub(crate) struct OverloadedFunction {
    name: &'static str,
    shapes: Arc<Vec<(Vec<Parameter>, bool)>>,
    overloads: Arc<Vec<Overload>>,
    signature: Signature,
    /// The choice that binding made: operators pass on values, not always what SQL calls their types.
    choice: Option<Choice>,
}

/// One overload, with what each argument is cast to and its type after that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Choice {
    overload: usize,
    targets: Vec<Option<SqlType>>,
    sources: Vec<Given>,
    types: Vec<SqlType>,
}

/// `lpad(text, int4, text) text`, without the name: `(text, int4, text) text`. `variadic` stands before a
/// last parameter that repeats; `any`, `anyarray`, `element` and `array` are polymorphic.
pub(crate) fn kernel(signature: &str, kernel: Kernel) -> Overload {
    Overload::parse(signature, Body::Kernel(kernel))
}

/// An overload whose body sees a row at a time, and only rows without NULL.
pub(crate) fn rows(signature: &str, body: RowBody) -> Overload {
    Overload::parse(signature, Body::Rows(body, false))
}

/// An overload that another function answers.
pub(crate) fn delegate(signature: &str, function: Arc<ScalarUDF>) -> Overload {
    Overload::parse(signature, Body::Delegate(function))
}

impl Overload {
    fn parse(signature: &str, body: Body) -> Overload {
        let (inside, returns) = signature
            .trim_start_matches('(')
            .split_once(')')
            .unwrap_or((signature, "text"));
        let mut variadic = false;
        let parameters = split(inside).map(|text| {
            let text = match text.strip_prefix("variadic ") {
                Some(rest) => {
                    variadic = true;
                    rest
                }
                None => text,
            };
            match text {
                "any" => Parameter::Any,
                "anyarray" => Parameter::AnyArray,
                "element" => Parameter::Compatible,
                "array" => Parameter::CompatibleArray,
                name => Parameter::Type(named(name)),
            }
        });
        let parameters: Vec<Parameter> = parameters.collect();
        let returns = match returns.trim() {
            "$1" => Returns::Argument(0),
            "$2" => Returns::Argument(1),
            "$1[]" => Returns::ArrayOf(0),
            "element($1)" => Returns::ElementOf(0),
            "element($2)" => Returns::ElementOf(1),
            "innermost($1)" => Returns::InnermostOf(0),
            name => Returns::Type(named(name)),
        };
        Overload {
            parameters,
            variadic,
            returns,
            body,
        }
    }

    /// The result's type is computed from the arguments.
    pub fn returning(mut self, returns: ReturnType) -> Overload {
        self.returns = Returns::By(returns);
        self
    }

    /// The body is called with NULL arguments too.
    pub fn called_on_null(mut self) -> Overload {
        if let Body::Rows(_, on_null) = &mut self.body {
            *on_null = true;
        }
        self
    }
}

fn split(inside: &str) -> impl Iterator<Item = &str> {
    inside.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// A declared type; a misspelt one makes the function uncallable rather than the process fail.
fn named(name: &str) -> SqlType {
    name.parse().unwrap_or(SqlType::Void)
}

/// A call whose overload and casts are decided.
struct Resolved<'a> {
    overload: &'a Overload,
    choice: Choice,
}

/// The function with the overload that these arguments choose; `None` for another kind of function.
pub fn pinned(function: &ScalarUDF, fields: &[FieldRef]) -> Result<Option<Arc<ScalarUDF>>> {
    let Some(overloaded) = function.inner().downcast_ref::<OverloadedFunction>() else {
        return Ok(None);
    };
    let mut pinned = overloaded.clone();
    pinned.choice = Some(overloaded.choose(fields)?);
    Ok(Some(Arc::new(ScalarUDF::new_from_impl(pinned))))
}

impl OverloadedFunction {
    /// A function of its arguments, and at most of how the session writes values: that is in the key of every cache.
    pub fn immutable(name: &'static str, overloads: Vec<Overload>) -> Arc<ScalarUDF> {
        OverloadedFunction::with_volatility(name, Volatility::Immutable, overloads)
    }

    pub fn with_volatility(name: &'static str, volatility: Volatility, overloads: Vec<Overload>) -> Arc<ScalarUDF> {
        let shapes = overloads
            .iter()
            .map(|overload| (overload.parameters.clone(), overload.variadic))
            .collect();
        Arc::new(ScalarUDF::new_from_impl(OverloadedFunction {
            name,
            shapes: Arc::new(shapes),
            overloads: Arc::new(overloads),
            choice: None,
            signature: Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], volatility),
        }))
    }

    fn choose(&self, fields: &[FieldRef]) -> Result<Choice> {
        let sources: Vec<Given> = fields.iter().map(|field| given(field)).collect();
        let (overload, targets) = resolve(self.name, &self.shapes, &sources)?;
        let types = targets
            .iter()
            .zip(&sources)
            .map(|(target, source)| target.clone().unwrap_or_else(|| source.sql_type()))
            .collect();
        Ok(Choice {
            overload,
            targets,
            sources,
            types,
        })
    }

    fn resolve(&self, fields: &[FieldRef]) -> Result<Resolved<'_>> {
        let choice = match &self.choice {
            Some(choice) => choice.clone(),
            None => self.choose(fields)?,
        };
        Ok(Resolved {
            overload: &self.overloads[choice.overload],
            choice,
        })
    }
}

/// An element of an array whose layout does not tell its type; only the layout knows the fields of a record.
fn named_element(name: &str, sql_type: &SqlType, item: &Field) -> Field {
    let field = sql_type.to_field(name, true);
    match sql_type {
        SqlType::Record => field.with_data_type(item.data_type().clone()),
        _ => field,
    }
}

impl Resolved<'_> {
    fn return_field(&self, name: &str, fields: &[FieldRef], literals: &[Option<ScalarValue>]) -> Result<FieldRef> {
        let element = |index: usize| match &self.choice.types[index] {
            SqlType::Array(element) => element.as_ref().clone(),
            other => other.clone(),
        };
        // An argument that is not cast keeps its field: its layout and modifier.
        let argument = |index: usize| match &self.choice.targets[index] {
            Some(target) => target.to_field(name, true),
            None => fields[index].as_ref().clone().with_name(name).with_nullable(true),
        };
        let array = |element: Field| {
            let item = element.with_name("item").with_nullable(true);
            Field::new(name, DataType::List(Arc::new(item)), true)
        };
        Ok(Arc::new(match &self.overload.returns {
            Returns::Type(sql_type) => sql_type.to_field(name, true),
            Returns::Argument(index) => argument(*index),
            Returns::ArrayOf(index) => array(argument(*index)),
            Returns::ElementOf(index) => match argument(*index).data_type() {
                DataType::List(item) if element(*index).is_named() => named_element(name, &element(*index), item),
                DataType::List(item) => item.as_ref().clone().with_name(name).with_nullable(true),
                _ => element(*index).to_field(name, true),
            },
            Returns::InnermostOf(index) => {
                let innermost = self.choice.types[*index].innermost();
                let mut item = argument(*index);
                while let DataType::List(inner) = item.data_type() {
                    item = inner.as_ref().clone();
                }
                match innermost.is_named() {
                    true => named_element(name, innermost, &item),
                    false => item.with_name(name).with_nullable(true),
                }
            }
            Returns::By(returns) => Field::new(name, returns(&self.choice.types, literals)?, true),
        }))
    }

    fn value(&self, index: usize, argument: &ColumnarValue, arguments: &ScalarFunctionArgs) -> Result<Value> {
        let (array, is_constant) = match argument {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let field = &arguments.arg_fields[index];
        let source = &self.choice.sources[index];
        let settings = || {
            let zone = environment(&arguments.config_options).and_then(|environment| environment.setting("timezone"));
            crate::types::FormatSettings {
                time_zone: zone
                    .and_then(|name| crate::types::TimeZone::parse(&name))
                    .unwrap_or(crate::types::TimeZone::UTC),
                ..Default::default()
            }
        };
        let array = match (&self.choice.targets[index], argument, source) {
            (None, _, _) => match (array.data_type(), field.data_type()) {
                (DataType::BinaryView | DataType::LargeBinary, _) => {
                    datafusion::arrow::compute::cast(&array, &DataType::Binary)?
                }
                _ => array,
            },
            (Some(SqlType::Text | SqlType::Varchar(_)), _, Given::Unknown) => {
                datafusion::arrow::compute::cast(&array, &DataType::Utf8View)?
            }
            (Some(target), ColumnarValue::Scalar(scalar), Given::Unknown) => match scalar.try_as_str().flatten() {
                Some(text) => parse_value(target, text, &settings())?.to_array()?,
                None => ScalarValue::try_from(&target.to_arrow())?.to_array()?,
            },
            (Some(target), _, Given::Unknown) => to_type(&array, &SqlType::Text, target, &settings())?,
            (Some(target), _, Given::Known(source)) => to_type(&array, source, target, &settings())?,
        };
        Ok(Value { array, is_constant })
    }
}

/// An implicit cast: whole numbers become numerics of no scale, all else as `cast_array` does it.
fn to_type(
    array: &ArrayRef,
    source: &SqlType,
    target: &SqlType,
    settings: &crate::types::FormatSettings,
) -> Result<ArrayRef> {
    let whole = |precision| {
        Ok(datafusion::arrow::compute::cast(
            array,
            &DataType::Decimal128(precision, 0),
        )?)
    };
    match (source, target) {
        (SqlType::Int2, SqlType::Numeric(None)) => whole(5),
        (SqlType::Int4, SqlType::Numeric(None)) => whole(10),
        (SqlType::Int8, SqlType::Numeric(None)) => whole(19),
        _ => cast_array(array, source, target, CastContext::Explicit, settings),
    }
}

impl std::fmt::Debug for OverloadedFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OverloadedFunction({})", self.name)
    }
}

impl PartialEq for OverloadedFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.choice == other.choice
    }
}

impl Eq for OverloadedFunction {}

impl Hash for OverloadedFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.choice.hash(state);
    }
}

impl ScalarUDFImpl for OverloadedFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal(format!("{}() was asked for its type without its arguments", self.name)).into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let literals: Vec<Option<ScalarValue>> = arguments
            .scalar_arguments
            .iter()
            .map(|literal| literal.cloned())
            .collect();
        let resolved = self.resolve(arguments.arg_fields)?;
        Ok(resolved.return_field(self.name, arguments.arg_fields, &literals)?)
    }

    // Without bounds of its type, rows in the order of `f(x) > 1` are not recognized as such.
    fn evaluate_bounds(&self, arguments: &[&Interval]) -> PlanResult<Interval> {
        let fields: Vec<FieldRef> = arguments
            .iter()
            .map(|argument| Arc::new(Field::new("argument", argument.data_type(), true)))
            .collect();
        let field = self.return_field_from_args(ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &vec![None; fields.len()],
        })?;
        Interval::make_unbounded(field.data_type())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let resolved = self.resolve(&arguments.arg_fields)?;
        let values: Vec<Value> = arguments
            .args
            .iter()
            .enumerate()
            .map(|(index, argument)| resolved.value(index, argument, &arguments))
            .collect::<Result<_>>()?;
        let is_constant =
            self.signature.volatility != Volatility::Volatile && values.iter().all(|value| value.is_constant);
        let rows = if is_constant { 1 } else { arguments.number_rows };
        let array = match &resolved.overload.body {
            Body::Delegate(function) => delegated(function, &values, rows, &arguments)?,
            body => {
                let call = Arguments {
                    name: self.name,
                    types: resolved.choice.types,
                    values,
                    rows,
                    return_field: &arguments.return_field,
                    environment: environment(&arguments.config_options),
                };
                match body {
                    Body::Kernel(kernel) => kernel(&call)?,
                    Body::Rows(body, on_null) => row_by_row(&call, *body, *on_null)?,
                    Body::Delegate(_) => return Err(Error::internal("a delegate has no kernel").into()),
                }
            }
        };
        let wanted = arguments.return_field.data_type();
        let array = match array.data_type() == wanted {
            true => array,
            false => datafusion::arrow::compute::cast(&array, wanted)?,
        };
        match is_constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

fn row_by_row(call: &Arguments<'_>, body: RowBody, on_null: bool) -> Result<ArrayRef> {
    let mut results = Vec::with_capacity(call.rows());
    let mut row = Vec::with_capacity(call.len());
    for index in 0..call.rows() {
        row.clear();
        for argument in 0..call.len() {
            row.push(Datum::from_array(call.array(argument), call.row_of(argument, index))?);
        }
        results.push(match !on_null && row.iter().any(Datum::is_null) {
            true => Datum::Null,
            false => body(call, &row)?,
        });
    }
    to_array(call.return_type(), &results)
}

fn delegated(
    function: &Arc<ScalarUDF>,
    values: &[Value],
    rows: usize,
    arguments: &ScalarFunctionArgs,
) -> PlanResult<ArrayRef> {
    let fields: Vec<FieldRef> = values
        .iter()
        .map(|value| Arc::new(Field::new("argument", value.array.data_type().clone(), true)))
        .collect();
    let args: Vec<ColumnarValue> = values
        .iter()
        .map(|value| match value.is_constant {
            true => ScalarValue::try_from_array(&value.array, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(Arc::clone(&value.array))),
        })
        .collect::<PlanResult<_>>()?;
    // DataFusion's functions coerce their arguments while planning; here it has to be done by hand.
    let wanted = datafusion::logical_expr::type_coercion::functions::fields_with_udf(&fields, function.as_ref())?;
    let args: Vec<ColumnarValue> = args
        .into_iter()
        .zip(&wanted)
        .map(|(argument, field)| argument.cast_to(field.data_type(), None))
        .collect::<PlanResult<_>>()?;
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|argument| match argument {
            ColumnarValue::Scalar(scalar) => Some(scalar),
            ColumnarValue::Array(_) => None,
        })
        .collect();
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &wanted,
        scalar_arguments: &scalars,
    })?;
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args,
        arg_fields: wanted,
        number_rows: rows,
        return_field,
        config_options: Arc::clone(&arguments.config_options),
    })?;
    result.into_array(rows)
}

/// 22023 with a message.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::InvalidParameterValue, message)
}
