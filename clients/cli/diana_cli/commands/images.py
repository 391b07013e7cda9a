"""fdump and dcm2im: images of instances, as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, required, show_summary
from diana_cli.session import Session
from diana_cli.words import Worded
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.headers import fill_header
from diana_endpoints.items import FileContent, Item
from diana_endpoints.layouts import uid_name
from diana_endpoints.whole_files import replacing, wrote

_WINDOW = click.option(
    "-w", "--window", default="", metavar="CENTRE/WIDTH|NAME", help="Such as 40/400, lung, bone; full is all values."
)
_REPLACE = click.option("--replace", is_flag=True, help="Write over images that are there, with another window say.")
_FRAME = click.option("--frame", type=click.IntRange(min=1), help="This frame only; all by default.")


@click.command(
    "fdump",
    cls=Worded,
    epilog="Example: diana-cli get path:/data/dcm IM0001.dcm fdump\n\n"
    "Example: diana-cli get --study 1.2.3 fdump png images --window lung",
)
@click.argument("words", nargs=-1, metavar="[png] [OUTPATH]")
@_WINDOW
@_FRAME
@_REPLACE
def fdump(words: tuple[str, ...], window: str, frame: int | None, replace: bool) -> Stage:
    """Write each instance's frames as PNG into the folder OUTPATH, by default the current one.

    A file IM0001.dcm becomes IM0001.png, any other instance its SOP Instance UID, as does the second file of a name;
    several frames are numbered. What is burned into the pixels stays.
    """
    images = _Images(_folder(words), window, frame, replace)

    def run(session: Session, flow: Flow | None) -> Flow:
        items = session.progress("fdump", required(flow))
        yield from of_each(items, lambda item: [images.dumped(item)])

    return Stage("fdump", Takes.ITEMS, run, show_summary)


@click.command("dcm2im", cls=Worded, epilog="Example: diana-cli dcm2im IM0001.dcm images")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="INPATH")
@click.argument("out", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[OUTPATH]")
@_WINDOW
@_FRAME
@_REPLACE
def dcm2im(source: Path, out: Path | None, window: str, frame: int | None, replace: bool) -> Stage:
    """Write the frames of a DICOM file, or of all files of a folder, as PNG; as fdump does."""
    images = _Images(out or Path(), window, frame, replace)

    def run(session: Session, _: Flow | None) -> Flow:
        folder = Folder(FolderSettings(source))
        one = Item({"path": source.name}, content=FileContent(source, source.stat().st_size), number=1)
        items = session.progress("dcm2im", folder.list() if source.is_dir() else [one])
        yield from of_each(items, lambda item: [images.dumped(item)])

    return Stage("dcm2im", Takes.NOTHING, run, show_summary)


def _folder(words: Sequence[str]) -> Path:
    """Where to write: the word that is not the format's."""
    rest = list(words[1:] if words and words[0].lower() == "png" else words)
    if len(rest) > 1:
        raise click.UsageError("fdump takes one folder, and png before it: it writes no other format.")
    return Path(rest[0]) if rest else Path()


class _Images:
    """The images of one chain, in one folder."""

    def __init__(self, out: Path, window: str, frame: int | None, replace: bool) -> None:
        self._out, self._window, self._frame, self._replace = out, window, frame, replace
        self._stems: set[str] = set()

    def dumped(self, item: Item) -> Item:
        """The item, once its images are written. Raises DianaError, OSError."""
        from diana_endpoints.rendering import frame_count, pngs_of  # numpy with it

        if item.failure is not None:
            return item
        frame = self._frame
        count = frame_count(item)
        if frame and frame > count:
            raise invalid_field("--frame", f"is beyond the last, {count}")
        self._out.mkdir(parents=True, exist_ok=True)
        names = _names(self._name(item), [frame] if frame else range(1, count + 1), count)
        for path, png in zip(names, pngs_of(item, [frame - 1] if frame else None, self._window), strict=True):
            self._write(self._out / path, png)
        item.meta |= {"outcome": "written", "images": 1 if frame else count}
        return item

    def _name(self, item: Item) -> str:
        """The stem of the item's file, if it is the first of that; else the SOP Instance UID."""
        stem = Path(str(item.meta.get("path") or "")).stem
        if stem.strip(". ") and stem not in self._stems:
            self._stems.add(stem)
            return stem
        fill_header(item)
        return uid_name(item.meta.get("sop_instance_uid") or "")

    def _write(self, path: Path, png: bytes) -> None:
        """What is there stays, unless it is to be replaced. Raises ITEM_EXISTS for another image, OSError."""
        if self._replace:
            with replacing(path, durable=False) as stream:
                stream.write(png)
        else:
            _write_once(path, png)


def _names(name: str, numbers: Sequence[int], count: int) -> Iterator[str]:
    for number in numbers:
        yield f"{name}.png" if count == 1 else f"{name}-{number:0{len(str(count))}}.png"


def _write_once(path: Path, png: bytes) -> None:
    """What is there stays. Raises ITEM_EXISTS where that is another image, OSError."""
    if not wrote(path, png) and path.read_bytes() != png:
        raise DianaError(Reason.ITEM_EXISTS, "the folder has another image of this name: --replace writes over it")


COMMANDS = (fdump, dcm2im)
