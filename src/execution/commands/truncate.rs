//! TRUNCATE: every file of the table goes, in one commit.

use super::CommandContext;
use super::insert::open;
use crate::catalog::model::{Object, Privilege};
use crate::error::{Error, Result};
use crate::execution::transaction::TableWrite;
use crate::statement::ast::ObjectName;
use crate::storage::{Operation, Removal};

pub(super) async fn run(command: &mut CommandContext<'_>, tables: &[ObjectName]) -> Result<&'static str> {
    for name in tables {
        let table = command.table(name)?;
        let access = command.context.catalog.access(command.role());
        if !access.has(&Object::Table(table.clone()), Privilege::Truncate) {
            return Err(Error::denied("table", &table.name));
        }
        let (delta, _) = open(command, &table).await?;
        command.transaction.take_turn(table.id, &delta, None).await;
        let (delta, base) = open(command, &table).await?;
        let files = delta.stage(&base, vec![]).await?;
        let operation = Operation::new("TRUNCATE").with_user(&*command.context.principal.role_name);
        let write = TableWrite {
            delta,
            base,
            removal: Removal::All,
            files,
            complete: false,
            keys: None,
            operation,
        };
        command.transaction.add_write(&table, write).await?;
    }
    Ok("TRUNCATE TABLE")
}
