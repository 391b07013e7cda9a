"""The people of the synthetic set: every value is made up, none is of a real person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Person:
    """A patient. `name` is as DICOM writes it, `words` are what in it tells who it is.

    `charset` is the Specific Character Set that the name asks for. `spellings` are other ways their name is written.
    """

    name: str
    charset: str | list[str]
    patient_id: str
    born: date
    sex: str
    words: tuple[str, ...]
    family: str
    given: str
    phone: str
    email: str
    street: str
    town: str
    ssn: str
    spellings: tuple[str, ...] = ()


UTF_8 = "ISO_IR 192"

PEOPLE = (
    Person(
        "Whitfield^Margaret^Anne^Mrs^PhD", "ISO_IR 100", "0049213", date(1951, 3, 12), "F",
        ("Whitfield", "Margaret"), "Whitfield", "Margaret", "(313) 555-0142", "m.whitfield51@example.org",
        "1420 Juniper Street", "Ypsilanti, MI 48197", "219-09-9999", ("mwhitfield", "Margaret A. Whitfield"),
    ),
    Person(
        "Müller-Grünwald^Jörg", "ISO_IR 100", "PAT-77120-B", date(1968, 11, 30), "M",
        ("Müller-Grünwald", "Jörg"), "Müller-Grünwald", "Jörg", "+49 89 5550 1234", "joerg.mg@example.net",
        "Lindwurmstrasse 88a", "80337 Muenchen", "078-05-1120", ("Mueller-Gruenwald", "MULLER-GRUNWALD", "Müller"),
    ),
    Person(
        "Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"], "YM.20041.7", date(1979, 7, 4), "M",
        ("Yamada", "Tarou", "山田", "太郎", "やまだ", "たろう"), "Yamada", "Tarou",
        "+81 3 5550 7788", "tarou.y@example.jp", "4-2-8 Shibakoen",
        "Minato, Tokyo 105-0011", "457-55-5462", ("山田太郎", "Tarou YAMADA"),
    ),
    Person(
        "Люксембург^Розалия", "ISO_IR 144", "MRN884512", date(1934, 1, 9), "F",
        ("Люксембург", "Розалия"), "Люксембург", "Розалия", "+7 495 555-01-77", "rosalia@example.ru",
        "ul. Ordynka 14", "119017 Moskva", "", (),
    ),
    Person(
        "Zhang^XiaoDong=张^小东", "GB18030", "ZXD-0007", date(2001, 9, 23), "M",
        ("Zhang", "XiaoDong", "小东"), "Zhang", "XiaoDong", "+86 10 5550 2211", "xdzhang@example.cn",
        "12 Dongdan Beidajie", "Beijing 100730", "", ("张小东", "zhang xiaodong"),
    ),
    Person(
        "Hong^Gildong=洪^吉洞=홍^길동", ["", "ISO 2022 IR 149"], "K1102-338", date(1944, 5, 17), "M",
        ("Hong", "Gildong", "吉洞", "길동"), "Hong", "Gildong", "+82 2 555 0199", "gildong@example.kr",
        "103 Daehak-ro", "Jongno-gu, Seoul 03080", "", ("홍길동",),
    ),
    Person(
        "Nguyễn^Thị Minh Khai", UTF_8, "VN/55/2210", date(1988, 2, 29), "F",
        ("Nguyễn", "Minh", "Khai"), "Nguyễn", "Khai", "+84 28 5550 9090", "khai.nguyen@example.vn",
        "215 Hồng Bàng", "Quận 5, TP HCM", "", ("Nguyen", "NGUYEN THI MINH KHAI"),
    ),
    Person(
        "O'BRIEN-SMYTHE SEAN", "ISO_IR 6", "SSMYTHE1960", date(1960, 12, 1), "M",
        ("O'BRIEN", "SMYTHE", "SEAN"), "O'BRIEN-SMYTHE", "SEAN", "800.555.0173", "sean_smythe@example.com",
        "PO Box 5521", "Galway H91 E5F2", "", ("OBrien", "Smythe, Sean"),
    ),
    Person(
        "Παπαδόπουλος^Ελένη", "ISO_IR 126", "GR-310-5", date(1927, 8, 15), "F",
        ("Παπαδόπουλος", "Ελένη"), "Παπαδόπουλος", "Ελένη", "+30 21 0555 0110", "eleni@example.gr",
        "Leoforos Alexandras 191", "Athina 115 22", "", ("ΠΑΠΑΔΌΠΟΥΛΟΣ",),
    ),
    Person(
        "Li^Bo", "", "20033", date(2012, 6, 6), "M",
        ("Li^Bo",), "Li", "Bo", "212-555-0186", "bo.li@example.org",
        "77 Orchard Lane Apt 3B", "Flushing, NY 11355", "", ("Bo Li", "LI, BO"),
    ),
)  # fmt: skip

STAFF = (
    "Okonkwo^Chidi^^Dr",
    "Vandenberghe^Lieselotte",
    "ASHWORTH^P^J^DR",
    "Castellanos^Inmaculada^^Dra^MD",
    "Thorvaldsson^Gunnar",
    "Szczepanska^Agnieszka",
    "Bhattacharya^Anindita^^Dr",
    "Fitzwilliam^Rupert",
)

PLACES = (
    ("Saint Brigid Memorial Hospital", "88 Cloverfield Road, Kalamazoo MI 49001", "Hepburn Wing"),
    ("Klinikum Rechts der Aue", "Ismaninger Allee 22, 81675 Muenchen", "Station Edelweiss"),
    ("Northgate Imaging Partners LLC", "4001 Bellweather Avenue, Tacoma WA 98402", "Suite Rainier"),
)


def names_of(person_name: str) -> tuple[str, ...]:
    """The words of a person's name that tell who it is: longer than an initial, and no title."""
    words = person_name.replace("^", " ").replace("=", " ").split()
    return tuple(word for word in words if len(word) > 3)
