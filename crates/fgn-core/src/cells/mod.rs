//! The cells, one file each, and their registry: every cell under one type.

mod fgn;
mod registered;
mod rnn;
#[cfg(feature = "serde")]
mod table;

pub use self::fgn::{Fgn, Forgetting, MemoryUnit, Readout, Unit, Z};
pub use self::registered::RegisteredCell;
pub(crate) use self::registered::{Registered, add};
pub use self::rnn::{Nonlinearity, Rnn};
use crate::cell::Cell;
use crate::spec::Spec;

/// A computation that is generic over the cell, for [`AnyCell::visit`].
pub trait CellVisitor {
    /// The result.
    type Output;
    /// Runs the computation for `cell`.
    fn visit<C: Cell>(self, cell: C) -> Self::Output;
}

/// Declares the files of the cells without options and writes [`AnyCell`] from them: for each its type, its constant
/// and its name in configurations. Cells with options stand in the macro itself.
macro_rules! registry {
    ($($file:ident::$cell:ident $constant:ident $name:literal)*) => {
        $(mod $file;)*
        $(pub use self::$file::$cell;)*

        /// A cell with its options, chosen at run time: one of the built-in cells, or one that was registered
        /// ([`register`](crate::register())).
        ///
        /// With the feature `serde` it is a table of the cell's name and its options, as in
        /// `{ name = "fgn", z = "linear" }`.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(tag = "name"))]
        pub enum AnyCell {
            $(
                #[doc = concat!("[`", stringify!($cell), "`].")]
                #[cfg_attr(feature = "serde", serde(rename = $name))]
                $cell {},
            )*
            /// [`Fgn`], the forgetting gate network.
            #[cfg_attr(feature = "serde", serde(rename = "fgn"))]
            Fgn {
                /// The memory unit.
                unit: Unit,
                /// The value of a forgotten output.
                z: Z,
                /// How the hidden state is read out.
                readout: Readout,
                /// Whether the forgetting gate is soft or binary.
                forgetting: Forgetting,
            },
            /// [`Rnn`].
            #[cfg_attr(feature = "serde", serde(rename = "rnn"))]
            Rnn {
                /// The function of the sum.
                nonlinearity: Nonlinearity,
            },
            /// A cell that was registered.
            #[cfg_attr(feature = "serde", serde(untagged))]
            Registered(RegisteredCell),
        }

        /// The tables of the built-in cells.
        #[cfg(feature = "serde")]
        #[derive(serde::Deserialize)]
        #[serde(tag = "name", deny_unknown_fields)]
        enum BuiltIn {
            $(
                #[serde(rename = $name)]
                $cell {},
            )*
            #[serde(rename = "fgn")]
            Fgn {
                #[serde(default)]
                unit: Unit,
                #[serde(default)]
                z: Z,
                #[serde(default)]
                readout: Readout,
                #[serde(default)]
                forgetting: Forgetting,
            },
            #[serde(rename = "rnn")]
            Rnn {
                #[serde(default)]
                nonlinearity: Nonlinearity,
            },
        }

        #[cfg(feature = "serde")]
        impl From<BuiltIn> for AnyCell {
            fn from(cell: BuiltIn) -> Self {
                match cell {
                    $(BuiltIn::$cell {} => Self::$constant,)*
                    BuiltIn::Fgn { unit, z, readout, forgetting } => {
                        Self::Fgn { unit, z, readout, forgetting }
                    }
                    BuiltIn::Rnn { nonlinearity } => Self::Rnn { nonlinearity },
                }
            }
        }

        impl AnyCell {
            $(
                #[doc = concat!("[`", stringify!($cell), "`].")]
                pub const $constant: Self = Self::$cell {};
            )*
            /// [`Rnn`] with a hyperbolic tangent.
            pub const RNN: Self = Self::Rnn { nonlinearity: Nonlinearity::Tanh };
            /// The forgetting gate network as its article describes it: zero state, gated readout, soft gate.
            pub const FGN: Self = Self::fgn(Unit::Lstm);

            /// The forgetting gate network over any memory unit: zero state, gated readout, soft gate.
            pub const fn fgn(unit: Unit) -> Self {
                Self::Fgn { unit, z: Z::Zero, readout: Readout::Gated, forgetting: Forgetting::Soft }
            }

            /// Every built-in cell with every combination of its options: what a test of all of them runs over. The forgetting
            /// gate network has all of them over the article's memory unit, and two over each of the others.
            pub fn all() -> Vec<Self> {
                let mut all = vec![$(Self::$constant),*];
                all.extend([Nonlinearity::Tanh, Nonlinearity::Relu].map(|nonlinearity| Self::Rnn { nonlinearity }));
                for z in [Z::Zero, Z::Linear] {
                    for readout in [Readout::Gated, Readout::Single] {
                        for forgetting in [Forgetting::Soft, Forgetting::Binary] {
                            all.push(Self::Fgn { unit: Unit::Lstm, z, readout, forgetting });
                        }
                    }
                }
                for unit in Unit::ALL.into_iter().filter(|&unit| unit != Unit::Lstm) {
                    let (readout, forgetting) = (Readout::Gated, Forgetting::Soft);
                    all.extend([Z::Zero, Z::Linear].map(|z| Self::Fgn { unit, z, readout, forgetting }));
                }
                all
            }

            /// The cell's name in configurations.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$cell {} => $name,)*
                    Self::Fgn { .. } => "fgn",
                    Self::Rnn { .. } => "rnn",
                    Self::Registered(cell) => cell.name(),
                }
            }

            /// Calls `visitor` with a built-in cell, whose type is then known at compile time, or `registered` with
            /// one that was registered, whose type is known only where that was done.
            pub fn visit_or<V: CellVisitor>(
                self,
                visitor: V,
                registered: impl FnOnce(RegisteredCell) -> V::Output,
            ) -> V::Output {
                match self {
                    $(Self::$cell {} => visitor.visit($cell),)*
                    Self::Fgn { unit, z, readout, forgetting } => match unit {
                        Unit::Lstm => visit_fgn(Lstm, (z, readout, forgetting), visitor),
                        Unit::UrLstm => visit_fgn(UrLstm, (z, readout, forgetting), visitor),
                        Unit::Janet => visit_fgn(Janet, (z, readout, forgetting), visitor),
                        Unit::Gru => visit_fgn(Gru, (z, readout, forgetting), visitor),
                        Unit::MinGru => visit_fgn(MinGru, (z, readout, forgetting), visitor),
                        Unit::Lru => visit_fgn(Lru, (z, readout, forgetting), visitor),
                    },
                    Self::Rnn { nonlinearity } => visitor.visit(Rnn { nonlinearity }),
                    Self::Registered(cell) => registered(cell),
                }
            }
        }
    };
}

