//! Names as SQL writes them.

/// quote_ident(): in double quotes unless it can stand alone.
pub fn quote_identifier(name: &str) -> String {
    let mut characters = name.chars();
    let plain = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|other| other.is_ascii_lowercase() || other.is_ascii_digit() || other == '_')
        && !KEYWORDS.split_whitespace().any(|keyword| keyword == name);
    if plain {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// PostgreSQL's keywords that cannot always stand as a name.
const KEYWORDS: &str = "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit \
    boolean both case cast char character check coalesce collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal \
    default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full \
    grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull \
    join lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize \
    not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision \
    primary real references returning right row select session_user setof similar smallint some substring symmetric \
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic \
    verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi \
    xmlroot xmlserialize xmltable json_array json_arrayagg json_exists json_object json_objectagg json_query \
    json_scalar json_serialize json_table json_value";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_in_postgres() {
        for (name, quoted) in [
            ("abc", "abc"),
            ("Abc", "\"Abc\""),
            ("select", "\"select\""),
            ("a b", "\"a b\""),
            ("ü", "\"ü\""),
        ] {
            assert_eq!(quote_identifier(name), quoted);
        }
    }
}
