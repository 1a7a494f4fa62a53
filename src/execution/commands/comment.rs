//! COMMENT ON.

use super::CommandContext;
use crate::catalog::changes::{self, CommentedPart};
use crate::catalog::model::ObjectKind;
use crate::error::Result;
use crate::statement::ast::ObjectName;

pub(super) async fn run(
    command: &mut CommandContext<'_>,
    kind: ObjectKind,
    name: &ObjectName,
    part: Option<&CommentedPart>,
    text: Option<&str>,
) -> Result<&'static str> {
    let id = match kind {
        ObjectKind::Column => {
            let (catalog, names) = (&command.context.catalog, command.names());
            // A composite type is a relation too.
            let composite = catalog
                .find_type(names, &name.0)?
                .filter(|found| found.attributes().is_some());
            match composite {
                Some(composite) => composite.id,
                None => catalog.resolve_relation(names, &name.0)?.id(),
            }
        }
        kind => command
            .context
            .catalog
            .resolve_object(kind, command.names(), &name.0)?
            .id(),
    };
    command
        .stage(|staged, role, _| changes::set_comment(staged, role, id, part, text))
        .await?;
    Ok("COMMENT")
}
