//! pg_proc: SQL functions of the catalog, and PostgreSQL's own that clients look up.

use std::sync::OnceLock;

use super::constants::PLPGSQL_LANGUAGE;
use crate::catalog::acl::access_list;
use crate::catalog::model::{BOOTSTRAP_ROLE, Language, Object, OutputMode, PG_CATALOG_SCHEMA, Volatility};
use crate::error::Result;
use crate::functions::builtin::{builtin_functions, builtin_signature};
use crate::functions::{Datum, function_source};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

/// pg_language's rows for built-in and SQL functions.
const INTERNAL: i64 = 12;
const SQL: i64 = 14;

fn language_oid(language: Language) -> i64 {
    match language {
        Language::Sql => SQL,
        Language::PlPgSql => PLPGSQL_LANGUAGE.into(),
    }
}

fn volatility_code(volatility: Volatility) -> &'static str {
    match volatility {
        Volatility::Immutable => "i",
        Volatility::Stable => "s",
        Volatility::Volatile => "v",
    }
}

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let schemas = lookup.catalog.schemas(lookup.context.database);
    for function in schemas.flat_map(|schema| lookup.catalog.functions(schema.id)) {
        let object = Object::Function(function.clone());
        if !lookup.sees(&object) {
            continue;
        }
        let types: Vec<i64> = function.argument_oids().into_iter().map(i64::from).collect();
        let parameters = function.parameters();
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
        let gives = parameters.iter().any(|parameter| parameter.mode.is_some());
        let all_types: Vec<i64> = parameters
            .iter()
            .map(|parameter| parameter.sql_type.oid().into())
            .collect();
        let modes: Vec<&str> = parameters.iter().map(|parameter| mode(parameter.mode)).collect();
        let default_count = function.arguments.iter().filter(|argument| argument.default.is_some());
        let default_count = default_count.count() as i64;
        let (language, volatility) = match &function.script {
            Some(script) => (language_oid(script.language), volatility_code(script.volatility)),
            None => (SQL, "v"),
        };
        let script = function.script.as_ref();
        let settings = script.map_or(&[][..], |script| &script.settings);
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let has_names = names.iter().any(|name| !name.is_empty());
        rows.add([
            ("oid", function.id.into()),
            ("proname", function.name.as_str().into()),
            ("pronamespace", lookup.namespace_oid(function.schema).into()),
            ("proowner", function.owner.into()),
            ("prolang", language.into()),
            ("procost", 100.into()),
            ("prorows", if function.is_set() { 1000.into() } else { 0.into() }),
            ("provariadic", 0.into()),
            ("prosupport", 0.into()),
            ("prokind", if function.is_procedure() { "p" } else { "f" }.into()),
            ("prosecdef", script.is_some_and(|script| script.security_definer).into()),
            ("proleakproof", false.into()),
            (
                "proisstrict",
                function.query.as_ref().is_some_and(|query| query.is_strict).into(),
            ),
            ("proretset", function.is_set().into()),
            ("provolatile", volatility.into()),
            ("proparallel", "u".into()),
            ("pronargs", (types.len() as i64).into()),
            ("pronargdefaults", default_count.into()),
            ("prorettype", function.returns.oid().into()),
            ("proargtypes", types.into()),
            ("proallargtypes", if gives { all_types.into() } else { Datum::Null }),
            ("proargmodes", if gives { modes.into() } else { Datum::Null }),
            ("proargnames", if has_names { names.into() } else { Datum::Null }),
            ("prosrc", function_source(function).into()),
            (
                "proconfig",
                if settings.is_empty() {
                    Datum::Null
                } else {
                    settings.into()
                },
            ),
            ("proacl", access_list(lookup.catalog, &object).into()),
        ])?;
    }
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for builtin in builtin_functions() {
            let types: Vec<i64> = builtin.arguments.iter().copied().map(i64::from).collect();
            let signature = builtin_signature(builtin.oid);
            rows.add([
                ("oid", builtin.oid.into()),
                ("proname", builtin.name.into()),
                ("pronamespace", PG_CATALOG_SCHEMA.into()),
                ("proowner", BOOTSTRAP_ROLE.into()),
                ("prolang", INTERNAL.into()),
                ("procost", 1.into()),
                ("prorows", if builtin.returns_set { 1000.into() } else { 0.into() }),
                ("provariadic", builtin.variadic.into()),
                ("prosupport", 0.into()),
                ("prokind", builtin.kind.into()),
                ("prosecdef", false.into()),
                ("proleakproof", builtin.is_leakproof.into()),
                ("proisstrict", builtin.is_strict.into()),
                ("proretset", builtin.returns_set.into()),
                ("provolatile", builtin.volatility.into()),
                ("proparallel", "s".into()),
                ("pronargs", (types.len() as i64).into()),
                ("pronargdefaults", builtin.default_count.into()),
                ("prorettype", builtin.returns.into()),
                ("proargtypes", types.into()),
                (
                    "proallargtypes",
                    signature.and_then(|signature| signature.all_types.clone()).into(),
                ),
                (
                    "proargmodes",
                    signature.and_then(|signature| signature.modes.clone()).into(),
                ),
                (
                    "proargnames",
                    signature.and_then(|signature| signature.names.clone()).into(),
                ),
                ("prosrc", builtin.source.into()),
            ])?;
        }
        Ok(())
    })
}

/// pg_proc.proargmodes.
fn mode(mode: Option<OutputMode>) -> &'static str {
    match mode {
        None => "i",
        Some(OutputMode::Out) => "o",
        Some(OutputMode::InOut) => "b",
        Some(OutputMode::Table) => "t",
    }
}
