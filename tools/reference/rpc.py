"""The pages of the contracts: one over all services, one a package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from diana_common.errors import Reason
from tools.reference.contracts import Enum, Message, Package, Service, field_rules, message_rules
from tools.reference.markdown import GENERATED, Links, anchor, escape, first_sentence, indented, prose, table

_INTRODUCTION = """# The contracts

Generated from the comments in `protos/`. Every package's page describes its services, then its messages
and enums. Errors are described once, in [errors](errors.md). *Checked* gives a field's rule in the
notation of [protovalidate](https://protovalidate.com): a request that breaks it is answered with
INVALID_ARGUMENT, reason [INVALID_FIELD](errors.md#invalid_field), before the service sees it. Absent
means unset; a field without an own word on it may be left out.

"""


def make_pages(packages: Sequence[Package]) -> dict[str, str]:
    """The pages' texts by file name."""
    overviews = [_overview(package, links_to(packages, package)) for package in packages]
    pages = {"rpc.md": GENERATED + _INTRODUCTION + "".join(overviews)}
    for package in packages:
        page = page_of(package)
        links = {name: target.removeprefix(page) for name, target in links_to(packages, package).items()}
        pages[page] = GENERATED + "".join(_package(package, links))
    return pages


def page_of(package: Package) -> str:
    """The file name of a package's page."""
    return f"rpc-{package.area}.md"


def links_to(packages: Sequence[Package], home: Package) -> Links:
    """Where each name leads to. A name that several packages declare means that of `home`."""
    links = {reason.name: "errors.md" + anchor(reason.name) for reason in Reason}
    for package in [one for one in packages if one is not home] + [home]:
        declared: list[Service | Message | Enum] = [*package.services, *package.messages, *package.enums]
        rpcs = [method.name for service in package.services for method, _ in service.methods]
        for name in rpcs + [one.name for one in declared]:
            links[name] = page_of(package) + anchor(name)
            links[f"{package.name}.{name}"] = links[name]
    return links


def _others(links: Links, name: str) -> Links:
    """The links without the name's own: a description does not lead to itself."""
    return {other: target for other, target in links.items() if other != name}


def _overview(package: Package, links: Links) -> str:
    text = f"## {package.name}\n\n[{page_of(package)}]({page_of(package)}), from "
    text += ", ".join(f"`{file}`" for file in package.files) + ".\n\n"
    for service in package.services:
        rows = [
            (
                f"[{method.name}]({links[method.name]})",
                _kind(method),
                first_sentence(comment, _others(links, method.name)),
            )
            for method, comment in service.methods
        ]
        text += table([service.name, "streams", ""], rows)
    return text


def _package(package: Package, links: Links) -> Iterator[str]:
    yield f"# {package.name}\n\n"
    for service in package.services:
        yield from _service(service, links)
    if package.messages:
        yield "## Messages\n\n"
    for message in package.messages:
        yield from _message(message, links)
    if package.enums:
        yield "## Enums\n\n"
    for enum in package.enums:
        yield from _enum(enum, links)


def _service(service: Service, links: Links) -> Iterator[str]:
    yield f"## {service.name}\n\n{prose(service.comment, _others(links, service.name))}\n\n"
    for method, comment in service.methods:
        yield f"### {method.name}\n\n"
        request, response = (_type_link(name, links) for name in (method.input_type, method.output_type))
        takes, gives = ("stream of " * streams for streams in (method.client_streaming, method.server_streaming))
        yield f"{takes}{request} → {gives}{response}\n\n"
        yield f"{prose(comment, _others(links, method.name))}\n\n"


def _kind(method: MethodDescriptorProto) -> str:
    ways = {(False, False): "", (True, False): "requests", (False, True): "responses", (True, True): "both"}
    return ways[method.client_streaming, method.server_streaming]


def _message(message: Message, links: Links) -> Iterator[str]:
    yield f"### {message.name}\n\n{prose(message.comment, _others(links, message.name))}\n\n"
    shown = ""
    for field, comment in message.fields:
        chosen = field.HasField("oneof_index") and not field.proto3_optional
        oneof, about = message.oneofs[field.oneof_index] if chosen else ("", "")
        if oneof and oneof != shown:
            yield f"- One of **`{oneof}`**: {indented(prose(about, links))}\n"
        shown = oneof
        lines = [f"- **`{field.name}`** {_type(field, message, links)} = {field.number}", prose(comment, links)]
        if rules := field_rules(field):
            lines.append(f"Checked: ``{rules}``")
        item = indented("\n\n".join(lines)) + "\n"
        yield "  " + indented(item).rstrip(" ") if chosen else item
    for rule in message_rules(message.proto):
        yield f"- Checked: {escape(rule)}.\n"
    yield "\n"


def _enum(enum: Enum, links: Links) -> Iterator[str]:
    yield f"### {enum.name}\n\n{prose(enum.comment, _others(links, enum.name))}\n\n"
    rows = [(f"`{value.name}`", str(value.number), prose(comment, links)) for value, comment in enum.values]
    yield table(["value", "number", "meaning"], rows)


def _type(field: FieldDescriptorProto, message: Message, links: Links) -> str:
    """A field's type as its contract writes it, linked."""
    for entry in message.proto.nested_type:
        if entry.options.map_entry and field.type_name.endswith(f".{message.proto.name}.{entry.name}"):
            key, value = (_type(one, message, links) for one in entry.field)
            return f"map of {key} to {value}"
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return ("repeated " if repeated else "optional " if field.proto3_optional else "") + _single(field, links)


def _single(field: FieldDescriptorProto, links: Links) -> str:
    if field.type_name:
        return _type_link(field.type_name, links)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type_link(full_name: str, links: Links) -> str:
    """A message's or an enum's name, without its package where it is one of ours."""
    name = full_name.removeprefix(".")
    if name not in links:
        return f"`{name}`"
    return f"[{'.'.join(name.split('.')[3:])}]({links[name]})"
