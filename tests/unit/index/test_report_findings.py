"""What is found in the sentences of radiology reports, and what is not."""

from __future__ import annotations

import pytest

from diana_index.core.reports.findings import MAX_OF_A_NAME, findings

STATED: list[tuple[str, str, list[str]]] = [
    ("radcat", "RADCAT2", ["2"]),
    ("radcat", "IMPRESSION: No acute fracture. RADCAT: 1", ["1"]),
    ("radcat", "RADCAT Category 5", ["5"]),
    ("radcat", "RADCAT Grade: R3", ["3"]),
    ("radcat", "RADCAT R4", ["4"]),
    ("radcat", "radcat 3 - important, non-urgent", ["3"]),
    ("radcat", "RADCAT-4", ["4"]),
    ("radcat", "RAD-CAT: 2.", ["2"]),
    ("radcat", "Final RADCAT grade is 3.", ["3"]),
    ("radcat", "RADCAT: 1, 3", ["1", "3"]),
    ("radcat", "RADCAT 2 and 3", ["2", "3"]),
    ("radcat", "(RADCAT5) Findings were discussed by telephone.", ["5"]),
    ("bi_rads", "BI-RADS Category 4A", ["4A"]),
    ("bi_rads", "BIRADS: 2", ["2"]),
    ("bi_rads", "BI-RADS (R) assessment category 0 - incomplete", ["0"]),
    ("bi_rads", "BI-RADS CATEGORY 4", ["4"]),
    ("bi_rads", "BI RADS 3, probably benign.", ["3"]),
    ("bi_rads", "ACR BI-RADS\u00ae Category IV", ["4"]),
    ("bi_rads", "BI\u2011RADS 5: highly suggestive of malignancy", ["5"]),
    ("bi_rads", "Assessment: BI-RADS 6 - known biopsy-proven malignancy.", ["6"]),
    ("bi_rads", "BI-RADS 4b: moderate suspicion", ["4B"]),
    ("bi_rads", "BI-RADS Category: 4 (C)", ["4C"]),
    ("bi_rads", "BI-RADS category 4-C.", ["4C"]),
    ("bi_rads", "BI-RADS: 4 A.", ["4A"]),
    ("bi_rads", "BI-RADS 4 a mass persists", ["4"]),
    ("bi_rads", "BI-RADS Atlas 5th edition, final assessment category: 2", ["2"]),
    ("bi_rads", "Right breast: BI-RADS 2. Left breast: BI-RADS 4A.", ["2", "4A"]),
    ("bi_rads", "BI-RADS Category: Right breast: 2. Left breast: 4A.", ["2", "4A"]),
    ("bi_rads", "Right: BI-RADS category 1: negative. Left: BI-RADS category 2: benign.", ["1", "2"]),
    ("bi_rads", "Overall BI-RADS\n  assessment:\n  3", ["3"]),
    ("bi_rads", "Category 2 (BI-RADS), benign", ["2"]),
    ("bi_rads", "BI-RADS category I.", ["1"]),
    ("bi_rads", "BI-RADS 3 - 6 month follow-up is suggested.", ["3"]),
    ("bi_rads", "BI-RADS 2, 1 year screening", ["2"]),
    ("bi_rads", "Compared to the prior examination, BI-RADS 2", ["2"]),
    ("bi_rads", "Downgraded from BI-RADS 4 to BI-RADS 3", ["3"]),
    ("bi_rads", "IMPRESSION: BI-RADS 1: Negative.\n2. Routine annual mammogram.", ["1"]),
    ("lung_rads", "Lung-RADS v1.1 Category 4B", ["4B"]),
    ("lung_rads", "Lung RADS 2S", ["2S"]),
    ("lung_rads", "Lung-RADS: category 4A-S", ["4AS"]),
    ("lung_rads", "LungRADS 3", ["3"]),
    ("lung_rads", "LUNG-RADS\u2122 Version 1.1 Assessment Category: 4X.", ["4X"]),
    ("lung_rads", "Lung-RADS 2022 category 2 - benign appearance", ["2"]),
    ("lung_rads", "Lung-RADS v2022: 1", ["1"]),
    ("lung_rads", "ACR Lung-RADS (TM) category 0, incomplete", ["0"]),
    ("lung_rads", "Per ACR Lung-RADS v1.0: Category 3.", ["3"]),
    ("lung_rads", "Lung-RADS Category 2-S", ["2S"]),
    ("lung_rads", "Lung-RADS Category 2C", ["2C"]),
    ("lung_rads", "Lung-RADS category 3, 6 month low-dose CT", ["3"]),
    ("lung_rads", "Lung-RADS score of 4B, suspicious", ["4B"]),
    ("lung_rads", "Findings graded per ACR Lung-RADS guidelines. Category 2.", ["2"]),
    ("lung_rads", "Lung-RADS (Release date 4/28/2014) - is pending", []),
    ("bi_rads", "BI-RADS final assessment for right breast is 4C", ["4C"]),
    ("smoking", "Asymptomatic; smoker; 55 pack years", ["current"]),
    ("smoking", "The patient is not a smoker.", ["never"]),
    ("smoking", "Never smoker.", ["never"]),
    ("smoking", "Lifelong non-smoker", ["never"]),
    ("smoking", "The patient is a nonsmoker.", ["never"]),
    ("smoking", "Patient denies tobacco use.", ["never"]),
    ("smoking", "He has never smoked.", ["never"]),
    ("smoking", "No history of smoking.", ["never"]),
    ("smoking", "No significant tobacco use.", ["never"]),
    ("smoking", "Smoking status: Never", ["never"]),
    ("smoking", "She does not smoke.", ["never"]),
    ("smoking", "Quit smoking in 2005.", ["former"]),
    ("smoking", "Former smoker, 40 pack-years", ["former"]),
    ("smoking", "ex-smoker", ["former"]),
    ("smoking", "Previous heavy smoker", ["former"]),
    ("smoking", "Stopped smoking 10 years ago", ["former"]),
    ("smoking", "45 pack-year history, quit 12 years ago", ["former"]),
    ("smoking", "Smoking history: 30 pack years, quit in 2010", ["former"]),
    ("smoking", "Smoked one pack a day until 2001", ["former"]),
    ("smoking", "He is no longer smoking", ["former"]),
    ("smoking", "Has not smoked since 1999", ["former"]),
    ("smoking", "Non-smoker since 2003", ["former"]),
    ("smoking", "Years since quitting: 8", ["former"]),
    ("smoking", "Used to smoke", ["former"]),
    ("smoking", "Tobacco use: former", ["former"]),
    ("smoking", "Currently smokes 1 ppd", ["current"]),
    ("smoking", "Current smoker", ["current"]),
    ("smoking", "current every day smoker", ["current"]),
    ("smoking", "Patient currently smoking, counselled", ["current"]),
    ("smoking", "65-year-old smoker with cough", ["current"]),
    ("smoking", "Smokes a pack a day", ["current"]),
    ("smoking", "continues to smoke", ["current"]),
    ("smoking", "Active tobacco use", ["current"]),
    ("smoking", "Current smoker, advised to quit smoking", ["current"]),
    ("smoking", "Smoking status: current every day smoker", ["current"]),
    ("pack_years", "30-pack-year smoking history", ["30"]),
    ("pack_years", "30 pack years", ["30"]),
    ("pack_years", "a 45+ pack year history", ["45"]),
    ("pack_years", ">50 pack-years", ["50"]),
    ("pack_years", "22.5 pk-yrs", ["22.5"]),
    ("pack_years", "40 pack\nyear history", ["40"]),
    ("pack_years", "20 to 30 pack-years", ["25"]),
    ("pack_years", "20-30 pack years", ["25"]),
    ("pack_years", "forty-five pack-year history", ["45"]),
    ("pack_years", "a thirty pack year smoker", ["30"]),
    ("pack_years", "Pack-years: 35", ["35"]),
    ("pack_years", "Pack years = 60", ["60"]),
    ("pack_years", "pack-year history of approximately 42", ["42"]),
    ("pack_years", "30 PY smoker", ["30"]),
    ("pack_years", "1 ppd x 30 years", ["30"]),
    ("pack_years", "half a pack a day for 20 years", ["10"]),
    ("pack_years", "smoked 1-2 packs per day for 20 years", ["30"]),
    ("pack_years", "1\u00bd packs/day for about 30 years", ["45"]),
    ("pack_years", "1 1/2 ppd for 20 yrs", ["30"]),
    ("pack_years", "one pack per day for forty years", ["40"]),
    ("pack_years", "a pack a day for 35 years", ["35"]),
    ("pack_years", "two and a half packs daily for 10 years", ["25"]),
    ("pack_years", "10 cigarettes per day for 30 years", ["15"]),
    ("pack_years", "30 years of 1 ppd", ["30"]),
    ("pack_years", "1 ppd x 30 years (30 pack-years)", ["30"]),
    ("pack_years", "0 pack years", ["0"]),
    ("pack_years", "a 30 plus pack year history", ["30"]),
    ("pack_years", "40 total pack-years", ["40"]),
    ("bone_age", "The bone age is 12 years 6 months.", ["150"]),
    ("bone_age", "Skeletal age of 144 months", ["144"]),
    ("bone_age", "Bone age: 10 years and 3 months", ["123"]),
    ("bone_age", "bone age is approximately twelve years six months", ["150"]),
    ("bone_age", "Bone age is between 11 and 12 years.", ["138"]),
    ("bone_age", "bone age 11-12 years", ["138"]),
    ("bone_age", "bone age is between 10 years 6 months and 11 years 6 months", ["132"]),
    ("bone_age", "bone age of 12.5 years", ["150"]),
    ("bone_age", "Bone age = 8y6m", ["102"]),
    ("bone_age", "bone age 13 1/2 years", ["162"]),
    ("bone_age", "The bone age corresponds to that of a 12-year-old boy", ["144"]),
    ("bone_age", "Using the atlas of Greulich and Pyle, the skeletal age is 7 years, 10 months", ["94"]),
    ("bone_age", "Bone age according to Greulich and Pyle is closest to the male standard of 9 years", ["108"]),
    ("bone_age", "Chronological age: 11 years 2 months. Bone age: 9 years 0 months.", ["108"]),
    ("bone_age", "Bone age 10 years +/- 9 months", ["120"]),
    ("bone_age", "Bone age: 144 mo", ["144"]),
    ("bone_age", "Bone age: 12 years (chronologic age 11 years 3 months)", ["144"]),
    ("bone_age", "bone age 8 10/12 years", ["106"]),
    ("bone_age", "Bone age is 17+ years", ["204"]),
    ("bone_age", "Bone age is 10 years.\nADDENDUM: the bone age is 11 years.", ["120", "132"]),
]

