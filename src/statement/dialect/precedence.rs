//! How tightly operators bind, where sqlparser's PostgreSQL dialect differs from PostgreSQL
//! (<https://www.postgresql.org/docs/17/sql-syntax-lexical.html#SQL-PRECEDENCE>).

use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{POSTGRES, is_word};

/// A sign binds more tightly than `^`, `AT TIME ZONE` and `COLLATE`, and less than subscripts and `::`; sqlparser has no
/// name for that level.
const SIGN: u8 = 125;

/// Regular expressions and LIKE's operators are operators as any other, above BETWEEN and comparisons. `ISNULL` is `IS NULL`.
pub(super) fn of_operator(token: &Token) -> Option<u8> {
    match token {
        Token::Tilde
        | Token::TildeAsterisk
        | Token::ExclamationMarkTilde
        | Token::ExclamationMarkTildeAsterisk
        | Token::DoubleTilde
        | Token::DoubleTildeAsterisk
        | Token::ExclamationMarkDoubleTilde
        | Token::ExclamationMarkDoubleTildeAsterisk => Some(POSTGRES.prec_value(Precedence::PgOther)),
        token if is_word(token, "isnull") => Some(POSTGRES.prec_value(Precedence::Is)),
        _ => None,
    }
}

/// `-a ^ b` is `(-a) ^ b`, and `~ a + b` is `~ (a + b)`.
pub(super) fn parse_prefix_operator(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let other = POSTGRES.prec_value(Precedence::PgOther);
    let (op, precedence) = match parser.peek_token_ref().token {
        Token::Minus => (UnaryOperator::Minus, SIGN),
        Token::Plus => (UnaryOperator::Plus, SIGN),
        Token::Tilde => (UnaryOperator::BitwiseNot, other),
        Token::AtSign => (UnaryOperator::PGAbs, other),
        Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, other),
        Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, other),
        _ => return None,
    };
    parser.advance_token();
    let operand = parser.parse_subexpr(precedence).map(Box::new);
    Some(operand.map(|expr| Expr::UnaryOp { op, expr }))
}

/// `a IS DISTINCT FROM b AND c` is `(a IS DISTINCT FROM b) AND c`.
pub(super) fn parse_is_test(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    use Keyword::{DISTINCT, FROM, IS, NOT};

    if is_word(&parser.peek_token_ref().token, "isnull") {
        parser.advance_token();
        return Some(Ok(Expr::IsNull(Box::new(left.clone()))));
    }
    let make = if parser.parse_keywords(&[IS, DISTINCT, FROM]) {
        Expr::IsDistinctFrom
    } else if parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]) {
        Expr::IsNotDistinctFrom
    } else {
        return None;
    };
    let right = parser.parse_subexpr(precedence).map(Box::new);
    Some(right.map(|right| make(Box::new(left.clone()), right)))
}
