//! Names of output columns as PostgreSQL chooses them: `count` for `count(*)`, `?column?` for `1 + 1`.
//! DataFusion wants the names of one select list to differ; where PostgreSQL's do not, a mark and a
//! number follow the name, which `output_name` takes away again.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, Cte, DataType, Expr, FunctionArguments, Ident, OrderByKind, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Subscript, TableAlias, TableFactor, TrimWhereField, VisitMut,
    VisitorMut, visit_expressions,
};

use super::syntax::folded;

/// Stands in no name that a client can write.
const MARK: char = '\u{1}';

/// The name that a client sees of an output column.
pub fn output_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// The name of an output column that another may share.
pub fn numbered_name(name: &str, number: usize) -> String {
    format!("{}{MARK}{number}", output_name(name))
}

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    #[derive(Default)]
    struct Selects {
        /// Of each query around the select list, the columns by which its rows are ordered, with their qualifiers.
        keys: Vec<HashSet<String>>,
        /// How many LATERAL subqueries are around it.
        laterals: usize,
    }
    impl VisitorMut for Selects {
        type Break = ();
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            self.keys.push(qualified_keys(query));
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.keys.pop();
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            self.laterals += usize::from(matches!(factor, TableFactor::Derived { lateral: true, .. }));
            ControlFlow::Continue(())
        }
        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            self.laterals -= usize::from(matches!(factor, TableFactor::Derived { lateral: true, .. }));
            ControlFlow::Continue(())
        }
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            match self.keys.as_slice() {
                [] => name_outputs(select, Some(&HashSet::new()), self.laterals > 0),
                [keys] => name_outputs(select, Some(keys), self.laterals > 0),
                _ => name_outputs(select, None, self.laterals > 0),
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Selects::default());
}

/// The columns `t.a` that a query's rows are ordered by, where no key is called `a` alone.
fn qualified_keys(query: &Query) -> HashSet<String> {
    let Some(OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|order| &order.kind) else {
        return HashSet::new();
    };
    let plain: HashSet<String> = keys
        .iter()
        .filter_map(|key| match &key.expr {
            Expr::Identifier(name) => Some(folded(name)),
            _ => None,
        })
        .collect();
    let qualified = keys.iter().filter_map(|key| match &key.expr {
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        _ => None,
    });
    qualified.filter(|name| !plain.contains(name)).collect()
}

/// `shown_by` are the columns that order what a client sees; `None` elsewhere, where others refer to the names, and a
/// column beside a wildcard keeps its name, though the wildcard may have the same. What a LATERAL subquery names may be a
/// column of what stands before it.
fn name_outputs(select: &mut Select, shown_by: Option<&HashSet<String>>, is_lateral: bool) {
    let has_wildcard = shown_by.is_some()
        && select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)));
    let own = own_relations(select);
    let are_columns_of_one = shown_by.is_some() || own.as_ref().is_some_and(|own| own.len() == 1);
    let wildcards: Vec<Wildcard> = select
        .projection
        .iter()
        .filter_map(|item| Wildcard::of(item, are_columns_of_one))
        .collect();
    let has_others = select.projection.len() > 1;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in &mut select.projection {
        let (expression, name, is_plain) = match item {
            SelectItem::UnnamedExpr(expression) => {
                let name = output_column_name(expression);
                let is_plain = matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                (expression, name, is_plain)
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = folded(alias);
                (expr, name, false)
            }
            _ => continue,
        };
        let repeated = seen.entry(name.clone()).or_insert(0);
        *repeated += 1;
        // `ORDER BY t.a` means the column, whatever an output is called.
        let hides_key = !is_plain && shown_by.is_some_and(|keys| keys.contains(&name));
        // `SELECT *, a::text`: the wildcard has the column, too.
        let is_among_all = has_others && !is_plain && wildcards.iter().any(|all| mentions(expression, &name, all));
        let may_repeat = *repeated > 1 || (has_wildcard && has_others && is_plain) || is_among_all || hides_key;
        let unique = if may_repeat {
            format!("{name}{MARK}{repeated}")
        } else {
            name
        };
        // A column keeps the name it has by itself, and its qualifier.
        let may_be_outer = is_lateral && matches!(expression, Expr::Identifier(_));
        if !may_repeat && is_plain && !may_be_outer && !is_outer(expression, own.as_deref()) {
            continue;
        }
        let expr = expression.clone();
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', unique),
        };
    }
}

/// The columns that a wildcard stands for.
pub(super) enum Wildcard {
    All,
    Of {
        relation: String,
        /// Whether a column without a qualifier is taken for one of the relation's.
        has_unqualified: bool,
    },
}

