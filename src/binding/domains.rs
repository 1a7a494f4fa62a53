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

use super::stored_expression::{BoundChecks, BoundRule, RowRule, bind_stored, by_position, positions};
use super::types::users_name;
use super::{BindingServices, names};
use crate::catalog::model::{Domain, Object, Oid, StoredExpression, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::functions::{DomainRule, ValuePart, ValueTest, domain_value, holds_domains};
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
        bound.extend(rule_of_parts(services, context, &column.sql_type, position).await?);
    }
    Ok(bound)
}

/// The rules of the domains that fields and elements of a column are of.
async fn rule_of_parts(
    services: &BindingServices,
    context: &QueryContext,
    sql_type: &SqlType,
    position: usize,
) -> Result<Option<BoundRule>> {
    let carried = sql_type.carried();
    let Some(test) = value_test(services, context, &carried).await? else {
        return Ok(None);
    };
    let value = Expr::Column(Column::new_unqualified(VALUE));
    Ok(Some(BoundRule {
        // The test itself says which rule is broken.
        rule: RowRule::OfDomain(DomainRule {
            domain: sql_type.to_string(),
            check: None,
        }),
        condition: at_position(holds_domains(sql_type, test).call(vec![value]), &carried, position)?,
    }))
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

/// The functions that test a value of the type, and the elements of an array of such; none where there is nothing to test.
pub(super) async fn tests_of(
    services: &BindingServices,
    context: &QueryContext,
    sql_type: &SqlType,
) -> Result<Option<[Arc<ScalarUDF>; 2]>> {
    let Some(of_value) = value_test(services, context, sql_type).await? else {
        return Ok(None);
    };
    let array = SqlType::Array(Box::new(sql_type.clone()));
    let of_elements = ValueTest {
        schema: Arc::new(value_schema(&array.carried())?.as_arrow().clone()),
        rules: vec![],
        parts: vec![(ValuePart::Elements, of_value.clone())],
    };
    Ok(Some([
        domain_value(sql_type, of_value),
        domain_value(&array, of_elements),
    ]))
}

type Test<'a> = Pin<Box<dyn Future<Output = Result<Option<ValueTest>>> + Send + 'a>>;

/// What a value of the type has to pass; `None` where there is nothing.
fn value_test<'a>(services: &'a BindingServices, context: &'a QueryContext, sql_type: &'a SqlType) -> Test<'a> {
    Box::pin(async move {
        let schema = value_schema(&sql_type.carried())?;
        let mut own = vec![];
        for (rule, condition) in rules(services, context, sql_type).await? {
            own.push((rule, services.base.create_physical_expr(condition, &schema)?));
        }
        let mut parts = vec![];
        for (part, of) in parts_of(context, sql_type.base()) {
            parts.extend(value_test(services, context, &of).await?.map(|test| (part, test)));
        }
        let is_empty = own.is_empty() && parts.is_empty();
        Ok((!is_empty).then(|| ValueTest {
            schema: Arc::new(schema.as_arrow().clone()),
            rules: own,
            parts,
        }))
    })
}

/// The parts of a value, with their types as they were declared.
fn parts_of(context: &QueryContext, sql_type: &SqlType) -> Vec<(ValuePart, SqlType)> {
    match sql_type {
        SqlType::Array(element) => vec![(ValuePart::Elements, element.as_ref().clone())],
        SqlType::Composite(composite) => {
            let fields: Vec<SqlType> = match context.catalog.object(composite.relation) {
                Some(Object::Type(found)) => {
                    let attributes = found.attributes().unwrap_or_default().iter();
                    attributes.map(|attribute| attribute.sql_type.clone()).collect()
                }
                Some(relation) => relation
                    .columns()
                    .iter()
                    .map(|column| column.sql_type.clone())
                    .collect(),
                None => vec![],
            };
            let places = (0..).map(ValuePart::Field);
            places.zip(fields).collect()
        }
        _ => vec![],
    }
}

/// The functions that test values, by the names that a text calls their types.
pub(super) type Tests = HashMap<Vec<String>, Arc<ScalarUDF>>;

/// Functions that make rows, or arrays of them, of the type of their first argument.
const ROWS_OF_JSON: [(&str, bool); 4] = [
    ("json_populate_record", false),
    ("jsonb_populate_record", false),
    ("json_populated_rows", true),
    ("jsonb_populated_rows", true),
];

/// Puts the tests around the casts to these types, and around what json fills of them.
pub(super) fn test_casts(node: &mut impl VisitMut, tests: &Tests) {
    struct Casts<'a>(&'a Tests);
    impl VisitorMut for Casts<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expression: &mut sql::Expr) -> ControlFlow<()> {
            let name = match expression {
                sql::Expr::Cast { data_type, .. } => tested_name(data_type),
                sql::Expr::TypedString(typed) => tested_name(&typed.data_type),
                sql::Expr::Function(function) => filled_type(function, self.0),
                _ => None,
            };
            if let Some(test) = name.and_then(|name| self.0.get(&name)) {
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
        let _ = VisitMut::visit(node, &mut Casts(tests));
    }
}

/// The name of the type that json fills rows of: that of a first argument which is tested already.
fn filled_type(function: &sql::Function, tests: &Tests) -> Option<Vec<String>> {
    let called = |name: &sql::ObjectName| names::parts(name).pop();
    let name = called(&function.name)?;
    let (_, is_array) = ROWS_OF_JSON.iter().find(|(known, _)| *known == name)?;
    let sql::FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(base)) = list.args.first()? else {
        return None;
    };
    let sql::Expr::Function(test) = without_parentheses(base) else {
        return None;
    };
    let test = called(&test.name)?;
    let (tested, _) = tests.iter().find(|(_, known)| known.name() == test)?;
    Some(match is_array {
        true => of_arrays(tested.clone()),
        false => tested.clone(),
    })
}

fn without_parentheses(expression: &sql::Expr) -> &sql::Expr {
    match expression {
        sql::Expr::Nested(inner) => without_parentheses(inner),
        other => other,
    }
}

/// The name that a type's test is kept by: arrays of a type have one of their own.
fn tested_name(data_type: &sql::DataType) -> Option<Vec<String>> {
    let name = users_name(data_type)?;
    Some(match data_type {
        sql::DataType::Array(_) => of_arrays(name),
        _ => name,
    })
}

/// The name of the arrays of a type.
pub(super) fn of_arrays(mut name: Vec<String>) -> Vec<String> {
    name.push("[]".to_string());
    name
}

/// The name of a domain's test is quoted where it is called.
pub(super) fn test_named<'a>(tests: &'a Tests, name: &str) -> Option<&'a Arc<ScalarUDF>> {
    tests.values().find(|test| test.name() == name)
}
