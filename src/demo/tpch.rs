//! The eight TPC-H tables as Arrow batches, from the tpchgen crate: the same rows on every machine.
//! Columns have the specification's types, except that char(n) is used only where every value fills it:
//! a padded value would not equal the literal that people write.

use datafusion::arrow::record_batch::RecordBatch;
use tpchgen::generators::{
    Customer, CustomerGenerator, LineItem, LineItemGenerator, Nation, NationGenerator, Order, OrderGenerator, Part,
    PartGenerator, PartSupp, PartSuppGenerator, Region, RegionGenerator, Supplier, SupplierGenerator,
};

use super::row_writer::RowWriter;
use crate::error::Result;

/// Rows of one batch.
const BATCH_ROWS: usize = 65_536;

/// A table of TPC-H.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TpchTable {
    Region,
    Nation,
    Supplier,
    Customer,
    Part,
    PartSupp,
    Orders,
    LineItem,
}

impl TpchTable {
    pub const ALL: [TpchTable; 8] = [
        TpchTable::Region,
        TpchTable::Nation,
        TpchTable::Supplier,
        TpchTable::Customer,
        TpchTable::Part,
        TpchTable::PartSupp,
        TpchTable::Orders,
        TpchTable::LineItem,
    ];

    pub fn name(self) -> &'static str {
        match self {
            TpchTable::Region => "region",
            TpchTable::Nation => "nation",
            TpchTable::Supplier => "supplier",
            TpchTable::Customer => "customer",
            TpchTable::Part => "part",
            TpchTable::PartSupp => "partsupp",
            TpchTable::Orders => "orders",
            TpchTable::LineItem => "lineitem",
        }
    }

    /// Names and SQL types; no column is ever NULL.
    pub fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            TpchTable::Region => &[
                ("r_regionkey", "integer"),
                ("r_name", "varchar(25)"),
                ("r_comment", "varchar(152)"),
            ],
            TpchTable::Nation => &[
                ("n_nationkey", "integer"),
                ("n_name", "varchar(25)"),
                ("n_regionkey", "integer"),
                ("n_comment", "varchar(152)"),
            ],
            TpchTable::Supplier => &[
                ("s_suppkey", "bigint"),
                ("s_name", "char(18)"),
                ("s_address", "varchar(40)"),
                ("s_nationkey", "integer"),
                ("s_phone", "char(15)"),
                ("s_acctbal", "numeric(15,2)"),
                ("s_comment", "varchar(101)"),
            ],
            TpchTable::Customer => &[
                ("c_custkey", "bigint"),
                ("c_name", "varchar(25)"),
                ("c_address", "varchar(40)"),
                ("c_nationkey", "integer"),
                ("c_phone", "char(15)"),
                ("c_acctbal", "numeric(15,2)"),
                ("c_mktsegment", "varchar(10)"),
                ("c_comment", "varchar(117)"),
            ],
            TpchTable::Part => &[
                ("p_partkey", "bigint"),
                ("p_name", "varchar(55)"),
                ("p_mfgr", "char(14)"),
                ("p_brand", "char(8)"),
                ("p_type", "varchar(25)"),
                ("p_size", "integer"),
                ("p_container", "varchar(10)"),
                ("p_retailprice", "numeric(15,2)"),
                ("p_comment", "varchar(23)"),
            ],
            TpchTable::PartSupp => &[
                ("ps_partkey", "bigint"),
                ("ps_suppkey", "bigint"),
                ("ps_availqty", "integer"),
                ("ps_supplycost", "numeric(15,2)"),
                ("ps_comment", "varchar(199)"),
            ],
            TpchTable::Orders => &[
                ("o_orderkey", "bigint"),
                ("o_custkey", "bigint"),
                ("o_orderstatus", "char(1)"),
                ("o_totalprice", "numeric(15,2)"),
                ("o_orderdate", "date"),
                ("o_orderpriority", "varchar(15)"),
                ("o_clerk", "char(15)"),
                ("o_shippriority", "integer"),
                ("o_comment", "varchar(79)"),
            ],
            TpchTable::LineItem => &[
                ("l_orderkey", "bigint"),
                ("l_partkey", "bigint"),
                ("l_suppkey", "bigint"),
                ("l_linenumber", "integer"),
                ("l_quantity", "numeric(15,2)"),
                ("l_extendedprice", "numeric(15,2)"),
                ("l_discount", "numeric(15,2)"),
                ("l_tax", "numeric(15,2)"),
                ("l_returnflag", "char(1)"),
                ("l_linestatus", "char(1)"),
                ("l_shipdate", "date"),
                ("l_commitdate", "date"),
                ("l_receiptdate", "date"),
                ("l_shipinstruct", "varchar(25)"),
                ("l_shipmode", "varchar(10)"),
                ("l_comment", "varchar(44)"),
            ],
        }
    }

    /// How many rows there are at a scale; close for lineitem, exact otherwise.
    pub fn rows(self, scale: f64) -> u64 {
        let scaled = |base: f64| (base * scale) as u64;
        match self {
            TpchTable::Region => 5,
            TpchTable::Nation => 25,
            TpchTable::Supplier => scaled(10_000.0),
            TpchTable::Customer => scaled(150_000.0),
            TpchTable::Part => scaled(200_000.0),
            TpchTable::PartSupp => scaled(800_000.0),
            TpchTable::Orders => scaled(1_500_000.0),
            TpchTable::LineItem => scaled(6_001_215.0),
        }
    }

    /// CREATE TABLE for this table in a schema.
    pub fn create_statement(self, schema: &str) -> String {
        let columns: Vec<String> = self
            .columns()
            .iter()
            .map(|(name, sql_type)| format!("{name} {sql_type} NOT NULL"))
            .collect();
        format!("CREATE TABLE {schema}.{} ({})", self.name(), columns.join(", "))
    }
}

