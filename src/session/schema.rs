//! CREATE SCHEMA with what belongs into it: the statements run one after the other, as the schema's owner and with the
//! schema before all others of the search path, and one that fails takes the schema with it.

use super::Session;
use super::prepared::PreparedStatement;
use crate::context::Principal;
use crate::error::{Error, Result};
use crate::statement::ast::{CreateSchema, ParsedStatement, Statement};

impl Session {
    pub(super) async fn create_schema_with(&mut self, parsed: &ParsedStatement, create: &CreateSchema) -> Result<()> {
        let [schema] = create.name.0.as_slice() else {
            return Err(Error::unsupported("CREATE SCHEMA with elements in another database"));
        };
        self.ensure_begun()?;
        let schema_alone = ParsedStatement {
            statement: Statement::CreateSchema(CreateSchema {
                elements: vec![],
                ..create.clone()
            }),
            ..parsed.clone()
        };
        self.run_part(schema_alone).await?;
        let (settings, identity) = (self.settings.mark(), self.identity.mark());
        let made = self.make_elements(schema, create).await;
        self.settings.back_to(&settings);
        self.identity.back_to(&identity);
        made
    }

    async fn make_elements(&mut self, schema: &str, create: &CreateSchema) -> Result<()> {
        let mut path = vec![schema.to_string()];
        path.extend(self.settings.current().search_path.iter().cloned());
        self.settings.set("search_path", &path, true, false)?;
        if let Some(owner) = &create.owner {
            self.act_as_owner(owner).await?;
        }
        for element in &create.elements {
            self.run_part(element.clone()).await?;
        }
        Ok(())
    }

    /// The statement that made the schema has checked that the session may be its owner.
    async fn act_as_owner(&mut self, owner: &str) -> Result<()> {
        let current = self.identity.current().clone();
        let catalog = self.catalog().await?;
        let role = match owner {
            "current_user" | "current_role" => return Ok(()),
            "session_user" => catalog.resolve_role(&current.login_name)?,
            name => catalog.resolve_role(name)?,
        };
        let owner = Principal {
            role: role.id,
            role_name: role.name.as_str().into(),
            ..current
        };
        self.identity.set(owner, true);
        Ok(())
    }

    async fn run_part(&mut self, parsed: ParsedStatement) -> Result<()> {
        let statement = PreparedStatement::undescribed(parsed, vec![]);
        Box::pin(self.run_statement(&statement, &[], &[])).await?;
        self.end_statement().await
    }
}
