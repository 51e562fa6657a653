//! The sum of the gradients of all groups of samples, over all processes.
//!
//! Each process owns an equal part of all numbers. Whoever has a node of the [tree](crate::group::tree) sends each owner its
//! part of it; the owner adds the nodes in the tree's order, and sends the sum to all. With one node a process, this is
//! twice the size of the gradients for each process, however many there are. Gradients of some rows go to all
//! processes, which add them for themselves.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{DType, Tensor, Var};

use super::gradients::{Gradient, Gradients};
use super::values::{Coding, Values};
use crate::error::Result;
use crate::group::share::{Share, part};
use crate::group::tree::{self, Node, nodes};
use crate::group::{Group, unreadable};

/// What a process has of a parameter's gradient: the kinds of a [`Gradient`], as bytes.
const NONE: u8 = 0;
const DENSE: u8 = 1;
const ROWS: u8 = 2;

/// The sum of the gradients of all groups, in the same order whatever the number of processes; `own` are those of the
/// groups of this one. None if no group has any.
///
/// # Errors
/// Those of the group, and gradients of other types or shapes than their parameters.
pub(crate) fn summed(
    group: &dyn Group,
    share: &Share,
    own: Vec<Option<Gradients>>,
    parameters: &[(String, Var)],
    coding: Coding,
) -> Result<Option<Gradients>> {
    let mut known: BTreeMap<Node, Option<Gradients>> =
        share.own.clone().map(|at| (at, at + 1)).zip(own).collect();
    let mut add = |mut one: Gradients, other: Gradients| one.add(other).map(|()| one);
    let mine = nodes(share.groups, &share.own);
    let mut sums = Vec::new();
    for &node in &mine {
        sums.push(tree::sum(node, &mut known, &mut add)?);
    }
    if mine == [(0, share.groups)] {
        return Ok(sums.pop().flatten());
    }
    let none = || Gradients(vec![None; parameters.len()]);
    let sums: Vec<Gradients> = sums.into_iter().map(|sum| sum.unwrap_or_else(none)).collect();
    let kinds = Kinds::gather(group, share, &sums, parameters.len())?;
    if kinds.all.values().flatten().all(|&kind| kind == NONE) {
        return Ok(None);
    }
    let mut found = none();
    dense(group, &kinds, &sums, parameters, coding, &mut found)?;
    rows(group, &kinds, &sums, parameters, &mut found)?;
    Ok(Some(found))
}

/// Of each node of all processes, the kinds of its gradients.
struct Kinds {
    /// The nodes of each process.
    nodes: Vec<Vec<Node>>,
    all: BTreeMap<Node, Vec<u8>>,
    /// Of each parameter, whether some node has rows.
    is_rows: Vec<bool>,
    root: Node,
}

impl Kinds {
    fn gather(
        group: &dyn Group,
        share: &Share,
        sums: &[Gradients],
        parameters: usize,
    ) -> Result<Kinds> {
        let kind = |gradient: &Option<Gradient>| match gradient {
            None => NONE,
            Some(Gradient::Dense(_)) => DENSE,
            Some(Gradient::Rows(..)) => ROWS,
        };
        let mine = sums.iter().flat_map(|sum| sum.0.iter().map(kind)).collect();
        let size = group.size();
        let of = |rank| nodes(share.groups, &part(share.groups, size, rank));
        let nodes: Vec<Vec<Node>> = (0..size).map(of).collect();
        let mut all = BTreeMap::new();
        for (nodes, kinds) in nodes.iter().zip(group.gather(mine)?) {
            if kinds.len() != nodes.len() * parameters {
                return Err(unreadable("gradients of other parameters"));
            }
            let each = kinds.chunks(parameters.max(1)).map(<[u8]>::to_vec);
            all.extend(nodes.iter().copied().zip(each));
        }
        let is_rows = |at: usize| all.values().any(|kinds: &Vec<u8>| kinds[at] == ROWS);
        let is_rows = (0..parameters).map(is_rows).collect();
        Ok(Kinds { nodes, all, is_rows, root: (0, share.groups) })
    }

