//! Databricks' names of functions that PostgreSQL has under others, or says with operators. A call is spelled anew only
//! where nobody has a function of that name, so that no meaning changes.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value,
    VisitMut, helpers::attached_token::AttachedToken,
};

use super::expression;
use super::rewrite::{folded, replace_expressions, rewrite_expression};
use crate::error::{Error, Result};

/// A function with as many arguments as its spelling has, and the spelling. Where the first argument is a unit, the
/// name is followed by it.
const SPELLINGS: &[(&str, &str)] = &[
    (
        "add_months",
        "CAST(CAST($1 AS date) + make_interval(months => CAST($2 AS int)) AS date)",
    ),
    ("approx_count_distinct", "count(DISTINCT $1)"),
    ("approx_percentile", "percentile_cont($2) WITHIN GROUP (ORDER BY $1)"),
    ("array_contains", "$2 = ANY($1)"),
    ("array_size", "cardinality($1)"),
    ("bigint", "CAST($1 AS bigint)"),
    ("boolean", "CAST($1 AS boolean)"),
    ("charindex", "strpos($2, $1)"),
    ("collect_list", "array_agg($1) FILTER (WHERE $1 IS NOT NULL)"),
    ("collect_set", "array_agg(DISTINCT $1) FILTER (WHERE $1 IS NOT NULL)"),
    ("contains", "strpos($1, $2) > 0"),
    ("count_if", "count(*) FILTER (WHERE $1)"),
    ("date_diff", "CAST($1 AS date) - CAST($2 AS date)"),
    ("date_format", "to_char(CAST($1 AS timestamp), $2)"),
    ("date_sub", "CAST($1 AS date) - CAST($2 AS int)"),
    ("dateadd", "CAST($1 AS date) + CAST($2 AS int)"),
    ("datediff", "CAST($1 AS date) - CAST($2 AS date)"),
    ("day", "CAST(extract(day FROM CAST($1 AS timestamp)) AS int)"),
    ("dayofmonth", "CAST(extract(day FROM CAST($1 AS timestamp)) AS int)"),
    ("dayofweek", "CAST(extract(dow FROM CAST($1 AS timestamp)) AS int) + 1"),
    ("dayofyear", "CAST(extract(doy FROM CAST($1 AS timestamp)) AS int)"),
    ("double", "CAST($1 AS double precision)"),
    ("element_at", "($1)[$2]"),
    ("endswith", "right($1, length($2)) = $2"),
    ("explode", "unnest($1)"),
    ("float", "CAST($1 AS real)"),
    ("from_unixtime", "to_char(to_timestamp($1), 'YYYY-MM-DD HH24:MI:SS')"),
    (
        "get_json_object",
        "jsonb_path_query_first(CAST($1 AS jsonb), $2) #>> '{}'",
    ),
    ("hour", "CAST(extract(hour FROM CAST($1 AS timestamp)) AS int)"),
    ("if", "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("iff", "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("ifnull", "coalesce($1, $2)"),
    ("int", "CAST($1 AS int)"),
    ("isnotnull", "$1 IS NOT NULL"),
    ("isnull", "$1 IS NULL"),
    ("instr", "strpos($1, $2)"),
    (
        "last_day",
        "CAST(date_trunc('month', CAST($1 AS timestamp)) + INTERVAL '1 month -1 day' AS date)",
    ),
    ("lcase", "lower($1)"),
    ("len", "length($1)"),
    ("listagg", "string_agg($1, $2)"),
    ("locate", "strpos($2, $1)"),
    (
        "log2",
        "ln(CAST($1 AS double precision)) / ln(CAST(2 AS double precision))",
    ),
    (
        "max_by",
        "(array_agg($1 ORDER BY $2 DESC) FILTER (WHERE $2 IS NOT NULL))[1]",
    ),
    ("median", "percentile_cont(0.5) WITHIN GROUP (ORDER BY $1)"),
    ("min_by", "(array_agg($1 ORDER BY $2) FILTER (WHERE $2 IS NOT NULL))[1]"),
    ("minute", "CAST(extract(minute FROM CAST($1 AS timestamp)) AS int)"),
    ("month", "CAST(extract(month FROM CAST($1 AS timestamp)) AS int)"),
    (
        "months_between",
        "CAST(extract(epoch FROM age(CAST($1 AS timestamp), CAST($2 AS timestamp))) / 2592000 AS double precision)",
    ),
    ("nvl", "coalesce($1, $2)"),
    ("nvl2", "CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END"),
    ("percentile", "percentile_cont($2) WITHIN GROUP (ORDER BY $1)"),
    ("percentile_approx", "percentile_cont($2) WITHIN GROUP (ORDER BY $1)"),
    ("pmod", "mod(mod($1, $2) + $2, $2)"),
    ("quarter", "CAST(extract(quarter FROM CAST($1 AS timestamp)) AS int)"),
    ("rand", "random()"),
    ("regexp_extract", "coalesce((regexp_match($1, $2))[$3], '')"),
    (
        "second",
        "CAST(floor(extract(second FROM CAST($1 AS timestamp))) AS int)",
    ),
    ("size", "cardinality($1)"),
    ("space", "repeat(' ', $1)"),
    ("split", "regexp_split_to_array($1, $2)"),
    ("startswith", "starts_with($1, $2)"),
    ("string", "CAST($1 AS text)"),
    ("to_date", "CAST($1 AS date)"),
    ("ucase", "upper($1)"),
    (
        "unix_timestamp",
        "CAST(floor(extract(epoch FROM CAST($1 AS timestamptz))) AS bigint)",
    ),
    ("uuid", "CAST(gen_random_uuid() AS text)"),
    ("weekofyear", "CAST(extract(week FROM CAST($1 AS timestamp)) AS int)"),
    ("year", "CAST(extract(year FROM CAST($1 AS timestamp)) AS int)"),
];

/// Functions whose first argument is a unit of time, by what they do.
const ADDING: [&str; 3] = ["dateadd", "date_add", "timestampadd"];
const SUBTRACTING: [&str; 3] = ["datediff", "date_diff", "timestampdiff"];

/// Spells the calls in a query that PostgreSQL and its users know no function for.
pub(super) fn rewrite(tree: &mut impl VisitMut, is_known: &dyn Fn(&str) -> bool) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Function(function) = &*expression
            && let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice()
            && let Some(arguments) = positional(function)
            && let name = folded(name)
            && let Some(spelled) = spelled(&name, &arguments, is_known)?
        {
            *expression = with_clauses(spelled, function)?;
        }
        Ok(())
    })
}

