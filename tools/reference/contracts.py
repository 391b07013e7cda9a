"""The project's contracts as buf compiles them, each declaration with its comment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from buf.validate import validate_pb2

ROOT = Path(__file__).parents[2]
Location = tuple[int, ...]

# Field numbers within the descriptors, which paths of source locations are made of.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED_MESSAGE, _NESTED_ENUM, _ONEOF = 2, 3, 4, 8
_METHOD = _VALUE = 2


@dataclass(frozen=True)
class Service:
    """A service: its comment, and each of its RPCs with the RPC's."""

    proto: ServiceDescriptorProto
    name: str
    comment: str
    methods: Sequence[tuple[MethodDescriptorProto, str]]


@dataclass(frozen=True)
class Message:
    """A message; `name` is its name within the package: "UploadResult", "Outer.Inner"."""

    proto: DescriptorProto
    name: str
    comment: str
    fields: Sequence[tuple[FieldDescriptorProto, str]]
    oneofs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Enum:
    """An enum; `name` as for a message."""

    proto: EnumDescriptorProto
    name: str
    comment: str
    values: Sequence[tuple[EnumValueDescriptorProto, str]]


@dataclass(frozen=True)
class Package:
    """All that the files of one package declare, in the order of the files' names and of their lines."""

    name: str
    files: list[str] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)

    @property
    def area(self) -> str:
        """Its short name: "archive" for diana.archive.v1."""
        return self.name.split(".")[1]


def load_contracts() -> list[Package]:
    """The packages under protos/diana, by name. Raises CalledProcessError when they do not compile."""
    buf = Path(sys.executable).with_name("buf")
    command = [str(buf), "build", "protos", "-o", "-#format=binpb"]
    image = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    packages: dict[str, Package] = {}
    for file in sorted(FileDescriptorSet.FromString(image).file, key=lambda one: one.name):
        if file.package.startswith("diana."):
            _add_file(packages.setdefault(file.package, Package(file.package)), file)
    return [packages[name] for name in sorted(packages)]


def field_rules(proto: FieldDescriptorProto) -> str:
    """What protovalidate checks of a field, in text format on one line; empty for nothing."""
    return text_format.MessageToString(proto.options.Extensions[validate_pb2.field], as_one_line=True)


def message_rules(proto: DescriptorProto) -> list[str]:
    """What protovalidate checks of a message as a whole, in words."""
    # By name: a module's name hides it from type checkers.
    extension: Any = validate_pb2.DESCRIPTOR.extensions_by_name["message"]
    return [rule.message for rule in proto.options.Extensions[extension].cel]


def _add_file(package: Package, file: FileDescriptorProto) -> None:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    package.files.append(file.name)
    for number, service in enumerate(file.service):
        package.services.append(_service(service, (_SERVICE, number), comments))
    for number, enum in enumerate(file.enum_type):
        package.enums.append(_enum(enum, "", (_ENUM, number), comments))
    for number, message in enumerate(file.message_type):
        for one in _messages(message, "", (_MESSAGE, number), comments):
            (package.messages if isinstance(one, Message) else package.enums).append(one)  # type: ignore[arg-type]


def _service(proto: ServiceDescriptorProto, path: Location, comments: dict[Location, str]) -> Service:
    methods = [(method, comments[*path, _METHOD, number]) for number, method in enumerate(proto.method)]
    return Service(proto, proto.name, comments[path], methods)


def _messages(
    proto: DescriptorProto, scope: str, path: Location, comments: dict[Location, str]
) -> Iterator[Message | Enum]:
    """A message and all that is declared within it, save the entries of maps."""
    fields = [(one, comments[*path, _FIELD, number]) for number, one in enumerate(proto.field)]
    oneofs = [(one.name, comments.get((*path, _ONEOF, number), "")) for number, one in enumerate(proto.oneof_decl)]
    yield Message(proto, scope + proto.name, comments[path], fields, oneofs)
    scope += f"{proto.name}."
    for number, enum in enumerate(proto.enum_type):
        yield _enum(enum, scope, (*path, _NESTED_ENUM, number), comments)
    for number, message in enumerate(proto.nested_type):
        if not message.options.map_entry:
            yield from _messages(message, scope, (*path, _NESTED_MESSAGE, number), comments)


def _enum(proto: EnumDescriptorProto, scope: str, path: Location, comments: dict[Location, str]) -> Enum:
    values = [(value, comments[*path, _VALUE, number]) for number, value in enumerate(proto.value)]
    return Enum(proto, scope + proto.name, comments[path], values)