NOT_STATED = [
    "RADCAT 1-5",
    "The RADCAT system has five categories.",
    "RADCAT 3 system was introduced in 2012",
    "RADCAT 7",
    "BI-RADS categories range from 0 to 6.",
    "If BI-RADS 4 then biopsy.",
    "BI-RADS 4 or higher",
    "BI-RADS 0-6",
    "BI-RADS: 6 month follow-up",
    "BI-RADS 40",
    "BI-RADS density category 3",
    "Previous BI-RADS: 3",
    "previously classified as BI-RADS 3",
    "not BI-RADS 4",
    "BI-RADS 3 means probably benign.",
    "Biopsy is recommended for BI-RADS 4 lesions.",
    "BI-RADS I recommend biopsy",
    "BI-RADS Category 1: negative. Category 2: benign.",
    "BI-RADS 0: incomplete; 1: negative; 2: benign; 3: probably benign; 4: suspicious",
    "BI-RADS 1: Negative\nBI-RADS 2: Benign\nBI-RADS 3: Probably benign\nBI-RADS 4: Suspicious",
    "BI-RADS 4A: low suspicion. 4B: moderate. 4C: high.",
    "BIRADSX 2",
    "Lung-RADS 4A, 4B, or 4X",
    "Lung-RADS v1.1",
    "Lung-RADS 2022",
    "Lung-RADS category 1: negative. Category 2: benign. Category 3: probably benign.",
    "prior Lung-RADS category 2",
    "Lung-RADS 5",
    "Lung-RADS recommends annual CT for category 2",
    "lung radiograph 3 days ago",
    "advised to quit smoking",
    "Smoking cessation counselling was given.",
    "not a current smoker",
    "denies current smoking",
    "Eligible are current or former smokers",
    "Patient is a current or former smoker",
    "father is a smoker",
    "Exposure: husband smokes",
    "smoke inhalation",
    "smokes marijuana",
    "If current smoker, refer to counselling",
    "No smoking cessation information was provided",
    "has not quit smoking",
    "plans to quit smoking",
    "history of smoking is not known",
    "30 packs of gauze",
    "criteria: at least 20 pack-years",
    "eligible with 20 pack years or more",
    "less than 10 pack years",
    "2000 pack years",
    "1 ppd, 30 years ago",
    "Bone age is delayed by 2 years.",
    "Bone age: chronologic age is 10 years 2 months",
    "XR BONE AGE\nHistory: 10-year-old boy",
    "Bone age study of a 9-year-old girl",
    "bone age is 2 years behind",
    "bone age within 2 standard deviations of normal",
    "bone age is 18 months ahead of the chronologic age",
    "If the bone age is 12 years",
    "bone age 99 years",
    "The bone is aged 12 years",
    "",
]

