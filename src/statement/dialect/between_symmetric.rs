//! `a BETWEEN SYMMETRIC b AND c`, which sqlparser does not read: BETWEEN with the bounds in either order.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

use super::is_word;

/// The comparison after `left`; `None` where something else follows. `precedence` is that of BETWEEN's bounds.
pub(super) fn parse(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let is_at = |parser: &Parser, place: usize, word: &str| is_word(&parser.peek_nth_token_ref(place).token, word);
    let negated = is_at(parser, 0, "not");
    let first = usize::from(negated);
    if !is_at(parser, first, "between") || !is_at(parser, first + 1, "symmetric") {
        return None;
    }
    for _ in 0..first + 2 {
        parser.next_token();
    }
    Some(bounds(parser, precedence).map(|(low, high)| {
        let between = |low: Expr, high: Expr| Expr::Between {
            expr: Box::new(left.clone()),
            negated,
            low: Box::new(low),
            high: Box::new(high),
        };
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(between(low.clone(), high.clone())),
            op: match negated {
                true => BinaryOperator::And,
                false => BinaryOperator::Or,
            },
            right: Box::new(between(high, low)),
        }))
    }))
}

fn bounds(parser: &mut Parser, precedence: u8) -> Result<(Expr, Expr), ParserError> {
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    Ok((low, parser.parse_subexpr(precedence)?))
}
