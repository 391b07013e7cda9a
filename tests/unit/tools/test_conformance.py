"""The conformance statement leaves nothing out that the code negotiates or answers."""

from __future__ import annotations

import re
from pathlib import Path

import diana_dimse
from diana_dimse.core.entities import Service
from diana_dimse.core.sop_classes import BY_SERVICE, storage_classes, transfer_syntaxes
from diana_dimse.network.pdus import Rejection
from tools.reference import conformance
from tools.reference.conformance_statuses import told

_SOURCES = list(Path(diana_dimse.__file__).parent.rglob("*.py"))


def test_every_status_that_the_code_answers_has_its_conditions() -> None:
    named = {name for source in _SOURCES for name in re.findall(r"\bStatus\.([A-Z_]+)", source.read_text("utf-8"))}
    assert named == {status.name for status in told()}


def test_every_rejection_that_the_code_gives_has_its_conditions() -> None:
    named = {name for source in _SOURCES for name in re.findall(r"\bRejection\.([A-Z_]+)", source.read_text("utf-8"))}
    page = conformance.make_page()
    for name in named:
        assert f"| {name.lower().replace('_', ' ')} |" in page
    assert named <= set(Rejection.__members__)


def test_every_service_sop_class_and_transfer_syntax_is_there() -> None:
    page = conformance.make_page()
    assert set(conformance._SERVICES) == set(Service)
    for uid in storage_classes() | transfer_syntaxes() | frozenset().union(*BY_SERVICE.values()):
        assert f"`{uid}`" in page
