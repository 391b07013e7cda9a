"""Descriptions and report sentences as people write them: what must go, and what must stay."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from diana_anon.core.text.cleaner import TextCleaner
from diana_anon.core.text.identifiers import NOBODY, Identifiers, gathered, named
from diana_common.conditions import Header

HEADER: Header = {
    "00080020": {"vr": "DA", "Value": ["20200131"]},
    "00080050": {"vr": "SH", "Value": ["8765432"]},
    "00080080": {"vr": "LO", "Value": ["General Hospital Springfield"]},
    "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Smith^John^A"}]},
    "00081010": {"vr": "SH", "Value": ["CTROOM77"]},
    "00081030": {"vr": "LO", "Value": ["CT chest with contrast"]},
    "00081048": {"vr": "PN", "Value": [{"Alphabetic": "Иванов^Иван"}]},
    "00081050": {
        "vr": "PN",
        "Value": [{"Alphabetic": "Hong^Gildong", "Ideographic": "洪^吉洞", "Phonetic": "홍^길동"}],
    },
    "00081060": {"vr": "PN", "Value": [{"Alphabetic": "Παπαδόπουλος^Νίκος"}]},
    "00081070": {"vr": "PN", "Value": [{"Alphabetic": "Li^Wu"}]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Hans Peter", "Ideographic": "山田^太郎"}]},
    "00100020": {"vr": "LO", "Value": ["PAT-0012345"]},
    "00100030": {"vr": "DA", "Value": ["19610203"]},
    "00101001": {"vr": "PN", "Value": [{"Alphabetic": "van der Berg^Anna"}]},
    "00101060": {"vr": "PN", "Value": [{"Alphabetic": "عبدالله^محمد"}]},
    "00101040": {"vr": "LO", "Value": ["12 Elmstreet, Shelbyville 62565"]},
    "00102154": {"vr": "SH", "Value": ["555 987 6543"]},
    "00400275": {
        "vr": "SQ",
        "Value": [
            {
                "00401001": {"vr": "SH", "Value": ["RP10265"]},
                "00321032": {"vr": "PN", "Value": [{"Alphabetic": "O'Brien^Mary"}]},
            }
        ],
    },
}
KNOWN = gathered(HEADER)
CLEANER = TextCleaner(KNOWN)
MOVER = TextCleaner(KNOWN, timedelta(days=-10))
STRANGER = TextCleaner(NOBODY)

KEPT = """
    CT CHEST W/O CONTRAST
    AX T2 FLAIR 5mm
    T1 2.5 mm, C5/6, L4-5
    3.0T 120 kVp 250 mAs
    MR BRAIN W WO
    MS plaques, DR hand, PR view
    512 x 512 matrix, 0.703125 mm
    TR 2000 TE 90 TI 2500
    SAG T1 SE 3/0.3 FOV 240
    MAGNETOM Skyra 1.5T VB17A
    LightSpeed16 kernel B30f
    Thorax a.p. im Liegen
    IRM cérébrale sans injection
    TC de tórax con contraste
    頭部単純CT
    胸部CT造影あり
    뇌 MRI 조영 증강
    МРТ головного мозга
    CT θώρακος
    ratio 1.5/2.0, slope 1.0E-3
    levels T10-11-12
    RR 60-80 bpm, BP 120/80
    Dose 1.25 mGy, DLP 350 mGycm
    370000000 Bq injected
    b=1000 s/mm2
    ADC 1.2e-3
    WW 400 WL 40
    kVp 80-140, pitch 0.984
    45-year-old male
    age 55
    Grade III, BI-RADS 4a
    TNM T2N1M0
    L lateral, R oblique
    General Hospital protocol
    left hospital bed position
    may 5 mm nodule
    image 12 of 345
    2 x 2 x 2 cm mass
    10 days post op
    3 views of hand
    Patient supine, head first
    Patient: Male
    Operator: normal
    LI spine
    Wu protocol
    van with contrast
    PET/CT 60 min p.i.
    Time of flight 3D
    FA, MD maps
    ECG gated 75% phase
    (arterial) [late] {x}
    a.b.c v1.2.3
    20 G needle
    SE5 IM12
    ACC 5 mm lesion
    order of magnitude
    no. of slices 40
    no acute findings
    case closed
    Siemens syngo
    dr
