//! Which sequence runs when: lengths, direction and resets.

use fgn_core::SequenceShape;

/// The order in which the steps of a batch are taken. Step `k` of a sequence is the `k`th one taken: from
/// its beginning, or in reverse from its own end.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    steps: usize,
    batch: usize,
    /// The length of each sequence, if any differs from `steps`.
    lengths: Option<Vec<usize>>,
    /// The sequences, the longest first.
    sorted: Vec<usize>,
    reverse: bool,
    /// `[T, B]`: whether the states before a step read as zero.
    resets: Option<Vec<bool>>,
}

impl Schedule {
    /// Lengths are in `1 ..= steps`, one a sequence; resets are `[T, B]`.
    pub(crate) fn new(
        shape: SequenceShape,
        lengths: Option<Vec<usize>>,
        reverse: bool,
        resets: Option<Vec<bool>>,
    ) -> Self {
        let lengths = lengths.filter(|lengths| lengths.iter().any(|&len| len < shape.steps));
        let mut sorted: Vec<_> = (0..shape.batch).collect();
        if let Some(lengths) = &lengths {
            sorted.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
        }
        Self { steps: shape.steps, batch: shape.batch, lengths, sorted, reverse, resets }
    }

    /// Whether all sequences run together through all steps, without a reset: the rows of neighbouring
    /// ones are then a fixed distance apart everywhere.
    pub(crate) fn is_plain(&self) -> bool {
        self.lengths.is_none() && self.resets.is_none()
    }

    /// Whether steps are left out.
    pub(crate) fn has_gaps(&self) -> bool {
        self.lengths.is_some()
    }

    /// The sequences of one of some parts with about equal work, the longest first.
    pub(crate) fn members(&self, part: usize, parts: usize) -> Vec<usize> {
        if self.lengths.is_some() {
            self.sorted[part..].iter().step_by(parts).copied().collect()
        } else {
            (part * self.batch / parts..(part + 1) * self.batch / parts).collect()
        }
    }

    /// How many of `members` still run at step `k`: they come first.
    #[inline(always)]
    pub(crate) fn active(&self, members: &[usize], k: usize) -> usize {
        match &self.lengths {
            Some(lengths) => members.partition_point(|&b| lengths[b] > k),
            None if k < self.steps => members.len(),
            None => 0,
        }
    }

    /// How many steps sequence `b` has.
    #[inline(always)]
    pub(crate) fn len(&self, b: usize) -> usize {
        self.lengths.as_ref().map_or(self.steps, |lengths| lengths[b])
    }

    /// Where step `k` of sequence `b` stands among the `T · B` rows of the caller's tensors. Beyond its
    /// end, the rows that no step has.
    #[inline(always)]
    pub(crate) fn place(&self, k: usize, b: usize) -> usize {
        let len = self.len(b);
        let t = if self.reverse && k < len { len - 1 - k } else { k };
        t * self.batch + b
    }

    /// Whether the states before step `k` of sequence `b` read as zero.
    #[inline(always)]
    pub(crate) fn resets(&self, k: usize, b: usize) -> bool {
        self.resets.as_ref().is_some_and(|resets| resets[self.place(k, b)])
    }

    /// The length of each sequence, if any differs from the steps of all.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn lengths(&self) -> Option<&[usize]> {
        self.lengths.as_deref()
    }

    /// Whether sequences run from their ends to their beginnings.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn reversed(&self) -> bool {
        self.reverse
    }

    /// `[T, B]`: where [`resets`](Self::resets) holds, in the order of the caller's rows.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn marked_resets(&self) -> Option<&[bool]> {
        self.resets.as_deref()
    }
}