    /// Whether a node has a whole gradient of a parameter whose gradients are all whole.
    fn is_dense(&self, node: Node, at: usize) -> bool {
        !self.is_rows[at] && self.all[&node][at] == DENSE
    }

    /// Whether any node has.
    fn any_dense(&self, at: usize) -> bool {
        self.all.keys().any(|&node| self.is_dense(node, at))
    }
}

/// The parameters whose gradients are whole, one behind the other.
struct Packing {
    /// Of each parameter that has a gradient: its index, the range of its numbers, and their type.
    parameters: Vec<(usize, Range<usize>, DType)>,
    len: usize,
}

impl Packing {
    fn new(kinds: &Kinds, parameters: &[(String, Var)]) -> Packing {
        let mut packing = Packing { parameters: Vec::new(), len: 0 };
        for (at, (_, var)) in parameters.iter().enumerate().filter(|(at, _)| kinds.any_dense(*at)) {
            let end = packing.len + var.elem_count();
            packing.parameters.push((at, packing.len..end, var.dtype()));
            packing.len = end;
        }
        packing
    }

    /// The parts of the parameters that one of so many processes adds: ranges of each parameter's own numbers.
    fn owned(
        &self,
        size: usize,
        rank: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>, DType)> {
        let own = part(self.len, size, rank);
        self.parameters.iter().filter_map(move |(at, range, dtype)| {
            let (start, end) = (own.start.max(range.start), own.end.min(range.end));
            (start < end).then(|| (*at, start - range.start..end - range.start, *dtype))
        })
    }
}

fn dense(
    group: &dyn Group,
    kinds: &Kinds,
    sums: &[Gradients],
    parameters: &[(String, Var)],
    coding: Coding,
    found: &mut Gradients,
) -> Result<()> {
    let (rank, size) = (group.rank(), group.size());
    let packing = Packing::new(kinds, parameters);
    let mut parts = vec![Vec::new(); size];
    for (&node, sum) in kinds.nodes[rank].iter().zip(sums) {
        let values = |(at, gradient): (usize, &Option<Gradient>)| match gradient {
            Some(Gradient::Dense(tensor)) if kinds.is_dense(node, at) => {
                Values::of(tensor).map(Some)
            }
            _ => Ok(None),
        };
        let values = sum.0.iter().enumerate().map(values).collect::<Result<Vec<_>>>()?;
        for (to, part) in parts.iter_mut().enumerate() {
            for (at, range, _) in packing.owned(size, to) {
                if let Some(values) = &values[at] {
                    values.encode(range, coding, part);
                }
            }
        }
    }
    let received = group.exchange(parts)?;
    let added = add_received(kinds, &packing, (rank, size), &received, coding)?;
    let sums = group.gather(added)?;
    let mut whole: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for (of, bytes) in sums.iter().enumerate() {
        let mut rest = &bytes[..];
        for (at, range, dtype) in packing.owned(size, of) {
            let values = Values::decode(&mut rest, range.len(), dtype, coding)?;
            let all = 0..range.len();
            values.encode(all, Coding::Exact, whole.entry(at).or_default());
        }
    }
    for (at, bytes) in whole {
        let (_, var) = &parameters[at];
        let values = Values::decode(&mut &bytes[..], var.elem_count(), var.dtype(), Coding::Exact)?;
        found.0[at] = Some(Gradient::Dense(values.tensor(var.dims(), var.device())?));
    }
    Ok(())
}

/// The sum of what all processes have sent of the numbers that this one owns, as bytes.
fn add_received(
    kinds: &Kinds,
    packing: &Packing,
    (rank, size): (usize, usize),
    received: &[Vec<u8>],
    coding: Coding,
) -> Result<Vec<u8>> {
    let owned: Vec<_> = packing.owned(size, rank).collect();
    let mut known: Vec<BTreeMap<Node, Option<Values>>> = vec![BTreeMap::new(); owned.len()];
    for (nodes, bytes) in kinds.nodes.iter().zip(received) {
        let mut rest = &bytes[..];
        for &node in nodes {
            for ((at, range, dtype), known) in owned.iter().zip(&mut known) {
                let values = match kinds.is_dense(node, *at) {
                    true => Some(Values::decode(&mut rest, range.len(), *dtype, coding)?),
                    false => None,
                };
                known.insert(node, values);
            }
        }
    }
    let mut bytes = Vec::new();
    for ((_, range, _), mut known) in owned.into_iter().zip(known) {
        if let Some(sum) = tree::sum(kinds.root, &mut known, &mut Values::add)? {
            sum.encode(0..range.len(), coding, &mut bytes);
        }
    }
    Ok(bytes)
}

