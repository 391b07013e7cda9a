"""A rule's actions: what each says, and whether they fit what the rule's source yields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import urlsplit

from diana_common.conditions import BadPath, parse_step
from diana_common.documents import Entries, Fields, Node, Scalar, shown
from diana_common.settings import join, nearest
from diana_common.tags import keyword_of, tag_of
from diana_route.core.reading.sources import attributes_of
from diana_route.core.reading.values import ValueReader
from diana_route.core.references import ReferenceKind
from diana_route.core.rules import (
    Anonymize,
    Delete,
    Event,
    FeedSource,
    FolderSource,
    Index,
    Notify,
    Put,
    Send,
    Source,
    Spec,
    Webhook,
)

ANONYMIZE_KEYS = ("to", "profile", "attributes", "copy", "seal")
SEND_KEYS = ("peer", "commit", "archive", "store", "folder", "endpoint")
DELETE_KEYS = ("unconfirmed",)
NOTIFY_KEYS = ("channel", "template")
_MOST = 20
_MOST_ATTRIBUTES = 64
_TARGETS = "must say one of: peer (of the DICOM door), archive (with a store), folder, endpoint"
_KEPT = (Put, Send, Anonymize)


class ActionReader:
    """Reads what one rule does, and notes its faults."""

    def __init__(self, values: ValueReader, source: Source | None) -> None:
        self._values = values
        self._source = source
        self._known = attributes_of(source)
        self._readers: Mapping[str, Callable[[Node, str], Spec]] = {
            "put": self._put,
            "anonymize": self._anonymize,
            "index": lambda node, field: Index(self._values.fields.text(node, field, 4_096) or ""),
            "send": self._send,
            "notify": self._notify,
            "webhook": self._webhook,
            "delete": self._delete,
        }

    def read(self, node: Node, field: str) -> list[Spec]:
        """The actions, in order."""
        nodes = self._values.fields.items(node, field)
        if not nodes:
            self._values.fault(node, field, f"must say what is done: {', '.join(self._readers)}")
        if len(nodes) > _MOST:
            self._values.fault(nodes[_MOST], field, f"has more than {_MOST} actions")
            return []
        read = [(one, self._action(one, f"{field}[{number}]")) for number, one in enumerate(nodes)]
        specs = [spec for _, spec in read if spec]
        for number, (one, spec) in enumerate(read):
            if isinstance(spec, Delete):
                self._check_delete(one, f"{field}[{number}]", specs, number == len(read) - 1)
        return specs

    def _action(self, node: Node, field: str) -> Spec | None:
        """One action: a word, or a mapping of one word to what it is told."""
        if isinstance(node, Entries) and len(node.pairs) == 1:
            [(key, value)] = node.pairs
        elif isinstance(node, Scalar):
            key, value = node, Scalar(node.line, "", True)
        else:
            self._values.fault(node, field, "must be one action, as: put: inbox")
            return None
        if key.text not in self._readers:
            self._values.fault(key, field, f"is no action; {nearest(key.text[:64], self._readers)}")
            return None
        where = join(field, key.text)
        spec = self._readers[key.text](value, where)
        if wrong := self._misfit(spec):
            self._values.fault(key, where, wrong)
        return spec

    def _misfit(self, spec: Spec) -> str:
        """Why the source has nothing for this action; empty if it has."""
        if self._source is None:
            return ""
        if isinstance(self._source, FolderSource):
            if isinstance(spec, Anonymize | Send):
                return "takes what a store holds: put the files, and have a rule with that store as its source do this"
            return ""
        if isinstance(spec, Put | Index):
            return "takes the files of a folder; what a store holds already can be sent, with send"
        single = isinstance(self._source, FeedSource) and self._source.event is Event.INSTANCE_STORED
        if isinstance(spec, Anonymize) and single:
            return "takes whole studies: have the source wait for study_completed"
        if isinstance(spec, Anonymize) and spec.to == self._source.store:
            return "must have another store than its source's: identified and de-identified studies are kept apart"
        return ""

    def _check_delete(self, node: Node, field: str, specs: Sequence[Spec], last: bool) -> None:
        if not last:
            self._values.fault(node, field, "must be the last action")
        elif not any(isinstance(spec, _KEPT) for spec in specs):
            self._values.fault(node, field, "would delete what is kept nowhere else: put, send or anonymize it before")

    def _put(self, node: Node, field: str) -> Put:
        before, _, last = field.rpartition(".")
        store = self._values.name({last: node}, before, last)
        self._values.refer(ReferenceKind.STORE, store, node, field)
        return Put(store)

    def _named(self, kind: ReferenceKind, found: Fields, field: str, key: str, of: str = "") -> str:
        """A name that another service has to know."""
        name = self._values.name(found, field, key)
        if name:
            self._values.refer(kind, name, found[key], join(field, key), of)
        return name

    def _delete(self, node: Node, field: str) -> Delete:
        if isinstance(node, Scalar) and node.is_null:
            return Delete()
        found = self._values.fields.mapping(node, field, DELETE_KEYS) or {}
        if "unconfirmed" in found and isinstance(self._source, FolderSource):
            self._values.fault(found["unconfirmed"], field, "is for what was sent to a DICOM peer")
        return Delete(self._truth(found, field, "unconfirmed"))

    def _truth(self, found: Fields, field: str, key: str) -> bool:
        return key in found and bool(self._values.fields.truth(found[key], join(field, key)))

    def _anonymize(self, node: Node, field: str) -> Anonymize:
        found = self._values.fields.mapping(node, field, ANONYMIZE_KEYS) or {}
        self._values.require(node, found, field, "to")
        return Anonymize(
            to=self._named(ReferenceKind.STORE, found, field, "to"),
            profile=self._named(ReferenceKind.PROFILE, found, field, "profile"),
            attributes=self._attributes(found["attributes"], join(field, "attributes"))
            if "attributes" in found
            else {},
            copied=self._keys(found["copy"], join(field, "copy")) if "copy" in found else (),
            sealed=self._keywords(found["seal"], join(field, "seal")) if "seal" in found else (),
        )

    def _attributes(self, node: Node, field: str) -> Mapping[str, str]:
        if not isinstance(node, Entries):
            self._values.fault(node, field, "must be a mapping of attributes, as {trial: $trial}")
            return {}
        if len(node.pairs) > _MOST_ATTRIBUTES:
            self._values.fault(node, field, f"has more than {_MOST_ATTRIBUTES} attributes")
            return {}
        attributes = {}
        for key, value in node.pairs:
            where = join(field, shown(key.text)[1:-1])
            if key.text in attributes:
                self._values.fault(key, where, "is said twice")
            text = self._values.fields.text(value, where, 1_024) or ""
            self._values.check_pattern(text, value, where, self._known)
            attributes[self._values.key(key.text, key, where)] = text
        return attributes

    def _keys(self, node: Node, field: str) -> Sequence[str]:
        read = self._values.fields.texts(node, field, 63)
        return tuple(self._values.key(text, Scalar(line, text, True), where) for text, line, where in read)

    def _keywords(self, node: Node, field: str) -> Sequence[str]:
        keywords = []
        for text, line, where in self._values.fields.texts(node, field, 64):
            keywords.append(text)
            if tag_of(text) is None:
                self._values.fields.faults.add(line, where, _keyword_fault(text))
        return tuple(keywords)

    def _send(self, node: Node, field: str) -> Send:
        found = self._values.fields.mapping(node, field, SEND_KEYS) or {}
        if sum(key in found for key in ("peer", "archive", "folder", "endpoint")) != 1:
            self._values.fault(node, field, _TARGETS)
        archive = self._configured(found, field, "archive", self._values.scope.archives)
        peer = self._values.text(found, field, "peer", 64)
        if peer:
            self._values.refer(ReferenceKind.PEER, peer, found["peer"], join(field, "peer"))
        store = self._named(ReferenceKind.STORE, found, field, "store", archive)
        if store and "archive" not in found:
            self._values.fault(found["store"], join(field, "store"), "is the other archive's: it goes with archive")
        if "commit" in found and "peer" not in found:
            self._values.fault(found["commit"], join(field, "commit"), "is asked of a DICOM peer: it goes with peer")
        folder = str(self._values.directory(found, field, "folder")) if "folder" in found else ""
        return Send(
            peer=peer,
            archive=archive,
            folder=folder,
            endpoint=self._configured(found, field, "endpoint", self._values.scope.endpoints),
            store=store or ("default" if archive else ""),
            commit=self._truth(found, field, "commit"),
        )

    def _configured(self, found: Fields, field: str, key: str, known: Collection[str] | None) -> str:
        """What a setting of the service lists by name, `archives` or `endpoints`; None: nobody knows them."""
        name = self._values.text(found, field, key, 64)
        if name and known is not None and name not in known:
            told = f"is none that the setting `{key}s` lists; {nearest(name, known)}"
            self._values.fault(found[key], join(field, key), told)
        return name

    def _notify(self, node: Node, field: str) -> Notify:
        found = self._values.fields.mapping(node, field, NOTIFY_KEYS) or {}
        self._values.require(node, found, field, *NOTIFY_KEYS)
        channel = self._values.pattern(found, field, "channel", self._known, 127)
        if "$" not in channel:  # which one it is, is known with the item only
            self._values.refer(ReferenceKind.CHANNEL, channel, found.get("channel", node), join(field, "channel"))
        template = self._values.text(found, field, "template", 255)
        self._values.refer(ReferenceKind.TEMPLATE, template, found.get("template", node), join(field, "template"))
        return Notify(channel, template)

    def _webhook(self, node: Node, field: str) -> Webhook:
        url = self._values.fields.text(node, field, 2_048) or ""
        if _is_url(url):
            return Webhook(url)
        if url:
            self._values.fault(node, field, "must be a URL of http or https, without a user's name and password")
        return Webhook("")


def _keyword_fault(text: str) -> str:
    try:
        return f"must be a keyword, as {keyword_of(parse_step(text).tag) or 'PatientID'}"
    except BadPath as error:
        return str(error)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
