//! Constraints of tables: what is kept of each, and what a foreign key says beside its columns.

use serde::{Deserialize, Serialize};

use super::model::{Oid, StoredExpression};

/// A declared constraint of a table. CHECK is enforced on every write; a key or foreign key where it says so: ON
/// CONFLICT and clients rely on the others too, nothing proves them. No plan relies on any, for other engines write too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    pub id: Oid,
    pub name: String,
    pub rule: ConstraintRule,
    /// Of a key or foreign key: whether writes are held to it.
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
        /// May be gone where the key is not enforced: nothing keeps it then.
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

/// What a foreign key says beside its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForeignKeyTerms {
    pub match_full: bool,
    pub on_update: ReferentialAction,
    pub on_delete: ReferentialAction,
    /// The columns that ON DELETE SET NULL or SET DEFAULT names; none are all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_columns: Vec<i16>,
    /// NOT VALID: rows that were there before it have not been looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_valid: bool,
}

/// A foreign key that the rows of its table are held to.
#[derive(Debug, Clone, Copy)]
pub struct ForeignKey<'a> {
    pub constraint: &'a Constraint,
    pub columns: &'a [i16],
    /// The table that it refers to.
    pub table: Oid,
    pub referenced: &'a [i16],
    pub terms: &'a ForeignKeyTerms,
}

impl Constraint {
    /// The foreign key that it is, if rows are held to it.
    pub fn enforced_foreign_key(&self) -> Option<ForeignKey<'_>> {
        match &self.rule {
            ConstraintRule::ForeignKey {
                columns,
                table,
                referenced,
                terms,
            } if self.enforced => Some(ForeignKey {
                constraint: self,
                columns,
                table: *table,
                referenced,
                terms,
            }),
            _ => None,
        }
    }
}

impl ForeignKeyTerms {
    fn is_usual(&self) -> bool {
        *self == ForeignKeyTerms::default()
    }

    /// As pg_get_constraintdef() shows them; `names` are those of `set_columns`.
    pub fn words(&self, names: &[String]) -> String {
        let mut words = String::new();
        if self.match_full {
            words.push_str(" MATCH FULL");
        }
        for (event, action) in [("UPDATE", self.on_update), ("DELETE", self.on_delete)] {
            if action != ReferentialAction::NoAction {
                words.push_str(&format!(" ON {event} {}", action.words()));
                if event == "DELETE" && !names.is_empty() {
                    words.push_str(&format!(" ({})", names.join(", ")));
                }
            }
        }
        words
    }
}

/// What happens to rows that refer to a key which changes or goes.
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

    /// Whether it changes rows.
    pub fn changes_rows(self) -> bool {
        !matches!(self, ReferentialAction::NoAction | ReferentialAction::Restrict)
    }
}
