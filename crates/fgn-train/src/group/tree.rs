//! The order of a sum over groups: a binary tree that depends on the number of groups alone.
//!
//! Floating-point sums depend on their order. Each process adds what it has of the tree's nodes, and whoever has the nodes
//! of all processes adds the rest: the result is the same for any number of processes.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::Result;

/// The first and the last group of a node, the last one excluded.
pub(crate) type Node = (usize, usize);

/// The largest nodes of a tree over `count` groups that lie in `own`, in order.
pub(crate) fn nodes(count: usize, own: &Range<usize>) -> Vec<Node> {
    fn walk(node: Node, own: &Range<usize>, found: &mut Vec<Node>) {
        let (start, end) = node;
        if own.start <= start && end <= own.end {
            found.push(node);
        } else if start < own.end && own.start < end {
            let (left, right) = halves(node);
            walk(left, own, found);
            walk(right, own, found);
        }
    }
    let mut found = Vec::new();
    if count > 0 {
        walk((0, count), own, &mut found);
    }
    found
}

/// The sum of `node`, of the sums of nodes below it, which are taken out of `known`; none where none of them has one.
///
/// # Errors
/// Those of `add`.
pub(crate) fn sum<T>(
    node: Node,
    known: &mut BTreeMap<Node, Option<T>>,
    add: &mut dyn FnMut(T, T) -> Result<T>,
) -> Result<Option<T>> {
    if let Some(value) = known.remove(&node) {
        return Ok(value);
    }
    if node.1 <= node.0 + 1 {
        return Ok(None);
    }
    let (left, right) = halves(node);
    match (sum(left, known, add)?, sum(right, known, add)?) {
        (Some(one), Some(other)) => add(one, other).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn halves((start, end): Node) -> (Node, Node) {
    let middle = start + (end - start) / 2;
    ((start, middle), (middle, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::share::part;

    /// Sums as text: they show their order.
    fn sum_of(groups: usize, processes: usize) -> String {
        let mut add = |one: String, other: String| Ok(format!("({one}+{other})"));
        let mut known = BTreeMap::new();
        for rank in 0..processes {
            let own = part(groups, processes, rank);
            let mut leaves: BTreeMap<Node, Option<String>> =
                own.clone().map(|at| ((at, at + 1), Some(at.to_string()))).collect();
            for node in nodes(groups, &own) {
                known.insert(node, sum(node, &mut leaves, &mut add).unwrap());
            }
            assert!(leaves.is_empty());
        }
        sum((0, groups), &mut known, &mut add).unwrap().unwrap()
    }

    #[test]
    fn the_order_depends_on_the_number_of_groups_alone() {
        assert_eq!(sum_of(4, 1), "((0+1)+(2+3))");
        for groups in 1..20 {
            for processes in 1..=groups {
                assert_eq!(sum_of(groups, processes), sum_of(groups, 1), "{groups} {processes}");
            }
        }
    }

    #[test]
    fn a_group_without_a_value_adds_nothing() {
        let mut known = BTreeMap::from([((0, 1), None), ((1, 2), Some(5)), ((2, 3), Some(7))]);
        let mut add = |one: i32, other: i32| Ok(one + other);
        assert_eq!(sum((0, 3), &mut known, &mut add).unwrap(), Some(12));
        assert_eq!(sum((0, 3), &mut BTreeMap::new(), &mut add).unwrap(), None);
    }
}
