//! Routines by their names: ALTER and DROP of functions and procedures, and CALL.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter::unsupported_action;
use super::ast::{Call, DropRoutines, RoutineChange, RoutineName, Statement};
use super::reader::Reader;
use super::{create_function, set};
use crate::catalog::model::RoutineKind;
use crate::error::{Error, Result};

/// The kind that a word names.
pub(super) fn routine_kind(word: &str) -> Option<RoutineKind> {
    Some(match word {
        "function" => RoutineKind::Function,
        "procedure" => RoutineKind::Procedure,
        "routine" => RoutineKind::Routine,
        _ => return None,
    })
}

/// DROP FUNCTION and its like, after these words.
pub(super) fn drop(reader: &mut Reader, kind: RoutineKind) -> Result<Statement> {
    let if_exists = reader.if_exists();
    let names = reader.list(|reader| reader.routine_name(kind))?;
    let cascade = reader.cascade();
    Ok(Statement::DropRoutines(DropRoutines {
        names,
        if_exists,
        cascade,
    }))
}

/// ALTER FUNCTION and its like, after these words.
pub(super) fn alter(reader: &mut Reader, kind: RoutineKind) -> Result<Statement> {
    let routine = reader.routine_name(kind)?;
    let change = if reader.accept(&["rename", "to"]) {
        RoutineChange::Rename(reader.name()?)
    } else if reader.accept(&["owner", "to"]) || reader.accept(&["set", "owner", "to"]) {
        RoutineChange::Owner(reader.role_name()?)
    } else if reader.accept(&["set", "schema"]) {
        RoutineChange::SetSchema(reader.object_name()?)
    } else {
        surroundings(reader)?
    };
    Ok(Statement::ChangeRoutine { routine, change })
}

/// SECURITY DEFINER or INVOKER, SET and RESET.
fn surroundings(reader: &mut Reader) -> Result<RoutineChange> {
    let (mut security_definer, mut settings) = (None, vec![]);
    loop {
        if let Some(definer) = create_function::security(reader) {
            security_definer = Some(definer);
        } else if reader.peek_words(&["set"]) || reader.peek_words(&["reset"]) {
            settings.push(set::role_setting(reader)?);
        } else if security_definer.is_none() && settings.is_empty() {
            return Err(unsupported_action(reader));
        } else {
            return Ok(RoutineChange::Surroundings {
                security_definer,
                settings,
            });
        }
    }
}

/// `CALL p(1, name => 2)`: the grammar of the arguments is that of a function's.
pub(super) fn call(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["call"])?;
    let position = reader.position();
    let mut last = 0;
    while *reader.peek_nth(last + 1) == Token::Period {
        last += 2;
    }
    if *reader.peek_nth(last + 1) != Token::LParen {
        reader.object_name()?;
        return Err(reader.error_here());
    }
    match reader.expression()? {
        sql::Expr::Function(function) => {
            let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
            let arguments = match function.args {
                sql::FunctionArguments::List(list) if plain && list.clauses.is_empty() => list.args,
                sql::FunctionArguments::None if plain => vec![],
                _ => return Err(Error::syntax("a procedure is called with plain arguments").at(position)),
            };
            let parts = function.name.0.iter().filter_map(|part| part.as_ident());
            let parts = parts.map(|part| match part.quote_style {
                Some(_) => part.value.clone(),
                None => part.value.to_lowercase(),
            });
            Ok(Statement::Call(Call {
                name: super::ast::ObjectName(parts.collect()),
                arguments,
            }))
        }
        _ => Err(Error::syntax("CALL names a procedure with its arguments in parentheses").at(position)),
    }
}

impl Reader<'_> {
    /// `name [(types)]`.
    pub(super) fn routine_name(&mut self, kind: RoutineKind) -> Result<RoutineName> {
        let name = self.object_name()?;
        let mut arguments = None;
        if self.accept_token(&Token::LParen) {
            arguments = Some(match self.accept_token(&Token::RParen) {
                true => vec![],
                false => {
                    let parameters = self.list(|reader| reader.parameter())?;
                    self.expect_token(&Token::RParen)?;
                    let typed = parameters.into_iter().map(|(mode, (_, sql_type))| (mode, sql_type));
                    typed.collect()
                }
            });
        }
        Ok(RoutineName { kind, name, arguments })
    }
}
