//! CREATE and ALTER SEQUENCE, and the sequences of serial and identity columns.

use super::default_privileges::grants_of_new;
use super::table::missing_column;
use super::*;
use crate::types::SqlType;

/// A sequence as a statement describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSequence {
    pub schema: Oid,
    pub name: String,
    pub options: SequenceOptions,
    pub owned_by: Option<(Oid, String)>,
}

/// What is not said has PostgreSQL's default, or stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceOptions {
    /// SEQUENCE NAME of an identity column.
    pub name: Option<String>,
    pub sql_type: Option<SqlType>,
    pub increment: Option<i64>,
    /// `Some(None)` is NO MINVALUE.
    pub minimum: Option<Option<i64>>,
    pub maximum: Option<Option<i64>>,
    pub start: Option<i64>,
    /// `Some(None)` is RESTART at the start.
    pub restart: Option<Option<i64>>,
    pub cycle: Option<bool>,
    pub cache: Option<i64>,
}

/// Creates the sequence; needs CREATE on the schema.
pub fn create_sequence(staged: &mut Staged, role: Oid, new: NewSequence, when_taken: WhenTaken) -> Result<Created> {
    require_create(staged, role, new.schema)?;
    if let Some(existing) = staged.snapshot().relation_named(new.schema, &new.name) {
        return keep_existing(staged, existing, when_taken);
    }
    check_name(ObjectKind::Sequence, &new.name)?;
    let owned_by = match &new.owned_by {
        Some((table, column)) => Some(column_of(staged, *table, column)?),
        None => None,
    };
    let id = staged.new_oid()?;
    let grants = grants_of_new(staged, role, ObjectKind::Sequence, new.schema);
    let blank = Sequence {
        id,
        schema: new.schema,
        name: new.name,
        owner: role,
        sql_type: SqlType::Int8,
        start: 0,
        increment: 1,
        minimum: 0,
        maximum: 0,
        cycle: false,
        cache: 1,
        next: None,
        restarted: OwnNumbers::default(),
        owned_by,
        grants,
        comment: None,
    };
    staged.put(with_options(blank, &new.options, true)?)?;
    Ok(Created::New(id))
}

/// Changes the sequence's options; needs ownership.
pub fn alter_sequence(
    staged: &mut Staged,
    role: Oid,
    id: Oid,
    options: &SequenceOptions,
    owned_by: Option<Option<(Oid, String)>>,
) -> Result<()> {
    staged.require(Permission::Owns { role, object: id })?;
    let Object::Sequence(sequence) = staged.object(id)? else {
        return Err(Error::internal("a sequence is none"));
    };
    let mut sequence = with_options(sequence, options, false)?;
    match owned_by {
        Some(Some((table, column))) => sequence.owned_by = Some(column_of(staged, table, &column)?),
        Some(None) => sequence.owned_by = None,
        None => {}
    }
    staged.put(sequence)
}

/// Makes a column's own sequence, named after both unless its options name it. `command` is who asks for it.
pub(super) fn number_column(
    staged: &mut Staged,
    command: &str,
    role: Oid,
    table: &mut Table,
    column: &str,
    (kind, options): &(NumberingKind, SequenceOptions),
) -> Result<()> {
    let base = format!("{}_{column}_seq", table.name);
    let snapshot = staged.snapshot();
    let numbered = (1..).map(|number| format!("{base}{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    let name = options
        .name
        .clone()
        .or_else(|| names.find(|name| snapshot.relation_named(table.schema, name).is_none()));
    drop(snapshot);
    let known = table
        .column_named(column)
        .ok_or_else(|| missing_column(column, &table.name))?;
    let mut options = options.clone();
    options.sql_type.get_or_insert_with(|| known.sql_type.clone());
    let name = name.unwrap_or(base);
    staged.debug(format!(
        "{command} will create implicit sequence \"{name}\" for serial column \"{}.{column}\"",
        table.name
    ));
    let new = NewSequence {
        schema: table.schema,
        name,
        options,
        owned_by: Some((table.id, column.to_string())),
    };
    let sequence = create_sequence(staged, role, new, WhenTaken::Refuse)?.id();
    for known in table.columns.iter_mut().filter(|known| known.name == column) {
        known.numbering = Some(Numbering { sequence, kind: *kind });
    }
    Ok(())
}

/// What ALTER COLUMN does about a column's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChange {
    Add(NumberingKind, SequenceOptions),
    Set(Option<NumberingKind>, SequenceOptions),
    Drop { if_exists: bool },
}

/// Gives the column an identity, changes it or takes it away; needs ownership of the table.
pub fn change_identity(staged: &mut Staged, role: Oid, table: Oid, name: &str, change: &IdentityChange) -> Result<()> {
    let mut table = super::column::owned_table(staged, role, table)?;
    let column = table
        .column_named(name)
        .ok_or_else(|| missing_column(name, &table.name))?;
    let what = format!("column \"{name}\" of relation \"{}\"", table.name);
    let refuse = |why: &str| {
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("{what} {why}"),
        ))
    };
    let identity = column
        .numbering
        .filter(|numbering| numbering.kind != NumberingKind::Serial);
    match (change, identity) {
        (IdentityChange::Add(..), _) if column.nullable => {
            refuse("must be declared NOT NULL before identity can be added")
        }
        (IdentityChange::Add(..), Some(_)) => refuse("is already an identity column"),
        (IdentityChange::Add(..), None) if column.numbering.is_some() || column.default.is_some() => {
            refuse("already has a default value")
        }
        (IdentityChange::Add(kind, options), None) => {
            number_column(staged, "ALTER TABLE", role, &mut table, name, &(*kind, options.clone()))?;
            staged.put(table)
        }
        (IdentityChange::Drop { if_exists: true }, None) => {
            staged.notice(format!("{what} is not an identity column, skipping"));
            Ok(())
        }
        (_, None) => refuse("is not an identity column"),
        (IdentityChange::Set(kind, options), Some(identity)) => {
            if options != &SequenceOptions::default() {
                alter_sequence(staged, role, identity.sequence, options, None)?;
            }
            let kind = kind.unwrap_or(identity.kind);
            for known in table.columns.iter_mut().filter(|known| known.name == name) {
                known.numbering = Some(Numbering { kind, ..identity });
            }
            staged.put(table)
        }
        (IdentityChange::Drop { .. }, Some(identity)) => {
            for known in table.columns.iter_mut().filter(|known| known.name == name) {
                known.numbering = None;
            }
            staged.put(table)?;
            staged.drop_object(identity.sequence)
        }
    }
}

