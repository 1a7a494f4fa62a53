//! The queries behind psql's backslash commands.

use super::fixture::{lines, run, session};

#[tokio::test]
async fn probe() {
    let Some(folder) = option_env!("CLIENT_QUERIES") else {
        return;
    };
    let session = session("admin");
    let only = option_env!("CLIENT_FILE").unwrap_or("psql.sql");
    let text = std::fs::read_to_string(format!("{folder}/{only}")).unwrap();
    let (mut good, mut bad) = (0, 0);
    for block in text.split("-- name: ").skip(1) {
        let name = block.lines().next().unwrap();
        let sql: String = block
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        let mut sql = sql.trim().to_string();
        while let Some(start) = sql.find("{{") {
            let end = sql[start..].find("}}").unwrap() + start + 2;
            let oid = match &sql[start + 2..end - 2] {
                "regclass:sales.orders" => "16390",
                "regclass:sales.v_orders" => "16393",
                "regproc:add1" | "regproc:public.add1" => "16394",
                _ => "16391",
            };
            sql.replace_range(start..end, oid);
        }
        if !sql.to_lowercase().starts_with("select") && !sql.to_lowercase().starts_with("with") {
            continue;
        }
        match run(&session, &sql).await {
            Ok(batches) => {
                good += 1;
                println!(
                    "ok   {name}: {:?}",
                    lines(&batches).into_iter().take(4).collect::<Vec<_>>()
                );
            }
            Err(error) => {
                bad += 1;
                println!("FAIL {name}: {} {} {:?}", error.state().code(), error, error.detail());
            }
        }
    }
    println!("{good} good, {bad} bad");
}

#[tokio::test]
async fn debug_one() {
    let Some(sql) = option_env!("DEBUG_SQL") else { return };
    let session = session("admin");
    let crate::statement::ast::Statement::Query(mut query) = crate::statement::parse(sql).unwrap().remove(0).statement
    else {
        return;
    };
    crate::binding::rewrite_query(&mut query).unwrap();
    println!("{query}");
    let state = session.state();
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(
        datafusion::sql::sqlparser::ast::Statement::Query(query),
    ));
    let plan = state.statement_to_plan(statement).await.unwrap();
    println!("{}", plan.display_indent());
    let plan = crate::binding::unnest_subqueries(plan).unwrap();
    println!("{}", plan.display_indent());
}
