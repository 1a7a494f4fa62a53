//! The queries behind psql's backslash commands, recorded with `psql -E` on a PostgreSQL 15 that holds the
//! fixture's objects, and their answers. Rows are PostgreSQL's but for what differs by design: its own roles and
//! databases, `system` among the schemas, sizes, views and policies as they were written, casts of our types only.

use super::fixture::{lines, run};

/// `=== command`, the query, `---`, its rows as `psql -At` prints them; blocks follow each other.
const RECORDED: &str = include_str!("psql_queries.txt");

#[tokio::test]
async fn backslash_commands_show_what_postgres_shows() {
    let mut differences = vec![];
    for block in RECORDED.split("=== ").skip(1) {
        let (command, rest) = block.split_once('\n').unwrap();
        let (query, expected) = rest.split_once("\n---\n").unwrap();
        let expected: Vec<&str> = expected.trim_end().lines().collect();
        match run("admin", query).await {
            Ok(None) => differences.push(format!("{command}\n{query}\nis not covered")),
            Ok(Some((_, batches))) => {
                let text = lines(&batches).join("\n");
                let given: Vec<&str> = text.trim_end().lines().collect();
                if given != expected {
                    differences.push(format!(
                        "{command}\n{query}\ngiven:    {given:#?}\nexpected: {expected:#?}"
                    ));
                }
            }
            Err(error) => differences.push(format!("{command}\n{query}\n{} {error}", error.state().code())),
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}
