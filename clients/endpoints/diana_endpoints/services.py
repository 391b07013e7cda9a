"""Services YAML: endpoints by name, and endpoints by URL on top of them.

    archive: {ctype: archive, address: "${ARCHIVE:-127.0.0.1:50061}"}
    trial:   {ctype: archive, address: archive.site:50061, store: trial, tls: {ca_file: ca.pem}}
    inbox:   {ctype: folder, path: "${INBOX:?set it to the folder that scans arrive in}"}

A value that begins with "@" is the text of the file it names, relative to the YAML's own folder; where that
file ends in .yaml or .json, the tree it holds. "@@" stands for "@".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from diana_common.errors import invalid_field
from diana_common.settings import config_invalid, expand, join, nearest
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.registry import KINDS, Kind, kind_of, make

_LARGEST_FILE = 4 * 1024 * 1024


class Services:
    """Endpoints by the names of a services mapping and by URL. Each is made once, and all are closed together."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        for name, entry in entries.items():
            if not isinstance(entry, Mapping):
                raise config_invalid(str(name), "must be a mapping with a ctype")
            kind_of(entry, str(name))
        self.entries: dict[str, Mapping[str, Any]] = {str(name): entry for name, entry in entries.items()}
        self._made: dict[str, Endpoint] = {}

    @classmethod
    def read(cls, path: Path, env: Mapping[str, str]) -> Self:
        """The services that a YAML file describes. Raises DianaError CONFIG_INVALID."""
        tree = _parse(_text(path, path.name), path.name)
        if not isinstance(tree or {}, Mapping):
            raise config_invalid(path.name, "must be a mapping of services by name")
        return cls(_resolve(tree or {}, env, path.parent, ""))

    def endpoint(self, text: str) -> Endpoint:
        """The endpoint of a name ("inbox") or URL ("path:/data", "archive:trial").

        Raises DianaError INVALID_FIELD for what names none, CONFIG_INVALID for one that is described wrongly.
        """
        if text not in self._made:
            self._made[text] = make(*self._find(text))
        return self._made[text]

    def describe(self, text: str) -> Mapping[str, Any]:
        """The description that `endpoint` goes by; errors alike."""
        return self._find(text)[0]

    def close(self) -> None:
        """Close every endpoint that was made."""
        while self._made:
            self._made.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, text: str) -> tuple[Mapping[str, Any], str]:
        if text in self.entries:
            return self.entries[text], text
        prefix, colon, rest = text.partition(":")
        kinds = {kind.prefix: kind for kind in KINDS}
        prefixes = [f"{name}:" for name in kinds]
        if not colon:
            raise invalid_field(
                "ENDPOINT", f"is not a service by name, nor a URL; {nearest(text, [*self.entries, *prefixes])}"
            )
        if prefix not in kinds:
            raise invalid_field("ENDPOINT", f"begins with no known prefix; {nearest(f'{prefix}:', prefixes)}")
        kind = kinds[prefix]
        if rest and not kind.setting:
            raise invalid_field("ENDPOINT", f"takes nothing after {prefix}:")
        own = {kind.setting: rest} if rest else {}
        if kind.mesh:
            name = self._of_kind(kind)
            return {**self.entries[name], **own}, name
        if not rest:
            raise invalid_field("ENDPOINT", f"needs a {kind.setting} after the colon")
        return {"ctype": kind.ctype, **own}, kind.ctype

    def _of_kind(self, kind: Kind) -> str:
        """The service a mesh URL means: the one named like its kind, else the only one of that kind."""
        names = [name for name, entry in self.entries.items() if entry["ctype"] == kind.ctype]
        if kind.ctype in names:
            return kind.ctype
        if len(names) != 1:
            several = f"several services of this kind are described ({', '.join(sorted(names))}): name one of them"
            none = "no service of this kind is described: start a mesh (diana-cli up), or give --services FILE"
            raise config_invalid(kind.ctype, several if names else none)
        return names[0]


def _resolve(tree: Any, env: Mapping[str, str], folder: Path, where: str) -> Any:
    """Read @files and expand variables, in every string of a tree; what a variable holds is never a file's name."""
    if isinstance(tree, Mapping):
        return {key: _resolve(value, env, folder, join(where, str(key))) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_resolve(value, env, folder, f"{where}[{number}]") for number, value in enumerate(tree)]
    if not isinstance(tree, str):
        return tree
    if not tree.startswith("@"):
        return expand(tree, env, where)
    if tree.startswith("@@"):
        return expand(tree[1:], env, where)
    path = folder / Path(expand(tree[1:], env, where)).expanduser()
    text = _text(path, where)
    return _parse(text, where) if path.suffix in (".yaml", ".yml", ".json") else text.rstrip("\r\n")


def _text(path: Path, where: str) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise config_invalid(where, f"the file cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise config_invalid(where, "the file is not UTF-8 text") from error
    if len(text) > _LARGEST_FILE:
        raise config_invalid(where, "the file is larger than 4 MiB")
    return text


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise config_invalid(where, f"is not YAML{place}") from error
