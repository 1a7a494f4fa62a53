//! Relations that a stored text names in literals: `nextval('q')`, `'t'::regclass`. As in PostgreSQL the literal stands
//! for the relation that it named when the text was written, whoever's search path evaluates it.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, ValueWithSpan, VisitMut,
};

use super::Rights;
use super::relations::referenced;
use super::rewrite::{plain_arguments, replace_expressions, system_name};
use crate::catalog::Scope;
use crate::catalog::model::{Object, Reference};
use crate::context::QueryContext;
use crate::error::Result;
use crate::functions::parse_name;

/// Functions whose first argument is a relation's name.
const NAMING: [&str; 4] = ["nextval", "currval", "setval", "regclass"];

/// Puts relations' OIDs in the place of their names, which say where they were found. Literals that name nothing stay:
/// the call fails when it is evaluated.
pub(super) fn settle(tree: &mut impl VisitMut, context: &QueryContext, rights: &Rights) -> Result<Vec<Reference>> {
    let mut found: Vec<Reference> = vec![];
    replace_expressions(tree, |expression| {
        let Some((function, literal)) = naming_call(expression) else {
            return Ok(());
        };
        let Ok(name) = parse_name(&literal) else { return Ok(()) };
        let scope = Scope {
            database: context.database,
            search_path: &rights.search_path,
        };
        let object = match referenced(&context.catalog, rights, &name) {
            Some(known) => Some(known),
            None => context.catalog.find_relation(scope, &name)?,
        };
        let is_named = |object: &&Object| function == "regclass" || matches!(object, Object::Sequence(_));
        let Some(object) = object.filter(is_named) else {
            return Ok(());
        };
        let number = Expr::value(Value::Number(object.id().to_string(), false));
        if let Some(argument) = first_argument(expression) {
            *argument = number;
        }
        if !found.iter().any(|reference| reference.name == name) {
            found.push(Reference {
                object: object.id(),
                name,
                columns: vec![],
            });
        }
        Ok(())
    })?;
    Ok(found)
}

/// The function and the literal, where the expression is such a call.
fn naming_call(expression: &Expr) -> Option<(String, String)> {
    let Expr::Function(function) = expression else {
        return None;
    };
    let name = system_name(&function.name).filter(|name| NAMING.contains(&name.as_str()))?;
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match plain_arguments(&list.args)?.first()? {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(literal),
            ..
        }) => Some((name, literal.clone())),
        _ => None,
    }
}

fn first_argument(expression: &mut Expr) -> Option<&mut Expr> {
    let Expr::Function(function) = expression else {
        return None;
    };
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    match list.args.first_mut()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
        _ => None,
    }
}
