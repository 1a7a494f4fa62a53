//! Calls of functions while their arguments still have SQL's types: which overload one means, and what the parameters
//! of the client's statement are by where they stand in it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};

use crate::functions::builtin::{BuiltinFunction, builtin_functions_named};
use crate::functions::{agree, is_unknown_literal, may_fail, pinned, retyped, scalar_functions, type_quantified};
use crate::types::coercion::{Category, category, is_implicit, is_preferred, is_same};
use crate::types::format::FormatSettings;
use crate::types::parse::{parse_value, reads_the_clock};
use crate::types::{SqlType, UNCONSTRAINED_NUMERIC};

/// Decides which overload a call means, while the types of its arguments are still SQL's.
pub(super) fn pin(mut call: ScalarFunction, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    if call.func.name() == "typed_as" {
        return Ok(match call.args.pop() {
            Some(value) => Transformed::yes(value),
            None => Transformed::no(Expr::ScalarFunction(call)),
        });
    }
    // An array of one dimension is flat, and keeps what its field says of its elements.
    if call.func.name() == "array_flattened"
        && let [array] = call.args.as_slice()
        && let Ok(DataType::List(item)) = array.get_type(schema)
        && !matches!(item.data_type(), DataType::List(_))
    {
        return Ok(Transformed::yes(call.args.remove(0)));
    }
    type_quantified(&mut call, schema);
    call.args = typed_parameters(call.func.name(), call.args, schema);
    let fields: PlanResult<Vec<_>> = call.args.iter().map(|argument| argument.to_field(schema)).collect();
    // Where an argument has no type yet the call is resolved when it runs.
    let Ok(fields) = fields else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let fields: Vec<_> = fields.into_iter().map(|(_, field)| field).collect();
    if let ("pg_typeof", [field], [value]) = (call.func.name(), fields.as_slice(), call.args.as_slice())
        && !matches!(value, Expr::Placeholder(_))
        && !value.is_volatile()
        && !may_fail(value, schema)
    {
        let sql_type = match is_unknown_literal(value) {
            true => SqlType::Unknown,
            false => SqlType::from_field(field),
        };
        // Fields lose their types' names on the way to where they are computed.
        let oid = ScalarValue::UInt32(Some(sql_type.oid()));
        return Ok(Transformed::yes(retyped(Expr::Literal(oid, None), SqlType::Regtype)));
    }
    if let Some(pinned) = super::function::pinned_call(&call.func, &fields)? {
        call.func = pinned;
    } else if let Some(pinned) = pinned(&call.func, &fields)? {
        call.func = pinned;
    }
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// Quoted literals as the times and intervals that a function takes, by PostgreSQL's input and not by Arrow's cast.
pub(super) fn read_literals(
    mut call: ScalarFunction,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> PlanResult<ScalarFunction> {
    if !call.args.iter().any(is_unknown_literal) {
        return Ok(call);
    }
    let types = call.args.iter().map(|argument| argument.get_type(schema));
    let Ok(types) = types.collect::<PlanResult<Vec<_>>>() else {
        return Ok(call);
    };
    let Ok(wanted) = call.func.coerce_types(&types) else {
        return Ok(call);
    };
    for (argument, wanted) in call.args.iter_mut().zip(wanted) {
        if let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = argument
            && matches!(
                category(&SqlType::from_arrow(&wanted)),
                Category::Moment | Category::Span
            )
            && !reads_the_clock(text)
        {
            let value = parse_value(&SqlType::from_arrow(&wanted), text, settings)?;
            *argument = Expr::Literal(value, None);
        }
    }
    Ok(call)
}

/// A parameter that nothing has given a type takes this one.
pub(super) fn typed(expression: Expr, sql_type: &SqlType) -> Expr {
    match expression {
        Expr::Placeholder(Placeholder { id, field: None }) => Expr::Placeholder(Placeholder::new_with_field(
            id,
            Some(Arc::new(sql_type.to_field("", true))),
        )),
        other => other,
    }
}

/// The arguments, those parameters among them typed whose type the function's signatures tell.
fn typed_parameters(name: &str, arguments: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let is_open = |argument: &Expr| matches!(argument, Expr::Placeholder(placeholder) if placeholder.field.is_none());
    if !arguments.iter().any(is_open) {
        return arguments;
    }
    let known: Vec<Option<SqlType>> = arguments
        .iter()
        .map(|argument| match argument.to_field(schema) {
            Ok((_, field)) if !is_unknown_literal(argument) => Some(SqlType::from_field(&field)),
            _ => None,
        })
        .collect();
    // Positions in an array.
    if matches!(
        name,
        "array_subscript" | "array_slice_bounds" | "array_slice_dimensions"
    ) {
        let positions = arguments.into_iter().enumerate();
        let typed = positions.map(|(place, argument)| match place > 0 {
            true => typed(argument, &SqlType::Int4),
            false => argument,
        });
        return typed.collect();
    }
    let candidates = candidates(name, &known);
    let arguments = arguments.into_iter().enumerate();
    let typed = arguments.map(|(place, argument)| match parameter_type(&candidates, place) {
        Some(sql_type) if is_open(&argument) => typed(argument, &sql_type),
        _ => argument,
    });
    typed.collect()
}

/// The signatures that fit what is known best.
fn candidates(name: &str, known: &[Option<SqlType>]) -> Vec<&'static BuiltinFunction> {
    let takes = |function: &&BuiltinFunction| {
        let least = function.arguments.len() - function.default_count.max(0) as usize;
        let pairs = known.iter().zip(&function.arguments);
        (least..=function.arguments.len()).contains(&known.len())
            && pairs
                .filter_map(|(known, wanted)| Some((known.as_ref()?, SqlType::from_oid(*wanted)?)))
                .all(|(known, wanted)| is_implicit(known, &wanted))
    };
    let exact = |function: &BuiltinFunction| {
        let pairs = known.iter().zip(&function.arguments);
        pairs
            .filter_map(|(known, wanted)| Some((known.as_ref()?, SqlType::from_oid(*wanted)?)))
            .filter(|(known, wanted)| is_same(known, wanted))
            .count()
    };
    let mut candidates: Vec<&BuiltinFunction> = builtin_functions_named(name).filter(takes).collect();
    let best = candidates.iter().map(|function| exact(function)).max();
    candidates.retain(|function| Some(exact(function)) == best);
    candidates
}

/// What all candidates take there, else the preferred type of their one category. Text is what a parameter is anyway.
fn parameter_type(candidates: &[&BuiltinFunction], place: usize) -> Option<SqlType> {
    let types = candidates
        .iter()
        .map(|function| SqlType::from_oid(*function.arguments.get(place)?))
        .collect::<Option<Vec<_>>>()?;
    let first = types.first()?;
    let found = match types.iter().all(|sql_type| is_same(sql_type, first)) {
        true => Some(first),
        false if types.iter().any(|sql_type| category(sql_type) != category(first)) => None,
        false => types.iter().find(|sql_type| is_preferred(sql_type)),
    };
    // The names of objects are read by the functions themselves.
    let is_name = |sql_type: &&SqlType| matches!(sql_type, SqlType::Regclass | SqlType::Regtype | SqlType::Regproc);
    found
        .filter(|sql_type| category(sql_type) != Category::Text && !is_name(sql_type))
        .cloned()
}

/// What lag() and lead() give where there is no row is of the type of the others.
pub(super) fn with_default(mut window: Box<WindowFunction>, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let default = window.params.args.pop();
    if matches!(&default, Some(Expr::Literal(value, _)) if value.is_null()) {
        return Ok(Transformed::yes(Expr::WindowFunction(window)));
    }
    let offset = window.params.args.pop();
    let pair = window.params.args.drain(..).chain(default).collect();
    let mut pair = agree(pair, schema, window.fun.name())?;
    // Numbers agree without a cast elsewhere; here the value decides what the default becomes.
    if let [value, default] = pair.as_mut_slice() {
        let layouts = (value.get_type(schema)?, default.get_type(schema)?);
        if let Some(fitting) = fitting(default, &layouts.0) {
            *default = fitting;
        } else if let Some(common) = common_numeric(&layouts.0, &layouts.1) {
            *value = cast(value.clone(), common.clone());
            *default = cast(default.clone(), common);
        }
    }
    let mut pair = pair.into_iter();
    window.params.args = pair.next().into_iter().chain(offset).chain(pair).collect();
    Ok(Transformed::yes(Expr::WindowFunction(window)))
}

/// A constant number in a numeric layout that has it exactly. The cast inside tells how many digits it was written with.
fn fitting(number: &Expr, layout: &DataType) -> Option<Expr> {
    let DataType::Decimal128(precision, scale) = *layout else {
        return None;
    };
    let plain = SqlType::Numeric(None).to_arrow();
    let (value, own_scale) = constant(number)?;
    let room = u32::try_from(i32::from(precision) - i32::from(scale) + i32::from(own_scale)).ok()?;
    let fits = *layout != plain
        && (0..=scale.min(UNCONSTRAINED_NUMERIC.1)).contains(&own_scale)
        && value.unsigned_abs() < 10_u128.checked_pow(room)?;
    fits.then(|| cast(cast(number.clone(), plain), layout.clone()))
}

/// What two numbers of other layouts are cast to, where one is numeric.
fn common_numeric(left: &DataType, right: &DataType) -> Option<DataType> {
    if left == right || !(left.is_decimal() || right.is_decimal()) {
        return None;
    }
    let is_number = |layout: &DataType| layout.is_decimal() || layout.is_integer();
    let computed = [left, right]
        .into_iter()
        .find(|layout| matches!(layout, DataType::Decimal256(..)));
    let common = computed.cloned().unwrap_or_else(|| SqlType::Numeric(None).to_arrow());
    (is_number(left) && is_number(right)).then_some(common)
}

/// The unscaled value and the scale of a number that the text spells.
fn constant(number: &Expr) -> Option<(i128, i8)> {
    match number {
        Expr::Literal(ScalarValue::Int16(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Literal(ScalarValue::Int32(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) => Some((*value, *scale)),
        Expr::Cast(cast) if cast.field.data_type().is_integer() => {
            constant(&cast.expr).filter(|(_, scale)| *scale == 0)
        }
        Expr::Negative(inner) => constant(inner).map(|(value, scale)| (-value, scale)),
        _ => None,
    }
}

/// The least integer has no opposite.
pub(super) fn negative(inner: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let is_integer = inner
        .get_type(schema)
        .is_ok_and(|data_type| matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64));
    let function = scalar_functions().iter().find(|function| function.name() == "negative");
    match (is_integer, function) {
        (true, Some(function)) => Ok(Transformed::yes(function.call(vec![inner]))),
        _ => Ok(Transformed::no(Expr::Negative(Box::new(inner)))),
    }
}
