//! Operators: the longest run of operator characters, cut by PostgreSQL's two rules (a comment starts
//! where `--` or `/*` does; a longer operator ends in + or - only if it contains an unusual character).

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Lexer;

pub(super) fn is_operator_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'?' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'='
    )
}

impl Lexer<'_> {
    pub(super) fn operator(&mut self) -> Token {
        let start = self.at;
        let mut end = start;
        while self.bytes.get(end).copied().is_some_and(is_operator_byte) {
            let comment = matches!(
                (self.bytes[end], self.bytes.get(end + 1)),
                (b'-', Some(b'-')) | (b'/', Some(b'*'))
            );
            if comment {
                break;
            }
            end += 1;
        }
        let unusual = |byte: &u8| matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'?' | b'%');
        if !self.bytes[start..end].iter().any(unusual) {
            while end > start + 1 && matches!(self.bytes[end - 1], b'+' | b'-') {
                end -= 1;
            }
        }
        self.at = end;
        token_of(&self.text[start..end])
    }
}

fn token_of(operator: &str) -> Token {
    match operator {
        "=" => Token::Eq,
        "<>" | "!=" => Token::Neq,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "=>" => Token::RArrow,
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "%" => Token::Mod,
        "^" => Token::Caret,
        "||" => Token::StringConcat,
        "|" => Token::Pipe,
        "&" => Token::Ampersand,
        "#" => Token::Sharp,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        "&&" => Token::Overlap,
        "~" => Token::Tilde,
        "~*" => Token::TildeAsterisk,
        "!~" => Token::ExclamationMarkTilde,
        "!~*" => Token::ExclamationMarkTildeAsterisk,
        "~~" => Token::DoubleTilde,
        "~~*" => Token::DoubleTildeAsterisk,
        "!~~" => Token::ExclamationMarkDoubleTilde,
        "!~~*" => Token::ExclamationMarkDoubleTildeAsterisk,
        "^@" => Token::CaretAt,
        "@" => Token::AtSign,
        "@@" => Token::AtAt,
        "@?" => Token::AtQuestion,
        "@>" => Token::AtArrow,
        "<@" => Token::ArrowAt,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "#>" => Token::HashArrow,
        "#>>" => Token::HashLongArrow,
        "#-" => Token::HashMinus,
        "?" => Token::Question,
        "?|" => Token::QuestionPipe,
        "?&" => Token::QuestionAnd,
        "!" => Token::ExclamationMark,
        "!!" => Token::DoubleExclamationMark,
        "|/" => Token::PGSquareRoot,
        "||/" => Token::PGCubeRoot,
        other => Token::CustomBinaryOperator(other.to_string()),
    }
}
