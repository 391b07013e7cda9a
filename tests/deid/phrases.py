"""Texts as they stand in descriptions and comments: clean ones, and ones with an identifier among clean words.

A template's `{...}` are filled by `Filler.shown`; what is left of its words is to be retained.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from tests.deid.people import Person, names_of

CLEAN = (
    "CT CHEST W CONTRAST", "T2_TSE_TRA_320", "AX T1 0.9mm iso", "MPRAGE SAG 1.0 x 1.0 x 1.2", "ABD/PELVIS PORTAL",
    "KNEE LT 2 VIEWS", "L4/5 disc", "C5-C6 level", "ep2d_diff_b0_500_1000", "Thorax 1.25 B30f", "PHASE 75%",
    "DYNAMIC 90 sec delay", "CALCIUM SCORE 3.0", "R MLO", "PET WB 3.27 AC", "ECHO TTE 4CH", "RENAL US BILATERAL",
    "FLAIR COR TE 120", "TOF 3D multi-slab", "post gad 0.1 mmol/kg", "white matter lesions", "LUNG 5/3 mm",
    "T1w 3D TFE",
    "AP/LAT 110 kVp", "non-contrast head", "young adult hip protocol", "hand 3 views", "may repeat in expiration",
    "Grade II astrocytoma", "ROI 12 mm2", "1.5T body coil", "SWI phase 20 ms", "2/3 dose", "EKG gated 60-70%",
    "Stage IIIB NSCLC", "BI-RADS 4", "TNM T2N1M0", "VR 0.75 I31f 3", "HU 35-60", "SUV max 4.7", "62 yo smoker",
)  # fmt: skip

LONG_CLEAN = (
    "No focal lesion in the liver. Spleen measures 11.2 x 4.5 cm. Portal vein patent.",
    "Three-vessel coronary artery disease with calcified plaque in the proximal LAD (70% stenosis).",
    "Status post lobectomy; small apical pneumothorax, unchanged. No pleural effusion.",
    "Known allergy to penicillin and iodinated contrast. eGFR 54 mL/min/1.73m2.",
    "Intermediate-risk prostate cancer, Gleason 3+4=7, PSA 8.1 ng/mL.",
    "Motion artefact degrades slices 12-18. Repeat sequence diagnostic.",
)


class Template(NamedTuple):
    """`kind` says what is planted."""

    kind: str
    text: str


EMBEDDED = (
    Template("family name in capitals at the end", "CHEST PA {LAST}"),
    Template("family name first", "{last} abdomen portal venous"),
    Template("family name in lower case", "hip protocol {lower}"),
    Template("name with comma", "CT HEAD W/O {comma}"),
    Template("name in DICOM form", "{pn} T2 TSE"),
    Template("given name first", "knee lt {firstlast} 2 views"),
    Template("other spelling of the name", "spine L4/5 {spelling}"),
    Template("possessive name", "Brain MRI {possessive} seizures"),
    Template("name in a file name", "{file} 1.25mm B30f"),
    Template("name run together", "export {run} recon"),
    Template("name with underscores", "T1_{under}_post"),
    Template("patient id", "{id} AX T1 0.9mm iso"),
    Template("patient id behind MRN", "liver protocol MRN {id}"),
    Template("patient id behind MRN#:", "MRN#:{id} renal"),
    Template("accession number", "acc {acc} T2_TSE_TRA_320"),
    Template("study date compact", "{date8} lung nodule"),
    Template("study date with dashes", "prior {dashes} compared"),
    Template("study date American", "CT {slashes} w contrast"),
    Template("study date German", "Thorax vom {dots} nativ"),
    Template("study date in words", "{words} post op day 2"),
    Template("study date with short year", "MR {short} FLAIR"),
    Template("study date and time", "scan {iso} delayed phase"),
    Template("birth date", "DOB {dob} pelvis"),
    Template("birth date American", "b. {dobus} female breast"),
    Template("birth date compact", "{dob8} hand 3 views"),
    Template("phone number", "call {phone} re biopsy"),
    Template("e-mail address", "send to {email} DVD"),
    Template("physician", "per Dr. {doctor} low dose"),
    Template("physician's initials and name", "{doctorinit} requests MRCP"),
    Template("institution", "{place} outside film"),
    Template("UID", "derived from {uid} MPR"),
    Template("URL with id", "see {url} axial"),
    Template("another patient's id behind MRN", "MRN: {mrn} donor kidney"),
    Template("a date of nothing else", "biopsy {other} benign"),
    Template("a phone number of nobody in the header", "Fax {fax} cranial"),
    Template("a physician who is not in the header", "Dr. {stranger} low dose"),
    Template("an age over 89", "{old} hip fracture"),
    Template("initial and name", "{initial} T2_TSE_TRA_320"),
    Template("name between numbers", "1.25_{lower}_B30f"),
    Template("title and name", "knee lt, Mrs {last}"),
)

NARRATIVE = (
    Template("a letter", "Patient {firstlast} (DOB {dob}) presented with shortness of breath on {dashes}. "
             "No pleural effusion. Contact {phone} or {email}. Lives at {street}, {town}. Heart size normal."),
    Template("a report signed", "Indication: chronic cough.\r\nFindings: no nodule in {possessive} right lung.\r\n"
             "Dictated by Dr. {doctor}, {place}, {words}.\r\nMRN {id}, accession {acc}."),
    Template("a technologist's note", "IV access difficult; spoke to {doctorlast}. Pt id {id} verified, ssn {ssn}. "
             "Contrast 80 mL given without reaction."),
    Template("a history", "{LAST}, {first} s/p fall 3 days ago. Prior CT {slashes} at {place} showed L1 compression "
             "fracture. No cord compromise."),
    Template("a header pasted into a comment", "PatientName={pn};PatientID={id};AccessionNumber={acc}; window 400/40"),
)  # fmt: skip

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Planted:
    """A text, the words in it that must go, and the phrases that must stay."""

    kind: str
    text: str
    removed: tuple[str, ...]
    retained: tuple[str, ...]


class Filler:
    """Fills templates with what one study's header says."""

    def __init__(self, person: Person, day: date, accession: str, doctor: str, place: str, uid: str) -> None:
        self._person = person
        self._values = {
            **_names(person, doctor, place),
            **_dates(day),
            "acc": (accession, (accession,)),
            "uid": (uid, (uid,)),
            "dob": (f"{person.born:%Y-%m-%d}", (f"{person.born:%Y-%m-%d}",)),
            "dobus": (f"{person.born:%m/%d/%Y}", (f"{person.born:%m/%d/%Y}",)),
            "dob8": (f"{person.born:%Y%m%d}", (f"{person.born:%Y%m%d}",)),
        }

    def describe(self, rng: random.Random, room: int) -> Planted:
        """A description of at most `room` characters, clean or not: over a set, each kind of both comes up."""
        for _ in range(40):
            if rng.random() < 0.3:
                planted = clean(rng.choice(LONG_CLEAN if room > 200 and rng.random() < 0.5 else CLEAN))
            else:
                planted = self.fill(rng.choice(NARRATIVE if room > 200 and rng.random() < 0.5 else EMBEDDED), rng)
            if len(planted.text) <= room:
                return planted
        return clean("KNEE LT")

    def fill(self, template: Template, rng: random.Random) -> Planted:
        """The text of a template."""
        removed: list[str] = []

        def shown(slot: re.Match[str]) -> str:
            value, needles = self._values.get(slot[1]) or _random(slot[1], rng)
            removed.extend(needles)
            return value

        text = _SLOT.sub(shown, template.text)
        return Planted(template.kind, text, tuple(filter(None, removed)), _kept(template.text))


