//! Tables whose few rows are the same everywhere: access methods, languages, tablespaces, collations, ranges,
//! operators and casts.

use std::sync::OnceLock;

use crate::catalog::model::{BOOTSTRAP_ROLE, Oid, PG_CATALOG_SCHEMA};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::{self, builtin_casts, builtin_operators};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

/// The extension that every database of PostgreSQL begins with; clients take its absence for damage.
const PLPGSQL: Oid = 13_559;
/// The language of that extension.
pub(super) const PLPGSQL_LANGUAGE: Oid = PLPGSQL + 4;
/// What the schema `system` belongs to, so that dumps leave it out.
pub(super) const BOATHOUSE: Oid = 13_570;

const EXTENSIONS: [(Oid, &str, &str, &str); 2] = [
    (PLPGSQL, "plpgsql", "1.0", "PL/pgSQL procedural language"),
    (
        BOATHOUSE,
        "boathouse",
        env!("CARGO_PKG_VERSION"),
        "what Boathouse tells about itself",
    ),
];

/// pg_extension.
pub(super) fn extensions(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (oid, name, version, _) in EXTENSIONS {
        rows.add([
            ("oid", oid.into()),
            ("extname", name.into()),
            ("extowner", BOOTSTRAP_ROLE.into()),
            ("extnamespace", PG_CATALOG_SCHEMA.into()),
            ("extrelocatable", false.into()),
            ("extversion", version.into()),
        ])?;
    }
    Ok(())
}

/// pg_available_extensions.
pub(super) fn available_extensions(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (_, name, version, comment) in EXTENSIONS {
        rows.add([
            ("name", name.into()),
            ("default_version", version.into()),
            ("installed_version", version.into()),
            ("comment", comment.into()),
        ])?;
    }
    Ok(())
}

/// pg_available_extension_versions.
pub(super) fn available_versions(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (_, name, version, comment) in EXTENSIONS {
        rows.add([
            ("name", name.into()),
            ("version", version.into()),
            ("installed", true.into()),
            ("superuser", false.into()),
            ("trusted", true.into()),
            ("relocatable", false.into()),
            ("schema", "pg_catalog".into()),
            ("comment", comment.into()),
        ])?;
    }
    Ok(())
}

/// pg_language.
pub(super) fn languages(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let languages = [
        (12, "internal", false, [0, 0, 2246]),
        (13, "c", false, [0, 0, 2247]),
        (14, "sql", true, [0, 0, 2248]),
        (
            PLPGSQL_LANGUAGE,
            "plpgsql",
            true,
            [PLPGSQL + 1, PLPGSQL + 2, PLPGSQL + 3],
        ),
    ];
    for (oid, name, is_trusted, functions) in languages {
        rows.add([
            ("oid", oid.into()),
            ("lanname", name.into()),
            ("lanowner", BOOTSTRAP_ROLE.into()),
            ("lanispl", (name == "plpgsql").into()),
            ("lanpltrusted", is_trusted.into()),
            ("lanplcallfoid", functions[0].into()),
            ("laninline", functions[1].into()),
            ("lanvalidator", functions[2].into()),
        ])?;
    }
    Ok(())
}

/// pg_tablespace.
pub(super) fn tablespaces(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (oid, name) in [(1663, "pg_default"), (1664, "pg_global")] {
        rows.add([
            ("oid", oid.into()),
            ("spcname", name.into()),
            ("spcowner", BOOTSTRAP_ROLE.into()),
        ])?;
    }
    Ok(())
}

/// pg_collation.
pub(super) fn collations(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for collation in builtin::collations() {
        rows.add([
            ("oid", collation.oid.into()),
            ("collname", collation.name.into()),
            ("collnamespace", PG_CATALOG_SCHEMA.into()),
            ("collowner", BOOTSTRAP_ROLE.into()),
            ("collprovider", collation.provider.into()),
            ("collisdeterministic", true.into()),
            ("collencoding", collation.encoding.into()),
            ("collcollate", collation.library_locale.into()),
            ("collctype", collation.library_locale.into()),
            ("colllocale", collation.locale.into()),
        ])?;
    }
    Ok(())
}

/// pg_range: type, subtype, multirange type, operator class, functions that bring to the canonical form and that subtract.
pub(super) fn ranges(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let ranges = [
        (3904, 23, 4451, 1978, 3914, 3922),
        (3906, 1700, 4532, 3125, 0, 3924),
        (3908, 1114, 4533, 3128, 0, 3929),
        (3910, 1184, 4534, 3127, 0, 3930),
        (3912, 1082, 4535, 3122, 3915, 3925),
        (3926, 20, 4536, 3124, 3928, 3923),
    ];
    for (range, subtype, multirange, operator_class, canonical, difference) in ranges {
        rows.add([
            ("rngtypid", range.into()),
            ("rngsubtype", subtype.into()),
            ("rngmultitypid", multirange.into()),
            ("rngcollation", 0.into()),
            ("rngsubopc", operator_class.into()),
            ("rngcanonical", canonical.into()),
            ("rngsubdiff", difference.into()),
        ])?;
    }
    Ok(())
}

/// pg_operator.
pub(super) fn operators(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for row in builtin_operators() {
            let [
                oid,
                name,
                kind,
                merges,
                hashes,
                left,
                right,
                result,
                commutator,
                negator,
                function,
                restriction,
                join,
            ] = row[..]
            else {
                continue;
            };
            rows.add([
                ("oid", number(oid)),
                ("oprname", name.into()),
                ("oprnamespace", PG_CATALOG_SCHEMA.into()),
                ("oprowner", BOOTSTRAP_ROLE.into()),
                ("oprkind", kind.into()),
                ("oprcanmerge", (merges == "t").into()),
                ("oprcanhash", (hashes == "t").into()),
                ("oprleft", number(left)),
                ("oprright", number(right)),
                ("oprresult", number(result)),
                ("oprcom", number(commutator)),
                ("oprnegate", number(negator)),
                ("oprcode", number(function)),
                ("oprrest", number(restriction)),
                ("oprjoin", number(join)),
            ])?;
        }
        Ok(())
    })
}

/// pg_cast.
pub(super) fn casts(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for row in builtin_casts() {
            let [oid, source, target, function, context, method] = row[..] else {
                continue;
            };
            rows.add([
                ("oid", number(oid)),
                ("castsource", number(source)),
                ("casttarget", number(target)),
                ("castfunc", number(function)),
                ("castcontext", context.into()),
                ("castmethod", method.into()),
            ])?;
        }
        Ok(())
    })
}

fn number(text: &str) -> Datum {
    text.parse::<i64>().map_or(Datum::Null, Datum::Int)
}
