"""The page of the error catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from diana_common.dicom.limits import Limits
from diana_common.errors import Reason
from tools.reference.configuration import settings_of
from tools.reference.contracts import Package
from tools.reference.markdown import GENERATED, escape, prose, table
from tools.reference.rpc import links_to

_INTRODUCTION = """# Errors

Every refusal comes as a gRPC status whose details hold a `google.rpc.ErrorInfo`: `domain` is "diana",
`reason` is one of those below (the names of `diana.type.v1.ErrorReason` without their prefix), and
`metadata["remedy"]` says what the caller can do. For bad input a `google.rpc.BadRequest` beside it names
the fields by their paths. Single items of a batch or an upload carry the same in their own
`google.rpc.Status`. Programs branch on the reason, or on the code, never on the message.

"""


def make_page(packages: Sequence[Package]) -> str:
    """The page's text."""
    overview = table(
        ["reason", "code", "remedy"],
        [(f"[{one.name}](#{one.name.lower()})", one.code.name, escape(one.remedy)) for one in Reason],
    )
    sections = "".join(_section(reason, packages) for reason in Reason)
    return GENERATED + _INTRODUCTION + overview + sections


def _section(reason: Reason, packages: Sequence[Package]) -> str:
    text = f"## {reason.name}\n\n{reason.code.name} ({reason.code.value}). {escape(reason.remedy)}\n\n"
    sources = list(_answered_by(reason, packages))
    text += f"Answered by {', '.join(sources)}.\n\n" if sources else ""
    return text + (_limits() if reason is Reason.DATA_SET_LIMIT else "")


def _limits() -> str:
    rows = [(f"`{one.path}`", f"{one.default:,}", prose(one.docstring, {})) for one in settings_of(Limits)]
    return "What reading a data set may cost:\n\n" + table(["limit", "", ""], rows)


def _answered_by(reason: Reason, packages: Sequence[Package]) -> Iterator[str]:
    """The services and RPCs whose comments list the reason, linked."""
    listed = re.compile(rf"\([^)]*\b{reason.name}\b[^)]*\)")
    for package in packages:
        links = links_to(packages, package)
        for service in package.services:
            if listed.search(service.comment):
                yield f"every RPC of [{service.name}]({links[service.name]})"
            for method, comment in service.methods:
                if listed.search(comment):
                    yield f"[{method.name}]({links[method.name]})"