fn positional(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let is_plain = list.duplicate_treatment.is_none() && list.clauses.is_empty();
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    arguments.collect::<Option<Vec<_>>>().filter(|_| is_plain)
}

fn spelled(name: &str, arguments: &[Expr], is_known: &dyn Fn(&str) -> bool) -> Result<Option<Expr>> {
    // PostgreSQL's decode() has two arguments, its to_date() has two.
    if name == "decode" && arguments.len() > 2 {
        return Ok(Some(chosen(arguments)));
    }
    let is_other = matches!((name, arguments.len()), ("to_date", 1) | ("date_add", 3));
    if !is_other && is_known(name) {
        return Ok(None);
    }
    if let [Expr::Identifier(unit), rest @ ..] = arguments
        && rest.len() == 2
        && let Some(template) = over_unit(name, &folded(unit))
    {
        return template_of(&template, rest).map(Some);
    }
    let spelling = SPELLINGS
        .iter()
        .find(|(known, template)| *known == name && arity(template) == arguments.len());
    let Some((_, template)) = spelling else {
        return Ok(None);
    };
    match (name, arguments) {
        ("date_format", [moment, Expr::Value(pattern)]) => {
            let Value::SingleQuotedString(text) = &pattern.value else {
                return Ok(None);
            };
            let pattern = Expr::value(Value::SingleQuotedString(pattern_of(text)));
            template_of(template, &[moment.clone(), pattern]).map(Some)
        }
        ("date_format", _) => Err(Error::unsupported("a computed pattern of date_format()")),
        _ => template_of(template, arguments).map(Some),
    }
}

fn arity(template: &str) -> usize {
    (1..=3)
        .rev()
        .find(|number| template.contains(&format!("${number}")))
        .unwrap_or(0)
}

/// `dateadd(unit, number, moment)` and `datediff(unit, start, end)`.
fn over_unit(name: &str, unit: &str) -> Option<String> {
    let unit = unit.strip_suffix('s').unwrap_or(unit);
    let (start, end) = ("CAST($1 AS timestamp)", "CAST($2 AS timestamp)");
    if ADDING.contains(&name) {
        let part = match unit {
            "year" | "month" | "week" | "day" | "hour" => format!("{unit}s"),
            "minute" => "mins".to_string(),
            "second" => "secs".to_string(),
            _ => return None,
        };
        return Some(format!("{end} + make_interval({part} => $1)"));
    }
    if !SUBTRACTING.contains(&name) {
        return None;
    }
    let months = format!("extract(year FROM age({end}, {start})) * 12 + extract(month FROM age({end}, {start}))");
    let seconds = format!("extract(epoch FROM {end} - {start})");
    let counted = match unit {
        "year" => format!("extract(year FROM age({end}, {start}))"),
        "quarter" => format!("trunc(({months}) / 3)"),
        "month" => months,
        "week" => format!("trunc({seconds} / 604800)"),
        "day" => return Some("CAST($2 AS date) - CAST($1 AS date)".to_string()),
        "hour" => format!("trunc({seconds} / 3600)"),
        "minute" => format!("trunc({seconds} / 60)"),
        "second" => format!("trunc({seconds})"),
        _ => return None,
    };
    Some(format!("CAST({counted} AS bigint)"))
}