impl Wildcard {
    fn of(item: &SelectItem, has_unqualified: bool) -> Option<Wildcard> {
        match item {
            SelectItem::Wildcard(_) => Some(Wildcard::All),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => Some(Wildcard::Of {
                relation: folded(name.0.last()?.as_ident()?),
                has_unqualified,
            }),
            _ => None,
        }
    }

    fn has(&self, qualifier: Option<&Ident>) -> bool {
        match (self, qualifier) {
            (Wildcard::All, _) => true,
            (Wildcard::Of { relation, .. }, Some(qualifier)) => folded(qualifier) == *relation,
            (Wildcard::Of { has_unqualified, .. }, None) => *has_unqualified,
        }
    }
}

/// Whether a column of the name that the wildcard stands for is part of the expression.
pub(super) fn mentions(expression: &Expr, name: &str, wildcard: &Wildcard) -> bool {
    let found = visit_expressions(expression, |part| {
        let is_column = match part {
            Expr::Identifier(column) => folded(column) == name && wildcard.has(None),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., qualifier, column] => folded(column) == name && wildcard.has(Some(qualifier)),
                _ => false,
            },
            _ => false,
        };
        if is_column {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    found.is_break()
}

/// The names of the relations in FROM; `None` where they are not all plain.
fn own_relations(select: &Select) -> Option<Vec<String>> {
    let factors = select.from.iter().flat_map(|from| {
        let joined = from.joins.iter().map(|join| &join.relation);
        std::iter::once(&from.relation).chain(joined)
    });
    let name = |factor: &TableFactor| match factor {
        TableFactor::Table { name, alias: None, .. } => name.0.last()?.as_ident().map(folded),
        TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => Some(folded(&alias.as_ref()?.name)),
        _ => None,
    };
    factors.map(name).collect()
}

/// Whether the column is one of a query around this one, which the planner would call otherwise.
fn is_outer(expression: &Expr, own: Option<&[String]>) -> bool {
    match (expression, own) {
        (Expr::CompoundIdentifier(parts), Some(own)) => match parts.as_slice() {
            [.., relation, _] => !own.contains(&folded(relation)),
            _ => false,
        },
        _ => false,
    }
}

/// The name that PostgreSQL gives an output column without an alias: its FigureColname().
pub fn output_column_name(expression: &Expr) -> String {
    name_of(expression).unwrap_or_else(|| "?column?".into())
}

fn name_of(expression: &Expr) -> Option<String> {
    Some(match expression {
        Expr::Identifier(identifier) => folded(identifier),
        Expr::CompoundIdentifier(parts) => folded(parts.last()?),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some(folded(field)),
                AccessExpr::Dot(_) | AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. }) => None,
            });
            field.or_else(|| name_of(root))?
        }
        Expr::Nested(inner) => name_of(inner)?,
        Expr::Collate { expr, .. } => name_of(expr)?,
        Expr::AtTimeZone { .. } => "timezone".into(),
        Expr::Function(function) => {
            let last = function.name.0.last().and_then(|part| part.as_ident()).map(folded)?;
            match (&function.args, last.as_str()) {
                (FunctionArguments::Subquery(_), "array") => "array".into(),
                (_, "json_array_built") => "json_array".into(),
                (_, "json_object_built") => "json_object".into(),
                (_, "is_json") => return None,
                _ => last,
            }
        }
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(strong_name)
            .unwrap_or_else(|| "case".into()),
        Expr::Cast {
            expr,
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon | CastKind::TryCast | CastKind::SafeCast,
            ..
        } => strong_name(expr).or_else(|| type_name(data_type))?,
        Expr::TypedString(typed) => type_name(&typed.data_type)?,
        Expr::Interval(_) => "interval".into(),
        Expr::Extract { .. } => "extract".into(),
        Expr::IsNormalized { negated: false, .. } => "is_normalized".into(),
        Expr::Position { .. } => "position".into(),
        Expr::Substring { .. } => "substring".into(),
        Expr::Overlay { .. } => "overlay".into(),
        Expr::BinaryOp {
            op: BinaryOperator::Overlaps,
            ..
        } => "overlaps".into(),
        Expr::Ceil { .. } => "ceil".into(),
        Expr::Floor { .. } => "floor".into(),
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(TrimWhereField::Leading) => "ltrim".into(),
            Some(TrimWhereField::Trailing) => "rtrim".into(),
            _ => "btrim".into(),
        },
        Expr::Exists { .. } => "exists".into(),
        Expr::Array(_) => "array".into(),
        Expr::Tuple(_) => "row".into(),
        Expr::Subquery(query) => selected_name(query)?,
        _ => return None,
    })
}

/// A name that comes from a column or a function rather than from a keyword or type.
fn strong_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::TypedString(_) | Expr::Interval(_) => None,
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(strong_name),
        Expr::Cast { expr, .. } => strong_name(expr),
        Expr::Nested(inner) => strong_name(inner),
        other => name_of(other),
    }
}

