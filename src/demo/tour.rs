//! What the tour of the README shows: a role that sees the customers of one market segment, and no telephone
//! number in full.

/// The schema of the sample.
pub const SCHEMA: &str = "sample";
/// The role that the policies apply to.
pub const ANALYST: &str = "analyst";

/// The statements that make the role and its policies, for `admin` to run in one transaction or in order.
pub(super) fn statements(analyst_password: &str) -> Vec<String> {
    let password = analyst_password.replace('\'', "''");
    vec![
        format!(
            "CREATE OR REPLACE FUNCTION {SCHEMA}.visible_segment(segment varchar) RETURNS boolean \
             RETURN current_user = 'admin' OR segment = 'BUILDING'"
        ),
        format!(
            "CREATE OR REPLACE FUNCTION {SCHEMA}.masked_phone(phone char(15)) RETURNS char(15) \
             RETURN CASE WHEN current_user = 'admin' THEN phone ELSE left(phone, 2) || '-***-***-****' END"
        ),
        format!("ALTER TABLE {SCHEMA}.customer SET ROW FILTER {SCHEMA}.visible_segment ON (c_mktsegment)"),
        format!("ALTER TABLE {SCHEMA}.customer ALTER COLUMN c_phone SET MASK {SCHEMA}.masked_phone"),
        format!("CREATE ROLE {ANALYST} LOGIN PASSWORD '{password}'"),
        format!("GRANT USAGE ON SCHEMA {SCHEMA} TO {ANALYST}"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {ANALYST}"),
    ]
}
