//! CREATE [OR REPLACE] FUNCTION: scalar SQL functions, told apart by their argument types.

use super::view::check_recursion;
use super::*;
use crate::catalog::acl::default_grants;
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
    pub search_path: Vec<Oid>,
    pub references: Vec<Reference>,
    pub comment: Option<String>,
}

/// Creates or replaces the function; needs CREATE on the schema, replacing needs ownership. A replacement
/// keeps id, owner and grants, so policies that call it go on with the new body.
pub fn create_function(staged: &mut Staged, role: Oid, new: NewFunction, when_taken: WhenTaken) -> Result<Created> {
    require_create(staged, role, new.schema)?;
    check_name(ObjectKind::Function, &new.name)?;
    for (position, argument) in new.arguments.iter().enumerate() {
        let same = |earlier: &Argument| !argument.name.is_empty() && earlier.name == argument.name;
        if new.arguments[..position].iter().any(same) {
            let message = format!("parameter name \"{}\" used more than once", argument.name);
            return Err(Error::new(SqlState::InvalidFunctionDefinition, message));
        }
    }
    let types = new.arguments.iter().map(|argument| argument.sql_type.oid()).collect();
    let snapshot = staged.snapshot();
    let Some(existing) = snapshot.named(&Name::Function(new.schema, new.name.clone(), types)) else {
        let id = staged.new_oid()?;
        let grants = default_grants(ObjectKind::Function, role);
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
    let hint = format!("Use DROP FUNCTION {} first.", old.signature());
    let refuse = |message| Err(Error::new(SqlState::InvalidFunctionDefinition, message).with_hint(hint));
    if old.returns != new.returns {
        return refuse("cannot change return type of existing function".to_string());
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
        &format!("function {}", old.signature()),
    )?;
    let replacement = function(new, old.id, old.owner, old.grants.clone());
    staged.put(Function {
        comment: replacement.comment.clone().or_else(|| old.comment.clone()),
        ..replacement
    })?;
    Ok(Created::Replaced(old.id))
}

fn function(new: NewFunction, id: Oid, owner: Oid, grants: Vec<Grant>) -> Function {
    let NewFunction {
        schema,
        name,
        arguments,
        returns,
        body,
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
        search_path,
        references,
        grants,
        comment,
    }
}
