"""The Python code of the pages runs."""

import os
import pathlib
import re

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent
PAGES = [PACKAGE / "README.md", PACKAGE.parent.parent / "docs" / "python.md"]


def blocks():
    for page in PAGES:
        text = page.read_text()
        for index, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S)):
            yield pytest.param(block, id=f"{page.name}-{index}")


@pytest.mark.parametrize("block", blocks())
def test_a_block_runs(block, digits, series, language, folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        exec(compile(block, "page", "exec"), {})
    finally:
        os.chdir(before)
