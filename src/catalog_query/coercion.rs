//! Which type becomes which, by PostgreSQL's rules over pg_cast, and the nodes that make it so.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::analyzer::Analyzer;
use super::node::{Kind, Node};
use super::value_type::{BOOL, BPCHAR, RECORD, TEXT, Type, UNKNOWN, VARCHAR, is_polymorphic, is_polymorphic_array};
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;
use crate::functions::builtin::builtin_casts;

/// Where a cast is made; each place allows what those before it allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Place {
    Implicit,
    Explicit,
}

/// pg_cast: whether a pair may be cast without being asked.
static CASTS: LazyLock<HashMap<(u32, u32), bool>> = LazyLock::new(|| {
    builtin_casts()
        .filter_map(|row| {
            Some((
                (row.get(1)?.parse().ok()?, row.get(2)?.parse().ok()?),
                *row.get(4)? == "i",
            ))
        })
        .collect()
});

/// Whether a value of one type can be used as another.
pub(super) fn can_coerce(from: &Type, to: &Type, place: Place) -> bool {
    if from.oid == to.oid || from.is_unknown() || to.oid == 2276 {
        return true;
    }
    if is_polymorphic(to.oid) {
        return match to.oid {
            3500 => from.category() == 'E',
            3831 | 5080 | 4537 | 4538 => from.category() == 'R',
            2776 | 5079 => !from.is_array(),
            oid => !is_polymorphic_array(oid) || from.is_array(),
        };
    }
    if let Some(implicit) = CASTS.get(&(from.oid, to.oid)) {
        return *implicit || place == Place::Explicit;
    }
    if let (Some(from_element), Some(to_element)) = (from.element(), to.element())
        && to.lower_bound() == 1
    {
        return can_coerce(&from_element, &to_element, place);
    }
    // Through text: everything has an input and an output function.
    place == Place::Explicit
        && (to.category() == 'S' || from.category() == 'S' || from.oid == RECORD && to.oid == RECORD)
}

impl Analyzer<'_> {
    /// The node as `target`; NULL and untyped literals are read as it.
    pub fn coerce(&mut self, node: Node, target: &Type, place: Place) -> Result<Node> {
        if is_polymorphic(target.oid) || target.oid == 2276 {
            return Ok(node);
        }
        if node.ty.is_unknown() {
            return self.coerce_unknown(node, target);
        }
        if node.ty.oid == target.oid {
            if target.typmod < 0 || node.ty.typmod == target.typmod {
                return Ok(node);
            }
            return self.cast_node(node, target, true);
        }
        if !can_coerce(&node.ty, target, place) {
            let message = format!("cannot cast type {} to {}", node.ty.name(), target.name());
            return Err(Error::new(SqlState::CannotCoerce, message));
        }
        self.cast_node(node, target, place == Place::Explicit)
    }

    fn coerce_unknown(&mut self, node: Node, target: &Type) -> Result<Node> {
        match node.kind {
            Kind::Parameter(index) => {
                let known = self.parameters.get_mut(index);
                if let Some(known) = known
                    && known.as_ref().is_none_or(Type::is_unknown)
                {
                    *known = Some(Type::of(target.oid));
                }
                let parameter = Node::new(Type::of(target.oid), Kind::Parameter(index));
                if target.typmod >= 0 {
                    return self.cast_node(parameter, target, true);
                }
                Ok(parameter)
            }
            Kind::Constant(Datum::Null) => Ok(Node::constant(target.clone(), Datum::Null)),
            Kind::Constant(Datum::Text(text)) => {
                let value = self.executor.input(&text, target)?;
                let value = match target.typmod {
                    -1 => value,
                    _ => self.executor.cast(value, target, target, true)?,
                };
                Ok(Node::constant(target.clone(), value))
            }
            kind => {
                let text = Node::new(TEXT, kind);
                self.cast_node(text, target, true)
            }
        }
    }

    fn cast_node(&mut self, node: Node, target: &Type, explicit: bool) -> Result<Node> {
        if let Kind::Constant(value) = &node.kind {
            let value = self.executor.cast(value.clone(), &node.ty, target, explicit)?;
            return Ok(Node::constant(target.clone(), value));
        }
        Ok(Node::new(
            target.clone(),
            Kind::Cast {
                argument: Box::new(node),
                explicit,
            },
        ))
    }

    /// A condition; `place` words the error.
    pub fn boolean(&mut self, node: Node, place: &str) -> Result<Node> {
        if !can_coerce(&node.ty, &Type::of(BOOL), Place::Implicit) {
            let message = format!("argument of {place} must be type boolean, not type {}", node.ty.name());
            return Err(Error::new(SqlState::DatatypeMismatch, message));
        }
        self.coerce(node, &Type::of(BOOL), Place::Implicit)
    }

    /// A result that nothing gave a type is text.
    pub fn settled(&mut self, node: Node) -> Result<Node> {
        match node.ty.oid {
            UNKNOWN => self.coerce(node, &Type::of(TEXT), Place::Implicit),
            _ => Ok(node),
        }
    }

    /// All nodes as the one type that UNION, CASE, ARRAY and VALUES would choose.
    pub fn unify(&mut self, nodes: Vec<Node>, place: &str) -> Result<(Vec<Node>, Type)> {
        let types: Vec<Type> = nodes.iter().map(|node| node.ty.clone()).collect();
        let common = common_type(&types, place)?;
        let nodes = nodes
            .into_iter()
            .map(|node| self.coerce(node, &common, Place::Implicit))
            .collect::<Result<_>>()?;
        Ok((nodes, common))
    }
}

/// select_common_type(): text where nothing is known.
pub(super) fn common_type(types: &[Type], place: &str) -> Result<Type> {
    let mut known = types.iter().filter(|ty| !ty.is_unknown());
    let Some(first) = known.next() else {
        return Ok(Type::of(TEXT));
    };
    let mut chosen = first.clone();
    for next in known {
        if next.oid == chosen.oid {
            if next.typmod != chosen.typmod {
                chosen.typmod = -1;
            }
            continue;
        }
        if next.category() != chosen.category() {
            let message = format!("{place} types {} and {} cannot be matched", chosen.name(), next.name());
            return Err(Error::new(SqlState::DatatypeMismatch, message));
        }
        if !chosen.is_preferred()
            && can_coerce(&chosen, next, Place::Implicit)
            && !can_coerce(next, &chosen, Place::Implicit)
        {
            chosen = Type::of(next.oid);
        } else {
            chosen.typmod = -1;
        }
    }
    Ok(chosen)
}

/// Types that compare and concatenate as text does.
pub(super) fn is_string(oid: u32) -> bool {
    matches!(oid, TEXT | VARCHAR | BPCHAR) || oid == super::value_type::NAME
}
