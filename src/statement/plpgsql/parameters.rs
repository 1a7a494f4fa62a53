//! The variables that a statement inside of a body names become its parameters. PostgreSQL lets a name be a column or a
//! variable but not both, so every name of a variable is one; what could be a column too is told to the caller, who
//! knows the tables.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, ObjectName, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};

use super::names::{Names, Place};
use super::tree::Sql;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{ConflictAction, ParsedStatement, Statement};
use crate::statement::source::Source;
use crate::types::quote_identifier;

/// What a parameter is the value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Variable(usize),
    Field(usize, String),
    /// A record's field by its place, for names may be shared.
    Nth(usize, usize),
}

impl Reference {
    pub fn variable(&self) -> usize {
        let (Reference::Variable(variable) | Reference::Field(variable, _) | Reference::Nth(variable, _)) = self;
        *variable
    }
}

/// What a variable holds, as far as names go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Scalar,
    /// The fields of a record; `None` before it has any.
    Record(Option<Vec<String>>),
}

/// A statement with parameters in the place of variables.
#[derive(Debug)]
pub struct Parameterized {
    pub text: String,
    /// `$1`, `$2` ….
    pub references: Vec<Reference>,
    /// Names that may be columns too.
    pub doubts: Vec<Doubt>,
    /// Whether it names any table.
    pub reads_tables: bool,
    edits: Vec<Edit>,
}

/// A name that may be a column's too: if `text` can be planned, it is.
#[derive(Debug)]
pub struct Doubt {
    pub name: String,
    /// Where it stands in the statement as it is written.
    pub position: usize,
    pub text: String,
    /// Which name of the statement it is.
    index: usize,
}

/// Characters of a text and what stands there instead.
#[derive(Debug, Clone)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
    /// ` AS name`, for an output that is called by the variable's name.
    alias: String,
}

impl Parameterized {
    /// Where a character of `text` is in the statement as it is written.
    pub fn written_position(&self, position: usize) -> usize {
        let mut shift = 0_isize;
        for edit in &self.edits {
            let start = edit.start.saturating_add_signed(shift);
            let length = edit.text.chars().count() + edit.alias.chars().count();
            if position < start {
                break;
            }
            if position < start + length {
                return edit.start;
            }
            shift += length as isize - (edit.end - edit.start) as isize;
        }
        position.saturating_add_signed(-shift)
    }
}

impl Parameterized {
    /// The same with these names left to the columns that they are; `written` is the statement without parameters.
    pub fn with_columns(mut self, written: &str, columns: &[bool]) -> Parameterized {
        let left: Vec<usize> = self
            .doubts
            .drain(..)
            .zip(columns)
            .filter(|(_, is_column)| **is_column)
            .map(|(doubt, _)| doubt.index)
            .collect();
        let mut index = 0;
        self.edits.retain(|_| {
            index += 1;
            !left.contains(&(index - 1))
        });
        self.text = edited(&Source::new(written), &self.edits);
        self
    }
}

/// Puts parameters in the place of variables.
pub fn parameterized(sql: &Sql, names: &Names, shape: &dyn Fn(usize) -> Shape) -> Result<Parameterized> {
    let mut finder = Finder {
        names,
        place: sql.place,
        shape,
        found: vec![],
        outputs: vec![],
        named: vec![],
        has_tables: false,
        failed: None,
    };
    for statement in crate::statement::parse(&sql.text)? {
        visit(&statement, &mut finder);
    }
    if let Some(error) = finder.failed {
        return Err(error);
    }
    let Finder {
        mut found,
        outputs,
        named: named_outputs,
        has_tables,
        ..
    } = finder;
    found.retain(|found| !outputs.contains(&found.start));
    found.sort_by_key(|found| found.start);
    found.dedup_by_key(|found| found.start);
    let mut references: Vec<Reference> = vec![];
    let mut edits = vec![];
    for found in &found {
        let mut placeholder = |reference: &Reference| {
            let known = references.iter().position(|known| known == reference);
            let index = known.unwrap_or_else(|| {
                references.push(reference.clone());
                references.len() - 1
            });
            format!("${}", index + 1)
        };
        let mut alias = String::new();
        let text = match &found.meaning {
            Meaning::Value(reference) => {
                if let Some((_, name)) = named_outputs.iter().find(|(start, _)| *start == found.start) {
                    alias = format!(" AS {}", quote_identifier(name));
                }
                placeholder(reference)
            }
            Meaning::Whole(fields) => {
                let names: HashSet<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                let values = fields.iter().map(|(_, reference)| placeholder(reference));
                if names.len() < fields.len() {
                    format!("ROW({})", values.collect::<Vec<_>>().join(", "))
                } else {
                    let named = values.zip(fields).map(|(value, (name, _))| named(&value, name));
                    let fields = named.collect::<Vec<_>>().join(", ");
                    format!("(SELECT r FROM (SELECT {fields}) AS r)")
                }
            }
            Meaning::Fields(fields, with_names) => {
                let fields = fields.iter().map(|(name, reference)| match with_names {
                    true => named(&placeholder(reference), name),
                    false => placeholder(reference),
                });
                fields.collect::<Vec<_>>().join(", ")
            }
        };
        edits.push(Edit {
            start: found.start,
            end: found.end,
            text,
            alias,
        });
    }
    let source = Source::new(&sql.text);
    let doubts = found
        .iter()
        .enumerate()
        .filter(|(_, found)| has_tables && found.may_be_column);
    let doubts = doubts.map(|(index, found)| {
        let mut others = edits.clone();
        others.remove(index);
        // A name of the output would be no column.
        others.iter_mut().for_each(|edit| edit.alias.clear());
        Doubt {
            name: found.name.clone(),
            position: found.start,
            text: edited(&source, &others),
            index,
        }
    });
    Ok(Parameterized {
        text: edited(&source, &edits),
        doubts: doubts.collect(),
        reads_tables: has_tables,
        references,
        edits,
    })
}

