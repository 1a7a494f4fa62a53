//! Domains in queries and writes: their rules bound over one value, and around every cast to a domain the function that
//! holds them.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::sql::sqlparser::ast::{self as sql, VisitMut, VisitorMut};

use super::BindingServices;
use super::stored_expression::{BoundChecks, BoundRule, RowRule, bind_stored, by_position, positions};
use super::types::users_name;
use crate::catalog::model::{Domain, Oid, StoredExpression, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::functions::{DomainRule, domain_value};
use crate::types::SqlType;

/// What a domain's conditions call the value.
const VALUE: &str = "value";

type Rules<'a> = Pin<Box<dyn Future<Output = Result<Vec<(DomainRule, Expr)>>> + Send + 'a>>;

/// The rules of a domain over a column named `value`, those of the domain below first.
pub(super) fn rules<'a>(services: &'a BindingServices, context: &'a QueryContext, sql_type: &'a SqlType) -> Rules<'a> {
    Box::pin(async move {
        let SqlType::Domain(domain) = sql_type else {
            return Ok(vec![]);
        };
        let mut rules = rules(services, context, &domain.base).await?;
        let definition = definition(context, domain.oid)?;
        let rule = |check: Option<&String>| DomainRule {
            domain: sql_type.to_string(),
            check: check.cloned(),
        };
        if definition.not_null {
            rules.push((rule(None), Expr::Column(Column::new_unqualified(VALUE)).is_not_null()));
        }
        let schema = value_schema(sql_type)?;
        for check in &definition.checks {
            let condition = bind_stored(services, context, &check.condition, &schema).await?;
            rules.push((rule(Some(&check.name)), condition));
        }
        Ok(rules)
    })
}

fn definition(context: &QueryContext, id: Oid) -> Result<Domain> {
    let found = context.catalog.user_type(id).and_then(|found| found.domain());
    found.cloned().ok_or_else(|| Error::internal("a domain is not there"))
}

fn value_field(sql_type: &SqlType) -> Field {
    sql_type.to_field(VALUE, true)
}

fn value_schema(sql_type: &SqlType) -> Result<DFSchema> {
    let fields = vec![value_field(sql_type)].into();
    Ok(DFSchema::from_unqualified_fields(fields, HashMap::new())?)
}

/// The default that a column of the type has where it says nothing of its own.
pub(super) fn default_of(context: &QueryContext, sql_type: &SqlType) -> Result<Option<StoredExpression>> {
    match sql_type {
        SqlType::Domain(domain) => Ok(definition(context, domain.oid)?.default),
        _ => Ok(None),
    }
}

/// The rules of the columns' domains over rows with the columns of `stored`.
pub(super) async fn column_rules(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
) -> Result<Vec<BoundRule>> {
    let mut bound = vec![];
    for column in &table.columns {
        let Ok(position) = stored.index_of(&column.name) else {
            continue;
        };
        for (rule, condition) in rules(services, context, &column.sql_type).await? {
            bound.push(BoundRule {
                rule: RowRule::OfDomain(rule),
                condition: at_position(condition, &column.sql_type, position)?,
            });
        }
    }
    Ok(bound)
}

fn at_position(condition: Expr, sql_type: &SqlType, position: usize) -> Result<Expr> {
    // The value stands alone here, but at its place in the row.
    let fields = (0..position).map(|place| Field::new(format!("\u{0}before {place}"), sql_type.to_arrow(), true));
    let fields: Vec<Field> = fields.chain([value_field(sql_type)]).collect();
    by_position(
        condition,
        &DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?,
    )
}

/// The test of one column's stored values by a condition that its domain is about to get; `None` is NOT NULL.
pub async fn bind_domain_rule(
    services: &BindingServices,
    context: &QueryContext,
    stored: &Schema,
    column: (&str, &SqlType),
    condition: Option<&StoredExpression>,
) -> Result<BoundChecks> {
    let (name, sql_type) = column;
    let bound = match condition {
        Some(condition) => bind_stored(services, context, condition, &value_schema(sql_type)?).await?,
        None => Expr::Column(Column::new_unqualified(VALUE)).is_not_null(),
    };
    let rule = DomainRule {
        domain: sql_type.to_string(),
        check: condition.map(|_| String::new()),
    };
    Ok(BoundChecks {
        schema: positions(stored)?,
        conditions: vec![BoundRule {
            rule: RowRule::OfDomain(rule),
            condition: at_position(bound, sql_type, stored.index_of(name)?)?,
        }],
    })
}

/// A condition over `VALUE` as the catalog keeps it.
pub async fn check_domain_condition(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    sql_type: &SqlType,
) -> Result<StoredExpression> {
    let column = [(0, VALUE.to_string(), sql_type.clone())];
    let place = super::RowExpression::Check;
    super::check_condition(services, context, text, &column, place).await
}

/// The function that tests a value of the domain; `None` where there is nothing to test.
pub(super) async fn test_of(
    services: &BindingServices,
    context: &QueryContext,
    sql_type: &SqlType,
) -> Result<Option<Arc<ScalarUDF>>> {
    let SqlType::Domain(domain) = sql_type else {
        return Ok(None);
    };
    let schema = value_schema(sql_type)?;
    let mut tests = vec![];
    for (rule, condition) in rules(services, context, sql_type).await? {
        tests.push((rule, services.base.create_physical_expr(condition, &schema)?));
    }
    let row = Arc::new(schema.as_arrow().clone());
    Ok((!tests.is_empty()).then(|| domain_value(domain.oid, sql_type, row, tests)))
}

/// Puts the tests around the casts to these domains.
pub(super) fn test_casts(node: &mut impl VisitMut, tests: &HashMap<Vec<String>, Arc<ScalarUDF>>) {
    struct Tests<'a>(&'a HashMap<Vec<String>, Arc<ScalarUDF>>);
    impl VisitorMut for Tests<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expression: &mut sql::Expr) -> ControlFlow<()> {
            let data_type = match expression {
                sql::Expr::Cast { data_type, .. } => data_type,
                sql::Expr::TypedString(typed) => &typed.data_type,
                _ => return ControlFlow::Continue(()),
            };
            if let Some(test) = users_name(data_type).and_then(|name| self.0.get(&name)) {
                let value = std::mem::replace(
                    expression,
                    sql::Expr::Wildcard(sql::helpers::attached_token::AttachedToken::empty()),
                );
                *expression = super::rewrite::call(test.name(), vec![value]);
            }
            ControlFlow::Continue(())
        }
    }
    if !tests.is_empty() {
        let _ = VisitMut::visit(node, &mut Tests(tests));
    }
}

/// The name of a domain's test is quoted where it is called.
pub(super) fn test_named<'a>(
    tests: &'a HashMap<Vec<String>, Arc<ScalarUDF>>,
    name: &str,
) -> Option<&'a Arc<ScalarUDF>> {
    tests.values().find(|test| test.name() == name)
}
