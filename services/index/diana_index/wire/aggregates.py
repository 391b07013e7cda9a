"""Between protobuf and the index's own words: groups."""

from __future__ import annotations

from diana.index.v1 import index_service_pb2 as pb
from diana_index.core.aggregating import (
    AggregationKeys,
    Bins,
    DatePart,
    Group,
    GroupingKey,
    Groups,
    MeasureKey,
    MeasureKind,
)
from diana_index.core.forms import Form

_PARTS = {pb.DatePart.Value(f"DATE_PART_{one.name}"): one for one in DatePart}
_KINDS = {pb.MeasureKind.Value(f"MEASURE_KIND_{one.name}"): one for one in MeasureKind}


def aggregation_from_proto(request: pb.AggregateRequest) -> AggregationKeys:
    """What to group by and to measure."""
    return AggregationKeys(
        groupings=[GroupingKey(one.attribute, _how(one)) for one in request.group_by],
        measures=[MeasureKey(one.attribute, _KINDS[one.kind], one.quantile) for one in request.measures],
        by_count=request.by_count,
        limit=request.limit,
    )


def groups_to_proto(groups: Groups, position: str) -> pb.AggregateResponse:
    """The groups as the contract has them."""
    return pb.AggregateResponse(
        groups=[_group(one) for one in groups.groups],
        group_count=groups.group_count,
        record_count=groups.record_count,
        position=position,
    )


def _how(grouping: pb.Grouping) -> DatePart | Bins | None:
    match grouping.WhichOneof("how"):
        case "date_part":
            return _PARTS[grouping.date_part]
        case "bins":
            return Bins(grouping.bins.width, grouping.bins.origin)
    return None


def _group(group: Group) -> pb.Group:
    measured = [pb.Measurement() if one is None else pb.Measurement(value=one) for one in group.measurements]
    return pb.Group(keys=[_key(one) for one in group.keys], count=group.count, measurements=measured)


def _key(form: Form | None) -> pb.GroupKey:
    if form is None:
        return pb.GroupKey()
    return pb.GroupKey(text=form) if isinstance(form, str) else pb.GroupKey(number=float(form))