fn named(value: &str, name: &str) -> String {
    format!("{value} AS {}", quote_identifier(name))
}

fn edited(source: &Source, edits: &[Edit]) -> String {
    let mut text = String::new();
    let mut end = 1;
    for edit in edits {
        text.push_str(source.slice(end, edit.start));
        text.push_str(&edit.text);
        text.push_str(&edit.alias);
        end = edit.end;
    }
    text.push_str(source.slice(end, source.end()));
    text
}

/// Visits the parts of a statement that may name variables: those of its queries.
fn visit(statement: &ParsedStatement, finder: &mut Finder) {
    let _ = match &statement.statement {
        Statement::Query(query) => query.visit(finder),
        Statement::Call(call) => call.arguments.visit(finder),
        Statement::Update(update) => update.rows.visit(finder),
        Statement::Delete(delete) => delete.rows.visit(finder),
        Statement::Merge(merge) => merge.rows.visit(finder),
        Statement::Insert(insert) => {
            if let Some(on_conflict) = &insert.on_conflict {
                finder.has_tables = true;
                if let ConflictAction::Update { values, condition, .. } = &on_conflict.action {
                    let _ = values.visit(finder);
                    let _ = condition.visit(finder);
                }
            }
            if !insert.returning.is_empty() {
                finder.has_tables = true;
                finder.items(&insert.returning);
                let _ = insert.returning.visit(finder);
            }
            insert.source.visit(finder)
        }
        Statement::CreateTable(create) => create.query.visit(finder),
        Statement::WithChanges(with) => {
            for change in &with.changes {
                visit(&change.statement, finder);
            }
            visit(&with.main, finder);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    };
}

struct Finder<'a> {
    names: &'a Names,
    place: Place,
    shape: &'a dyn Fn(usize) -> Shape,
    found: Vec<Found>,
    /// Where names stand that mean a query's own output.
    outputs: Vec<usize>,
    /// Where outputs stand that are called by the variable's name.
    named: Vec<(usize, String)>,
    has_tables: bool,
    failed: Option<Error>,
}

struct Found {
    start: usize,
    end: usize,
    name: String,
    meaning: Meaning,
    may_be_column: bool,
}

enum Meaning {
    Value(Reference),
    /// A record as one value.
    Whole(Vec<(String, Reference)>),
    /// `record.*`; with the fields' names where those matter.
    Fields(Vec<(String, Reference)>, bool),
}

