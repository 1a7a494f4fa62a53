//! Arrays: bounds and subscripts, and the arrays behind set-returning functions in FROM.

use super::datum::Datum;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::Privilege;
use crate::error::Result;
use crate::types::SqlType;

use super::lookup::Lookup;

const ARRAY: &[&[Argument]] = &[&[Argument::Array]];

fn array_of(sql_type: SqlType) -> SqlType {
    SqlType::Array(Box::new(sql_type))
}

pub(super) fn functions() -> Vec<RowFunction> {
    let immutable = RowFunction::immutable;
    vec![
        // Of several arrays side by side the longest has a number for each row.
        immutable("array_ordinals", ARRAY, array_of(SqlType::Int8), |_, row| {
            let longest = row.iter().filter_map(|array| length(std::slice::from_ref(array))).max();
            Ok(longest.map(|length| (1..=length).collect::<Vec<i64>>()).into())
        })
        .called_on_null()
        .variadic(),
        immutable(
            "array_subscripts",
            &[
                &[Argument::Array, Argument::Int],
                &[Argument::Array, Argument::Int, Argument::Bool],
            ],
            array_of(SqlType::Int4),
            |_, row| {
                let Some(length) = length(row) else {
                    return Ok(Datum::Null);
                };
                let mut subscripts: Vec<i64> = (1..=length).collect();
                if row.get(2).and_then(Datum::as_bool) == Some(true) {
                    subscripts.reverse();
                }
                Ok(subscripts.into())
            },
        ),
        RowFunction::stable("aclexplode_grantor", ARRAY, array_of(SqlType::Oid), |call, row| {
            exploded(call, row, |item| item.grantor.into())
        }),
        RowFunction::stable("aclexplode_grantee", ARRAY, array_of(SqlType::Oid), |call, row| {
            exploded(call, row, |item| item.grantee.into())
        }),
        RowFunction::stable(
            "aclexplode_privilege_type",
            ARRAY,
            array_of(SqlType::Text),
            |call, row| exploded(call, row, |item| item.privilege.keyword().into()),
        ),
        RowFunction::stable(
            "aclexplode_is_grantable",
            ARRAY,
            array_of(SqlType::Bool),
            |call, row| exploded(call, row, |item| item.is_grantable.into()),
        ),
        immutable("pg_options_names", ARRAY, array_of(SqlType::Text), |_, row| {
            Ok(options(row, |(name, _)| name))
        }),
        immutable("pg_options_values", ARRAY, array_of(SqlType::Text), |_, row| {
            Ok(options(row, |(_, value)| value))
        }),
        immutable(
            "acldefault",
            &[&[Argument::Text, Argument::Oid]],
            array_of(SqlType::Text),
            |_, _| Ok(Datum::List(vec![])),
        ),
    ]
}

fn length(row: &[Datum]) -> Option<i64> {
    match row.first() {
        Some(Datum::List(elements)) => Some(elements.len() as i64),
        _ => None,
    }
}

fn options(row: &[Datum], part: for<'a> fn((&'a str, &'a str)) -> &'a str) -> Datum {
    let Some(Datum::List(elements)) = row.first() else {
        return Datum::Null;
    };
    let split = elements
        .iter()
        .filter_map(Datum::as_text)
        .map(|option| option.split_once('=').unwrap_or((option, "")));
    split.map(|option| part(option).to_string()).collect::<Vec<_>>().into()
}

/// One privilege of an access list.
struct AccessItem {
    grantor: u32,
    grantee: u32,
    privilege: Privilege,
    is_grantable: bool,
}

/// The letters of aclitem.
const LETTERS: [(char, Privilege); 14] = [
    ('a', Privilege::Insert),
    ('r', Privilege::Select),
    ('w', Privilege::Update),
    ('d', Privilege::Delete),
    ('D', Privilege::Truncate),
    ('x', Privilege::References),
    ('t', Privilege::Trigger),
    ('X', Privilege::Execute),
    ('U', Privilege::Usage),
    ('C', Privilege::Create),
    ('T', Privilege::Temporary),
    ('c', Privilege::Connect),
    ('R', Privilege::ReadFiles),
    ('W', Privilege::WriteFiles),
];

fn exploded(call: &Call<'_>, row: &[Datum], part: fn(&AccessItem) -> Datum) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let Some(Datum::List(items)) = row.first() else {
        return Ok(Datum::Null);
    };
    let items = items.iter().filter_map(Datum::as_text);
    let parts = items
        .flat_map(|item| access_items(&lookup, item))
        .map(|item| part(&item))
        .collect();
    Ok(Datum::List(parts))
}

/// The privileges of one access list's item.
fn access_items(lookup: &Lookup<'_>, item: &str) -> Vec<AccessItem> {
    let role = |name: &str| {
        let plain = name.trim_matches('"').replace("\"\"", "\"");
        lookup.catalog.role_named(&plain).map_or(0, |role| role.id)
    };
    // A quoted name may hold the separators; the last ones count.
    let Some((rest, grantor)) = item.rsplit_once('/') else {
        return vec![];
    };
    let Some((grantee, letters)) = rest.rsplit_once('=') else {
        return vec![];
    };
    let (grantor, grantee) = (role(grantor), role(grantee));
    let mut items = vec![];
    let mut letters = letters.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_grantable = letters.next_if_eq(&'*').is_some();
        if let Some((_, privilege)) = LETTERS.iter().find(|(known, _)| *known == letter) {
            items.push(AccessItem {
                grantor,
                grantee,
                privilege: *privilege,
                is_grantable,
            });
        }
    }
    items
}

/// aclexplode() of one item: rows of grantor, grantee, privilege, whether it may be granted on.
pub fn exploded_access_item(lookup: &Lookup<'_>, item: &str) -> Vec<Vec<Datum>> {
    access_items(lookup, item)
        .into_iter()
        .map(|item| {
            vec![
                item.grantor.into(),
                item.grantee.into(),
                item.privilege.keyword().into(),
                item.is_grantable.into(),
            ]
        })
        .collect()
}