/// The template with the arguments in the places of `$1`, `$2` …
fn template_of(template: &str, arguments: &[Expr]) -> Result<Expr> {
    let mut expression = expression::parse(template)?;
    rewrite_expression(&mut expression)?;
    replace_expressions(&mut expression, |part| {
        if let Expr::Value(value) = &*part
            && let Value::Placeholder(place) = &value.value
            && let Some(argument) = place[1..]
                .parse::<usize>()
                .ok()
                .and_then(|number| arguments.get(number - 1))
        {
            *part = Expr::Nested(Box::new(argument.clone()));
        }
        Ok(())
    })?;
    Ok(match expression {
        call @ Expr::Function(_) => call,
        other => Expr::Nested(Box::new(other)),
    })
}

/// FILTER and OVER go on to the function that the call has become.
fn with_clauses(spelled: Expr, function: &Function) -> Result<Expr> {
    if function.over.is_none() && function.filter.is_none() {
        return Ok(spelled);
    }
    let Expr::Function(mut call) = spelled else {
        return Err(Error::unsupported(format!("{} with FILTER or OVER", function.name)));
    };
    call.over = function.over.clone();
    call.filter = match (call.filter.take(), function.filter.clone()) {
        (Some(own), Some(given)) => Some(Box::new(Expr::BinaryOp {
            left: own,
            op: BinaryOperator::And,
            right: given,
        })),
        (own, given) => own.or(given),
    };
    Ok(Expr::Function(call))
}

/// `decode(value, search, result …, default)`, in which NULL is found as NULL.
fn chosen(arguments: &[Expr]) -> Expr {
    let (pairs, rest) = arguments[1..].as_chunks::<2>();
    let conditions = pairs.iter().map(|[search, result]| CaseWhen {
        condition: Expr::IsNotDistinctFrom(Box::new(arguments[0].clone()), Box::new(search.clone())),
        result: result.clone(),
    });
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: conditions.collect(),
        else_result: rest.first().map(|default| Box::new(default.clone())),
    }
}

/// A pattern of Java's letters in those of to_char().
fn pattern_of(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, after) = quoted.split_once('\'').unwrap_or((quoted, ""));
            out.push_str(&format!("\"{text}\""));
            rest = after;
            continue;
        }
        let length = rest.chars().take_while(|next| *next == letter).count();
        let (run, after) = rest.split_at(length * letter.len_utf8());
        out.push_str(match (letter, length) {
            ('y', 2) => "YY",
            ('y', _) => "YYYY",
            ('M', 1) => "FMMM",
            ('M', 2) => "MM",
            ('M', 3) => "Mon",
            ('M', _) => "FMMonth",
            ('d', 1) => "FMDD",
            ('d', _) => "DD",
            ('H', 1) => "FMHH24",
            ('H', _) => "HH24",
            ('h', 1) => "FMHH12",
            ('h', _) => "HH12",
            ('m', _) => "MI",
            ('s', _) => "SS",
            ('S', 1..=3) => "MS",
            ('S', _) => "US",
            ('a', _) => "AM",
            ('E', 1..=3) => "Dy",
            ('E', _) => "FMDay",
            ('D', _) => "DDD",
            ('Q' | 'q', _) => "Q",
            _ => run,
        });
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_to_char() {
        assert_eq!(pattern_of("yyyy-MM-dd'T'HH:mm:ss.SSS"), "YYYY-MM-DD\"T\"HH24:MI:SS.MS");
        assert_eq!(pattern_of("EEE, d MMM yy h:mm a"), "Dy, FMDD Mon YY FMHH12:MI AM");
    }

    #[test]
    fn templates_are_expressions() {
        let argument = Expr::value(Value::Null);
        for (name, template) in SPELLINGS {
            let arguments = vec![argument.clone(); arity(template)];
            assert!(template_of(template, &arguments).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_somebody_has_stay() {
        let mut query = super::super::relations::parse_query("SELECT year(a), len(b)").unwrap();
        rewrite(&mut query, &|name| name == "year").unwrap();
        let text = query.to_string();
        assert!(text.contains("year(a)") && text.contains("length"), "{text}");
    }
}
