//! Sums of linear functions of a lane, which follow from its sum and count: of what constants are added to, multiplied
//! with, or divided by where every quotient is exact. Bounds exclude what would overflow, or be rounded, row by row.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::aggregate_shape::scale;
use super::lane::MOST_BITS;
use super::lane_program::{LaneProgram, integer};
use crate::functions::divides_numerics;
use crate::types::numeric::{COMPUTED_NUMERIC, exact_below};

/// Digits by which an exact quotient may be longer than its dividend.
const MOST_DIGITS: u32 = 9;

/// A sum's terms are `factor` times the values of a lane plus `constant`, and shown with `more_digits` zeros.
#[derive(Debug, Clone, Copy)]
pub struct LinearSum {
    pub lane: usize,
    pub factor: i64,
    pub constant: i64,
    pub more_digits: u32,
}

impl LinearSum {
    /// A lane's own sum.
    pub fn plain(lane: usize) -> LinearSum {
        LinearSum {
            lane,
            factor: 1,
            constant: 0,
            more_digits: 0,
        }
    }

    /// Whether the sum is the lane's own.
    pub fn is_plain(&self) -> bool {
        (self.factor, self.constant, self.more_digits) == (1, 0, 0)
    }

    /// The sum of `expression`, of type `result`; `None` where it does not follow from the sum of a lane.
    pub fn of(
        expression: &Arc<dyn PhysicalExpr>,
        result: &DataType,
        program: &mut LaneProgram,
        source: &Schema,
    ) -> PlanResult<Option<LinearSum>> {
        let data_type = expression.data_type(source)?;
        if scale(&data_type).is_some() && scale(&data_type) == scale(result) {
            return Ok(program.add_linear(expression, source)?.map(|linear| LinearSum {
                lane: linear.node,
                factor: linear.factor,
                constant: linear.constant,
                more_digits: 0,
            }));
        }
        let computed = DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1);
        match data_type == computed && *result == computed {
            true => LinearSum::of_quotient(expression, program, source),
            false => Ok(None),
        }
    }

    /// A quotient by a constant that has no prime factors but those of ten is a product.
    fn of_quotient(
        expression: &Arc<dyn PhysicalExpr>,
        program: &mut LaneProgram,
        source: &Schema,
    ) -> PlanResult<Option<LinearSum>> {
        let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>() else {
            return Ok(None);
        };
        let ([dividend, divisor], true) = (call.args(), divides_numerics(call.fun())) else {
            return Ok(None);
        };
        let divisor = divisor.downcast_ref::<Literal>().map(Literal::value);
        let (Some((divisor, divisor_scale)), Some(dividend_scale)) =
            (divisor.and_then(scaled), scale(&dividend.data_type(source)?))
        else {
            return Ok(None);
        };
        let Some((factor, digits)) = inverse(divisor, divisor_scale) else {
            return Ok(None);
        };
        let dividend_scale = i32::from(dividend_scale);
        let quotient_scale = dividend_scale + digits;
        let most_bits = exact_below(dividend_scale, divisor, divisor_scale, quotient_scale)
            .map_or(0, |bound| bound.ilog2().min(MOST_BITS));
        let more_digits = u32::try_from(i32::from(COMPUTED_NUMERIC.1) - quotient_scale);
        let (1.., Ok(more_digits)) = (most_bits, more_digits) else {
            return Ok(None);
        };
        let Some(linear) = program.add_linear(dividend, source)? else {
            return Ok(None);
        };
        let scaled = (linear.factor.checked_mul(factor), linear.constant.checked_mul(factor));
        let (Some(factor), Some(constant)) = scaled else {
            return Ok(None);
        };
        if let Some(node) = program.node_of(dividend) {
            program.add_bound(node, most_bits);
        }
        Ok(Some(LinearSum {
            lane: linear.node,
            factor,
            constant,
            more_digits,
        }))
    }
}

/// A constant as an integer, and the digits of it that are behind the point.
fn scaled(value: &ScalarValue) -> Option<(i64, i32)> {
    Some((integer(value)?, i32::from(scale(&value.data_type())?)))
}

/// What to multiply with instead of dividing by a number with `scale` digits behind the point, and how many digits
/// longer the products are.
fn inverse(divisor: i64, scale: i32) -> Option<(i64, i32)> {
    let exponents = u32::try_from(scale).ok()?..=MOST_DIGITS + u32::try_from(scale).ok()?;
    let mut powers = exponents.filter_map(|exponent| Some((10_i64.checked_pow(exponent)?, exponent)));
    let (power, exponent) = powers.find(|(power, _)| power.checked_rem(divisor) == Some(0))?;
    Some((power / divisor, exponent as i32 - scale))
}