impl Finder<'_> {
    /// The variable that parts of a name mean.
    fn meaning(&mut self, parts: &[&str]) -> Option<Meaning> {
        let (variable, field) = match parts {
            [name] => (self.names.find(self.place, name)?, None),
            [first, second] => match self.record(self.names.find(self.place, first)) {
                Some(variable) => (variable, Some(*second)),
                None => (self.names.find_in(self.place, first, second)?, None),
            },
            [label, name, field] => {
                let variable = self.record(self.names.find_in(self.place, label, name))?;
                (variable, Some(*field))
            }
            _ => return None,
        };
        match (field, (self.shape)(variable)) {
            (None, Shape::Scalar) => Some(Meaning::Value(Reference::Variable(variable))),
            (Some(field), _) => Some(Meaning::Value(Reference::Field(variable, field.to_string()))),
            (None, Shape::Record(_)) => Some(Meaning::Whole(self.fields(variable)?)),
        }
    }

    fn record(&self, variable: Option<usize>) -> Option<usize> {
        variable.filter(|variable| matches!((self.shape)(*variable), Shape::Record(_)))
    }

    fn fields(&mut self, variable: usize) -> Option<Vec<(String, Reference)>> {
        match (self.shape)(variable) {
            Shape::Record(Some(fields)) => {
                let fields = fields.into_iter().enumerate();
                Some(
                    fields
                        .map(|(index, name)| (name, Reference::Nth(variable, index)))
                        .collect(),
                )
            }
            // The value itself says that there is none yet.
            Shape::Record(None) => Some(vec![(String::new(), Reference::Variable(variable))]),
            Shape::Scalar => None,
        }
    }

    fn name(&mut self, parts: &[&Ident]) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return;
        };
        let (start, end) = (first.span.start.column as usize, last.span.end.column as usize);
        if start == 0 || end <= start {
            return;
        }
        let words: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        if let Some(meaning) = self.meaning(&words) {
            self.found.push(Found {
                start,
                end,
                name: words.join("."),
                meaning,
                may_be_column: true,
            });
        }
    }

    /// `record.*`; a select list keeps the fields' names.
    fn all_fields(&mut self, name: &ObjectName, with_names: bool) {
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return;
        };
        let variable = match parts.as_slice() {
            [name] => self.names.find(self.place, &name.value),
            [label, name] => self.names.find_in(self.place, &label.value, &name.value),
            _ => None,
        };
        let Some(fields) = self.record(variable).and_then(|variable| self.fields(variable)) else {
            return;
        };
        let (start, end) = (first.span.start.column as usize, last.span.end.column as usize);
        if start > 0 {
            self.found.push(Found {
                start,
                // The period and the asterisk.
                end: end + 2,
                name: first.value.clone(),
                meaning: Meaning::Fields(fields, with_names),
                may_be_column: true,
            });
        }
    }

    /// The names that outputs get from the variables that they are.
    fn items(&mut self, items: &[SelectItem]) {
        for item in items {
            match item {
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => self.output(name, name),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
                        self.output(first, last);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    self.all_fields(name, true);
                }
                _ => {}
            }
        }
    }

    fn output(&mut self, first: &Ident, last: &Ident) {
        self.named.push((first.span.start.column as usize, last.value.clone()));
    }

    /// Names in `expressions` that mean an output of the select list.
    fn sorted_outputs<'e>(&mut self, select: &Select, expressions: impl Iterator<Item = &'e Expr>, own_names: bool) {
        let names: Vec<&str> = (select.projection.iter())
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.as_str()),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) if own_names => Some(name.value.as_str()),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) if own_names => {
                    parts.last().map(|part| part.value.as_str())
                }
                _ => None,
            })
            .collect();
        for expression in expressions {
            if let Expr::Identifier(name) = expression
                && names.contains(&name.value.as_str())
            {
                self.outputs.push(name.span.start.column as usize);
            }
        }
    }
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let (Some(order), Some(select)) = (&query.order_by, first_select(&query.body))
            && let OrderByKind::Expressions(keys) = &order.kind
        {
            self.sorted_outputs(select, keys.iter().map(|key| &key.expr), true);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.items(&select.projection);
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            self.sorted_outputs(select, keys.iter(), false);
        }
        if let Some(Distinct::On(keys)) = &select.distinct {
            self.sorted_outputs(select, keys.iter(), true);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, _: &TableFactor) -> ControlFlow<()> {
        self.has_tables = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Identifier(name) => self.name(&[name]),
            Expr::CompoundIdentifier(parts) => self.name(&parts.iter().collect::<Vec<_>>()),
            Expr::QualifiedWildcard(name, _) => self.all_fields(name, false),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &value.value {
            let (start, end) = (value.span.start.column as usize, value.span.end.column as usize);
            match self.meaning(&[name]) {
                Some(meaning) => self.found.push(Found {
                    start,
                    end,
                    name: name.clone(),
                    meaning,
                    may_be_column: false,
                }),
                None => {
                    let message = format!("there is no parameter {name}");
                    let error = Error::new(SqlState::UndefinedParameter, message).at(start);
                    self.failed.get_or_insert(error);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The query whose select list names the outputs.
fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => first_select(left),
        SetExpr::Query(query) => first_select(&query.body),
        _ => None,
    }
}