fn column_of(staged: &mut Staged, table: Oid, column: &str) -> Result<(Oid, i16)> {
    match staged.object(table)? {
        Object::Table(table) => match table.column_named(column) {
            Some(column) => Ok((table.id, column.id)),
            None => Err(missing_column(column, &table.name)),
        },
        other => {
            let message = format!("sequence cannot be owned by relation \"{}\"", other.name());
            Err(Error::new(SqlState::WrongObjectType, message))
        }
    }
}

/// The sequence with these options, checked as PostgreSQL checks them.
fn with_options(mut sequence: Sequence, options: &SequenceOptions, is_new: bool) -> Result<Sequence> {
    let invalid = |message: String| Err(Error::new(SqlState::InvalidParameterValue, message));
    let before = sequence.sql_type.clone();
    if let Some(sql_type) = &options.sql_type {
        sequence.sql_type = sql_type.clone();
    }
    let (lowest, highest) = match range_of(&sequence.sql_type) {
        Some(range) => range,
        None => return invalid("sequence type must be smallint, integer, or bigint".into()),
    };
    if let Some(increment) = options.increment {
        sequence.increment = increment;
    }
    if sequence.increment == 0 {
        return invalid("INCREMENT must not be zero".into());
    }
    let ascends = sequence.increment > 0;
    let (least, most) = if ascends { (1, highest) } else { (lowest, -1) };
    let was_default = |value: i64, of: fn((i64, i64)) -> i64| range_of(&before).is_some_and(|range| of(range) == value);
    sequence.minimum = match options.minimum {
        Some(Some(minimum)) => minimum,
        Some(None) => least,
        None if is_new || was_default(sequence.minimum, |range| range.0) => least,
        None => sequence.minimum,
    };
    sequence.maximum = match options.maximum {
        Some(Some(maximum)) => maximum,
        Some(None) => most,
        None if is_new || was_default(sequence.maximum, |range| range.1) => most,
        None => sequence.maximum,
    };
    let (minimum, maximum) = (sequence.minimum, sequence.maximum);
    if minimum < lowest || minimum > highest {
        let message = format!(
            "MINVALUE ({minimum}) is out of range for sequence data type {}",
            sequence.sql_type
        );
        return invalid(message);
    }
    if maximum < lowest || maximum > highest {
        let message = format!(
            "MAXVALUE ({maximum}) is out of range for sequence data type {}",
            sequence.sql_type
        );
        return invalid(message);
    }
    if minimum >= maximum {
        return invalid(format!("MINVALUE ({minimum}) must be less than MAXVALUE ({maximum})"));
    }
    if let Some(cycle) = options.cycle {
        sequence.cycle = cycle;
    }
    if let Some(cache) = options.cache {
        if cache < 1 {
            return invalid(format!("CACHE ({cache}) must be greater than zero"));
        }
        sequence.cache = cache;
    }
    sequence.start = match options.start {
        Some(start) => start,
        None if is_new => {
            if ascends {
                minimum
            } else {
                maximum
            }
        }
        None => sequence.start,
    };
    if sequence.start < minimum {
        return invalid(format!(
            "START value ({}) cannot be less than MINVALUE ({minimum})",
            sequence.start
        ));
    }
    if sequence.start > maximum {
        return invalid(format!(
            "START value ({}) cannot be greater than MAXVALUE ({maximum})",
            sequence.start
        ));
    }
    // Past its last number, a sequence that may cycle begins again.
    if !is_new && sequence.cycle && sequence.next.is_none() {
        sequence.next = Some(if ascends { minimum } else { maximum });
    }
    match options.restart {
        Some(restart) => {
            sequence.next = Some(restart.unwrap_or(sequence.start));
            sequence.restarted = OwnNumbers::starting_at(sequence.next);
        }
        None if is_new => sequence.next = Some(sequence.start),
        None => {}
    }
    if let Some(next) = sequence.next
        && !(minimum..=maximum).contains(&next)
        && (options.restart.is_some() || options.minimum.is_some() || options.maximum.is_some())
    {
        let (word, bound) = if next < minimum {
            ("less than MINVALUE", minimum)
        } else {
            ("greater than MAXVALUE", maximum)
        };
        return invalid(format!("RESTART value ({next}) cannot be {word} ({bound})"));
    }
    Ok(sequence)
}

fn range_of(sql_type: &SqlType) -> Option<(i64, i64)> {
    match sql_type {
        SqlType::Int2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        SqlType::Int4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        SqlType::Int8 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
