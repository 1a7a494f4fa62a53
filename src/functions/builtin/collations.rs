//! Collations: PostgreSQL's that compare bytes, as all text here is compared.

/// A row of pg_collation.
pub struct Collation {
    pub oid: u32,
    pub name: &'static str,
    pub provider: &'static str,
    pub encoding: i64,
    /// Of the C library.
    pub library_locale: Option<&'static str>,
    pub locale: Option<&'static str>,
}

const COLLATIONS: [Collation; 5] = [
    collation(100, "default", "d", -1, None, None),
    collation(950, "C", "c", -1, Some("C"), None),
    collation(951, "POSIX", "c", -1, Some("POSIX"), None),
    collation(962, "ucs_basic", "b", 6, None, Some("C")),
    collation(811, "pg_c_utf8", "b", 6, None, Some("C.UTF-8")),
];

const fn collation(
    oid: u32,
    name: &'static str,
    provider: &'static str,
    encoding: i64,
    library_locale: Option<&'static str>,
    locale: Option<&'static str>,
) -> Collation {
    Collation {
        oid,
        name,
        provider,
        encoding,
        library_locale,
        locale,
    }
}

pub fn collations() -> &'static [Collation] {
    &COLLATIONS
}
