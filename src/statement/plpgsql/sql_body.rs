//! Bodies in SQL: their statements as steps of a routine whose only variables are its arguments.

use super::names::Names;
use super::tree::{Action, Block, DeclaredType, Returns, Routine, Signature, Sql, Step, Variable};
use crate::error::Result;
use crate::statement::ast::Statement;
use crate::types::SqlType;

/// Reads a body. The line of a step is the number of its statement, by which CONTEXT names it.
pub fn of_sql(body: &str, signature: &Signature) -> Result<Routine> {
    let mut names = Names::default();
    let mut place = names.label(None, Some(&signature.name));
    let mut variables = vec![];
    let mut declare = |name: &str, sql_type: &SqlType| {
        variables.push(Variable {
            name: name.to_string(),
            declared: DeclaredType::Type(sql_type.clone()),
            constant: false,
            not_null: false,
            default: None,
            line: 1,
        });
        variables.len() - 1
    };
    let mut parameters = vec![];
    for ((name, sql_type), number) in signature.parameters.iter().zip(1..) {
        let variable = declare(name, sql_type);
        place = names.variable(place, &format!("${number}"), variable);
        if !name.is_empty() {
            place = names.variable(place, name, variable);
        }
        parameters.push(variable);
    }
    // No name leads to it.
    let found = declare("found", &SqlType::Bool);
    let statements = crate::statement::parse(body)?;
    let statements = statements
        .into_iter()
        .filter(|parsed| !matches!(parsed.statement, Statement::Empty));
    let mut steps: Vec<Step> = statements
        .enumerate()
        .map(|(number, parsed)| Step {
            line: number + 1,
            action: Action::Statement {
                sql: Sql {
                    number,
                    shown: parsed.text.clone(),
                    text: parsed.text,
                    place,
                },
                is_result: false,
            },
        })
        .collect();
    let texts = steps.len();
    let gives = !matches!(signature.returns, Returns::Void | Returns::Procedure);
    if let (
        true,
        Some(Step {
            action: Action::Statement { is_result, .. },
            ..
        }),
    ) = (gives, steps.last_mut())
    {
        *is_result = true;
    }
    Ok(Routine {
        parameters,
        returns: signature.returns,
        variables,
        names,
        body: Block {
            label: None,
            line: 1,
            declared: vec![],
            steps,
            handlers: None,
        },
        found,
        texts,
    })
}