/// All rows of a table at a scale (1.0 is about a gigabyte of text), in batches.
pub fn batches(table: TpchTable, scale: f64) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
    let writer = RowWriter::new(table.columns())?;
    Ok(match table {
        TpchTable::Region => in_batches(writer, RegionGenerator::new(scale, 1, 1).iter(), region),
        TpchTable::Nation => in_batches(writer, NationGenerator::new(scale, 1, 1).iter(), nation),
        TpchTable::Supplier => in_batches(writer, SupplierGenerator::new(scale, 1, 1).iter(), supplier),
        TpchTable::Customer => in_batches(writer, CustomerGenerator::new(scale, 1, 1).iter(), customer),
        TpchTable::Part => in_batches(writer, PartGenerator::new(scale, 1, 1).iter(), part),
        TpchTable::PartSupp => in_batches(writer, PartSuppGenerator::new(scale, 1, 1).iter(), part_supplier),
        TpchTable::Orders => in_batches(writer, OrderGenerator::new(scale, 1, 1).iter(), order),
        TpchTable::LineItem => in_batches(writer, LineItemGenerator::new(scale, 1, 1).iter(), line_item),
    })
}

fn in_batches<T, I>(
    mut writer: RowWriter,
    mut rows: I,
    write: fn(&mut RowWriter, &T),
) -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send>
where
    I: Iterator<Item = T> + Send + 'static,
    T: 'static,
{
    Box::new(std::iter::from_fn(move || {
        let mut count = 0;
        for row in rows.by_ref().take(BATCH_ROWS) {
            write(&mut writer, &row);
            count += 1;
        }
        (count > 0).then(|| writer.finish())
    }))
}

fn region(out: &mut RowWriter, row: &Region<'static>) {
    out.int4(row.r_regionkey);
    out.text(row.r_name);
    out.text(row.r_comment);
}

fn nation(out: &mut RowWriter, row: &Nation<'static>) {
    out.int4(row.n_nationkey);
    out.text(row.n_name);
    out.int4(row.n_regionkey);
    out.text(row.n_comment);
}

fn supplier(out: &mut RowWriter, row: &Supplier) {
    out.int8(row.s_suppkey);
    out.display(&row.s_name);
    out.display(&row.s_address);
    out.int4(row.s_nationkey);
    out.display(&row.s_phone);
    out.numeric(row.s_acctbal.into_inner());
    out.text(&row.s_comment);
}

fn customer(out: &mut RowWriter, row: &Customer<'static>) {
    out.int8(row.c_custkey);
    out.display(&row.c_name);
    out.display(&row.c_address);
    out.int4(row.c_nationkey);
    out.display(&row.c_phone);
    out.numeric(row.c_acctbal.into_inner());
    out.text(row.c_mktsegment);
    out.text(row.c_comment);
}

