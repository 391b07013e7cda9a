"""Which maker makes what."""

from __future__ import annotations

from collections.abc import Callable

from diana_mock.description import Modality
from diana_mock.modalities import ct, fluoroscopy, mammography, mr, nm, pet, radiography, us
from diana_mock.modalities.scan import Scan
from diana_mock.studies import Series

MAKERS: dict[Modality, Callable[[Scan], list[Series]]] = {
    Modality.CT: ct.make,
    Modality.MR: mr.make,
    Modality.CR: radiography.make_cr,
    Modality.DX: radiography.make_dx,
    Modality.US: us.make,
    Modality.MG: mammography.make,
    Modality.NM: nm.make,
    Modality.PT: pet.make,
    Modality.XA: fluoroscopy.make_xa,
    Modality.RF: fluoroscopy.make_rf,
}
