//! CREATE FUNCTION and CREATE PROCEDURE: what calls take in is bound once to see that it holds.

use super::create::when_taken;
use super::{CommandContext, routine_settings};
use crate::binding::{self, BindingServices};
use crate::catalog::changes::{self, NewFunction};
use crate::catalog::model::{Argument, Function, Oid};
use crate::error::{Error, Result};
use crate::statement::ast::CreateFunction;
use crate::types::SqlType;

pub async fn run(
    command: &mut CommandContext<'_>,
    services: &BindingServices,
    create: &CreateFunction,
) -> Result<String> {
    let mut types = create
        .arguments
        .iter()
        .map(|(_, sql_type)| sql_type)
        .chain([&create.returns])
        .chain(
            create
                .query
                .iter()
                .flat_map(|query| &query.outputs)
                .map(|output| &output.sql_type),
        );
    let has_rules = |sql_type: &SqlType| {
        matches!(sql_type, SqlType::Domain(_)) || command.context.catalog.has_domain_fields(sql_type)
    };
    if types.any(has_rules) {
        return Err(Error::unsupported("a function of a domain"));
    }
    let arguments: Vec<Argument> = create
        .arguments
        .iter()
        .zip(&create.defaults)
        .map(|((name, sql_type), default)| Argument {
            name: name.clone(),
            sql_type: sql_type.clone(),
            default: default.clone(),
        })
        .collect();
    let (schema, name) = command.creation_place(&create.name).await?;
    let mut new = NewFunction {
        schema,
        name,
        arguments,
        returns: create.returns.clone(),
        body: create.body.clone(),
        query: create.query.clone(),
        script: create.script.clone(),
        search_path: command.context.catalog.without_temporary(&command.context.search_path),
        references: vec![],
        comment: create.comment.clone(),
    };
    if let Some(script) = &mut new.script {
        script.settings = routine_settings::changed(command, vec![], &create.settings)?;
        // What its names mean is looked up when it runs; modifiers of its types say nothing, as in PostgreSQL.
        let outputs = new.query.iter_mut().flat_map(|query| &mut query.outputs);
        let types = new.arguments.iter_mut().map(|argument| &mut argument.sql_type);
        let types = types
            .chain(outputs.map(|output| &mut output.sql_type))
            .chain([&mut new.returns]);
        types.for_each(|sql_type| *sql_type = sql_type.without_modifier());
    } else {
        new.references = binding::check_function(services, command.context, draft(&new, command.role())).await?;
    }
    let when = when_taken(create.if_not_exists, create.or_replace);
    command
        .stage(|staged, role, _| changes::create_function(staged, role, new, when))
        .await?;
    Ok(match create.is_procedure() {
        true => "CREATE PROCEDURE".into(),
        false => "CREATE FUNCTION".into(),
    })
}

/// The function as it would be, for binding its body.
fn draft(new: &NewFunction, owner: Oid) -> Function {
    Function {
        id: 0,
        schema: new.schema,
        name: new.name.clone(),
        owner,
        arguments: new.arguments.clone(),
        returns: new.returns.clone(),
        body: new.body.clone(),
        query: new.query.clone(),
        script: new.script.clone(),
        search_path: new.search_path.clone(),
        references: vec![],
        grants: vec![],
        comment: None,
    }
}
