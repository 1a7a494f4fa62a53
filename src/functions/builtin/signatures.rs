//! How functions of PostgreSQL are called where their argument types alone do not tell: names, defaults, VARIADIC, OUT
//! arguments, ORDER BY of ordered-set aggregates.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{number, rows};

pub struct Signature {
    /// As pg_get_function_arguments() spells them.
    pub arguments: &'static str,
    /// As pg_get_function_identity_arguments() spells them.
    pub identity: &'static str,
    /// pg_proc.proallargtypes, where there are OUT or VARIADIC arguments; so are the modes.
    pub all_types: Option<Vec<i64>>,
    pub modes: Option<Vec<&'static str>>,
    pub names: Option<Vec<&'static str>>,
}

/// The signature of the function of this OID, unless it is the list of its types.
pub fn builtin_signature(oid: u32) -> Option<&'static Signature> {
    SIGNATURES.get(&oid)
}

static SIGNATURES: LazyLock<HashMap<u32, Signature>> = LazyLock::new(|| {
    rows(include_str!("signatures.tsv"))
        .filter_map(|row| Some((number(row.first()?), signature(&row)?)))
        .collect()
});

fn signature(row: &[&'static str]) -> Option<Signature> {
    let [_, arguments, identity, all_types, modes, names] = row else {
        return None;
    };
    let list = |text: &'static str| (text != "-").then(|| text.split(',').map(unquoted).collect::<Vec<_>>());
    Some(Signature {
        arguments,
        identity,
        all_types: list(all_types).map(|types| types.into_iter().map(number).collect()),
        modes: list(modes),
        names: list(names),
    })
}

/// An element of an array's text.
fn unquoted(element: &'static str) -> &'static str {
    element.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::super::builtin_function;
    use super::*;

    #[test]
    fn every_signature_is_of_a_function_and_agrees_with_its_types() {
        let lines = include_str!("signatures.tsv").lines().count();
        assert_eq!(SIGNATURES.len(), lines);
        for (oid, signature) in SIGNATURES.iter() {
            let function = builtin_function(*oid).unwrap();
            let Some(modes) = &signature.modes else { continue };
            let arguments: Vec<i64> = function.arguments.iter().copied().map(i64::from).collect();
            // PostgreSQL has modes alone for satisfies_hash_partition.
            let types = signature.all_types.as_ref().unwrap_or(&arguments);
            assert_eq!(types.len(), modes.len(), "{}", function.name);
            let taken = types.iter().zip(modes).filter(|(_, mode)| !matches!(**mode, "o" | "t"));
            let taken: Vec<i64> = taken.map(|(sql_type, _)| *sql_type).collect();
            assert_eq!(taken, arguments, "{}", function.name);
        }
    }
}
