//! `JOIN … USING (a, b) AS j`: sqlparser knows no name there. It becomes the last of the columns, under a qualifier that no
//! client can write, and is read from there again when the query is bound.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::is_word;

const QUALIFIER: &str = "\u{0}join";

/// The name of the merged columns that stands in the place of a column.
pub fn join_alias(column: &ObjectName) -> Option<&Ident> {
    match column.0.as_slice() {
        [qualifier, name] if qualifier.as_ident().is_some_and(|part| part.value == QUALIFIER) => name.as_ident(),
        _ => None,
    }
}

pub(super) fn write_as_columns(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index < tokens.len() {
        if is_word(&tokens[index].token, "using")
            && let Some(end) = end_of_columns(tokens, index + 1)
            && let Some([word, name]) = tokens.get(end + 1..end + 3)
            && is_word(&word.token, "as")
            && matches!(name.token, Token::Word(_))
        {
            let (span, name) = (name.span, name.token.clone());
            let qualifier = Token::Word(Word {
                value: QUALIFIER.to_string(),
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            });
            let column = [Token::Comma, qualifier, Token::Period, name, Token::RParen];
            tokens.splice(end..end + 3, column.map(|token| TokenWithSpan { token, span }));
        }
        index += 1;
    }
}

/// Where the parenthesis closes, if nothing but names of columns stands in it.
fn end_of_columns(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    if tokens.get(start)?.token != Token::LParen {
        return None;
    }
    let mut index = start + 1;
    loop {
        let [name, separator] = tokens.get(index..index + 2)? else {
            return None;
        };
        if !matches!(name.token, Token::Word(_)) {
            return None;
        }
        match separator.token {
            Token::Comma => index += 2,
            Token::RParen => return Some(index + 1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn names_become_columns() {
        assert_eq!(
            fixed("a join b using (x, y) as j join c using (z)"),
            "a join b using ( x , y , \"\u{0}join\" . j ) join c using ( z )"
        );
        assert_eq!(fixed("merge using (select 1) as s"), "merge using ( select 1 ) as s");
    }
}
