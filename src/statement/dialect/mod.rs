//! Our SQL: PostgreSQL's grammar as sqlparser knows it, with Databricks' time travel, and one file for each
//! place where sqlparser is corrected. A fix works on the tokens of one statement before it is parsed.

mod between_symmetric;
mod collation;
mod definition_list;
mod empty_select;
mod fetch_expression;
mod frame_exclusion;
mod grouping_sets;
mod join_alias;
mod json_table;
mod keywords;
mod lock_strength;
mod nested_joins;
mod only_table;
mod parenless_functions;
mod parentheses;
mod precedence;
mod qualified_operator;
mod row_expansion;
mod row_operands;
mod rows_from;
mod search_cycle;
mod set_operation_value;
mod sql_json;
mod standard_spellings;
mod string_alias;
mod table_command;
mod table_version;
mod trim_characters;
mod values_query;

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub use fetch_expression::WITH_TIES;
pub use join_alias::join_alias;
pub use json_table::{JSON_ROW, JSON_TABLE};
pub(super) use keywords::{is_function_or_type_name, is_reserved, is_word, starts_expression};
pub use row_expansion::ALL_FIELDS;
pub use rows_from::{DEFINED, ROWS_FROM};
pub use search_cycle::{Cycle, Search, search_and_cycle};
pub(super) use string_alias::misplaced_string;

/// Every fix, in order: those that remove or insert tokens first, the keywords' last.
pub(super) fn fix(tokens: &mut Vec<TokenWithSpan>) {
    qualified_operator::unqualify_operators(tokens);
    collation::drop_default_collations(tokens);
    table_version::expand_at_sign(tokens);
    table_command::spell_out_table(tokens);
    parenless_functions::drop_parentheses(tokens);
    parenless_functions::add_parentheses(tokens);
    trim_characters::write_blanks(tokens);
    fetch_expression::write_limits(tokens);
    frame_exclusion::write_marks(tokens);
    grouping_sets::write_out(tokens);
    lock_strength::plain_clauses(tokens);
    only_table::drop_only(tokens);
    join_alias::write_as_columns(tokens);
    nested_joins::write_parentheses(tokens);
    rows_from::write_calls(tokens);
    json_table::mark_calls(tokens);
    definition_list::name_relations(tokens);
    values_query::give_select_lists(tokens);
    set_operation_value::select_from_operations(tokens);
    empty_select::give_relations(tokens);
    search_cycle::write_names(tokens);
    row_expansion::drop_parentheses(tokens);
    row_expansion::name_all_fields(tokens);
    row_operands::write_parentheses(tokens);
    standard_spellings::respell(tokens);
    keywords::hide_foreign_keywords(tokens);
}

/// sqlparser's dialect of our statements.
#[derive(Debug)]
pub(super) struct BoathouseDialect;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

impl Dialect for BoathouseDialect {
    /// sqlparser asks `dialect_of!(self is PostgreSqlDialect)` in many places.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    /// Prefix operators; and refuses reserved words where sqlparser would take them for columns.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let next = parser.peek_token_ref();
        match &next.token {
            Token::Word(word)
                if word.quote_style.is_none()
                    && keywords::is_reserved(&word.value)
                    && !keywords::starts_expression(&word.value) =>
            {
                Some(parser.expected_ref("an expression", next))
            }
            _ => sql_json::parse(parser)
                .or_else(|| json_table::parse(parser))
                .or_else(|| precedence::parse_prefix_operator(parser)),
        }
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        between_symmetric::parse(parser, left, self.prec_value(Precedence::Between))
            .or_else(|| sql_json::parse_is_json(parser, left))
            .or_else(|| precedence::parse_is_test(parser, left, precedence))
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        use Keyword::*;
        matches!(
            keyword,
            ARRAY | CASE | CAST | EXISTS | NOT | NULL | TRUE | FALSE | TRIM | CURRENT_USER | SESSION_USER
        )
    }

    fn is_select_item_alias(&self, explicit: bool, _keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit || !current_word_is(parser, keywords::needs_as)
    }

    fn is_column_alias(&self, _keyword: &Keyword, parser: &mut Parser) -> bool {
        !current_word_is(parser, keywords::needs_as)
    }

    fn is_table_alias(&self, _keyword: &Keyword, parser: &mut Parser) -> bool {
        !current_word_is(parser, not_a_table_alias)
    }

    fn is_table_factor_alias(&self, _explicit: bool, _keyword: &Keyword, parser: &mut Parser) -> bool {
        !current_word_is(parser, not_a_table_alias)
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    /// `SELECT * t FROM …` is a syntax error.
    fn supports_select_wildcard_with_alias(&self) -> bool {
        false
    }

    /// `SELECT * EXCEPT (column)` and `ORDER BY ALL`, as Databricks has them.
    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    /// `(t).*`
    fn supports_select_expr_star(&self) -> bool {
        true
    }

    /// `WITH a AS (…) FROM name`, where the name holds what `search_cycle` wrote.
    fn supports_from_first_insert(&self) -> bool {
        true
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let operator = precedence::of_operator(&parser.peek_token_ref().token);
        operator.map(Ok).or_else(|| POSTGRES.get_next_precedence(parser))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        POSTGRES.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        POSTGRES.supports_group_by_expr()
    }

    fn allow_extract_custom(&self) -> bool {
        POSTGRES.allow_extract_custom()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        POSTGRES.allow_extract_single_quotes()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        POSTGRES.supports_bitwise_shift_operators()
    }

    /// `f(name := value)`. PostgreSqlDialect would also try every argument as the label of `label: value`
    /// first, which doubles the work with each level of nesting.
    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn supports_empty_projections(&self) -> bool {
        POSTGRES.supports_empty_projections()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        POSTGRES.supports_array_typedef_with_brackets()
    }

    fn supports_notnull_operator(&self) -> bool {
        POSTGRES.supports_notnull_operator()
    }

    fn supports_interval_options(&self) -> bool {
        POSTGRES.supports_interval_options()
    }

    fn supports_comma_separated_trim(&self) -> bool {
        POSTGRES.supports_comma_separated_trim()
    }
}

fn not_a_table_alias(word: &str) -> bool {
    is_reserved(word)
        || is_function_or_type_name(word)
        || matches!(word, "semi" | "anti" | "qualify" | "version" | "timestamp")
}

/// Whether the word that the parser just took is unquoted and in the set.
fn current_word_is(parser: &Parser, set: fn(&str) -> bool) -> bool {
    matches!(&parser.get_current_token().token, Token::Word(word) if word.quote_style.is_none() && set(&word.value))
}

#[cfg(test)]
fn fixed(text: &str) -> String {
    let mut tokens = super::lexer::tokenize(text).unwrap();
    fix(&mut tokens);
    tokens
        .iter()
        .map(|token| token.token.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}