REPORT = """EXAM: CT CHEST LOW DOSE LUNG SCREENING
CLINICAL HISTORY: 66-year-old male. Former smoker, 1.5 packs per day for 30 years; quit 6 years ago.
COMPARISON: 2024-03-02, prior Lung-RADS category 2.
TECHNIQUE: Low-dose CT of the chest, CTDIvol = 2.1 mGy.
FINDINGS: 7 mm solid nodule of the right upper lobe, new. Mild emphysema. No adenopathy.
IMPRESSION:
1. Lung-RADS\u00ae 2022 Category 4A: suspicious. 3 month low-dose CT.
2. Moderate coronary calcification (modifier S).
RADCAT: 3

Legend. Lung-RADS Category 1: negative. Category 2: benign. Category 3: probably benign.
Category 4: suspicious.
"""


@pytest.mark.parametrize(("name", "text", "values"), STATED)
def test_a_statement_is_found_where_it_is(name: str, text: str, values: list[str]) -> None:
    """A sentence states what the table says, and the place lies within it."""
    found = [one for one in findings(text) if one.name == name]
    assert [one.text for one in found] == values
    assert all(0 <= one.start < one.end <= len(text) for one in found)


@pytest.mark.parametrize("text", NOT_STATED)
def test_what_only_speaks_of_it_is_not_found(text: str) -> None:
    """Legends, ranges, conditions, history, advice and other people's habits state nothing."""
    assert findings(text) == []


