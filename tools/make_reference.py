"""Generate the reference pages from the code: `python tools/make_reference.py OUT_DIR`.

The pages say nothing of their own: contracts come from the comments in protos/, errors from the
catalogue, settings (of endpoints too) from the docstrings of their classes, commands from their help, what
happens to attributes from the rules of the profiles that come with the service, what is negotiated
over DICOM from the code that does. The same code always gives the same bytes, so that `make check` can
tell when a page is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.reference import cli, configuration, conformance, deidentification, endpoints, errors, rpc
from tools.reference.contracts import load_contracts
from tools.reference.markdown import GENERATED


def make_pages() -> dict[str, str]:
    """Every page's text by its file name."""
    contracts = load_contracts()
    pages = rpc.make_pages(contracts)
    pages["errors.md"] = errors.make_page(contracts)
    pages["configuration.md"] = configuration.make_page()
    pages["endpoints.md"] = endpoints.make_page()
    pages["cli.md"] = cli.make_page()
    pages["deidentification.md"] = deidentification.make_page()
    pages["dicom-conformance.md"] = conformance.make_page()
    return pages


def write_pages(folder: Path) -> None:
    """Write the pages into `folder` and remove what earlier code generated there and this does not."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = make_pages()
    for page in set(folder.glob("*.md")) - {folder / name for name in pages}:
        if page.read_text(encoding="utf-8").startswith(GENERATED):
            page.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_reference.py OUT_DIR")
    write_pages(Path(sys.argv[1]))
