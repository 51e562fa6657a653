"""Trainings from Python."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Union

from . import _fgn

Path = Union[str, "os.PathLike[str]"]
Callback = Callable[[dict], object]


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave."""

    run: str
    """The run folder, for ``fgn.load`` and ``fgn report``."""
    end: str
    """``"finished"`` or ``"stopped early"``."""
    steps: int
    """Steps of the optimizer."""
    epoch: int
    """The epoch whose weights the model has, counted from 1."""
    test: dict = field(repr=False)
    """Loss and metrics on the test part, by name; ``None`` for what is not finite."""
    history: list = field(repr=False)
    """What ``on_epoch`` was given, an entry for each epoch."""


def recipes() -> list[str]:
    """The names of the built-in recipes."""
    return _fgn.recipes()


def train(
    recipe: Path = "mnist",
    overrides: Optional[Mapping[str, Any]] = None,
    *,
    data: Optional[Path] = None,
    out: Optional[Path] = None,
    resume: Optional[Path] = None,
    continued: bool = False,
    report: bool = True,
    on_epoch: Optional[Callback] = None,
    on_step: Optional[Callback] = None,
) -> Optional[TrainingResult]:
    """Runs a training, as ``fgn train`` does, and returns what it gave.

    Args:
        recipe: The name of a recipe, or the path of a ``.toml`` file.
        overrides: Values for keys of the recipe: ``{"training.epochs": 3, "model.recurrent.cell.name": "gru"}``.
        data: Your own data, a file or folder that a reader of the recipe reads.
        out: The run folder; by default the first of ``runs/RECIPE-1``, ``runs/RECIPE-2``, … that is free.
        resume: A run folder: goes on from its last checkpoint, as if it had never stopped.
        continued: Begins the run in ``out``, resumes it, or returns ``None`` if it is finished.
        report: Whether to write ``report.html``, curves and files for TensorBoard.
        on_epoch: Called after each epoch with a dict, the line of ``metrics.jsonl``: ``epoch``, ``train_loss``,
            ``valid_loss`` and so on.
        on_step: Called after each step with a dict: ``epoch``, ``step``, ``total``, ``loss``, ``samples``,
            ``learning_rate``, ``gradient_norm``.

    Raises:
        Error: A recipe, key or value that does not fit, or data that cannot be read; a training that has diverged.
        KeyboardInterrupt: After Ctrl-C. The training finishes its step and saves a checkpoint first. So it does if a
            callback raises.
    """
    if resume is not None:
        given = {"overrides": overrides, "out": out, "continued": continued or None}
        beside = [name for name, value in given.items() if value is not None]
        if beside:
            raise _fgn.Error(f"resume: expected no {beside[0]} beside it, the run has its own")
    if continued and out is None:
        raise _fgn.Error("continued: expected out, the folder of the run")
    request = {
        "recipe": os.fspath(recipe),
        "overrides": _plain(overrides or {}),
        "data": _path(data),
        "out": _path(out),
        "resume": _path(resume),
        "is_continued": continued,
        "report": report,
    }
    text = _fgn.train(json.dumps(request), _parsing(on_epoch), _parsing(on_step))
    return None if text is None else TrainingResult(**json.loads(text))


def _path(path: Optional[Path]) -> Optional[str]:
    return None if path is None else os.fspath(path)


def _plain(overrides: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Keys and values as JSON has them. NumPy's numbers and arrays become Python's."""

    def plain(key: str, value: Any) -> Any:
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, (str, bool, int, float)):
            return value
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, (list, tuple)):
            return [plain(key, item) for item in value]
        if isinstance(value, Mapping):
            return {name: plain(key, item) for name, item in value.items()}
        expected = "a string, number, boolean, list or dict"
        raise _fgn.Error(f"{key}: expected {expected}, got {type(value).__name__}")

    return [(str(key), plain(key, value)) for key, value in overrides.items()]


def _parsing(callback: Optional[Callback]) -> Optional[Callable[[str], object]]:
    if callback is None:
        return None
    return lambda text: callback(json.loads(text))
