//! `TABLE t` → `SELECT * FROM t`, wherever a query may begin. sqlparser reads the command, but not what may
//! follow it, and DataFusion does not plan it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_reserved, is_word};

/// Words after which a query may begin.
const BEFORE_A_QUERY: [&str; 10] = [
    "union",
    "intersect",
    "except",
    "all",
    "distinct",
    "as",
    "explain",
    "analyze",
    "analyse",
    "verbose",
];

pub(super) fn spell_out_table(tokens: &mut Vec<TokenWithSpan>) {
    let inserts = tokens.first().is_some_and(|first| is_word(&first.token, "insert"));
    let mut index = 0;
    while index + 1 < tokens.len() {
        // After AS it may be a column's name, and what follows goes on with the query.
        let named = matches!(&tokens[index + 1].token, Token::Word(word)
            if word.quote_style.is_some() || !is_reserved(&word.value));
        if is_word(&tokens[index].token, "table") && named && begins_query(tokens, index, inserts) {
            let span = tokens[index].span;
            let words = [
                Token::make_word("select", None),
                Token::Mul,
                Token::make_word("from", None),
            ];
            tokens.splice(index..=index, words.map(|token| TokenWithSpan { token, span }));
            index += 3;
        }
        index += 1;
    }
}

fn begins_query(tokens: &[TokenWithSpan], index: usize, inserts: bool) -> bool {
    let Some(previous) = index.checked_sub(1).map(|previous| &tokens[previous].token) else {
        return true;
    };
    if matches!(previous, Token::LParen | Token::RParen) {
        return true;
    }
    let Token::Word(word) = previous else { return false };
    // `INSERT INTO t TABLE u`, but not `INSERT INTO TABLE t`.
    BEFORE_A_QUERY.contains(&word.value.as_str()) && word.quote_style.is_none()
        || inserts && !matches!(word.value.as_str(), "into" | "overwrite")
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn the_command_is_spelled_out_and_the_noun_is_not() {
        assert_eq!(fixed("table t order by a"), "select * from t order by a");
        assert_eq!(fixed("select a as table from t"), "select a as table from t");
        assert_eq!(
            fixed("(table a) union all table s.b"),
            "( select * from a ) union all select * from s . b"
        );
        assert_eq!(fixed("insert into t table u"), "insert into t select * from u");
        for noun in [
            "create table t",
            "insert into table t",
            "truncate table t",
            "select 1 from table",
        ] {
            assert_eq!(fixed(noun), noun);
        }
    }
}
