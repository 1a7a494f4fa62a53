//! PostgreSQL's keywords, for pg_get_keywords().

/// One keyword.
pub struct Keyword {
    pub word: &'static str,
    /// U unreserved, C not a function or type, T reserved except as one, R reserved.
    pub category: &'static str,
    /// Whether it may name an output column without AS.
    pub is_bare_label: bool,
}

/// All keywords, in alphabetic order.
pub fn keywords() -> impl Iterator<Item = Keyword> {
    include_str!("keywords.tsv").lines().filter_map(|line| {
        let mut fields = line.split('\t');
        Some(Keyword {
            word: fields.next()?,
            category: fields.next()?,
            is_bare_label: fields.next()? == "t",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted_and_have_their_category() {
        let all: Vec<Keyword> = keywords().collect();
        assert!(all.is_sorted_by_key(|keyword| keyword.word));
        let select = all.iter().find(|keyword| keyword.word == "select").unwrap();
        assert_eq!((select.category, select.is_bare_label), ("R", true));
    }
}
