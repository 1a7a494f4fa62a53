//! A view, or what else a plan computes, as a relation of another plan.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, TableType};

use crate::catalog::model::View;
use crate::error::{Error, Result, SqlState};

/// A view in a plan: the planner inlines its query, already bound with the owner's rights.
#[derive(Debug)]
pub(crate) struct ViewSource {
    schema: SchemaRef,
    plan: LogicalPlan,
}

impl ViewSource {
    /// Names the query's columns as the view was created with.
    pub fn new(view: &View, plan: LogicalPlan) -> Result<ViewSource> {
        if plan.schema().fields().len() != view.columns.len() {
            return Err(Error::new(
                SqlState::InvalidTableDefinition,
                format!("view \"{}\" no longer fits the tables it reads", view.name),
            )
            .with_hint("CREATE OR REPLACE the view."));
        }
        let renamed = plan
            .schema()
            .columns()
            .into_iter()
            .zip(&view.columns)
            .map(|(column, named)| Expr::Column(column).alias(&named.name));
        Ok(ViewSource::computed(
            LogicalPlanBuilder::from(plan.clone()).project(renamed)?.build()?,
        ))
    }

    /// Rows that a plan computes.
    pub fn computed(plan: LogicalPlan) -> ViewSource {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        ViewSource { schema, plan }
    }

    /// These columns of a relation, under other names.
    pub fn renamed<'a>(
        source: Arc<dyn TableSource>,
        columns: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<ViewSource> {
        let plan = LogicalPlanBuilder::scan("known", source, None)?;
        let columns = columns.map(|(name, known)| Expr::Column(Column::new(Some("known"), name)).alias(known));
        Ok(ViewSource::computed(plan.project(columns)?.build()?))
    }

    /// The query alone.
    pub fn into_plan(self) -> LogicalPlan {
        self.plan
    }
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}