def test_a_whole_report_with_history_and_legend() -> None:
    """Everything that the report states is found once, in order, with its number and its words."""
    assert [(one.name, one.text, one.number, REPORT[one.start : one.end]) for one in findings(REPORT)] == [
        ("smoking", "former", None, "Former smoker"),
        ("pack_years", "45", 45.0, "1.5 packs per day for 30 years"),
        ("lung_rads", "4A", 4.0, "Lung-RADS\u00ae 2022 Category 4A"),
        ("radcat", "3", 3.0, "RADCAT: 3"),
    ]


def test_places_count_code_points() -> None:
    """A character beyond the basic plane counts as one."""
    (found,) = findings("\U0001f9b4 RADCAT2")
    assert (found.start, found.end) == (2, 9)


def test_a_value_said_twice_is_found_where_it_is_said_first() -> None:
    """Each value of a name comes once, however often a report repeats it."""
    assert [(one.text, one.start) for one in findings("RADCAT2 RADCAT2 RADCAT3")] == [("2", 0), ("3", 16)]


def test_what_follows_a_thousand_mentions_is_no_report() -> None:
    """A text cannot make one scale's search cost more than a report's."""
    assert findings("RADCAT none. " * 999 + "RADCAT2") != []
    assert findings("RADCAT none. " * 1000 + "RADCAT2") == []


def test_a_name_has_a_bounded_number_of_values() -> None:
    """A text of nothing but statements yields no more than a report has."""
    text = ". ".join(f"{years} pack-years" for years in range(200))
    assert len(findings(text)) == MAX_OF_A_NAME


@pytest.mark.parametrize(
    "piece",
    [
        *("RADCAT ", "BI-RADS category ", "BI-RADS 1: a 2: b ", "category 4 BI-RADS ", "not a current smoker "),
        *("if ", "never a ", "pack-years of ", "1 to ", "1 ppd for ", "bone age 12 years and ", "twenty ", " ", "1/2"),
    ],
)
def test_the_longest_text_of_one_piece_again_and_again_is_read_to_its_end(piece: str) -> None:
    """Nothing in it makes a search start over: what stands at the very end is found."""
    text = (piece * (1 << 20))[: (1 << 20) - 40] + "\n\n. RADCAT5. Lung-RADS 4A."
    assert {"radcat", "lung_rads"} & {one.name for one in findings(text)}
