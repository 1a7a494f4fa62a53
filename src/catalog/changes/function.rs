//! CREATE [OR REPLACE] FUNCTION: SQL functions, told apart by their argument types.

use std::collections::HashSet;

use super::default_privileges::grants_of_new;
use super::view::check_recursion;
use super::*;
use crate::catalog::names::Name;
use crate::types::SqlType;

/// A function after its body was bound.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFunction {
    pub schema: Oid,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub returns: SqlType,
    pub body: String,
    pub query: Option<QueryResult>,
    pub script: Option<Script>,
    pub search_path: Vec<Oid>,
    pub references: Vec<Reference>,
    pub comment: Option<String>,
}

/// Creates or replaces the function; needs CREATE on the schema, replacing needs ownership. A replacement
/// keeps id, owner and grants, so policies that call it go on with the new body.
pub fn create_function(staged: &mut Staged, role: Oid, new: NewFunction, when_taken: WhenTaken) -> Result<Created> {
    require_create(staged, role, new.schema)?;
    check_name(ObjectKind::Function, &new.name)?;
    // What is taken may be called as something that is given.
    let outputs = new.query.iter().flat_map(|query| &query.outputs);
    refuse_repeated(new.arguments.iter().map(|argument| argument.name.as_str()))?;
    refuse_repeated(outputs.map(|output| output.name.as_str()))?;
    let types = new.arguments.iter().map(|argument| argument.sql_type.oid()).collect();
    let snapshot = staged.snapshot();
    let Some(existing) = snapshot.named(&Name::Function(new.schema, new.name.clone(), types)) else {
        let id = staged.new_oid()?;
        let grants = grants_of_new(staged, role, ObjectKind::Function, new.schema);
        staged.put(function(new, id, role, grants))?;
        return Ok(Created::New(id));
    };
    let Object::Function(old) = existing else {
        return Err(Error::internal("a function's name leads elsewhere"));
    };
    if when_taken != WhenTaken::Replace {
        return keep_existing(staged, existing, when_taken);
    }
    staged.require(Permission::Owns { role, object: old.id })?;
    let is_procedure = new.script.as_ref().is_some_and(|script| script.is_procedure);
    if old.is_procedure() != is_procedure {
        let message = "cannot change routine kind";
        let detail = format!("\"{}\" is a {}.", old.name, old.word());
        return Err(Error::new(SqlState::WrongObjectType, message).with_detail(detail));
    }
    // A policy goes on calling it, and can take in expressions alone.
    if new.query.is_some() || new.script.is_some() {
        check_serves_no_policy(&snapshot, old)?;
    }
    let hint = format!("Use DROP {} {} first.", old.word().to_uppercase(), old.signature());
    let refuse = |message| Err(Error::new(SqlState::InvalidFunctionDefinition, message).with_hint(hint));
    let message = "cannot change return type of existing function".to_string();
    if old.returns != new.returns || old.is_set() != is_set(new.query.as_ref()) {
        let message = match is_procedure {
            true => "cannot change whether a procedure has output parameters".to_string(),
            false => message,
        };
        return refuse(message);
    }
    let rows = |query: Option<&QueryResult>| -> Vec<(String, SqlType)> {
        let outputs = query.iter().flat_map(|query| &query.outputs);
        outputs
            .map(|output| (output.name.clone(), output.sql_type.clone()))
            .collect()
    };
    if rows(old.query.as_ref()) != rows(new.query.as_ref()) {
        return refuse(message).map_err(|error| error.with_detail("Row type defined by OUT parameters is different."));
    }
    let renamed = old
        .arguments
        .iter()
        .zip(&new.arguments)
        .find(|(old, new)| old.name != new.name);
    if let Some((old, _)) = renamed.filter(|(old, _)| !old.name.is_empty()) {
        return refuse(format!("cannot change name of input parameter \"{}\"", old.name));
    }
    check_recursion(
        &snapshot,
        old.id,
        &new.references,
        &format!("{} {}", old.word(), old.signature()),
    )?;
    let replacement = function(new, old.id, old.owner, old.grants.clone());
    staged.put(Function {
        comment: replacement.comment.clone().or_else(|| old.comment.clone()),
        ..replacement
    })?;
    Ok(Created::Replaced(old.id))
}

/// ALTER FUNCTION … SECURITY, SET and RESET; needs ownership.
pub fn set_script(staged: &mut Staged, role: Oid, id: Oid, script: Script) -> Result<()> {
    staged.require(Permission::Owns { role, object: id })?;
    let snapshot = staged.snapshot();
    match snapshot.function(id) {
        Some(function) => staged.put(Function {
            script: Some(script),
            ..function.clone()
        }),
        None => Err(Error::internal("a function that is altered is not there")),
    }
}

fn refuse_repeated<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    match names.filter(|name| !name.is_empty()).find(|name| !seen.insert(*name)) {
        Some(name) => {
            let message = format!("parameter name \"{name}\" used more than once");
            Err(Error::new(SqlState::InvalidFunctionDefinition, message))
        }
        None => Ok(()),
    }
}

/// 0A000 where a row filter or a mask calls the function.
fn check_serves_no_policy(snapshot: &CatalogSnapshot, function: &Function) -> Result<()> {
    let serves = snapshot.dependents(function.id).any(|object| match object {
        Object::Table(table) => table.policy_functions().any(|policy| policy == function.id),
        _ => false,
    });
    match serves {
        true => Err(Error::unsupported("a policy by a function whose body is a query")
            .with_hint("A row filter or column mask calls the function: write RETURN expression.")),
        false => Ok(()),
    }
}

fn is_set(query: Option<&QueryResult>) -> bool {
    query.is_some_and(|query| query.is_set)
}

fn function(new: NewFunction, id: Oid, owner: Oid, grants: Vec<Grant>) -> Function {
    let NewFunction {
        schema,
        name,
        arguments,
        returns,
        body,
        query,
        script,
        search_path,
        references,
        comment,
    } = new;
    Function {
        id,
        schema,
        name,
        owner,
        arguments,
        returns,
        body,
        query,
        script,
        search_path,
        references,
        grants,
        comment,
    }
}