/// Adds the gradients of which some node has rows: all of them go to all processes.
fn rows(
    group: &dyn Group,
    kinds: &Kinds,
    sums: &[Gradients],
    parameters: &[(String, Var)],
    found: &mut Gradients,
) -> Result<()> {
    if !kinds.is_rows.contains(&true) {
        return Ok(());
    }
    let mut mine = Vec::new();
    for sum in sums {
        for (gradient, _) in sum.0.iter().zip(&kinds.is_rows).filter(|(_, is_rows)| **is_rows) {
            if let Some(gradient) = gradient {
                encode_rows(gradient, &mut mine)?;
            }
        }
    }
    let mut known: Vec<BTreeMap<Node, Option<Gradient>>> = vec![BTreeMap::new(); parameters.len()];
    for (nodes, bytes) in kinds.nodes.iter().zip(group.gather(mine)?) {
        let mut rest = &bytes[..];
        for &node in nodes {
            for at in (0..parameters.len()).filter(|&at| kinds.is_rows[at]) {
                let gradient = match kinds.all[&node][at] {
                    NONE => None,
                    kind => Some(decode_rows(kind, &parameters[at].1, &mut rest)?),
                };
                known[at].insert(node, gradient);
            }
        }
    }
    let mut add = |one: Gradient, other: Gradient| Ok(one.add(other)?);
    for (at, known) in known.iter_mut().enumerate().filter(|(at, _)| kinds.is_rows[*at]) {
        found.0[at] = tree::sum(kinds.root, known, &mut add)?;
    }
    Ok(())
}

fn encode_rows(gradient: &Gradient, into: &mut Vec<u8>) -> Result<()> {
    let tensor = match gradient {
        Gradient::Dense(tensor) => tensor,
        Gradient::Rows(rows, tensor) => {
            into.extend((rows.len() as u64).to_le_bytes());
            into.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
            tensor
        }
    };
    Values::of(tensor)?.encode(0..tensor.elem_count(), Coding::Exact, into);
    Ok(())
}

