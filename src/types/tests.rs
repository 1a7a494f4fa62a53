//! Names, OIDs and layouts of types.

use super::*;

#[test]
fn names_oids_and_arrow_types_round_trip() {
    for text in [
        "boolean",
        "numeric(12,2)",
        "numeric",
        "character varying(40)",
        "character(3)",
        "text[]",
        "timestamp with time zone",
        "uuid",
        "jsonb",
        "\"char\"",
        "oid",
        "bigint[]",
        "int4range",
        "tstzrange[]",
    ] {
        let sql_type: SqlType = text.parse().unwrap();
        assert_eq!(sql_type.to_string(), text);
        assert_eq!(SqlType::from_field(&sql_type.to_field("c", true)), sql_type);
        assert_eq!(SqlType::from_oid(sql_type.oid()).unwrap().oid(), sql_type.oid());
    }
    assert_eq!("numeric(12,2)".parse::<SqlType>().unwrap().typmod(), 786438);
    assert_eq!("varchar(40)".parse::<SqlType>().unwrap().typmod(), 44);
}

#[test]
fn metadata_does_not_outlive_a_cast() {
    let field = SqlType::Varchar(Some(3))
        .to_field("c", true)
        .with_data_type(DataType::Int32);
    assert_eq!(SqlType::from_field(&field), SqlType::Int4);
}
