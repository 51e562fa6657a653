//! The cells, one file each, and their registry.

mod cifg;
mod fgn;
mod fgn_scan;
mod gru;
mod ind_rnn;
mod janet;
mod lstm;
mod mgu;
mod min_gru;
mod min_lstm;
mod peephole_lstm;
mod rnn;
mod slstm;
mod sru;
mod ur_lstm;

pub use cifg::Cifg;
pub use fgn::{Fgn, Forgetting, Readout, Z};
pub use fgn_scan::FgnScan;
pub use gru::Gru;
pub use ind_rnn::IndRnn;
pub use janet::Janet;
pub use lstm::Lstm;
pub use mgu::Mgu;
pub use min_gru::MinGru;
pub use min_lstm::MinLstm;
pub use peephole_lstm::PeepholeLstm;
pub use rnn::{Activation, Rnn};
pub use slstm::Slstm;
pub use sru::Sru;
pub use ur_lstm::UrLstm;

use crate::{Cell, Spec};

/// The registry: a cell with its options, chosen at run time.
///
/// With the feature `serde` it reads as a table with the cell's name and its options, as in
/// `{ name = "fgn", z = "linear" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields))]
pub enum AnyCell {
    /// [`Lstm`].
    Lstm {},
    /// [`Fgn`], the forgetting gate network.
    Fgn {
        /// What fills a forgotten output.
        #[cfg_attr(feature = "serde", serde(default))]
        z: Z,
        /// Whether the output gate stands twice.
        #[cfg_attr(feature = "serde", serde(default))]
        readout: Readout,
        /// Whether the forgetting gate is soft or binary.
        #[cfg_attr(feature = "serde", serde(default))]
        forgetting: Forgetting,
    },
    /// [`FgnScan`].
    FgnScan {},
    /// [`Cifg`].
    Cifg {},
    /// [`Gru`].
    Gru {},
    /// [`IndRnn`].
    IndRnn {},
    /// [`Janet`].
    Janet {},
    /// [`Mgu`].
    Mgu {},
    /// [`MinGru`].
    MinGru {},
    /// [`MinLstm`].
    MinLstm {},
    /// [`PeepholeLstm`].
    PeepholeLstm {},
    /// [`Slstm`].
    Slstm {},
    /// [`Sru`].
    Sru {},
    /// [`UrLstm`].
    UrLstm {},
    /// [`Rnn`].
    Rnn {
        /// What is applied to the sum.
        #[cfg_attr(feature = "serde", serde(default))]
        activation: Activation,
    },
}

/// Something to do with a cell whose type is known at compile time.
pub trait CellVisitor {
    /// What it gives.
    type Output;
    /// Does it.
    fn visit<C: Cell>(self, cell: C) -> Self::Output;
}

impl AnyCell {
    /// The long short-term memory.
    pub const LSTM: Self = Self::Lstm {};
    /// The scan variant of the forgetting gate network.
    pub const FGN_SCAN: Self = Self::FgnScan {};
    /// [`Cifg`].
    pub const CIFG: Self = Self::Cifg {};
    /// [`Gru`].
    pub const GRU: Self = Self::Gru {};
    /// [`IndRnn`].
    pub const IND_RNN: Self = Self::IndRnn {};
    /// [`Janet`].
    pub const JANET: Self = Self::Janet {};
    /// [`Mgu`].
    pub const MGU: Self = Self::Mgu {};
    /// [`MinGru`].
    pub const MIN_GRU: Self = Self::MinGru {};
    /// [`MinLstm`].
    pub const MIN_LSTM: Self = Self::MinLstm {};
    /// [`PeepholeLstm`].
    pub const PEEPHOLE_LSTM: Self = Self::PeepholeLstm {};
    /// [`Slstm`].
    pub const SLSTM: Self = Self::Slstm {};
    /// [`Sru`].
    pub const SRU: Self = Self::Sru {};
    /// [`UrLstm`].
    pub const UR_LSTM: Self = Self::UrLstm {};
    /// [`Rnn`] with a hyperbolic tangent.
    pub const RNN: Self = Self::Rnn { activation: Activation::Tanh };
    /// The forgetting gate network as its article describes it: zero state, gated readout, soft gate.
    pub const FGN: Self =
        Self::Fgn { z: Z::Zero, readout: Readout::Gated, forgetting: Forgetting::Soft };

