//! Constraints of tables: what is kept of each, and what a foreign key says beside its columns.

use serde::{Deserialize, Serialize};

use super::model::{Oid, StoredExpression};

/// A declared constraint of a table. CHECK is enforced on every write; a primary key or UNIQUE where it says so: ON
/// CONFLICT and clients rely on the others too, nothing proves them. No plan relies on any, for other engines write too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    pub id: Oid,
    pub name: String,
    pub rule: ConstraintRule,
    /// Of a primary key or UNIQUE: whether writes are held to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforced: bool,
    #[serde(default, skip_serializing_if = "Timing::is_immediate")]
    pub timing: Timing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What a constraint says. Columns are ids of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum ConstraintRule {
    PrimaryKey {
        columns: Vec<i16>,
    },
    Unique {
        columns: Vec<i16>,
        /// Two rows that are null in a column may be equal there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        nulls_not_distinct: bool,
    },
    ForeignKey {
        columns: Vec<i16>,
        /// May be gone: nothing keeps it.
        table: Oid,
        referenced: Vec<i16>,
        #[serde(default, skip_serializing_if = "ForeignKeyTerms::is_usual")]
        terms: ForeignKeyTerms,
    },
    Check {
        condition: StoredExpression,
    },
}

/// When a constraint is tested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// NOT DEFERRABLE.
    #[default]
    Immediate,
    /// DEFERRABLE INITIALLY IMMEDIATE.
    Deferrable,
    /// DEFERRABLE INITIALLY DEFERRED.
    Deferred,
}

impl Timing {
    fn is_immediate(&self) -> bool {
        *self == Timing::Immediate
    }

    pub fn is_deferrable(self) -> bool {
        self != Timing::Immediate
    }

    /// As pg_get_constraintdef() ends.
    pub fn words(self) -> &'static str {
        match self {
            Timing::Immediate => "",
            Timing::Deferrable => " DEFERRABLE",
            Timing::Deferred => " DEFERRABLE INITIALLY DEFERRED",
        }
    }
}

/// What a foreign key says beside its columns. Nothing acts on it: clients read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForeignKeyTerms {
    pub match_full: bool,
    pub on_update: ReferentialAction,
    pub on_delete: ReferentialAction,
}

impl ForeignKeyTerms {
    fn is_usual(&self) -> bool {
        *self == ForeignKeyTerms::default()
    }

    /// As pg_get_constraintdef() shows them.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if self.match_full {
            words.push_str(" MATCH FULL");
        }
        for (event, action) in [("UPDATE", self.on_update), ("DELETE", self.on_delete)] {
            if action != ReferentialAction::NoAction {
                words.push_str(&format!(" ON {event} {}", action.words()));
            }
        }
        words
    }
}

/// What is to happen to rows whose key is changed or deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

impl ReferentialAction {
    pub fn words(self) -> &'static str {
        match self {
            ReferentialAction::NoAction => "NO ACTION",
            ReferentialAction::Restrict => "RESTRICT",
            ReferentialAction::Cascade => "CASCADE",
            ReferentialAction::SetNull => "SET NULL",
            ReferentialAction::SetDefault => "SET DEFAULT",
        }
    }

    /// pg_constraint.confupdtype.
    pub fn code(self) -> &'static str {
        match self {
            ReferentialAction::NoAction => "a",
            ReferentialAction::Restrict => "r",
            ReferentialAction::Cascade => "c",
            ReferentialAction::SetNull => "n",
            ReferentialAction::SetDefault => "d",
        }
    }

    /// Whether it would change rows.
    pub fn changes_rows(self) -> bool {
        !matches!(self, ReferentialAction::NoAction | ReferentialAction::Restrict)
    }
}
