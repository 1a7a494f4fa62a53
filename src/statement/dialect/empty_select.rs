//! `SELECT WHERE …` → `SELECT FROM (SELECT 1) … WHERE …`: sqlparser lets the select list be empty before FROM alone, so a
//! query of nothing gets a relation of one row.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// Words that may follow the select list of a query without FROM.
const BEHIND_A_LIST: [&str; 12] = [
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
];

pub(super) fn give_relations(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index < tokens.len() {
        if is_word(&tokens[index].token, "select") && begins_query(tokens, index) && selects_nothing(tokens, index) {
            let span = tokens[index].span;
            let relation = [
                Token::make_word("from", None),
                Token::LParen,
                Token::make_word("select", None),
                Token::Number("1".to_string(), false),
                Token::RParen,
                Token::make_word("as", None),
                Token::make_word("*ROW*", Some('"')),
            ];
            let relation = relation.map(|token| TokenWithSpan { token, span });
            tokens.splice(index + 1..index + 1, relation);
        }
        index += 1;
    }
}

/// Whether the word is no name, and no privilege: `GRANT SELECT`, `FOR SELECT`.
fn begins_query(tokens: &[TokenWithSpan], index: usize) -> bool {
    match index.checked_sub(1).map(|previous| &tokens[previous].token) {
        None | Some(Token::LParen | Token::RParen | Token::SemiColon) => true,
        Some(Token::Word(word)) => {
            // Behind AS it may be a column's name.
            let words = ["union", "intersect", "except", "all", "explain", "analyze", "verbose"];
            word.quote_style.is_none() && words.contains(&word.value.as_str())
        }
        _ => false,
    }
}

fn selects_nothing(tokens: &[TokenWithSpan], index: usize) -> bool {
    match tokens.get(index + 1).map(|next| &next.token) {
        None | Some(Token::RParen | Token::SemiColon) => true,
        Some(next) => BEHIND_A_LIST.iter().any(|word| is_word(next, word)),
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn a_query_of_nothing_has_one_row() {
        assert_eq!(
            fixed("select where a = 1"),
            "select from ( select 1 ) as \"*ROW*\" where a = 1"
        );
        assert_eq!(
            fixed("select exists (select) union select"),
            "select exists ( select from ( select 1 ) as \"*ROW*\" ) union select from ( select 1 ) as \"*ROW*\""
        );
        assert_eq!(fixed("select from t"), "select from t");
        assert_eq!(fixed("grant select on t to r"), "grant select on t to r");
        assert_eq!(fixed("select 1 as select"), "select 1 as select");
    }
}
