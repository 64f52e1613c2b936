"""The notebooks among the examples, run by a kernel of Jupyter as their reader runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


def printed(notebook: nbformat.NotebookNode) -> str:
    """What the cells printed and returned."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [] == [cell for cell in notebook.cells if cell.get("outputs")]
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=resources).execute()
    if path.stem == "recording":
        said = printed(notebook)
        assert "FlushResult(delivered=3, refused=0, dropped=0, pending=0)" in said
        assert "     user: Where is my parcel?\nassistant: It arrives tomorrow before noon." in said
        assert "{'ada': (1, 1, 41), 'bob': (1, 0, 0)}" in said
    if path.stem == "reading":
        said = printed(notebook)
        assert "24 conversations, 24 turns, 0 refused" in said
        assert "Where is my parcel? → It arrives tomorrow. (20 + 5 tokens)" in said
        assert "{'prompt_tokens': 756, 'completion_tokens': 156}" in said
        shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
        assert 2 == sum("image/png" in data for data in shown)
        assert ["5 sessions of "] == [data["text/html"][16:30] for data in shown if "text/html" in data]