/// The name of a query's first column; `None` where only the catalog tells.
fn selected_name(query: &Query) -> Option<String> {
    let parts = query.with.as_ref().map_or(&[][..], |with| &with.cte_tables);
    first_name(&query.body, parts)
}

/// The same for a part of a query beside these parts of its WITH. A set operation's columns are called as in its first branch.
fn first_name(body: &SetExpr, parts: &[Cte]) -> Option<String> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, .. } => return first_name(left, parts),
        SetExpr::Query(query) if query.with.is_none() => return first_name(&query.body, parts),
        SetExpr::Query(query) => return selected_name(query),
        SetExpr::Values(_) => return Some("column1".into()),
        _ => return None,
    };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expression) => Some(output_column_name(expression)),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::Wildcard(_) => relation_name(&select.from.first()?.relation, parts),
        _ => None,
    }
}

/// The name of the first column of a subquery in FROM, or of a part of WITH.
fn relation_name(factor: &TableFactor, parts: &[Cte]) -> Option<String> {
    let given = |alias: &TableAlias| alias.columns.first().map(|column| folded(&column.name));
    match factor {
        TableFactor::Derived { subquery, alias, .. } => {
            alias.as_ref().and_then(given).or_else(|| selected_name(subquery))
        }
        TableFactor::Table {
            name,
            args: None,
            alias,
            ..
        } => {
            let [only] = name.0.as_slice() else { return None };
            let name = folded(only.as_ident()?);
            let place = parts.iter().rposition(|part| folded(&part.alias.name) == name)?;
            let part = &parts[place];
            let named = alias.as_ref().and_then(given).or_else(|| given(&part.alias));
            named.or_else(|| match part.query.with {
                Some(_) => selected_name(&part.query),
                None => first_name(&part.query.body, &parts[..place]),
            })
        }
        _ => None,
    }
}

/// The type's internal name, as a cast of a constant is called.
fn type_name(data_type: &DataType) -> Option<String> {
    if matches!(data_type, DataType::Array(_)) {
        let text = data_type.to_string();
        return text
            .strip_suffix("[]")
            .and_then(|element| element.parse::<crate::types::SqlType>().ok())
            .map(|sql_type| sql_type.internal_name());
    }
    let text = data_type.to_string().to_lowercase();
    let plain = text.strip_prefix("pg_catalog.").unwrap_or(&text);
    match plain.parse::<crate::types::SqlType>() {
        Ok(sql_type) => Some(sql_type.internal_name()),
        Err(_) => plain.rsplit('.').next().map(str::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::ast::Statement;

    fn names(text: &str) -> Vec<String> {
        let Statement::Query(mut query) = crate::statement::parse(text).unwrap().remove(0).statement else {
            panic!("{text} is no query");
        };
        rewrite(&mut query);
        let SetExpr::Select(select) = *query.body else {
            panic!("{text} is no SELECT")
        };
        select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::UnnamedExpr(expression) => output_column_name(expression),
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                other => other.to_string(),
            })
            .collect()
    }

    /// Checked against PostgreSQL 15 and 17.
    #[test]
    fn columns_are_named_as_in_postgres() {
        for (expression, name) in [
            ("1", "?column?"),
            ("a", "a"),
            ("t.A", "a"),
            ("\"A\"", "A"),
            ("count(*)", "count"),
            ("pg_catalog.upper(a)", "upper"),
            ("a + 1", "?column?"),
            ("a::text", "a"),
            ("'1'::int", "int4"),
            ("cast('x' as varchar(3))", "varchar"),
            ("'1'::int::text", "text"),
            ("upper('x')::text", "upper"),
            ("case when a then b end", "case"),
            ("case when a then b else c end", "c"),
            ("coalesce(a, b)", "coalesce"),
            ("date '2024-01-01'", "date"),
            ("interval '1 day'", "interval"),
            ("exists (select 1)", "exists"),
            ("(select max(x) from t)", "max"),
            ("array(select 1)", "array"),
            ("array[1, 2]", "array"),
            ("extract(year from a)", "extract"),
            ("not a", "?column?"),
            ("a is null", "?column?"),
            ("current_date", "current_date"),
            ("a as b", "b"),
        ] {
            assert_eq!(names(&format!("select {expression} from t")), [name], "{expression}");
        }
    }

    #[test]
    fn repeated_names_differ_until_they_are_shown() {
        let unique = names("select 1, 2, a, a, n.*");
        let shown: Vec<_> = unique.iter().map(|name| output_name(name)).collect();
        assert_eq!(shown, ["?column?", "?column?", "a", "a", "n.*"]);
        assert_eq!(unique.iter().collect::<std::collections::HashSet<_>>().len(), 5);
    }
}
