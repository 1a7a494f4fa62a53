//! SELECT: its list, grouping, DISTINCT, and where ORDER BY finds its keys.

use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, Level, not_covered};
use super::node::{Conjunct, Distinct, Group, Kind, Node, Query, QueryBody, Select, SortKey};
use super::queries::{output_column, sort_key};
use super::value_type::Field;
use crate::binding::{folded, output_column_name};
use crate::error::{Error, Result, SqlState};

impl Analyzer<'_> {
    pub fn select(&mut self, select: &sql::Select, keys: &[sql::OrderByExpr]) -> Result<Query> {
        if select.into.is_some()
            || select.top.is_some()
            || select.qualify.is_some()
            || !select.named_window.is_empty()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
        {
            return Err(not_covered("a clause of this SELECT"));
        }
        self.levels.push(Level::default());
        let analyzed = self.select_in_scope(select, keys);
        self.levels.pop();
        analyzed
    }

    fn select_in_scope(&mut self, select: &sql::Select, keys: &[sql::OrderByExpr]) -> Result<Query> {
        let is_branch = std::mem::take(&mut self.is_branch);
        let (items, source) = self.sources(&select.from)?;
        let filter = match &select.selection {
            None => vec![],
            Some(condition) => {
                let node = self.condition(condition, "WHERE")?;
                conjuncts(node)
            }
        };
        let mut columns = vec![];
        let mut targets = vec![];
        for item in &select.projection {
            for (name, node) in self.select_item(item)? {
                let node = match is_branch {
                    true => node,
                    false => self.settled(node)?,
                };
                columns.push(Field::new(name, node.ty.clone()));
                targets.push(node);
            }
        }
        let group_keys = self.group_keys(&select.group_by, &columns, &targets)?;
        let having = match &select.having {
            None => None,
            Some(having) => {
                let node = self.expression(having)?;
                Some(self.boolean(node, "HAVING")?)
            }
        };
        let order = self.order_keys(
            keys,
            &columns,
            &mut targets,
            matches!(select.distinct, Some(sql::Distinct::Distinct)),
        )?;
        let distinct = match &select.distinct {
            None | Some(sql::Distinct::All) => Distinct::No,
            Some(sql::Distinct::Distinct) => Distinct::All,
            Some(sql::Distinct::On(expressions)) => {
                let mut positions = vec![];
                for expression in expressions {
                    positions.push(self.target_of(expression, &columns, &mut targets)?);
                }
                Distinct::On(positions)
            }
        };
        let level = self.levels.last_mut().map(std::mem::take).unwrap_or_default();
        let is_grouped = !group_keys.is_empty() || !level.aggregates.is_empty() || having.is_some();
        let group = is_grouped.then_some(Group {
            keys: group_keys,
            aggregates: level.aggregates,
            having,
        });
        if let Some(group) = &group {
            for node in targets.iter().chain(&group.having) {
                super::grouping::check(node, &group.keys, &items)?;
            }
        }
        let id = self.id();
        let visible = columns.len();
        let analyzed = Select {
            items,
            source,
            filter,
            group,
            windows: level.windows,
            sets: level.sets,
            targets,
            distinct,
        };
        debug_assert!(analyzed.targets.len() >= visible);
        Ok(Query {
            id,
            body: QueryBody::Select(Box::new(analyzed)),
            columns,
            order,
            limit: None,
            offset: None,
            is_correlated: false,
        })
    }

    fn select_item(&mut self, item: &sql::SelectItem) -> Result<Vec<(String, Node)>> {
        match item {
            sql::SelectItem::UnnamedExpr(expression) => {
                let name = output_column_name(expression);
                Ok(vec![(name, self.expression(expression)?)])
            }
            sql::SelectItem::ExprWithAlias { expr, alias } => Ok(vec![(folded(alias), self.expression(expr)?)]),
            sql::SelectItem::Wildcard(_) => {
                let columns = self.star(None)?;
                match self.level()?.relations.is_empty() {
                    true => Err(Error::syntax("SELECT * with no tables specified is not valid")),
                    false => Ok(columns),
                }
            }
            sql::SelectItem::QualifiedWildcard(sql::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
                self.star(Some(&parts))
            }
            sql::SelectItem::QualifiedWildcard(sql::SelectItemQualifiedWildcardKind::Expr(expression), _) => {
                let record = self.expression(expression)?;
                let fields = record
                    .ty
                    .fields
                    .clone()
                    .ok_or_else(|| not_covered("the parts of a value that is no record"))?;
                let part = |(index, field): (usize, &Field)| {
                    let record = Box::new(record.clone());
                    let node = Node::new(field.ty.clone(), Kind::FieldOf { record, index });
                    (field.name.clone(), node)
                };
                Ok(fields.iter().enumerate().map(part).collect())
            }
            _ => Err(not_covered("this item of a select list")),
        }
    }

    fn group_keys(&mut self, clause: &sql::GroupByExpr, columns: &[Field], targets: &[Node]) -> Result<Vec<Node>> {
        let sql::GroupByExpr::Expressions(expressions, modifiers) = clause else {
            return Err(not_covered("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(not_covered("GROUP BY with modifiers"));
        }
        let mut keys = vec![];
        for expression in expressions {
            if matches!(expression, sql::Expr::Value(_))
                && let Some(position) = output_column(expression, columns, "GROUP BY")?
            {
                keys.push(targets[position].clone());
                continue;
            }
            // A column of FROM goes before an output column of the same name.
            let before = self.level()?.no_aggregates.replace("GROUP BY");
            let node = self.expression(expression);
            self.level()?.no_aggregates = before;
            keys.push(match (node, output_column(expression, columns, "GROUP BY")?) {
                (Ok(node), _) => self.settled(node)?,
                (Err(error), Some(position)) if error.state() == SqlState::UndefinedColumn => targets[position].clone(),
                (Err(error), _) => return Err(error),
            });
        }
        Ok(keys)
    }

    fn order_keys(
        &mut self,
        keys: &[sql::OrderByExpr],
        columns: &[Field],
        targets: &mut Vec<Node>,
        is_distinct: bool,
    ) -> Result<Vec<SortKey>> {
        let visible = columns.len();
        let mut order = vec![];
        for key in keys {
            let column = self.target_of(&key.expr, columns, targets)?;
            if is_distinct && column >= visible {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(Error::new(SqlState::InvalidColumnReference, message));
            }
            order.push(sort_key(column, &key.options));
        }
        Ok(order)
    }

    /// The position of what ORDER BY or DISTINCT ON names; an expression of its own is added at the end.
    fn target_of(&mut self, expression: &sql::Expr, columns: &[Field], targets: &mut Vec<Node>) -> Result<usize> {
        if let Some(position) = output_column(expression, columns, "ORDER BY")? {
            return Ok(position);
        }
        let node = self.expression(expression)?;
        let node = self.settled(node)?;
        if let Some(position) = targets.iter().position(|target| super::grouping::same(target, &node)) {
            return Ok(position);
        }
        targets.push(node);
        Ok(targets.len() - 1)
    }
}

/// A condition in the parts that AND combines.
pub(super) fn conjuncts(node: Node) -> Vec<Conjunct> {
    match node.kind {
        Kind::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        _ => {
            let reads = super::reads::items_read(&node);
            vec![Conjunct { node, reads }]
        }
    }
}