"""

SPACED = """
    T 1 W
    L 4 / L 5
    C A D
    R O I 5, S U V max
    a b c d e f g
    5㎜ ① ② Ⓡ Siemens™ 10²
    Brust\u00adkorb, the patient\u0092s chest
"""

STRUCK = (
    # The patient, physicians and operators, in any order, case and joint.
    ("CT CHEST SMITH", "CT CHEST"),
    ("SMITH^JOHN^A", ""),
    ("john smith head", "head"),
    ("SMITH, JOHN: abdomen", "abdomen"),
    ("JohnSmith head", "head"),
    ("SMITHJOHN HEAD", "HEAD"),
    ("smith_john_T1", "T1"),
    ("CT_SMITH_CHEST", "CT_CHEST"),
    ("CT-SMITH-CHEST", "CT-CHEST"),
    ("SmithCT head", "CT head"),
    ("Springfield^S P R I N G F I E L D chest", "chest"),
    ("S p r i n g-f i e l d chest", "chest"),
    ("J. Smith MR BRAIN", "MR BRAIN"),
    ("Smith J. head", "head"),
    ("Smith's knee", "knee"),
    ("(Smith) knee", "knee"),
    ("knee (Smith)", "knee"),
    ("SMITH L SHOULDER", "L SHOULDER"),
    ("MUELLER, HANS PETER: chest", "chest"),
    ("Müller Thorax", "Thorax"),
    ("MÜLLER THORAX", "THORAX"),
    ("muller thorax", "thorax"),
    ("Mu\u0308ller thorax", "thorax"),
    ("Mül\u00adler thorax", "thorax"),
    ("Müllers Thorax", "Thorax"),
    ("Hans-Peter chest", "chest"),
    ("Li Wu CT", "CT"),
    ("WU^LI CT", "CT"),
    ("van der Berg, Anna pelvis", "pelvis"),
    ("vanderBerg pelvis", "pelvis"),
    ("O'Brien knee", "knee"),
    ("OBRIEN MARY knee", "knee"),
    ("Mary  O’Brien knee", "knee"),
    # Other scripts.
    ("山田太郎 胸部CT", "胸部CT"),
    ("山田 太郎 胸部CT", "胸部CT"),
    ("胸部CT山田太郎", "胸部CT"),
    ("홍길동 뇌 MRI", "뇌 MRI"),
    ("洪吉洞 MRI", "MRI"),
    ("МРТ Иванов", "МРТ"),
    ("МРТ Иванову Ивану", "МРТ"),
    ("ИВАНОВ ИВАН МРТ", "МРТ"),
    ("CT Παπαδόπουλος", "CT"),
    ("CT ΠΑΠΑΔΟΠΟΥΛΟΣ ΝΙΚΟΣ", "CT"),
    ("CT محمد عبدالله", "CT"),
    # Ids, numbers, places.
    ("PAT-0012345 liver", "liver"),
    ("pat0012345 liver", "liver"),
    ("PAT_0012345_liver", "liver"),
    ("liver 0012345", "liver"),
    ("8765432 liver", "liver"),
    ("CT8765432 liver", "liver"),
    ("8765-432 liver", "liver"),
    ("RP10265 liver", "liver"),
    ("call 5559876543 liver", "call liver"),
    ("General Hospital Springfield chest", "chest"),
    ("GENERAL_HOSPITAL_SPRINGFIELD chest", "chest"),
    ("Springfield chest", "chest"),
    ("Shelbyville chest", "chest"),
    ("CTROOM77 chest", "chest"),
    # Dates.
    ("chest 2020-01-31", "chest"),
    ("chest 20200131", "chest"),
    ("chest 20200131101530", "chest"),
    ("chest 01/31/2020 10:15 AM", "chest"),
    ("chest 31.01.2020 um 10:15 Uhr", "chest"),
    ("chest 31 Jan 2020", "chest"),
    ("chest Jan 31, 2020", "chest"),
    ("chest 31. Januar 2020", "chest"),
    ("scanner du 31 janvier 2020", "scanner du"),
    ("TC 31 de enero de 2020", "TC"),
    ("chest 31-JAN-2020", "chest"),
    ("chest 31JAN20", "chest"),
    ("chest March 2019", "chest"),
    ("chest 03/2019", "chest"),
    ("chest 31/01/20", "chest"),
    ("chest 310120", "chest"),
    ("prior of Jan 31 compared", "prior of compared"),
    ("胸部 2020年1月31日", "胸部"),
    ("胸部 令和2年1月31日", "胸部"),
    ("흉부 2020년 1월 31일", "흉부"),
    ("胸部 ２０２０／０１／３１", "胸部"),
    ("born 02/03/1961 male", "born male"),
    ("geb. 03.02.1961", "geb."),
)

FORMS = (
    # What nobody's header names.
    ("MRN: 123456 CHEST", "MRN: CHEST"),
    ("MRN 123456 CHEST", "MRN CHEST"),
    ("Acc# A-99-1234 chest", "Acc# chest"),
    ("Accession No. 20-4711 chest", "Accession No. chest"),
    ("Patient ID: X99812", "Patient ID"),
    ("Patientennummer: 4711", "Patientennummer"),
    ("Fallnr. 90017", "Fallnr."),
    ("N° de dossier: 445566", "N° de dossier"),
    ("NHC 998877", "NHC"),
    ("患者番号:12345", "患者番号"),
    ("SSN 123-45-6789", "SSN"),
    ("123-45-6789 chest", "chest"),
    ("chest 7654321", "chest"),
    ("chest AB1234567", "chest"),
    ("tel. 555-123-4567 x12 pager", "tel. pager"),
    ("(555) 123-4567", ""),
    ("+49 30 1234567", ""),
    ("Tél: 01 23 45 67 89", "Tél"),
    ("Fax 030/1234567", "Fax"),
    ("mail john.doe@example.com now", "mail now"),
    ("see https://pacs.example.org/v?id=1 now", "see now"),
    ("host 192.168.10.21 up", "host up"),
    ("1.2.840.113619.2.1.4990.3319 ref", "ref"),
    ("at 123 Main Street, Springfield, IL 62701", "at"),
    ("wohnt Hauptstraße 12, 10115 Berlin", "wohnt"),
    ("habite 12 rue de la Paix 75002 Paris", "habite"),
    ("vive en Calle Mayor 12", "vive en"),
    ("PO Box 1234 mail", "mail"),
    ("Dr. Jane Doe reported.", "Dr. reported."),
    ("DR. DOE CHEST CT", "DR. CHEST CT"),
    ("Seen by Dr. Jones.", "Seen by Dr."),
    ("Mrs Jones, MR BRAIN", "Mrs, MR BRAIN"),
    ("Dr Long seen", "Dr seen"),
    ("Dr. von der Leyen saw it", "Dr. saw it"),
    ("Prof. Dr. med. Klaus Weber berichtet", "Prof. Dr. med. berichtet"),
    ("Frau Schulze, Thorax", "Frau, Thorax"),
    ("Radiologist: Mary Major, MD", "Radiologist:, MD"),
    ("Electronically signed by: John Q. Public", "Electronically signed by"),
    ("Jane Roe, M.D.", "M.D."),
    ("Médecin: Jean Dupont", "Médecin"),
    ("92-year-old male", "90-year-old male"),
    ("age 101", "age 90"),
)

MOVED = (
    ("chest 2020-01-31", "chest 2020-01-21"),
    ("chest 20200131", "chest 20200121"),
    ("chest 20200131101530", "chest 20200121101530"),
    ("chest 01/31/2020 10:15 AM", "chest 01/21/2020 10:15 AM"),
    ("chest 31.01.2020 um 10:15 Uhr", "chest 21.01.2020 um 10:15 Uhr"),
    ("chest 5.1.2020", "chest 26.12.2019"),
    ("chest 5 Jan 2020", "chest 26 Dec 2019"),
    ("chest JAN 5, 2020", "chest DEC 26, 2019"),
    ("Thorax 5. März 2020", "Thorax 24. Februar 2020"),
    ("scanner du 1er février 2020", "scanner du 22 janvier 2020"),
    ("TC 5 de enero de 2020", "TC 26 de diciembre de 2019"),
    ("chest 31JAN20", "chest 21JAN20"),
    ("chest 310120", "chest 210120"),
    ("chest 200131", "chest 200121"),
    ("胸部 2020年1月31日", "胸部 2020年1月21日"),
    ("Smith 2020-01-31 chest", "2020-01-21 chest"),
    ("DOB 1961-02-03, seen 2020-01-31", "DOB, seen 2020-01-21"),
    ("born 12/24/1980", "born"),
    ("chest Jan 31", "chest"),
)


@pytest.mark.parametrize("text", [line.strip() for line in (KEPT + SPACED).strip().splitlines() if line])
def test_what_identifies_nobody_is_kept_to_the_letter(text: str) -> None:
    assert CLEANER.cleaned(text) == (text, 0)
    assert MOVER.cleaned(text) == (text, 0)


@pytest.mark.parametrize(("text", "left"), STRUCK)
def test_what_the_header_names_is_struck(text: str, left: str) -> None:
    assert CLEANER.clean(text) == left


@pytest.mark.parametrize(("text", "left"), FORMS)
def test_what_has_the_form_of_an_identifier_is_struck(text: str, left: str) -> None:
    assert STRANGER.clean(text) == left


@pytest.mark.parametrize(("text", "left"), MOVED)
def test_with_an_offset_dates_move_and_keep_their_spelling(text: str, left: str) -> None:
    assert MOVER.clean(text) == left


def test_a_date_that_may_be_read_two_ways_is_the_one_near_the_study() -> None:
    cleaner = TextCleaner(Identifiers(dates=frozenset({date(2020, 2, 1)})), timedelta(days=1))
    assert cleaner.clean("01/02/2020") == "02/02/2020"  # day first
    assert TextCleaner(NOBODY, timedelta(days=1)).clean("01/02/2020") == "01/03/2020"


def test_an_offset_of_nothing_keeps_dates_and_still_strikes_the_birth_date() -> None:
    cleaner = TextCleaner(KNOWN, timedelta())
    assert cleaner.cleaned("seen 2020-01-31 10:15") == ("seen 2020-01-31 10:15", 0)
    assert cleaner.clean("1961-02-03 seen") == "seen"


def test_seconds_of_an_offset_move_times_and_what_lies_beyond_the_calendar_is_struck() -> None:
    assert TextCleaner(NOBODY, timedelta(seconds=60)).clean("31.12.2020 23:59:30") == "01.01.2021 00:00:30"
    assert TextCleaner(NOBODY, timedelta(days=-800_000)).clean("on 2020-01-31 seen") == "on seen"


def test_lines_and_values_stay_apart() -> None:
    assert CLEANER.clean("Smith\nchest\r\nJohn Smith") == "\nchest\r\n"
    assert CLEANER.clean("SMITH^JOHN\\HEAD\\8765432") == "\\HEAD\\"


def test_changes_are_counted_by_place() -> None:
    assert CLEANER.cleaned("Dr. Smith saw Müller on 2020-01-31") == ("Dr. saw on", 3)
    assert MOVER.cleaned("Dr. Smith saw Müller on 2020-01-31")[1] == 3


def test_a_patient_named_brain_loses_the_word_and_a_short_initial_does_not() -> None:
    header = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Brain^Rob"}]}}
    cleaner = TextCleaner(gathered(header))
    assert cleaner.clean("MR BRAIN") == "MR"
    assert cleaner.clean("MR HEAD") == "MR HEAD"


def test_listed_names_are_struck_however_short() -> None:
    cleaner = TextCleaner(named(["Wu", "Dr. Kim Lee", "X-77"]))
    assert cleaner.clean("Wu saw Kim Lee") == "saw"
    assert cleaner.clean("AX T1 MR Leeds") == "AX T1 MR Leeds"