    /// Every cell with every combination of its options: what a test of all of them runs over.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::LSTM,
            Self::FGN_SCAN,
            Self::CIFG,
            Self::GRU,
            Self::IND_RNN,
            Self::JANET,
            Self::MGU,
            Self::MIN_GRU,
            Self::MIN_LSTM,
            Self::PEEPHOLE_LSTM,
            Self::SLSTM,
            Self::SRU,
            Self::UR_LSTM,
        ];
        all.extend([Activation::Tanh, Activation::Relu].map(|activation| Self::Rnn { activation }));
        for z in [Z::Zero, Z::Linear] {
            for readout in [Readout::Gated, Readout::Single] {
                for forgetting in [Forgetting::Soft, Forgetting::Binary] {
                    all.push(Self::Fgn { z, readout, forgetting });
                }
            }
        }
        all
    }

    /// The cell's name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lstm {} => "lstm",
            Self::Fgn { .. } => "fgn",
            Self::FgnScan {} => "fgn-scan",
            Self::Cifg {} => "cifg",
            Self::Gru {} => "gru",
            Self::IndRnn {} => "ind-rnn",
            Self::Janet {} => "janet",
            Self::Mgu {} => "mgu",
            Self::MinGru {} => "min-gru",
            Self::MinLstm {} => "min-lstm",
            Self::PeepholeLstm {} => "peephole-lstm",
            Self::Slstm {} => "slstm",
            Self::Sru {} => "sru",
            Self::UrLstm {} => "ur-lstm",
            Self::Rnn { .. } => "rnn",
        }
    }

    /// What the cell needs.
    pub fn spec(&self) -> &'static Spec {
        struct SpecOf;
        impl CellVisitor for SpecOf {
            type Output = &'static Spec;
            fn visit<C: Cell>(self, _: C) -> &'static Spec {
                &C::SPEC
            }
        }
        self.visit(SpecOf)
    }

    /// Hands the cell to `visitor` with its type.
    pub fn visit<V: CellVisitor>(self, visitor: V) -> V::Output {
        match self {
            Self::Lstm {} => visitor.visit(Lstm),
            Self::Fgn { z: Z::Zero, readout, forgetting } => {
                visitor.visit(Fgn::<false> { readout, forgetting })
            }
            Self::Fgn { z: Z::Linear, readout, forgetting } => {
                visitor.visit(Fgn::<true> { readout, forgetting })
            }
            Self::FgnScan {} => visitor.visit(FgnScan),
            Self::Cifg {} => visitor.visit(Cifg),
            Self::Gru {} => visitor.visit(Gru),
            Self::IndRnn {} => visitor.visit(IndRnn),
            Self::Janet {} => visitor.visit(Janet),
            Self::Mgu {} => visitor.visit(Mgu),
            Self::MinGru {} => visitor.visit(MinGru),
            Self::MinLstm {} => visitor.visit(MinLstm),
            Self::PeepholeLstm {} => visitor.visit(PeepholeLstm),
            Self::Slstm {} => visitor.visit(Slstm),
            Self::Sru {} => visitor.visit(Sru),
            Self::UrLstm {} => visitor.visit(UrLstm),
            Self::Rnn { activation } => visitor.visit(Rnn { activation }),
        }
    }
}

impl std::fmt::Display for AnyCell {
    /// The name and those options that are not the default: `fgn(z linear, single readout)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        if let Self::Rnn { activation: Activation::Relu } = self {
            return f.write_str("(relu)");
        }
        let Self::Fgn { z, readout, forgetting } = *self else {
            return Ok(());
        };
        let options = [
            (z == Z::Linear, "z linear"),
            (readout == Readout::Single, "single readout"),
            (forgetting == Forgetting::Binary, "binary forgetting"),
        ];
        let set: Vec<_> = options.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        if set.is_empty() { Ok(()) } else { write!(f, "({})", set.join(", ")) }
    }
}
