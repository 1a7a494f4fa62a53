//! Digits behind the point as PostgreSQL keeps them beside each numeric value: what a quotient, average or root has,
//! and the text of a value with so many. Columns carry one scale for all rows; a client is shown each row's own.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};

use super::overload::{Arguments, OverloadedFunction, kernel};
use crate::error::Result;
use crate::types::numeric::{COMPUTED_LAYOUT, MAX_SCALE, Number};
use crate::types::{SqlType, TYPE_KEY};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        // A number among others of other scales: it keeps its own digits.
        immutable("open_numeric", vec![kernel("(numeric) numeric", as_it_is)]),
        // The same among others that have more digits together than a numeric without a modifier.
        wide(),
        // Dividend, divisor and their scales.
        immutable(
            "quotient_scale",
            vec![kernel("(numeric, numeric, int4, int4) int4", |args| {
                let (dividends, divisors) = (args.decimals(0)?, args.decimals(1)?);
                let (scales, divisor_scales) = (args.int4(2)?, args.int4(3)?);
                args.build::<Int32Type>(|row| {
                    let pair = dividends
                        .get(row)
                        .zip(divisors.get(row))
                        .zip(scales.get(row).zip(divisor_scales.get(row)));
                    Ok(pair.map(|((dividend, divisor), (scale, divisor_scale))| {
                        // The scale of a carrier says nothing; what the expression had does.
                        let natural = dividend.trimmed().quotient_scale(divisor.trimmed());
                        natural.max(scale).max(divisor_scale).min(MAX_SCALE)
                    }))
                })
            })],
        ),
        // A variance of zero has no digits; a deviation has those of the variance that it is the root of.
        immutable(
            "spread_scale",
            vec![kernel("(numeric, int4) int4", |args| {
                let (spreads, roots) = (args.decimals(0)?, args.int4(1)?);
                args.build::<Int32Type>(|row| {
                    let Some((spread, is_root)) = spreads.get(row).zip(roots.get(row)) else {
                        return Ok(None);
                    };
                    let variance = if is_root == 1 {
                        spread.multiply(spread).unwrap_or(spread)
                    } else {
                        spread
                    };
                    Ok(Some(match spread.compare(Number::new(0, 0)).is_eq() {
                        true => 0,
                        false => variance.natural_scale().max(spread.trimmed().scale),
                    }))
                })
            })],
        ),
        immutable(
            "sqrt_scale",
            vec![kernel("(numeric) int4", |args| scale_of_one(args, Number::square_root))],
        ),
        immutable(
            "exp_scale",
            vec![kernel("(numeric) int4", |args| scale_of_one(args, Number::exponential))],
        ),
        immutable(
            "ln_scale",
            vec![kernel("(numeric) int4", |args| {
                scale_of_one(args, Number::natural_logarithm)
            })],
        ),
        immutable(
            "log_scale",
            vec![
                kernel("(numeric) int4", |args| scale_of_one(args, Number::common_logarithm)),
                kernel("(numeric, numeric) int4", |args| {
                    scale_of_two(args, Number::logarithm_of)
                }),
            ],
        ),
        immutable(
            "power_scale",
            vec![kernel("(numeric, numeric) int4", |args| {
                scale_of_two(args, Number::power)
            })],
        ),
    ]
}

fn as_it_is(args: &Arguments<'_>) -> Result<ArrayRef> {
    let numbers = args.decimals(0)?;
    args.build_decimals(|row| Ok(numbers.get(row)))
}

fn scale_of_one(args: &Arguments<'_>, body: fn(Number) -> Result<Number>) -> Result<ArrayRef> {
    let numbers = args.decimals(0)?;
    args.build::<Int32Type>(|row| numbers.get(row).map(|number| Ok(body(number)?.scale)).transpose())
}

fn scale_of_two(args: &Arguments<'_>, body: fn(Number, Number) -> Result<Number>) -> Result<ArrayRef> {
    let (left, right) = (args.decimals(0)?, args.decimals(1)?);
    args.build::<Int32Type>(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => Ok(Some(body(left, right)?.scale)),
        _ => Ok(None),
    })
}

/// A number of this layout as a computed one, which has room for what others beside it are.
pub fn wide_numeric(number: Expr, layout: &DataType) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(wide);
    let number = match layout.is_integer() {
        true => cast(number, DataType::Decimal128(20, 0)),
        false => number,
    };
    FUNCTION.call(vec![number])
}

fn wide() -> Arc<ScalarUDF> {
    let kernel = kernel("(numeric) numeric", as_it_is).returning(|_, _| Ok(COMPUTED_LAYOUT));
    OverloadedFunction::immutable("wide_numeric", vec![kernel])
}

/// The value with a scale of its own, as a client is shown it.
pub fn shown_numeric(value: Expr, scale: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(ShownNumeric {
            text: OverloadedFunction::immutable(
                "numeric_text",
                vec![kernel("(numeric, int4) text", |args| {
                    let (numbers, scales) = (args.decimals(0)?, args.int4(1)?);
                    args.build_text(|row, out| {
                        let (Some(number), Some(scale)) = (numbers.get(row), scales.get(row)) else {
                            return Ok(false);
                        };
                        *out = number.rounded(scale)?.to_string();
                        Ok(true)
                    })
                })],
            ),
            signature: Signature::any(2, Volatility::Immutable),
        }))
    });
    FUNCTION.call(vec![value, scale])
}

/// Text that is described as a numeric.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ShownNumeric {
    text: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for ShownNumeric {
    fn name(&self) -> &str {
        "shown_numeric"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let metadata = [(TYPE_KEY.to_string(), SqlType::Numeric(None).to_string())].into();
        Ok(Arc::new(
            Field::new(self.name(), DataType::Utf8View, true).with_metadata(metadata),
        ))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        self.text.invoke_with_args(ScalarFunctionArgs {
            return_field: Arc::new(Field::new("text", DataType::Utf8View, true)),
            ..arguments
        })
    }
}