fn part(out: &mut RowWriter, row: &Part<'static>) {
    out.int8(row.p_partkey);
    out.display(&row.p_name);
    out.display(&row.p_mfgr);
    out.display(&row.p_brand);
    out.text(row.p_type);
    out.int4(i64::from(row.p_size));
    out.text(row.p_container);
    out.numeric(row.p_retailprice.into_inner());
    out.text(row.p_comment);
}

fn part_supplier(out: &mut RowWriter, row: &PartSupp<'static>) {
    out.int8(row.ps_partkey);
    out.int8(row.ps_suppkey);
    out.int4(i64::from(row.ps_availqty));
    out.numeric(row.ps_supplycost.into_inner());
    out.text(row.ps_comment);
}

fn order(out: &mut RowWriter, row: &Order<'static>) {
    out.int8(row.o_orderkey);
    out.int8(row.o_custkey);
    out.display(&row.o_orderstatus);
    out.numeric(row.o_totalprice.into_inner());
    out.date(row.o_orderdate.to_unix_epoch());
    out.text(row.o_orderpriority);
    out.display(&row.o_clerk);
    out.int4(i64::from(row.o_shippriority));
    out.text(row.o_comment);
}

fn line_item(out: &mut RowWriter, row: &LineItem<'static>) {
    out.int8(row.l_orderkey);
    out.int8(row.l_partkey);
    out.int8(row.l_suppkey);
    out.int4(i64::from(row.l_linenumber));
    // A count of whole units, where the prices count hundredths.
    out.numeric(row.l_quantity * 100);
    out.numeric(row.l_extendedprice.into_inner());
    out.numeric(row.l_discount.into_inner());
    out.numeric(row.l_tax.into_inner());
    out.text(row.l_returnflag);
    out.text(row.l_linestatus);
    out.date(row.l_shipdate.to_unix_epoch());
    out.date(row.l_commitdate.to_unix_epoch());
    out.date(row.l_receiptdate.to_unix_epoch());
    out.text(row.l_shipinstruct);
    out.text(row.l_shipmode);
    out.text(row.l_comment);
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

    use super::*;

    fn first_row(table: TpchTable) -> String {
        let batch = batches(table, 0.01).unwrap().next().unwrap().unwrap();
        let options = FormatOptions::default();
        let value = |column| ArrayFormatter::try_new(column, &options).unwrap().value(0).to_string();
        batch
            .columns()
            .iter()
            .map(|column| value(column.as_ref()))
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn rows_are_those_of_the_specification() {
        assert!(first_row(TpchTable::Region).starts_with("0|AFRICA|lar deposits. blithely final packages"));
        assert!(first_row(TpchTable::Customer).starts_with(
            "1|Customer#000000001|IVhzIApeRb ot,c,E|15|25-989-741-2988|711.56|BUILDING|to the even, regular platelets"
        ));
        assert!(first_row(TpchTable::Orders).starts_with("1|370|O|172799.49|1996-01-02|5-LOW|Clerk#000000951|0|"));
        assert!(first_row(TpchTable::LineItem).starts_with(
            "1|1552|93|1|17.00|24710.35|0.04|0.02|N|O|1996-03-13|1996-02-12|1996-03-22|DELIVER IN PERSON|TRUCK|"
        ));
    }

    #[test]
    fn counts_and_widths_fit_the_declared_types() {
        for table in TpchTable::ALL {
            let mut rows = 0;
            for batch in batches(table, 0.01).unwrap() {
                let batch = batch.unwrap();
                rows += batch.num_rows() as u64;
                for (column, (name, sql_type)) in batch.columns().iter().zip(table.columns()) {
                    let Some(width) = sql_type.strip_prefix("char(").and_then(|rest| rest.strip_suffix(')')) else {
                        continue;
                    };
                    let width: usize = width.parse().unwrap();
                    let texts = column
                        .as_any()
                        .downcast_ref::<datafusion::arrow::array::StringViewArray>()
                        .unwrap();
                    assert!(texts.iter().all(|text| text.unwrap().len() == width), "{name}");
                }
            }
            let expected = table.rows(0.01);
            assert!(
                rows == expected || table == TpchTable::LineItem && rows.abs_diff(expected) < 200,
                "{table:?}: {rows}"
            );
        }
    }
}
