"""Postal addresses as they are written in English, German, French and Spanish."""

from __future__ import annotations

import re

from diana_anon.core.text.forms import Form

_WORD = r"[^\W\d_][\w'’.-]{1,24}+"
_CAPITAL = r"(?=[^\W\d_a-zà-ÿ])" + _WORD

_STREET = (
    r"(?:(?i:street|avenue|road|boulevard|lane|drive|highway|parkway|terrace|crescent|square)(?![a-z])"
    r"|(?:St|Ave|Rd|Blvd|Ln|Hwy|Pkwy|ST|AVE|RD|BLVD|LN|HWY|PKWY)\b\.?)"
)
_FLAT = r"(?:,? (?:(?:Apt|Suite|Ste|Unit|Floor)\.? ?#? ?|# ?)[\w-]{1,6}+)?"
_TOWN = rf"(?:, ?{_CAPITAL}(?: {_CAPITAL}){{0,2}})?(?:,? [A-Z]{{2}} \d{{5}}(?:-\d{{4}})?(?!\d))?"
_ENGLISH = (
    rf"(?<![\w.])\d{{1,5}}[A-Za-z]? (?:(?:[NSEW]\.?|{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th)) ){{1,3}}{_STREET}"
    rf"{_FLAT}{_TOWN}"
)

_GERMAN_TOWN = rf",? (?:[A-Z]{{1,2}}-)?\d{{4,5}} {_CAPITAL}"
_GERMAN_ENDS = r"(?:straße|strasse|str\.|platz|allee|gasse|chaussee|ufer|damm|weg)"
_GERMAN = (
    rf"(?<![\w-])(?=[^\W\d_a-zà-ÿ])[\w-]{{2,40}}?(?<=\w)(?i:{_GERMAN_ENDS}) "
    rf"\d{{1,4}}[a-z]?(?!\w|\.\d| ?[mc]m)(?:{_GERMAN_TOWN})?"
)

_FRENCH_TOWN = rf"(?:,? \d{{5}} {_CAPITAL})?"
_FRENCH_LINK = r"(?:(?:de|du|des|la|le|les) |[ld]['’]){0,3}"
_FRENCH = (
    r"(?<!\w)\d{1,4}(?: ?bis| ?ter)?,? (?i:rue|avenue|boulevard|bd|place|all[ée]e|chemin|impasse|quai|route) "
    rf"{_FRENCH_LINK}{_CAPITAL}(?: {_CAPITAL}){{0,3}}{_FRENCH_TOWN}"
)
_SPANISH = (
    rf"(?<!\w)(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Carrera) (?:(?:de|del|la|el|los|las) ){{0,3}}{_CAPITAL}"
    rf"(?: (?:(?:de|del|la) ){{0,2}}{_CAPITAL}){{0,3}},? (?:n[.º°o]{{1,2}} ?)?\d{{1,4}}(?!\d){_FRENCH_TOWN}"
)

ADDRESSES = (
    Form(re.compile(_ENGLISH)),
    Form(re.compile(_GERMAN)),
    Form(re.compile(_FRENCH)),
    Form(re.compile(_SPANISH)),
    Form(re.compile(r"(?<=, )[A-Z]{2} \d{5}(?:-\d{4})?(?!\d)")),
    Form(re.compile(r"(?<![a-z0-9])p\.? ?o\.? ?box \d{1,8}+", re.IGNORECASE)),
    Form(re.compile(rf"(?<!\w)(?i:postfach|apartado) \d{{2,8}}(?!\d)(?:{_GERMAN_TOWN})?")),
)
