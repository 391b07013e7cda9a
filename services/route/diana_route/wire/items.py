"""Items, to messages and back."""

from __future__ import annotations

from diana.route.v1 import route_service_pb2 as pb
from diana_common.errors import invalid_field
from diana_route.core.model import FileItem, InstanceItem, Item, StudyItem


def item_to_proto(item: Item) -> pb.Item:
    """An item; its attributes are nobody's business."""
    match item:
        case StudyItem():
            return pb.Item(study=pb.StudyItem(store=item.store, study_uid=item.study_uid))
        case InstanceItem(store, study_uid, sop_instance_uid):
            instance = pb.InstanceItem(store=store, study_uid=study_uid, sop_instance_uid=sop_instance_uid)
            return pb.Item(instance=instance)
    return pb.Item(file=pb.FileItem(rule=item.rule, path=item.path))


def item_from_proto(message: pb.Item) -> Item:
    """What a checked request names; only its key is known. Raises DianaError INVALID_FIELD if it names nothing."""
    match message.WhichOneof("kind"):
        case "study":
            return StudyItem(message.study.store, message.study.study_uid)
        case "instance":
            one = message.instance
            return InstanceItem(one.store, one.study_uid, one.sop_instance_uid)
        case "file":
            return FileItem(message.file.rule, message.file.path, stamp="")
    raise invalid_field("item", "names neither a study, nor an instance, nor a file")
