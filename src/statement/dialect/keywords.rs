//! Which words are keywords. sqlparser knows the keywords of a dozen dialects and lets some of them end
//! an alias or start a clause that PostgreSQL does not have; here a word is a keyword only if a query of
//! ours needs it as one. The lists of reserved words are pg_get_keywords() of PostgreSQL 17.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Takes the keyword away from words that are plain names to PostgreSQL.
pub(super) fn hide_foreign_keywords(tokens: &mut [TokenWithSpan]) {
    for index in 0..tokens.len() {
        // `AT` opens a time travel clause of another dialect unless a time zone follows.
        // `pg_catalog.substring(…)` is a plain call.
        let follows_period = index > 0 && tokens[index - 1].token == Token::Period;
        let time_zone_follows = tokens.get(index + 1).is_some_and(|next| is_word(&next.token, "time"));
        let after_into = index > 0 && is_word(&tokens[index - 1].token, "into");
        if after_into
            && ["temp", "temporary", "unlogged"]
                .iter()
                .any(|word| is_word(&tokens[index].token, word))
        {
            continue;
        }
        if let Token::Word(word) = &mut tokens[index].token
            && word.keyword != Keyword::NoKeyword
            && (follows_period
                || QUERY_KEYWORDS.binary_search(&word.value.as_str()).is_err()
                || (word.keyword == Keyword::AT && !time_zone_follows))
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Whether a token is this unquoted word; `word` is in lower case.
pub(in crate::statement) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value == word)
}

/// Reserved: neither a column, a table nor a function is called so without quotes.
pub(in crate::statement) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// Reserved except as the name of a function or type.
pub(in crate::statement) fn is_function_or_type_name(word: &str) -> bool {
    FUNCTION_OR_TYPE_NAMES.binary_search(&word).is_ok()
}

/// Not an output column's name unless AS precedes it.
pub(super) fn needs_as(word: &str) -> bool {
    NEEDS_AS.binary_search(&word).is_ok()
}

/// Reserved words that begin an expression.
pub(in crate::statement) fn starts_expression(word: &str) -> bool {
    EXPRESSION_STARTS.binary_search(&word).is_ok()
}

#[rustfmt::skip]
const QUERY_KEYWORDS: &[&str] = &[
    "all", "and", "anti", "any", "array", "as", "asc", "asymmetric", "at", "bernoulli", "between", "bigint", "binary",
    "bit", "bool", "boolean", "both", "by", "bytea", "case", "cast", "char", "character", "collate", "cross", "cube",
    "current", "current_catalog", "current_date", "current_time", "current_timestamp", "current_user", "date", "day",
    "dec", "decimal", "default", "delete", "desc", "distinct", "double", "else", "end", "escape", "except", "exclude",
    "exists", "extract", "false", "fetch", "filter", "first", "float", "float4", "float8", "following", "for", "from",
    "full", "group", "grouping", "groups", "having", "hour", "ignore", "ilike", "in", "inner", "insert", "int", "int2",
    "int4", "int8", "integer", "intersect", "interval", "into", "is", "isnull", "join", "json", "jsonb", "last",
    "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "locked", "materialized", "merge",
    "minute", "month", "natural", "next", "nfc", "nfd", "nfkc", "nfkd", "no", "normalized", "not", "notnull", "nowait", "null", "nulls", "numeric", "of", "offset",
    "on", "only", "operator", "or", "order", "ordinality", "others", "outer", "over", "overlaps", "overlay",
    "partition", "percent", "placing", "position", "preceding", "precision", "qualify", "range", "real", "recursive",
    "regclass", "repeatable", "respect", "returning", "right", "rollup", "row", "rows", "second", "select", "semi",
    "session_user", "set", "sets", "share", "similar", "skip", "smallint", "some", "string", "substring", "symmetric",
    "system", "table", "tablesample", "text", "then", "ties", "time", "timestamp", "timestamp_ntz", "timestamptz",
    "timetz", "tinyint", "to", "trailing", "trim", "true", "try_cast", "unbounded", "union", "unknown", "unnest",
    "update", "user", "using", "uuid", "values", "varbit", "varchar", "varying", "version", "when", "where", "window",
    "with", "within", "without", "year", "zone",
];

#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
    "collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role", "current_time",
    "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
    "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in", "initially", "intersect", "into",
    "lateral", "leading", "limit", "localtime", "localtimestamp", "not", "null", "offset", "on", "only", "or", "order",
    "placing", "primary", "references", "returning", "select", "session_user", "some", "symmetric", "system_user",
    "table", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where",
    "window", "with",
];

#[rustfmt::skip]
const FUNCTION_OR_TYPE_NAMES: &[&str] = &[
    "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full", "ilike",
    "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps", "right", "similar",
    "tablesample", "verbose",
];

#[rustfmt::skip]
const NEEDS_AS: &[&str] = &[
    "array", "as", "char", "character", "create", "day", "except", "fetch", "filter", "for", "from", "grant", "group",
    "having", "hour", "intersect", "into", "isnull", "limit", "minute", "month", "notnull", "offset", "on", "order",
    "over", "overlaps", "precision", "qualify", "returning", "second", "to", "union", "varying", "where", "window",
    "with", "within", "without", "year",
];

#[rustfmt::skip]
const EXPRESSION_STARTS: &[&str] = &[
    "all", "any", "array", "case", "cast", "current_catalog", "current_date", "current_role", "current_time",
    "current_timestamp", "current_user", "default", "distinct", "false", "localtime", "localtimestamp", "not", "null",
    "session_user", "some", "system_user", "true", "user", "variadic",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_binary_search() {
        for list in [
            QUERY_KEYWORDS,
            RESERVED,
            FUNCTION_OR_TYPE_NAMES,
            NEEDS_AS,
            EXPRESSION_STARTS,
        ] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
