"""Trained models on NumPy arrays."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from . import _fgn

Path = Union[str, "os.PathLike[str]"]


def load(path: Path) -> "Model":
    """Opens a trained model: a run folder, or a file that ``fgn export`` wrote.

    Raises:
        Error: There is no model, or it is damaged.
    """
    return Model(_fgn.Model.open(path))


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for a batch."""

    kind: str
    """``"logits"``, ``"values"``, ``"tokens"``, …"""
    output: np.ndarray = field(repr=False)
    """``[B, …]``, or ``[B, T, …]`` with one for each step."""
    lengths: Optional[list[int]]
    """The length of each sequence of ``output``; ``None`` if all are as long."""
    answers: list[dict] = field(repr=False)
    """The decoded answer for each sample, with the keys that ``fgn predict --json`` prints."""


class Model:
    """A trained model. :func:`load` opens one."""

    def __init__(self, native: _fgn.Model) -> None:
        self._native = native

    @property
    def config(self) -> dict[str, Any]:
        """The model's configuration: ``input``, ``recurrent``, ``head``."""
        return json.loads(self._native.config)

    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of the parameters, by PyTorch's names."""
        return dict(self._native.parameters())

    def predict(self, samples: Any, lengths: Optional[Sequence[int]] = None) -> Prediction:
        """Predicts a batch of samples.

        Args:
            samples: An array, or what becomes one: images ``[B, height, width]`` from 0 to 1, series ``[B, T, features]``
                in their own units, sounds ``[B, N]`` from -1 to 1, tokens ``[B, T]``. Any strides will do.
            lengths: The length of each sequence, if they differ.
        """
        kind, output, found, answers, _ = self._native.forward(
            self._samples(samples), _lengths(lengths), None, True
        )
        return Prediction(kind, output, found, [json.loads(answer) for answer in answers])

    def predict_file(self, path: Path) -> dict[str, dict]:
        """Predicts what is in a file or folder, read as the run's data was: an answer for each sample, by its name."""
        return {title: json.loads(answer) for title, answer in self._native.predict_file(path)}

    def answer(self, text: str) -> dict:
        """The answer to a text: of a classifier of texts, or a model of pairs."""
        return json.loads(self._native.answer(text))

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, for a model of texts."""
        return self._native.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return self._native.decode([int(token) for token in tokens])

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        stop: Sequence[str] = (),
        on_text: Optional[Callable[[str], object]] = None,
        **sampling: Any,
    ) -> str:
        """The text that follows a prompt, of a language model.

        Args:
            prompt: What the text begins with; it is not part of the result.
            length: The most tokens.
            stop: Texts to end before.
            on_text: Called with each piece of the text as it is generated.
            sampling: ``seed`` (1), ``temperature`` (0.8; 0 takes the most likely token), ``top_k``, ``top_p``, ``min_p``,
                ``repetition_penalty``, ``precision`` (``"f32"``, ``"bf16"``, ``"int8"``), ``threads`` (1).
        """
        if isinstance(stop, str):
            stop = [stop]
        length = _count("length", length)
        return self._native.generate(prompt, length, list(stop), _sampling(0.8, sampling), on_text)

    def generate_images(
        self, count: int = 1, *, known: Any = (), **sampling: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images of a model of images: the level of grey of each pixel ``[count, height, width]``, and the log-likelihood
        of each image in nats.

        Args:
            count: How many.
            known: The levels of the first pixels, row by row, which are kept.
            sampling: As of :meth:`generate`; the temperature is 1 by default.
        """
        known = _tokens(known, "known").reshape(-1)
        return self._native.generate_images(_count("count", count), known, _sampling(1.0, sampling))

    def stream(self, batch: int = 1) -> "Stream":
        """A stream of ``batch`` sequences, for a model of series or tokens in one direction."""
        return Stream(self, batch)

    def sound_stream(self, precision: str = "f32", threads: int = 1) -> "SoundStream":
        """A stream of one sound, for a model of sounds."""
        return SoundStream(self._native.sound_stream(precision, _count("threads", threads)))

    def _samples(self, samples: Any) -> np.ndarray:
        dtype = self._native.dtype
        if dtype == "uint32":
            return _tokens(samples, "samples")
        array = np.asarray(samples)
        if array.dtype.kind not in "fiub":
            found = f"{array.dtype} of shape {array.shape}"
            raise _fgn.Error(f"samples: expected numbers for {self._native.samples}, got {found}")
        return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])

    def __repr__(self) -> str:
        cell = self.config["recurrent"]["cell"]["name"]
        return f"fgn.Model({cell}: {self._native.samples}; {self._native.target})"


