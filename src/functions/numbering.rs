//! What numbers a column, as clients read it: the default of a serial column, the sequence of an identity column.

use super::builtin::type_name;
use super::datum::Datum;
use super::lookup::{Lookup, Relation, parse_name, quote_identifier};
use super::row_function::{Argument, RowFunction};
use crate::catalog::model::{Column, NumberingKind, Object, Oid, Privilege, Reference, Sequence, StoredExpression};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::stable(
            "pg_get_serial_sequence",
            &[&[Argument::Text, Argument::Text]],
            SqlType::Text,
            |call, row| {
                let text = |index: usize| row.get(index).and_then(Datum::as_text).unwrap_or_default();
                serial_sequence(&Lookup::of(call)?, text(0), text(1)).map(Datum::from)
            },
        ),
        RowFunction::stable(
            "pg_sequence_last_value",
            &[&[Argument::NameOrOid]],
            SqlType::Int8,
            |call, row| {
                let lookup = Lookup::of(call)?;
                let oid = row.first().and_then(Datum::as_oid).unwrap_or_default();
                Ok(match lookup.sequence(oid) {
                    Some(sequence) => lookup.last_value_of(sequence).into(),
                    None => Datum::Null,
                })
            },
        ),
    ]
}

/// The sequence that goes with a column, qualified.
fn serial_sequence(lookup: &Lookup<'_>, table: &str, column: &str) -> Result<Option<String>> {
    let relation = lookup.relation_named(&parse_name(table)?)?;
    let Some(Relation::Object(Object::Table(found))) = relation else {
        return match relation {
            Some(_) => Ok(None),
            None => {
                let message = format!("relation \"{table}\" does not exist");
                Err(Error::new(SqlState::UndefinedTable, message))
            }
        };
    };
    let Some(column) = found.column_named(column) else {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", found.name);
        return Err(Error::new(SqlState::UndefinedColumn, message));
    };
    let owned = |sequence: &&Sequence| sequence.owned_by == Some((found.id, column.id));
    let mut objects = lookup.relations().filter_map(|object| match object {
        Object::Sequence(sequence) => Some(sequence),
        _ => None,
    });
    Ok(objects.find(owned).and_then(|sequence| {
        let schema = lookup.catalog.schema(sequence.schema)?;
        Some(format!(
            "{}.{}",
            quote_identifier(&schema.name),
            quote_identifier(&sequence.name)
        ))
    }))
}

impl<'a> Lookup<'a> {
    /// The sequence of this OID, where the principal may know of it.
    pub fn sequence(&self, oid: Oid) -> Option<&'a Sequence> {
        match self.relation(oid)? {
            Relation::Object(Object::Sequence(sequence)) => Some(sequence),
            _ => None,
        }
    }

    /// The last number that was taken, for who may use or read the sequence.
    pub fn last_value_of(&self, sequence: &Sequence) -> Option<i64> {
        let object = Object::Sequence(sequence.clone());
        let may_know = [Privilege::Usage, Privilege::Select]
            .iter()
            .any(|privilege| self.access.has(&object, *privilege));
        sequence.last().filter(|_| may_know)
    }

    /// A column's default as text: that of a serial column names its sequence.
    pub fn default_of(&self, column: &Column) -> Option<String> {
        match column.numbering {
            Some(numbering) if numbering.kind == NumberingKind::Serial => {
                let relation = self.relation(numbering.sequence)?;
                let name = format!("{}{}", self.qualifier(relation), quote_identifier(relation.name()));
                Some(format!("nextval('{}'::regclass)", name.replace('\'', "''")))
            }
            _ => {
                let default = column.default.as_ref()?;
                if let Some(next) = self.next_of_sequence(default) {
                    return Some(next);
                }
                let text = &default.text;
                // A bare literal is of the column's type.
                Some(match is_string_literal(text) {
                    true => format!("{text}::{}", type_name(column.sql_type.oid(), -1)),
                    false => text.clone(),
                })
            }
        }
    }

    /// A default that is the next number of a sequence, under the name that finds it from here.
    fn next_of_sequence(&self, default: &StoredExpression) -> Option<String> {
        let literal = default.text.strip_prefix("nextval('")?.strip_suffix(')')?;
        let literal = literal
            .strip_suffix("::regclass")
            .unwrap_or(literal)
            .strip_suffix('\'')?;
        let name = parse_name(literal).ok()?;
        let sequence = Reference::named(&default.references, &name).next()?.object;
        let name = self.relation_display(self.relation(sequence)?);
        Some(format!("nextval('{}'::regclass)", name.replace('\'', "''")))
    }

    /// Whether the sequence numbers an identity column.
    pub fn is_of_identity(&self, sequence: &Sequence) -> bool {
        let Some((table, column)) = sequence.owned_by else {
            return false;
        };
        let columns = self.catalog.table(table).map_or(&[][..], |table| &table.columns);
        let numbering = columns
            .iter()
            .find(|known| known.id == column)
            .and_then(|column| column.numbering);
        numbering.is_some_and(|numbering| numbering.sequence == sequence.id && numbering.kind != NumberingKind::Serial)
    }
}

fn is_string_literal(text: &str) -> bool {
    let inside = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inside.is_some_and(|inside| !inside.replace("''", "").contains('\''))
}