def _kept(template: str) -> tuple[str, ...]:
    """The words between the slots, without the punctuation and the labels next to what goes."""
    pieces = (re.sub(r"^\W+|\W+$", "", piece) for piece in re.split(r"\{\w+\}|[.;:,()=\r\n]+(?:\s|$)", template))
    return tuple(piece for piece in pieces if len(piece) > 2 and not _LABEL.fullmatch(piece))


_LABEL = re.compile(
    r"(?:MRN|DOB|acc|accession|call|Fax|send to|per Dr|Contact|or|Lives at|PatientName|PatientID|AccessionNumber|"
    r"Patient|Dictated by Dr|Pt id|ssn|see|vom|liver protocol MRN|at|derived from)\W*",
    re.IGNORECASE,
)


def _names(person: Person, doctor: str, place: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    last, first, words = person.family, person.given, person.words
    short = len(last) < 3  # of such a name only the whole can be found
    alone = f"{last} {first}" if short else last
    only = (alone,)

    def both(text: str) -> tuple[str, ...]:
        return (text,) if short else (last, first)

    family, given = names_of(doctor)[0], doctor.split("^")[1]
    file = f"{last}_{first}_{person.patient_id}.dcm".lower().replace("/", "-")
    run = f"{last}{first}".lower()
    return {
        "last": (alone, only),
        "LAST": (alone.upper(), only),
        "lower": (alone.lower(), only),
        "first": (first, ()) if short else (first, (first,)),
        "comma": (f"{last}, {first}", both(f"{last}, {first}")),
        "firstlast": (f"{first} {last}", both(f"{first} {last}")),
        "pn": (person.name, (person.name,) if short else words),
        "spelling": (person.spellings[0], (person.spellings[0],)) if person.spellings else (alone, only),
        "possessive": (f"{alone}'s", only),
        "initial": (alone if short else f"{first[0]}. {last}", only),
        "file": (file, (file,) if short else (last, first)),
        "run": (run, (run,)),
        "under": (f"{first}_{last}", both(f"{first}_{last}")),
        "id": (person.patient_id, (person.patient_id,)),
        "phone": (person.phone, (person.phone,)),
        "email": (person.email, (person.email,)),
        "street": (person.street, (person.street,)),
        "town": (person.town, ()),
        "ssn": (person.ssn, (person.ssn,)),
        "url": (f"http://pacs.example.org/v?pid={person.patient_id}", (person.patient_id,)),
        "doctor": (family, (family,)),
        "doctorlast": (family.upper(), (family,)),
        "doctorinit": (f"{given[0]}. {family}", (family,)),
        "place": (place, (place,)),
    }


def _dates(day: date) -> dict[str, tuple[str, tuple[str, ...]]]:
    forms = {
        "date8": f"{day:%Y%m%d}",
        "dashes": f"{day:%Y-%m-%d}",
        "slashes": f"{day:%m/%d/%Y}",
        "dots": f"{day:%d.%m.%Y}",
        "words": f"{day:%B} {day.day}, {day.year}",
        "short": f"{day:%d-%b-%y}",
        "iso": f"{day:%Y-%m-%d}T09:14:07",
    }
    return {name: (text, (text.partition("T")[0] if name == "iso" else text,)) for name, text in forms.items()}


def _random(slot: str, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """What no header holds."""
    if slot == "mrn":
        text = str(rng.randrange(10**6, 10**7))
    elif slot == "stranger":
        text = rng.choice(("Abernathy", "Kowalczyk", "Oyelaran", "Rasmussen"))
    elif slot == "old":
        text = f"{rng.randrange(90, 104)}{rng.choice((' yo', '-year-old', ' y/o', 'yo'))}"
    elif slot == "other":
        text = f"{date(1995, 1, 1) + timedelta(days=rng.randrange(9000)):%d-%b-%Y}"
    else:
        text = f"({rng.randrange(201, 989)}) 555-{rng.randrange(100, 200):04}"
    return text, (text,)


def clean(text: str) -> Planted:
    """A text that is to stay whole."""
    return Planted("clean text", text, (), (text,))
