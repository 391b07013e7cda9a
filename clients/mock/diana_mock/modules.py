"""The modules that every object has (PS3.3 C.7, C.12): patient, study, series, equipment."""

from __future__ import annotations

from datetime import datetime

from diana_mock.encoding import Attributes
from diana_mock.modalities.scan import day_and_time
from diana_mock.studies import Plan, Study


def of_study(study: Study) -> Attributes:
    """Patient, General Study and General Equipment."""
    site, service, person, procedure = study.site, study.device.service, study.patient, study.procedure
    day, time = day_and_time(study.start)
    return {
        "SpecificCharacterSet": "" if site.charset == "ISO_IR 6" else site.charset,
        "PatientName": person.name,
        "PatientID": person.patient_id,
        "PatientBirthDate": f"{person.born:%Y%m%d}",
        "PatientSex": person.sex,
        "PatientAge": person.age(study.start.date()),
        "PatientSize": person.height_m,
        "PatientWeight": person.weight_kg,
        "StudyInstanceUID": study.uid,
        "StudyDate": day,
        "StudyTime": time,
        "StudyID": study.accession_number[-8:],
        "StudyDescription": procedure.description,
        "AccessionNumber": study.accession_number,
        "ReferringPhysicianName": study.doctor("referring"),
        "Manufacturer": service.manufacturer,
        "InstitutionName": site.institution or site.name,
        "InstitutionalDepartmentName": service.name,
        "StationName": study.device.station_name,
        "ManufacturerModelName": f"Mock {service.modality.value}",
        "DeviceSerialNumber": f"{study.device.number:06d}",
        "SoftwareVersions": "1.0",
    }


def of_series(plan: Plan) -> Attributes:
    """General Series, and what of an image is the same in its series."""
    study, series = plan.study, plan.series
    day, time = day_and_time(plan.start)
    return {
        "Modality": study.device.service.modality.value,
        "SeriesInstanceUID": study.series_uid(plan.number),
        "SeriesNumber": plan.number,
        "SeriesDescription": series.description,
        "SeriesDate": day,
        "SeriesTime": time,
        "BodyPartExamined": study.procedure.region.name,
        "PerformingPhysicianName": study.doctor("performing"),
        "SOPClassUID": series.sop_class_uid,
        **({"Laterality": study.side} if study.side and "ImageLaterality" not in series.attributes else {}),
        **series.attributes,
    }


def of_instance(plan: Plan, place: int) -> Attributes:
    """SOP Common, when it was made, and what its maker says of it."""
    return {
        "SOPInstanceUID": plan.study.instance_uid(plan.number, place),
        **moments(plan.time(place)),
        **plan.series.instance(place),
    }


def moments(when: datetime) -> Attributes:
    """When an object was made."""
    day, time = day_and_time(when)
    return {
        "InstanceCreationDate": day,
        "InstanceCreationTime": time,
        "ContentDate": day,
        "ContentTime": time,
        "AcquisitionDate": day,
        "AcquisitionTime": time,
    }
