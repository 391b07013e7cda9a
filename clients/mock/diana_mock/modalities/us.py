"""Ultrasound (PS3.3 A.6)."""

from __future__ import annotations

from pydicom.uid import UltrasoundImageStorage

from diana_mock.anatomy import SECTOR
from diana_mock.encoding import Attributes
from diana_mock.modalities.scan import Scan, image_pixel, millimetres
from diana_mock.phantoms import Contrast
from diana_mock.studies import Series

_ECHO = Contrast({"muscle": 90, "liver": 110, "kidney": 70, "fluid": 8, "lesion": 160}, 0, 31, bits=8)
_DEPTH = 160.0
_VIEWS = ("Liver", "Gallbladder", "Right kidney", "Left kidney", "Spleen", "Aorta")


def make(scan: Scan) -> list[Series]:
    """One series; an image of each organ."""
    count = scan.count(len(_VIEWS))
    shared: Attributes = {
        **image_pixel(scan, 8, 8),
        "ImageType": ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"],
        "PatientOrientation": "",
        "LossyImageCompression": "00",
        "UltrasoundColorDataPresent": 0,
        "BurnedInAnnotation": "NO",
        "SequenceOfUltrasoundRegions": [_region(scan)],
        "TransducerData": ["C5-1"],
        "ProtocolName": "Abdomen",
    }

    def instance(place: int) -> Attributes:
        return {"InstanceNumber": place + 1, "ImageComments": _VIEWS[place % len(_VIEWS)]}

    picture = scan.stack(SECTOR, _ECHO, count)
    return [
        Series(
            description="US Abdomen",
            sop_class_uid=UltrasoundImageStorage,
            attributes=shared,
            count=count,
            seconds=20.0,
            instance=instance,
            image=picture,
        )
    ]


def _region(scan: Scan) -> Attributes:
    centimetres = millimetres(_DEPTH, scan)[0] / 10
    return {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 0,
        "RegionLocationMinY0": 0,
        "RegionLocationMaxX1": scan.size - 1,
        "RegionLocationMaxY1": scan.size - 1,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": centimetres,
        "PhysicalDeltaY": centimetres,
    }
