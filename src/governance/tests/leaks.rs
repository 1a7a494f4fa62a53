//! Two worlds that differ in hidden rows and values only must answer alike.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, col, lit};

use super::fixture::{StaffRow, World, numbers};

const ONE: [StaffRow; 1] = [(4, "abc", "south", 300, "333-00-4444")];
const TWO: [StaffRow; 3] = [
    (4, "17", "west", 7_000_000, "9"),
    (5, "0", "south", -1, ""),
    (6, "-", "", 0, "1"),
];

fn only_north() -> Expr {
    col("region").eq(lit("north"))
}

fn masks() -> [Option<Expr>; 5] {
    let no_salary = Expr::Literal(ScalarValue::Decimal128(None, 38, 16), None);
    [None, None, None, Some(no_salary), Some(lit("***"))]
}

async fn both_worlds(sql: &str, row_filter: Expr, masks: [Option<Expr>; 5]) -> [String; 2] {
    let mut answers = vec![];
    for hidden in [&ONE[..], &TWO[..]] {
        let world = World::with_staff(hidden, Some(row_filter.clone()), masks.clone());
        world.add_table(30, "notes", numbers("id", &[1, 2, 4, 5, 9]), None, vec![None]);
        answers.push(world.ask(sql).await);
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn worlds_answer_alike() {
    let statements = [
        "SELECT * FROM staff ORDER BY id",
        "SELECT count(*) FROM staff",
        "SELECT min(id), max(id), min(name), max(region), max(salary), min(ssn) FROM staff",
        "SELECT count(salary), count(ssn), count(DISTINCT region) FROM staff",
        "SELECT id FROM staff WHERE salary IS NULL ORDER BY id",
        "SELECT id FROM staff WHERE CAST(name AS int) = 42",
        "SELECT id FROM staff WHERE id > 3 AND CAST(name AS int) = 42",
        "SELECT id FROM staff WHERE 1 / (id - 4) > -100 ORDER BY id",
        "SELECT 1 / (id - 4) FROM staff ORDER BY id",
        "SELECT id FROM staff WHERE 1 / (salary - 300) > -5",
        "SELECT CAST(ssn AS int) FROM staff",
        "SELECT id FROM staff WHERE region = 'south' AND 1 / (SELECT 0) = 1",
        "SELECT count(*) FROM staff WHERE random() >= 0",
        "SELECT id FROM staff WHERE name ~ '^[0-9]+$' ORDER BY id",
        "SELECT id FROM staff WHERE salary = 300 OR ssn = '111-22-3333'",
        "SELECT id FROM staff WHERE salary BETWEEN 200 AND 400",
        "SELECT count(*) FROM (SELECT id FROM staff LIMIT 2) t",
        "SELECT id FROM staff ORDER BY ssn DESC, id LIMIT 1",
        "SELECT id, rank() OVER (ORDER BY salary), count(*) OVER () FROM staff ORDER BY id",
        "SELECT n.id, s.name FROM notes n LEFT JOIN staff s ON s.id = n.id ORDER BY n.id",
        "SELECT n.id FROM notes n JOIN staff s ON CAST(s.name AS int) = n.id + 40 ORDER BY n.id",
        "SELECT id FROM notes n WHERE NOT EXISTS (SELECT 1 FROM staff s WHERE s.id = n.id) ORDER BY id",
        "SELECT id FROM notes WHERE id IN (SELECT id FROM staff) ORDER BY id",
        "SELECT n.id, (SELECT max(s.name) FROM staff s WHERE s.id = n.id) FROM notes n ORDER BY n.id",
        "SELECT (SELECT id FROM staff WHERE id > 2)",
        "SELECT a.id, b.id FROM staff a JOIN staff b ON a.ssn = b.ssn ORDER BY a.id, b.id",
        "SELECT id FROM staff WHERE region = 'north' UNION SELECT id FROM staff WHERE region = 'west' ORDER BY id",
        "SELECT id FROM notes EXCEPT SELECT id FROM staff ORDER BY id",
        "SELECT region, count(*) FROM staff GROUP BY region HAVING 1 / (count(*) - 4) > -2",
    ];
    for sql in statements {
        let [one, two] = both_worlds(sql, only_north(), masks()).await;
        assert_eq!(one, two, "{sql}");
        assert!(!one.starts_with("XX000"), "{sql}: {one}");
    }
}

#[tokio::test]
async fn a_naive_rewrite_would_have_told() {
    let sql = "SELECT id FROM staff WHERE CAST(name AS int) = 42";
    let world = World::with_staff(&ONE, None, Default::default());
    let naive = world
        .ask_naively(sql, cast(col("region"), DataType::Utf8View).eq(lit("north")))
        .await;
    let governed = both_worlds(sql, only_north(), masks()).await;
    assert!(naive.contains("abc"), "the naive plan became safe: {naive}");
    assert!(governed[0].contains("| 2  |"), "{}", governed[0]);
}

#[tokio::test]
async fn a_failing_policy_says_one_sentence() {
    let fallible = (lit(1) / (col("id") - lit(4))).gt(lit(-100));
    for sql in [
        "SELECT * FROM staff",
        "SELECT count(*) FROM staff WHERE id <> 4",
        "SELECT 1 FROM staff WHERE id = 1",
    ] {
        let [one, two] = both_worlds(sql, fallible.clone(), masks()).await;
        assert_eq!(one, "P0001 a row filter or column mask of table staff failed", "{sql}");
        assert_eq!(one, two, "{sql}");
    }
    let unconvertible = [
        None,
        None,
        None,
        None,
        Some(cast(cast(col("ssn"), DataType::Int32), DataType::Utf8View)),
    ];
    let [one, _] = both_worlds("SELECT ssn FROM staff", only_north(), unconvertible).await;
    assert_eq!(one, "P0001 a row filter or column mask of table staff failed");
}

#[tokio::test]
async fn a_limit_counts_visible_rows() {
    let [one, two] = both_worlds("SELECT id FROM staff LIMIT 2", only_north(), masks()).await;
    assert_eq!(one, two);
    assert_eq!(one.lines().count(), 6, "{one}");
}

#[tokio::test]
async fn nulls_of_a_mask_are_not_folded_away() {
    let sql = "SELECT count(*) FROM staff WHERE salary IS NULL";
    let [one, _] = both_worlds(sql, only_north(), masks()).await;
    assert!(one.contains("| 3        |"), "{one}");
    let [one, _] = both_worlds(
        "SELECT count(*) FROM staff WHERE salary IS NOT NULL",
        only_north(),
        masks(),
    )
    .await;
    assert!(one.contains("| 0        |"), "{one}");
}
