"""What goes wrong on request."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from random import Random

from diana_mock.chance import chance
from diana_mock.description import Faults
from diana_mock.encoding import Elements, encode, part10, raw
from diana_mock.parts import Part
from diana_mock.people import patient
from diana_mock.studies import Study


class Fault(Enum):
    """What is wrong with an instance, named as descriptions name it."""

    NONE = ""
    DUPLICATES = "duplicates"
    DROPS = "drops"
    LATE_INSTANCES = "late_instances"
    WRONG_VR = "wrong_vr"
    ODD_CHARSETS = "odd_charsets"
    WRONG_PATIENT_ID = "wrong_patient_id"
    MISSING_UID = "missing_uid"
    TRUNCATED = "truncated"


HARMFUL = frozenset({Fault.DROPS, Fault.MISSING_UID, Fault.TRUNCATED})
"""What nobody can store, or is never sent."""

_NO_FAULTS = Faults()
_DATE, _NAME, _CHARSET, _ID = 0x00080020, 0x00100010, 0x00080005, 0x00100020
_UIDS = (0x0020000D, 0x0020000E, 0x00080018)
_WRONG_VRS: Mapping[int, str] = {0x00080020: "LO", 0x00080060: "SH", 0x00100030: "LO", 0x00100040: "LO"}
"""Study Date, Modality, Patient's Birth Date and Sex, with a VR that is not theirs."""

_ODD = (
    ("", "Müller^Jörg", "latin-1"),
    ("ISO_IR 100", "山田^太郎", "shift_jis"),
    ("ISO_IR 192", "Núñez^Ángela", "latin-1"),
    ("ISO_IR 999", "Søndergaard^Åse", "latin-1"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "Иванова^Ольга", "koi8_r"),
)
"""Specific Character Set, a name, and in what it is written instead."""


def fault_of(study: Study, instance_uid: str) -> Fault:
    """What is wrong with an instance: one thing at most."""
    faults = study.site.faults
    if faults == _NO_FAULTS:
        return Fault.NONE
    draw = chance(study.site.seed, "fault", instance_uid).random()
    for fault in Fault:
        draw -= getattr(faults, fault.value) if fault.value else 0.0
        if draw < 0 and fault.value:
            return fault
    return Fault.NONE


def is_slow(study: Study) -> bool:
    """Whether a study's instances come far apart."""
    return study.site.faults.slow > 0 and chance(*study.key, "slow").random() < study.site.faults.slow


def spoiled(study: Study, part: Part, elements: Elements, fault: Fault) -> bytes:
    """The Part 10 file of an instance, with what is wrong with it."""
    draw = chance(study.site.seed, "spoil", part.instance_uid)
    match fault:
        case Fault.WRONG_VR:
            tag = draw.choice(sorted(_WRONG_VRS))
            elements = {**elements, tag: raw(tag, _WRONG_VRS[tag], elements[tag][8:])}
        case Fault.ODD_CHARSETS:
            elements = {**elements, **_oddly_named(draw)}
        case Fault.WRONG_PATIENT_ID:
            elements = {**elements, **encode({"PatientID": patient_id_of(study, part, fault)}, "")}
        case Fault.MISSING_UID:
            missing = draw.choice(_UIDS)
            elements = {tag: element for tag, element in elements.items() if tag != missing}
    file = part10(elements, part.sop_class_uid, part.instance_uid)
    if fault is Fault.TRUNCATED:
        last = elements[max(elements)]
        return file[: len(file) - draw.randint(1, len(last) - 13)]
    return file


def _oddly_named(draw: Random) -> Elements:
    charset, name, written = draw.choice(_ODD)
    return {
        _CHARSET: raw(_CHARSET, "CS", charset.encode("ascii") + b" " * (len(charset) % 2)),
        _NAME: raw(_NAME, "PN", _even(name.encode(written))),
    }


def _even(text: bytes) -> bytes:
    return text + b" " * (len(text) % 2)


def patient_id_of(study: Study, part: Part, fault: Fault) -> str:
    """The Patient ID that an instance bears: where that is wrong, somebody else's, whom the site may not have."""
    if fault is not Fault.WRONG_PATIENT_ID:
        return study.patient.patient_id
    step = chance(study.site.seed, "spoil", part.instance_uid).randint(1, 999)
    return patient((study.site.seed, study.site.name), study.site.charset, study.patient.number + step).patient_id
