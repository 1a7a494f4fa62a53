//! CREATE VIEW: the text is kept with what its names meant.

use super::CommandContext;
use super::create::when_taken;
use crate::binding::updatable;
use crate::catalog::changes::{self, NewColumn};
use crate::catalog::model::{Oid, Reference, View, ViewOptions};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Notice, OutputColumn};
use crate::statement::ast::ObjectName;
use crate::types::SqlType;

/// A view whose query was bound and governed for its definer.
pub struct NewView<'a> {
    pub name: &'a ObjectName,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub column_names: &'a [String],
    pub query_text: &'a str,
    pub options: ViewOptions,
    pub output: Vec<OutputColumn>,
    pub references: Vec<Reference>,
}

pub async fn run(command: &mut CommandContext<'_>, view: NewView<'_>) -> Result<String> {
    if view.column_names.len() > view.output.len() {
        return Err(Error::new(
            SqlState::SyntaxError,
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let columns = view.output.iter().enumerate().map(|(index, column)| NewColumn {
        name: view.column_names.get(index).unwrap_or(&column.name).clone(),
        sql_type: if column.sql_type == SqlType::Unknown {
            SqlType::Text
        } else {
            column.declared_type()
        },
        nullable: true,
        field_id: None,
        default: None,
        numbering: None,
        comment: None,
    });
    let over_temporary = is_over_temporary(command, &view.references);
    let said_temporary = view.temporary || command.names_temporary(view.name);
    let temporary = said_temporary || over_temporary;
    let (schema, name) = match temporary {
        true => (command.temporary_schema(view.name).await?, view.name.last().to_string()),
        false => command.creation_place(view.name).await?,
    };
    if over_temporary && !said_temporary {
        let message = format!("view \"{name}\" will be a temporary view");
        command.notices.push(Notice::notice(message));
    }
    let new = changes::NewView {
        schema,
        name,
        query: view.query_text.to_string(),
        search_path: command.context.catalog.without_temporary(&command.context.search_path),
        columns: columns.collect(),
        references: view.references,
        options: view.options,
    };
    if new.options.check_option.is_some() {
        check_updatable(command, &new)?;
    }
    let when = when_taken(view.if_not_exists, view.or_replace);
    command
        .stage(|staged, role, _| changes::create_view(staged, role, new, when))
        .await?;
    Ok("CREATE VIEW".into())
}

/// WITH CHECK OPTION is for views that rows can be written through.
fn check_updatable(command: &CommandContext<'_>, new: &changes::NewView) -> Result<()> {
    let column = |(column, id): (&NewColumn, i16)| crate::catalog::model::Column {
        id,
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: true,
        field_id: None,
        default: None,
        numbering: None,
        mask: None,
        grants: vec![],
        comment: None,
    };
    let view = View {
        id: Oid::default(),
        schema: new.schema,
        name: new.name.clone(),
        owner: command.context.principal.role,
        query: new.query.clone(),
        search_path: new.search_path.clone(),
        columns: new.columns.iter().zip(1..).map(column).collect(),
        references: new.references.clone(),
        options: new.options,
        grants: vec![],
        comment: None,
    };
    match updatable(&command.context.catalog, &view) {
        Ok(_) => Ok(()),
        Err(detail) => {
            let message = "WITH CHECK OPTION is supported only on automatically updatable views";
            Err(Error::new(SqlState::FeatureNotSupported, message).with_detail(detail))
        }
    }
}

/// A view cannot outlast what it reads.
fn is_over_temporary(command: &CommandContext<'_>, references: &[Reference]) -> bool {
    let catalog = &command.context.catalog;
    references
        .iter()
        .filter_map(|reference| catalog.object(reference.object))
        .any(|object| catalog.is_temporary(object))
}
