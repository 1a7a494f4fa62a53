//! Choosing among functions or operators of one name, as PostgreSQL's parse_func.c does.

use super::coercion::{Place, can_coerce};
use super::polymorphic::is_consistent;
use super::value_type::{Type, UNKNOWN};

/// What a choice came to.
pub(super) enum Choice {
    One(usize),
    None,
    Ambiguous,
}

/// The candidate that fits `given` best; each candidate lists its declared argument types.
pub(super) fn choose(given: &[Type], candidates: &[Vec<u32>]) -> Choice {
    let exact = |declared: &Vec<u32>| {
        declared
            .iter()
            .zip(given)
            .all(|(declared, given)| *declared == given.oid)
    };
    if let Some(index) = candidates.iter().position(exact) {
        return Choice::One(index);
    }
    let fits = |declared: &Vec<u32>| {
        declared
            .iter()
            .zip(given)
            .all(|(declared, given)| can_coerce(given, &Type::of(*declared), Place::Implicit))
            && is_consistent(declared, given)
    };
    let mut left: Vec<usize> = (0..candidates.len())
        .filter(|index| fits(&candidates[*index]))
        .collect();
    match left.as_slice() {
        [] => return Choice::None,
        [one] => return Choice::One(*one),
        _ => {}
    }
    keep_best(&mut left, |index| {
        count(given, &candidates[index], |given, declared| given.oid == declared)
    });
    if let [one] = left[..] {
        return Choice::One(one);
    }
    keep_best(&mut left, |index| {
        count(given, &candidates[index], |given, declared| {
            given.oid == declared || is_preferred_for(given, declared)
        })
    });
    if let [one] = left[..] {
        return Choice::One(one);
    }
    if !given.iter().any(Type::is_unknown) {
        return Choice::Ambiguous;
    }
    by_categories(given, candidates, &mut left);
    if let [one] = left[..] {
        return Choice::One(one);
    }
    // All known arguments of one type: try it for the unknown ones.
    let mut known = given.iter().filter(|ty| !ty.is_unknown());
    if let Some(first) = known.next()
        && known.all(|other| other.oid == first.oid)
    {
        let assumed: Vec<Type> = given.iter().map(|_| first.clone()).collect();
        let fitting: Vec<usize> = left
            .iter()
            .copied()
            .filter(|index| {
                candidates[*index]
                    .iter()
                    .zip(&assumed)
                    .all(|(declared, given)| can_coerce(given, &Type::of(*declared), Place::Implicit))
            })
            .collect();
        if let [one] = fitting[..] {
            return Choice::One(one);
        }
    }
    Choice::Ambiguous
}

fn is_preferred_for(given: &Type, declared: u32) -> bool {
    let declared = Type::of(declared);
    given.oid != UNKNOWN && declared.is_preferred() && declared.category() == given.category()
}

fn count(given: &[Type], declared: &[u32], matches: impl Fn(&Type, u32) -> bool) -> usize {
    given
        .iter()
        .zip(declared)
        .filter(|(given, declared)| !given.is_unknown() && matches(given, **declared))
        .count()
}

fn keep_best(left: &mut Vec<usize>, score: impl Fn(usize) -> usize) {
    let best = left.iter().map(|index| score(*index)).max().unwrap_or(0);
    left.retain(|index| score(*index) == best);
}

/// Unknown arguments are taken as strings where any candidate takes a string, else as the one category
/// that all candidates agree on; preferred types win within it.
fn by_categories(given: &[Type], candidates: &[Vec<u32>], left: &mut Vec<usize>) {
    let mut wanted: Vec<Option<(char, bool)>> = vec![None; given.len()];
    for (position, _) in given.iter().enumerate().filter(|(_, ty)| ty.is_unknown()) {
        let declared: Vec<Type> = left
            .iter()
            .filter_map(|index| candidates[*index].get(position))
            .map(|oid| Type::of(*oid))
            .collect();
        let category = match declared.iter().any(|ty| ty.category() == 'S') {
            true => 'S',
            false => {
                let first = declared.first().map_or('U', Type::category);
                if declared.iter().any(|ty| ty.category() != first) {
                    return;
                }
                first
            }
        };
        let preferred = declared.iter().any(|ty| ty.category() == category && ty.is_preferred());
        wanted[position] = Some((category, preferred));
    }
    let fitting: Vec<usize> = left
        .iter()
        .copied()
        .filter(|index| {
            candidates[*index]
                .iter()
                .zip(&wanted)
                .all(|(declared, wanted)| match wanted {
                    Some((category, preferred)) => {
                        let declared = Type::of(*declared);
                        declared.category() == *category && (!preferred || declared.is_preferred())
                    }
                    None => true,
                })
        })
        .collect();
    if !fitting.is_empty() {
        *left = fitting;
    }
}
