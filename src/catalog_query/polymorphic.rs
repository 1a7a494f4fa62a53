//! anyelement, anyarray and their kin: what they stand for in one call.

use super::analyzer::not_covered;
use super::coercion::{Place, can_coerce, common_type};
use super::value_type::{TEXT, Type, is_polymorphic, is_polymorphic_array};
use crate::error::Result;

/// The element type that a call's polymorphic arguments agree on.
pub(super) struct Resolution {
    element: Option<Type>,
}

impl Resolution {
    /// From the declared and the given argument types.
    pub fn of(declared: &[u32], given: &[Type]) -> Result<Resolution> {
        let mut elements = vec![];
        let mut is_generic = false;
        for (declared, given) in declared.iter().zip(given) {
            if !is_polymorphic(*declared) {
                continue;
            }
            is_generic = true;
            if given.is_unknown() {
                continue;
            }
            elements.push(match is_polymorphic_array(*declared) {
                true => given
                    .element()
                    .ok_or_else(|| not_covered(format!("{} as an array", given.name())))?,
                false => given.clone(),
            });
        }
        let element = match (is_generic, elements.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Type::of(TEXT)),
            (true, false) => Some(common_type(&elements, "arguments")?),
        };
        Ok(Resolution { element })
    }

    /// What an argument must become.
    pub fn argument(&self, declared: u32, given: &Type) -> Type {
        match &self.element {
            _ if !is_polymorphic(declared) => match declared {
                2276 => given.clone(),
                _ => Type::of(declared),
            },
            Some(element) if is_polymorphic_array(declared) => match given.element() {
                // A vector is taken as the array that it looks like.
                Some(own) if own.oid == element.oid => given.clone(),
                _ => element.array().unwrap_or_else(|| given.clone()),
            },
            Some(element) => element.clone(),
            None => given.clone(),
        }
    }

    /// What the call gives.
    pub fn result(&self, declared: u32) -> Type {
        match &self.element {
            Some(element) if is_polymorphic_array(declared) => element.array().unwrap_or_else(|| Type::of(declared)),
            Some(element) if is_polymorphic(declared) => element.clone(),
            _ => Type::of(declared),
        }
    }
}

/// Whether polymorphic arguments can mean one element type: the same one for anyelement and its kin, a common one
/// for anycompatible and its kin.
pub(super) fn is_consistent(declared: &[u32], given: &[Type]) -> bool {
    let elements = |family: &[u32]| -> Vec<Type> {
        declared
            .iter()
            .zip(given)
            .filter(|(declared, given)| family.contains(declared) && !given.is_unknown())
            .filter_map(|(declared, given)| match is_polymorphic_array(*declared) {
                true => given.element(),
                false => Some(given.clone()),
            })
            .collect()
    };
    let same = elements(&[2283, 2277, 2776, 3500, 3831, 4537]);
    let compatible = elements(&[5077, 5078, 5079, 5080, 4538]);
    let common = common_type(&compatible, "arguments");
    same.windows(2).all(|pair| pair[0].oid == pair[1].oid)
        && common.is_ok_and(|common| compatible.iter().all(|ty| can_coerce(ty, &common, Place::Implicit)))
}
