//! COPY table TO STDOUT reads the table as a query does: through names, privileges and policies.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::{Error, Result};
use crate::statement::ast::ObjectName;

/// SELECT of the columns, or of all.
pub fn query_of_table(name: &ObjectName, columns: &[String]) -> Result<sql::Query> {
    let quoted = |part: &String| format!("\"{}\"", part.replace('"', "\"\""));
    let list = match columns {
        [] => "*".to_string(),
        named => named.iter().map(quoted).collect::<Vec<_>>().join(", "),
    };
    let table = name.0.iter().map(quoted).collect::<Vec<_>>().join(".");
    let text = format!("SELECT {list} FROM {table}");
    let parsed = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_query());
    parsed
        .map(|query| *query)
        .map_err(|error| Error::internal(format!("COPY could not be read as a query: {error}")))
}
