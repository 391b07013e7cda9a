"""Services YAML: endpoints by name, and endpoints by URL on top of them.

    archive: {ctype: archive, address: "${ARCHIVE:-127.0.0.1:50061}"}
    trial:   {ctype: archive, address: archive.site:50061, store: trial, tls: {ca_file: ca.pem}}
    inbox:   {ctype: folder, path: "${INBOX:?set it to the folder that scans arrive in}"}

What values may be is `service_files`' concern.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diana_common.errors import invalid_field
from diana_common.settings import config_invalid, nearest, path_of
from diana_endpoints.kind import Kind
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.registry import blaming, ctype_of_prefix, ctype_said, kind, make, prefixes
from diana_endpoints.service_files import parse, resolve, text_of

_PATH = re.compile(r"([A-Za-z]:)?[./\\~]")
"""How a path begins, of Windows too."""


class Services:
    """Endpoints by the names of a services mapping and by URL. Each is made once, and all are closed together.

    What is wrong with one service is told when it is used, and keeps no other from being used.
    """

    def __init__(self, entries: Mapping[str, Any], env: Mapping[str, str] | None = None) -> None:
        """`env` is what URLs may take the rest of their settings from; the process' own environment if absent."""
        self.entries: dict[str, Mapping[str, Any]] = {}
        self._env = os.environ if env is None else env
        for name, entry in entries.items():
            if not isinstance(entry, Mapping):
                raise config_invalid(str(name), "must be a mapping with a ctype")
            self.entries[str(name)] = {**entry, "ctype": ctype_said(entry)}
        self._made: dict[str, Endpoint] = {}

    @classmethod
    def read(cls, path: Path, env: Mapping[str, str]) -> Self:
        """The services that a YAML file describes. Raises DianaError CONFIG_INVALID."""
        where = path.name or "services"
        return cls._of_text(text_of(path, where), where, path.parent, env)

    @classmethod
    def given(cls, text: str, env: Mapping[str, str]) -> Self:
        """The services that a command line's text means: a file's name, with or without "@", or the YAML itself.

        Raises DianaError CONFIG_INVALID.
        """
        if text.startswith("@"):
            return cls.read(path_of(text[1:], "services"), env)
        if _is_yaml(text) and not _is_there(text):
            return cls._of_text(text, "services", Path(), env)
        return cls.read(path_of(text, "services"), env)

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
        """Close every endpoint that was made. Raises what one of them raises, once all the others are closed."""
        with ExitStack() as closing:
            while self._made:
                closing.callback(self._made.popitem()[1].close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, text: str) -> tuple[Mapping[str, Any], str]:
        if text in self.entries:
            return self.entries[text], text
        prefix, _, rest = text.partition(":")
        ctype = self._ctype(text)
        found = kind(ctype)
        if "+" in prefix and not found.read_url:
            raise invalid_field("ENDPOINT", f"takes nothing before the colon: write {prefix.partition('+')[0]}:")
        described = not rest and found.read_url and any(entry["ctype"] == ctype for entry in self.entries.values())
        if found.mesh or described:
            own = _own(found, rest, prefix)
            name = self._of_kind(ctype)
            return {**self.entries[name], **own}, name
        if found.read_url:
            url = text.partition("+")[2] if "+" in prefix else text
            with blaming(ctype, ctype):
                return {"ctype": ctype, **found.read_url(url, self._env)}, ctype
        if not rest:
            raise invalid_field("ENDPOINT", f"needs a {found.setting or 'setting'} after the colon")
        return {"ctype": ctype, **_own(found, rest, prefix)}, ctype

    def _ctype(self, text: str) -> str:
        """The kind that a URL is of. Raises DianaError INVALID_FIELD, with a hint, for what is no URL."""
        prefix, colon, _ = text.partition(":")
        if colon and (ctype := ctype_of_prefix(prefix)):
            return ctype
        if _PATH.match(text):
            raise invalid_field("ENDPOINT", "is a path alone: write path:DIR, zip:FILE, csv:FILE or the like")
        known = [f"{name}:" for name in prefixes()]
        if colon:
            raise invalid_field("ENDPOINT", f"begins with no known prefix; {nearest(f'{prefix}:', known)}")
        raise invalid_field(
            "ENDPOINT", f"is not a service by name, nor a URL; {nearest(text, [*self.entries, *known])}"
        )

    def _of_kind(self, ctype: str) -> str:
        """The service a URL without an address means: the one named like its kind, else the only one of that kind."""
        names = [name for name, entry in self.entries.items() if entry["ctype"] == ctype]
        if ctype in names:
            return ctype
        if len(names) != 1:
            several = f"several services of this kind are described ({', '.join(sorted(names))}): name one of them"
            none = "no service of this kind is described: start a mesh (diana-cli up), or give --services FILE"
            raise config_invalid(ctype, several if names else none)
        return names[0]

    @classmethod
    def _of_text(cls, text: str, where: str, folder: Path, env: Mapping[str, str]) -> Self:
        tree = parse(text, where) or {}
        if not isinstance(tree, Mapping):
            raise config_invalid(where, "must be a mapping of services by name")
        return cls(resolve(tree, env, folder, ""), env)


def _own(found: Kind, rest: str, prefix: str) -> dict[str, str]:
    """The setting that a URL gives itself."""
    if rest and not found.setting:
        raise invalid_field("ENDPOINT", f"takes nothing after {prefix}:")
    return {found.setting: rest} if rest else {}


def _is_yaml(text: str) -> bool:
    return "{" in text or ": " in text or "\n" in text


def _is_there(text: str) -> bool:
    """Whether a file has the name of what looks like YAML."""
    try:
        return Path(text).is_file()
    except OSError:  # no name at all: too long, for example
        return False