fn decode_rows(kind: u8, var: &Var, bytes: &mut &[u8]) -> Result<Gradient> {
    let tensor = |bytes: &mut &[u8], dims: &[usize]| -> Result<Tensor> {
        let values = Values::decode(bytes, dims.iter().product(), var.dtype(), Coding::Exact)?;
        values.tensor(dims, var.device())
    };
    if kind == DENSE {
        return Ok(Gradient::Dense(tensor(bytes, var.dims())?));
    }
    let short = || unreadable("rows that are cut off");
    let (count, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let mut dims = var.dims().to_vec();
    let whole = dims.first_mut().ok_or_else(|| unreadable("rows of a scalar"))?;
    let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
    if count > *whole {
        return Err(unreadable("more rows than the parameter has"));
    }
    *whole = count;
    let (rows, rest) = rest.split_at_checked(4 * count).ok_or_else(short)?;
    let rows = rows.as_chunks::<4>().0.iter().map(|&row| u32::from_le_bytes(row)).collect();
    *bytes = rest;
    Ok(Gradient::Rows(rows, tensor(bytes, &dims)?))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::group::threads;

    const GROUPS: usize = 8;

    fn parameters() -> Vec<(String, Var)> {
        let zeros = |dims: &[usize], dtype| Var::zeros(dims, dtype, &Device::Cpu).unwrap();
        let all = [
            ("a", zeros(&[5, 3], DType::F32)),
            ("b", zeros(&[2], DType::F64)),
            ("rows", zeros(&[9, 2], DType::F32)),
            ("none", zeros(&[4], DType::F32)),
            ("mixed", zeros(&[6, 1], DType::F32)),
        ];
        all.map(|(name, var)| (name.to_owned(), var)).into()
    }

    /// Numbers whose sums depend on their order.
    fn tensor(dims: &[usize], dtype: DType, group: usize) -> Tensor {
        let count: usize = dims.iter().product();
        let number = |at: usize| ((at * 37 + group * 101) as f64).sin() * 10f64.powi(group as i32);
        let values: Vec<f64> = (0..count).map(number).collect();
        Tensor::from_vec(values, dims, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    fn gradients(group: usize) -> Option<Gradients> {
        if group == 5 {
            return None;
        }
        let rows = |dims: &[usize], of: &[u32]| {
            Gradient::Rows(of.to_vec(), tensor(dims, DType::F32, group))
        };
        let mixed = match group % 2 {
            0 => rows(&[1, 1], &[group as u32 / 2]),
            _ => Gradient::Dense(tensor(&[6, 1], DType::F32, group)),
        };
        Some(Gradients(vec![
            Some(Gradient::Dense(tensor(&[5, 3], DType::F32, group))),
            (group != 3).then(|| Gradient::Dense(tensor(&[2], DType::F64, group))),
            Some(rows(&[2, 2], &[group as u32, group as u32 + 1])),
            None,
            Some(mixed),
        ]))
    }

    /// Of each parameter, its rows and the bytes of its values.
    type Bits = Vec<Option<(Vec<u32>, Vec<u8>)>>;

    fn bits(gradients: Option<Gradients>) -> Bits {
        let bytes = |tensor: &Tensor| {
            let mut bytes = Vec::new();
            let values = Values::of(tensor).unwrap();
            values.encode(0..tensor.elem_count(), Coding::Exact, &mut bytes);
            bytes
        };
        let of = |gradient: Option<Gradient>| match gradient? {
            Gradient::Dense(tensor) => Some((Vec::new(), bytes(&tensor))),
            Gradient::Rows(rows, tensor) => Some((rows, bytes(&tensor))),
        };
        gradients.unwrap().0.into_iter().map(of).collect()
    }

    fn sum_in(processes: usize, coding: Coding) -> Vec<Bits> {
        threads::run(processes, |group| {
            let share = Share::new(&*group, Some(GROUPS)).unwrap();
            let own = share.own.clone().map(gradients).collect();
            bits(summed(&*group, &share, own, &parameters(), coding).unwrap())
        })
    }

    #[test]
    fn sums_are_the_same_bits_for_any_number_of_processes() {
        let alone = sum_in(1, Coding::Exact).remove(0);
        assert!(alone[0].is_some() && alone[3].is_none());
        assert_eq!(alone[2].as_ref().unwrap().0, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for processes in [2, 3, 4, 8] {
            for of in sum_in(processes, Coding::Exact) {
                assert_eq!(of, alone, "{processes} processes");
            }
        }
    }

    #[test]
    fn rounded_sums_are_the_same_in_all_processes_and_near() {
        let exact = sum_in(1, Coding::Exact).remove(0);
        let [one, other]: [_; 2] = sum_in(2, Coding::Half).try_into().unwrap();
        assert_eq!(one, other);
        assert_ne!(one[0], exact[0]);
        let numbers = |bits: &Option<(Vec<u32>, Vec<u8>)>| {
            let bytes = &bits.as_ref().unwrap().1;
            Values::decode(&mut &bytes[..], 15, DType::F32, Coding::Exact).unwrap()
        };
        let (Values::F32(near), Values::F32(exact)) = (numbers(&one[0]), numbers(&exact[0])) else {
            panic!("of another type")
        };
        let largest = exact.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (near, exact) in near.iter().zip(exact) {
            assert!((near - exact).abs() <= largest / 64.0, "{near} {exact}");
        }
    }

    #[test]
    fn no_gradient_at_all_is_none() {
        let found = threads::run(3, |group| {
            let share = Share::new(&*group, None).unwrap();
            summed(&*group, &share, vec![None], &parameters(), Coding::Exact).unwrap().is_none()
        });
        assert_eq!(found, [true; 3]);
    }
}
