"""Descriptions are checked before anything runs, and what is wrong is named by its place."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_mock.description import sites
from tests.unit.mock.mock_bench import site


def test_the_older_systems_description_is_taken_as_it_is() -> None:
    [found] = sites(
        [
            {
                "name": "Example Hospital",
                "services": [
                    {"name": "Main CT", "modality": "CT", "devices": 3, "studies_per_hour": 15},
                    {"name": "Main MR", "modality": "MR", "devices": 2, "studies_per_hour": 4},
                ],
            }
        ]
    )
    assert [(one.name, one.modality.value, one.devices, one.studies_per_hour) for one in found.services] == [
        ("Main CT", "CT", 3, 15.0),
        ("Main MR", "MR", 2, 4.0),
    ]


def test_one_site_needs_no_list() -> None:
    assert sites(site("CT")) == sites([site("CT")])


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({**site("CT"), "prior": 0.1}, "sites[0].prior: is not a setting; did you mean 'priors'?"),
        (site("CT", service={"device": 2}), "sites[0].services[0].device: is not a setting; did you mean 'devices'?"),
        (site("CTT"), "sites[0].services[0].modality: is not one of its values; did you mean 'CT'?"),
        (site("CT", faults={"drop": 0.1}), "sites[0].faults.drop: is not a setting; did you mean 'drops'?"),
        (site("CT", faults={"drops": 1.5}), "sites[0].faults: drops must be 0 to 1"),
        (site("CT", faults={"drops": float("nan")}), "sites[0].faults: drops must be 0 to 1"),
        (site("CT", faults={"drops": 0.6, "truncated": 0.6}), "sites[0].faults: the probabilities"),
        (site("CT", faults={"drops": "often"}), "sites[0].faults.drops: must be a number"),
        (site("CT", service={"devices": 1001}), "sites[0].services[0]: devices must be 1 to 1000"),
        (site("CT", service={"image_size": 100_000}), "sites[0].services[0]: image_size must be 16 to 2048"),
        (site("CT", service={"studies_per_hour": 0}), "sites[0].services[0]: studies_per_hour must be"),
        (site("XA", service={"instances": 5000, "image_size": 1024}), "sites[0].services[0]: a run of so many frames"),
        (site("CT", charset="ISO_IR 87"), "sites[0]: charset is none of"),
        (site("CT", reports="pdf"), "sites[0].reports: is not one of its values"),
        (site("CT", name="Bad\\Name"), "sites[0]: name must be 1 to 64 printable ASCII"),
        (site("CT", "CT"), "sites[0]: two services have the same name"),
        ([site("CT"), site("MR")], "DESC: two sites have the same name"),
        ({"name": "Empty", "services": []}, "sites[0]: services must be one to 100"),
        ({"name": "Empty"}, "sites[0].services: is required"),
        ([], "DESC: must be a site, or a list of one to 100 sites"),
        ("CT", "DESC: must be a site, or a list of one to 100 sites"),
        ([5], "sites[0]: must be a mapping of settings"),
    ],
)
def test_what_is_wrong_is_named(tree: Any, said: str) -> None:
    with pytest.raises(DianaError) as raised:
        sites(tree)
    assert raised.value.reason is Reason.CONFIG_INVALID and raised.value.message.startswith(said)


def test_devices_are_bounded_over_all_sites() -> None:
    many = [site("CT", name=f"Site {number}", service={"devices": 1000}) for number in range(11)]
    with pytest.raises(DianaError, match="more than 10000 devices"):
        sites(many)
