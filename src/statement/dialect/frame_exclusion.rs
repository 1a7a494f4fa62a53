//! `EXCLUDE` of a window's frame, which sqlparser's frames have no place for: a call among the window's keys stands for it
//! until binding.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// The words behind EXCLUDE, and the call that stands for them; `NO OTHERS` needs none.
const EXCLUSIONS: [(&[&str], Option<&str>); 4] = [
    (&["current", "row"], Some("excluding_current_row")),
    (&["group"], Some("excluding_group")),
    (&["ties"], Some("excluding_ties")),
    (&["no", "others"], None),
];

pub(super) fn write_marks(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 0;
    while index < tokens.len() {
        if is_word(&tokens[index].token, "exclude")
            && let Some((words, mark)) = EXCLUSIONS.iter().find(|(words, _)| follow(tokens, index, words))
            && let Some(open) = window_with_frame(&tokens[..index])
        {
            let span = tokens[index].span;
            tokens.drain(index..=index + words.len());
            if let Some(mark) = mark {
                let words = marked_keys(&tokens[open..], mark);
                let place = open + words.0;
                let marked = words.1.into_iter().map(|token| TokenWithSpan { token, span });
                tokens.splice(place..place, marked);
            }
        }
        index += 1;
    }
}

/// Whether exactly these words stand between EXCLUDE and the end of the window.
fn follow(tokens: &[TokenWithSpan], exclude: usize, words: &[&str]) -> bool {
    let mut behind = tokens[exclude + 1..].iter();
    words
        .iter()
        .all(|word| behind.next().is_some_and(|token| is_word(&token.token, word)))
        && behind.next().is_some_and(|token| token.token == Token::RParen)
}

/// Where the window opens that these tokens end in, if it has a frame.
fn window_with_frame(before: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut has_frame = false;
    for (index, token) in before.iter().enumerate().rev() {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => {
                let opens = index.checked_sub(1).map(|previous| &before[previous].token);
                let is_window = opens.is_some_and(|word| is_word(word, "over") || is_word(word, "as"));
                return (is_window && has_frame).then_some(index);
            }
            Token::LParen => depth -= 1,
            word if depth == 0 => has_frame |= ["rows", "range", "groups"].iter().any(|unit| is_word(word, unit)),
            _ => {}
        }
    }
    None
}

/// What puts the mark among the keys of a window, and how far behind its parenthesis.
fn marked_keys(window: &[TokenWithSpan], mark: &str) -> (usize, Vec<Token>) {
    let word_at = |place: usize, word: &str| window.get(place).is_some_and(|token| is_word(&token.token, word));
    let clauses = ["partition", "order", "rows", "range", "groups"];
    let first = 1 + usize::from(!clauses.iter().any(|clause| word_at(1, clause)));
    let call = [Token::make_word(mark, None), Token::LParen, Token::RParen];
    match word_at(first, "partition") {
        true => (first + 2, call.into_iter().chain([Token::Comma]).collect()),
        false => {
            let keywords = [Token::make_word("partition", None), Token::make_word("by", None)];
            (first, keywords.into_iter().chain(call).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn an_exclusion_becomes_a_key() {
        assert_eq!(
            fixed("sum(a) over (order by b rows current row exclude ties)"),
            "sum ( a ) over ( partition by excluding_ties ( ) order by b rows current row )"
        );
        assert_eq!(
            fixed("over (partition by (a) groups 1 preceding exclude current row)"),
            "over ( partition by excluding_current_row ( ) , ( a ) groups 1 preceding )"
        );
        assert_eq!(
            fixed("over (w range 1 preceding exclude group)"),
            "over ( w partition by excluding_group ( ) range 1 preceding )"
        );
        assert_eq!(
            fixed("over (rows 1 preceding exclude no others)"),
            "over ( rows 1 preceding )"
        );
        assert_eq!(
            fixed("over (order by a exclude ties)"),
            "over ( order by a exclude ties )"
        );
    }
}
