"""The options that PyTorch's layers do not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, TypedDict, Union

from .._fgn import Error


class Options(TypedDict, total=False):
    """The options of every layer beside those of ``torch.nn``, as keywords.

    ====================== ========================================================================================
    ``layer_norm``         normalises the pre-activations of each gate (Ba, Kiros & Hinton 2016)
    ``memory_norm``        normalises the cell state before the output is computed from it
    ``zoneout``            the probability with which a unit keeps its state (Krueger et al. 2017): one for all states,
                           or one for each
    ``hidden_dropout``     dropout of the hidden state before the recurrent weights: one mask for all steps
    ``weight_drop``        dropout of the recurrent weights (Merity, Keskar & Socher 2018)
    ``variational_dropout`` draws one mask of ``dropout`` for all steps (Gal & Ghahramani 2016)
    ``clip``               clips each state after every step to ``-clip … clip``
    ``residual``           each layer from the second on adds its inputs to its outputs
    ====================== ========================================================================================
    """

    layer_norm: bool
    memory_norm: bool
    zoneout: Union[float, Sequence[float]]
    hidden_dropout: float
    weight_drop: float
    variational_dropout: bool
    clip: Optional[float]
    residual: bool


@dataclass(frozen=True)
class Settings:
    """Options with their defaults."""

    layer_norm: bool = False
    memory_norm: bool = False
    zoneout: Union[float, tuple[float, ...]] = 0.0
    hidden_dropout: float = 0.0
    weight_drop: float = 0.0
    variational_dropout: bool = False
    clip: Optional[float] = None
    residual: bool = False

    @staticmethod
    def of(options: Options) -> "Settings":
        unknown = set(options) - set(Settings.__dataclass_fields__)
        if unknown:
            known = ", ".join(Settings.__dataclass_fields__)
            raise TypeError(f"unknown option {min(unknown)!r}; known: {known}")
        values: dict[str, Any] = dict(options)
        if not isinstance(values.get("zoneout", 0.0), (int, float)):
            values["zoneout"] = tuple(values["zoneout"])
        settings = Settings(**values)
        rate("weight_drop", settings.weight_drop)
        return settings

    def is_random(self) -> bool:
        """Whether the kernels need a seed in training."""
        return self.hidden_dropout > 0 or any(rate > 0 for rate in self.zoneouts(1))

    def zoneouts(self, states: int) -> list[float]:
        """The rate of each state."""
        if isinstance(self.zoneout, tuple):
            return [float(rate) for rate in self.zoneout]
        return [float(self.zoneout)] * states


def rate(name: str, value: float) -> None:
    """Checks a probability of dropout."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise Error(f"{name}: expected a number of at least 0 and below 1, got {value!r}")
