"""The actions `notify` and `webhook`: a message in notify's ledger, which goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from diana.notify.v1 import notify_service_pb2 as pb
from diana_client import ArchiveClient, NotFound, NotifyClient
from diana_client.notify import webhook
from diana_common.attempts import Refused
from diana_common.errors import Reason
from diana_common.value_names import nameable
from diana_route.core.model import FileItem, InstanceItem, Item, Job, Task
from diana_route.core.patterns import filled
from diana_route.core.rules import Notify, Webhook
from diana_route.peers.attributes import filled_for
from diana_route.peers.faults import attempted

NOTIFY = "notify"

_MOST_VALUES, _MOST_BYTES = 64, 4096


class Notifying:
    """Carries out one `notify` of one rule. Once by `request_id`: notify queues one message for it."""

    def __init__(self, spec: Notify, notify: NotifyClient, archive: ArchiveClient) -> None:
        self._spec = spec
        self._notify = notify
        self._archive = archive

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return NOTIFY

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when the messages are in the ledger; nobody's having subscribed is no failure.

        A channel's attribute that the study has not yet is waited for.
        Templates may name the item's attributes, and `rule`, `store`, `study_uid`, `sop_instance_uid`, `path`, as
        `values` and of the `item`.
        """
        channel, attributes = filled_for(self._archive, task.job.item, self._channel)
        values = nameable(attributes) | facts(task.job)
        content = pb.Content(
            template=self._spec.template,
            values=_fitting(values),
            study=_study(task.job.item),
            item=pb.MessageItem(**facts(task.job), attributes=_fitting(attributes)),
        )
        with attempted(NOTIFY):
            try:
                self._notify.dispatch(channel, content, request_id=task.request_id)
            except NotFound as error:
                if error.reason != Reason.CHANNEL_UNKNOWN.name:
                    raise
                led = f", to which {self._spec.channel!r} leads" if channel != self._spec.channel else ""
                raise Refused(f"notify has no channel {channel!r}{led}") from error

    def _channel(self, attributes: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        return filled(self._spec.channel, attributes), attributes


class Calling:
    """Carries out one `webhook` of one rule. Once by `request_id`, as `Notifying`."""

    def __init__(self, spec: Webhook, notify: NotifyClient) -> None:
        self._spec = spec
        self._notify = notify

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return NOTIFY

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when the message is in the ledger; its body is the facts, as a JSON object."""
        text = json.dumps(facts(task.job), ensure_ascii=False, sort_keys=True)
        if len(text.encode()) > _MOST_BYTES:
            raise Refused(f"the facts are longer than a message's value may be, {_MOST_BYTES} bytes")
        # The facts are a value, since a body is a template, and a path could be a piece of one.
        content = pb.Content(subject="{{ values.rule }}", body="{{ values.facts }}", values={"facts": text})
        content.values["rule"] = task.job.rule
        with attempted(NOTIFY):
            self._notify.send(webhook(self._spec.url), content, request_id=task.request_id)


def facts(job: Job) -> dict[str, str]:
    """What other systems are told of a job: its rule and its item's names."""
    item, told = job.item, {"rule": job.rule}
    if isinstance(item, FileItem):
        return {**told, "path": item.path}
    told |= {"store": item.store, "study_uid": item.study_uid}
    return {**told, "sop_instance_uid": item.sop_instance_uid} if isinstance(item, InstanceItem) else told


def _study(item: Item) -> pb.MessageStudy | None:
    return None if isinstance(item, FileItem) else pb.MessageStudy(store=item.store, study_uid=item.study_uid)


def _fitting(values: Mapping[str, str]) -> dict[str, str]:
    """As many as a message takes, the facts among them."""
    fitting = {key: value for key, value in values.items() if len(value.encode()) <= _MOST_BYTES}
    return dict(list(fitting.items())[-_MOST_VALUES:])
