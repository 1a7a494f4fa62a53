//! Stored values of a composite type whose fields ALTER TYPE has changed: the fields that stay keep their values, new ones
//! are null.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field};

use crate::catalog::changes::ChangedFields;
use crate::catalog::model::Oid;
use crate::error::{Error, Result};
use crate::types::SqlType;

/// What becomes of one column's values.
pub(super) struct Reshape {
    composite: Oid,
    /// For each new field its place among the old ones.
    places: Vec<Option<usize>>,
    old: SqlType,
    new: SqlType,
}

impl Reshape {
    pub(super) fn new(changed: &ChangedFields, old: SqlType, new: SqlType) -> Reshape {
        Reshape {
            composite: changed.composite,
            places: changed.places.clone(),
            old,
            new,
        }
    }

    pub(super) fn of(&self, values: &ArrayRef) -> Result<ArrayRef> {
        self.reshaped(values, &self.old, &self.new)
    }

    fn reshaped(&self, values: &ArrayRef, old: &SqlType, new: &SqlType) -> Result<ArrayRef> {
        let unexpected = || Error::internal("values of a composite type are not stored as such");
        match (old, new) {
            (SqlType::Composite(old), SqlType::Composite(new)) => {
                let rows = values.as_struct_opt().ok_or_else(unexpected)?;
                let mut children = vec![];
                for (number, field) in new.fields.iter().enumerate() {
                    let place = match old.relation == self.composite {
                        true => self.places.get(number).copied().flatten(),
                        false => Some(number),
                    };
                    let child = match place {
                        Some(place) => {
                            let before = old.fields.get(place).ok_or_else(unexpected)?;
                            let child = rows.columns().get(place).ok_or_else(unexpected)?;
                            self.reshaped(child, &before.sql_type, &field.sql_type)?
                        }
                        None => new_null_array(&field.sql_type.to_arrow(), rows.len()),
                    };
                    let shown = Field::new(&field.name, child.data_type().clone(), true);
                    children.push((Arc::new(shown), child));
                }
                let (fields, children): (Vec<_>, Vec<_>) = children.into_iter().unzip();
                let rows = StructArray::try_new(fields.into(), children, rows.nulls().cloned())?;
                Ok(Arc::new(rows))
            }
            (SqlType::Array(old), SqlType::Array(new)) => {
                let DataType::List(element) = values.data_type() else {
                    return Err(unexpected());
                };
                let list = values.as_list::<i32>();
                let elements = self.reshaped(list.values(), old, new)?;
                let element = Field::new(element.name(), elements.data_type().clone(), true);
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                Ok(Arc::new(ListArray::try_new(
                    Arc::new(element),
                    offsets,
                    elements,
                    nulls,
                )?))
            }
            _ => Ok(Arc::clone(values)),
        }
    }
}
