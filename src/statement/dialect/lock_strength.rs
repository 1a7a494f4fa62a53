//! `FOR NO KEY UPDATE` and `FOR KEY SHARE` are weaker than UPDATE and SHARE by what touches keys, which no lock of ours
//! tells apart; `OF a, b` is one clause for each table, because sqlparser reads one name.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

pub(super) fn plain_clauses(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index + 2 < tokens.len() {
        let words = |words: &[&str]| {
            let found = tokens[index..].iter().zip(words);
            found.filter(|(token, word)| is_word(&token.token, word)).count() == words.len()
        };
        if words(&["for", "no", "key", "update"]) {
            tokens.drain(index + 1..index + 3);
        } else if words(&["for", "key", "share"]) {
            tokens.remove(index + 1);
        }
        let strength = tokens.get(index + 1).map(|token| &token.token);
        let is_lock = strength.is_some_and(|token| is_word(token, "update") || is_word(token, "share"));
        if is_word(&tokens[index].token, "for")
            && is_lock
            && tokens.get(index + 2).is_some_and(|of| is_word(&of.token, "of"))
        {
            spread(tokens, index);
        }
        index += 1;
    }
}

/// `for update of a, b nowait` as `for update of a nowait for update of b nowait`.
fn spread(tokens: &mut Vec<TokenWithSpan>, start: usize) {
    let comma = start + 4;
    if !matches!(tokens.get(comma), Some(token) if token.token == Token::Comma) {
        return;
    }
    let rest = &tokens[comma..];
    let names = rest
        .chunks(2)
        .take_while(|pair| pair[0].token == Token::Comma && pair.len() == 2)
        .count();
    let after = &rest[names * 2..];
    let waiting = match after {
        [first, ..] if is_word(&first.token, "nowait") => 1,
        [first, second, ..] if is_word(&first.token, "skip") && is_word(&second.token, "locked") => 2,
        _ => 0,
    };
    let head = tokens[start..start + 3].to_vec();
    let waiting = after[..waiting].to_vec();
    let mut clauses = waiting.clone();
    for (number, pair) in rest[..names * 2].chunks(2).enumerate() {
        clauses.extend(head.iter().cloned());
        clauses.push(pair[1].clone());
        // The last one keeps its own.
        if number + 1 < names {
            clauses.extend(waiting.iter().cloned());
        }
    }
    tokens.splice(comma..comma + names * 2, clauses);
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn clauses_are_what_sqlparser_reads() {
        assert_eq!(fixed("for no key update nowait"), "for update nowait");
        assert_eq!(fixed("a for key share of t"), "a for share of t");
        assert_eq!(
            fixed("for update of a, b skip locked"),
            "for update of a skip locked for update of b skip locked"
        );
    }
}