/// Calls `visitor` with the forgetting gate network over `unit`.
fn visit_fgn<U: MemoryUnit, V: CellVisitor>(
    unit: U,
    (z, readout, forgetting): (Z, Readout, Forgetting),
    visitor: V,
) -> V::Output {
    match z {
        Z::Zero => visitor.visit(Fgn::<U, false> { unit, readout, forgetting }),
        Z::Linear => visitor.visit(Fgn::<U, true> { unit, readout, forgetting }),
    }
}

registry! {
    lstm::Lstm LSTM "lstm"
    fgn_scan::FgnScan FGN_SCAN "fgn-scan"
    cifg::Cifg CIFG "cifg"
    gru::Gru GRU "gru"
    ind_rnn::IndRnn IND_RNN "ind-rnn"
    janet::Janet JANET "janet"
    lru::Lru LRU "lru"
    mgu::Mgu MGU "mgu"
    min_gru::MinGru MIN_GRU "min-gru"
    min_lstm::MinLstm MIN_LSTM "min-lstm"
    peephole_lstm::PeepholeLstm PEEPHOLE_LSTM "peephole-lstm"
    slstm::Slstm SLSTM "slstm"
    sru::Sru SRU "sru"
    ur_lstm::UrLstm UR_LSTM "ur-lstm"
}

impl AnyCell {
    /// The description of the cell.
    pub fn spec(&self) -> &'static Spec {
        struct SpecOf;
        impl CellVisitor for SpecOf {
            type Output = &'static Spec;
            fn visit<C: Cell>(self, _: C) -> &'static Spec {
                &C::SPEC
            }
        }
        self.visit_or(SpecOf, |cell| cell.spec())
    }

    /// See [`Cell::has_threshold`].
    pub fn has_threshold(&self, block: usize) -> bool {
        struct HasThreshold(usize);
        impl CellVisitor for HasThreshold {
            type Output = bool;
            fn visit<C: Cell>(self, cell: C) -> bool {
                cell.has_threshold(self.0)
            }
        }
        self.visit_or(HasThreshold(block), |cell| cell.has_threshold(block))
    }

    /// As [`visit_or`](Self::visit_or); `None` for a registered cell.
    pub fn visit<V: CellVisitor>(self, visitor: V) -> Option<V::Output> {
        struct OrNone<V>(V);
        impl<V: CellVisitor> CellVisitor for OrNone<V> {
            type Output = Option<V::Output>;
            fn visit<C: Cell>(self, cell: C) -> Option<V::Output> {
                Some(self.0.visit(cell))
            }
        }
        self.visit_or(OrNone(visitor), |_| None)
    }

    /// The cell as one that was registered, if it is one.
    pub fn registered(self) -> Option<RegisteredCell> {
        match self {
            Self::Registered(cell) => Some(cell),
            _ => None,
        }
    }
}

impl std::fmt::Display for AnyCell {
    /// The name and those options that are not the default: `fgn(z linear, single readout)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        if let Self::Rnn { nonlinearity: Nonlinearity::Relu } = self {
            return f.write_str("(relu)");
        }
        let Self::Fgn { unit, z, readout, forgetting } = *self else {
            return Ok(());
        };
        let options = [
            (unit != Unit::Lstm, unit.name()),
            (z == Z::Linear, "z linear"),
            (readout == Readout::Single, "single readout"),
            (forgetting == Forgetting::Binary, "binary forgetting"),
        ];
        let set: Vec<_> = options.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        if set.is_empty() { Ok(()) } else { write!(f, "({})", set.join(", ")) }
    }
}
