"""Matching keys as messages, from Python's mappings and from a command line."""

from __future__ import annotations

import click
import pytest

from diana.index.v1 import index_service_pb2 as pb
from diana_cli.questions import parse_matches
from diana_client.index_requests import attribute_matches

SEQUENCE = "RequestAttributesSequence"


def test_a_mapping_within_a_mapping_is_an_item() -> None:
    made = attribute_matches({"Modality": ["CT", "MR"], SEQUENCE: {"A": "x", "B": {"C": ["y", "z"]}}})
    inner = pb.AttributeMatch(attribute="B", item=[pb.AttributeMatch(attribute="C", values=["y", "z"])])
    assert made == [
        pb.AttributeMatch(attribute="Modality", values=["CT", "MR"]),
        pb.AttributeMatch(attribute=SEQUENCE, item=[pb.AttributeMatch(attribute="A", values=["x"]), inner]),
    ]


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (("A=x", "A=y", "B="), {"A": ["x", "y"], "B": [""]}),
        (("A=x=y.z",), {"A": ["x=y.z"]}),
        (("S.A=x", "B=y"), {"S.A": ["x"], "B": ["y"]}),
        (("S.A=x", "S.A=y"), {"S.A": ["x", "y"]}),
        (("S.A=x", "S.B=y", "T.A=z"), {"S": {"A": ["x"], "B": ["y"]}, "T.A": ["z"]}),
        (("S.T.A=x", "S.T.B=y"), {"S": {"T": {"A": ["x"], "B": ["y"]}}}),
        (('(0009,"A.B",01)=x', '(0009,"A.B",02)=y'), {'(0009,"A.B",01)': ["x"], '(0009,"A.B",02)': ["y"]}),
    ],
)
def test_attributes_of_one_sequence_are_of_one_item(given: tuple[str, ...], parsed: object) -> None:
    assert parse_matches(given) == parsed


@pytest.mark.parametrize("match", ["PatientID", "=x", ""])
def test_what_is_no_pair_is_refused(match: str) -> None:
    with pytest.raises(click.BadParameter, match="ATTRIBUTE=VALUE"):
        parse_matches((match,))