class Stream:
    """Sequences that come in step by step. Made by :meth:`Model.stream`."""

    _INPUTS = ("series", "embedding")
    _HEADS = ("classification", "regression", "next-token")

    def __init__(self, model: Model, batch: int) -> None:
        config = model.config
        if config["recurrent"].get("bidirectional"):
            raise _fgn.Error("a stream: expected a model in one direction, got a bidirectional one")
        for part, known in (("input", self._INPUTS), ("head", self._HEADS)):
            found = config[part]["kind"]
            if found not in known:
                raise _fgn.Error(f"a stream: expected model.{part}.kind among {known}, got {found!r}")
        pool = config["head"].get("pool", "last")
        if pool != "last":
            raise _fgn.Error(f"a stream: expected a head that reads the last step, got pool {pool!r}")
        self._model = model
        self._batch = _count("batch", batch)
        self._state: Optional[_fgn.State] = None

    def push(self, steps: Any) -> np.ndarray:
        """Reads one step or more of each sequence, ``[B, T, features]`` or tokens ``[B, T]``, and returns what the model
        predicts after them: ``[B, …]``, or ``[B, T, …]`` of a model that predicts at each step.

        The predictions are those for the whole sequences so far, up to rounding.
        """
        samples = self._model._samples(steps)
        if samples.ndim < 2 or samples.shape[0] != self._batch:
            expected = f"[{self._batch}, T, …]"
            raise _fgn.Error(f"steps of a stream: expected shape {expected}, got {samples.shape}")
        _, output, _, _, state = self._model._native.forward(samples, None, self._state, False)
        self._state = state
        return output

    def reset(self) -> None:
        """Begins new sequences."""
        self._state = None

    def states(self) -> list[np.ndarray]:
        """The states of each layer, ``[S, B, H]``; none before the first step."""
        return [] if self._state is None else self._state.arrays()


class SoundStream:
    """A sound that comes in piece by piece. Made by :meth:`Model.sound_stream`."""

    def __init__(self, native: _fgn.SoundStream) -> None:
        self._native = native

    @property
    def step_seconds(self) -> float:
        """The seconds from one step to the next."""
        return self._native.step_seconds

    def push(self, samples: Any) -> np.ndarray:
        """Reads samples from -1 to 1 at the model's rate. Returns the logits of each step that is complete, ``[N, V]``."""
        array = np.require(np.asarray(samples), np.float32, ["C_CONTIGUOUS", "ALIGNED"])
        if array.ndim != 1:
            raise _fgn.Error(f"samples: expected shape [N], got {array.shape}")
        return self._native.push(array)

    def finish(self) -> np.ndarray:
        """Ends the sound: the logits of the steps that waited for more samples."""
        return self._native.finish()

    def reset(self) -> None:
        """Begins another sound."""
        self._native.reset()


def _lengths(lengths: Optional[Sequence[int]]) -> Optional[list[int]]:
    if lengths is None:
        return None
    return [_count("lengths", length) for length in np.asarray(lengths).reshape(-1).tolist()]


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise _fgn.Error(f"{name}: expected a whole number of at least 0, got {value!r}")
    return int(value)


def _tokens(values: Any, name: str) -> np.ndarray:
    """Whole numbers as ``uint32``; none wraps around."""
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, np.uint32)
    if array.dtype.kind not in "iu":
        raise _fgn.Error(f"{name}: expected whole numbers, got {array.dtype}")
    if array.min() < 0 or array.max() >= 2**32:
        raise _fgn.Error(f"{name}: expected numbers from 0 to 2^32 - 1, got {array.min()} to {array.max()}")
    return np.require(array, np.uint32, ["C_CONTIGUOUS", "ALIGNED"])


def _sampling(temperature: float, given: dict[str, Any]) -> str:
    known = {"seed": 1, "precision": "f32", "threads": 1}
    options = {
        "temperature": temperature,
        "repetition_penalty": 1.0,
        "top_k": None,
        "top_p": None,
        "min_p": None,
    }
    for name, value in given.items():
        if name in known:
            known[name] = value
        elif name in options:
            options[name] = value
        else:
            raise TypeError(f"unknown option {name!r}; known: {', '.join([*known, *options])}")
    return json.dumps({**known, "options": options})
