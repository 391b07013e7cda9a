"""Which addresses are let into the ledger."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, Reason
from diana_notify.core.addresses import AddressBook, email_domain, target_of
from diana_notify.core.model import Recipient, Transport

BOOK = AddressBook(
    True,
    ["https://hooks.example/services/", "http://intra.example:8080/in"],
    sms_carriers=["verizon"],
    twilio=True,
    names={Transport.SLACK: ["ops"], Transport.TEAMS: ["trial", "other trial"], Transport.APPRISE: []},
)


def refused(transport: Transport, address: str, book: AddressBook = BOOK) -> bool:
    try:
        book.check(Recipient(transport, address), "recipient.address")
    except DianaError as error:
        assert error.reason is Reason.RECIPIENT_INVALID
        assert error.fields[0].field == "recipient.address"
        return True
    return False


@pytest.mark.parametrize(
    "address", ["ada@hospital.example", "a.b+c@x.example", "o'hara@x.example", "ada@klinik-köln.example"]
)
def test_plain_addresses_pass(address: str) -> None:
    assert not refused(Transport.EMAIL, address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@x.example",
        "ada@",
        "Ada <ada@x.example>",
        "ada@x.example, bob@x.example",
        "ada@x.example\r\nBcc: eve@evil.example",
        "ada@x.example\n",
        '"ada\r\n"@x.example',
        "ada@x..example",
        "ada@-x.example",
        "ada@x.example>",
        "a" * 65 + "@x.example",
        "ada@" + "x." * 130 + "example",
        "ada@[127.0.0.1]",
        "a b@x.example",
    ],
)
def test_anything_but_one_mailbox_is_refused(address: str) -> None:
    assert refused(Transport.EMAIL, address)


def test_a_domain_of_other_letters_is_written_in_ascii() -> None:
    domain = email_domain("ada@klinik-köln.example")
    assert domain.isascii()
    assert domain.encode().decode("idna") == "klinik-köln.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/services/T1?x=1",
        "https://HOOKS.example:443/services/",
        "http://intra.example:8080/in",
        "http://intra.example:8080/in/deep",
        "http://intra.example:8080/in?x=1",
    ],
)
def test_urls_below_an_allowed_one_pass(url: str) -> None:
    assert not refused(Transport.WEBHOOK, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/services/T1",
        "https://hooks.example.evil/services/T1",
        "https://hooks.example@evil/services/T1",
        "https://hooks.example:443@evil/services/",
        "https://hooks.example\\@evil/services/",
        "https://evil/services/#https://hooks.example/services/",
        "https://hooks.example:444/services/",
        "https://hooks.example/services/../admin",
        "https://hooks.example/services/%2e%2e/admin",
        "https://hooks.example/services/..%2fadmin",
        "https://hooks.example/services/..;/admin",
        "https://hooks.example/service",
        "https://hooks.example/services",
        "http://intra.example:8080/internal",
        "http://intra.example/in",
        "https://hooks.example/services/ x",
        "https://hooks.example/services/\r\nHost: evil",
        "https://hooks.example/services/ü",
        "https://hooks.example:99999/services/",
        "file:///services/",
        "//hooks.example/services/",
        "",
    ],
)
def test_urls_that_lead_elsewhere_are_refused(url: str) -> None:
    assert refused(Transport.WEBHOOK, url)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", ".hidden", "", "x\n", "a" * 129, "a b", "..", "ü"])
def test_file_names_that_lead_out_of_the_outbox_are_refused(name: str) -> None:
    assert refused(Transport.FILE, name)
    assert not refused(Transport.FILE, "study.jsonl")


def test_the_screen_has_no_address_and_transports_must_be_configured() -> None:
    assert not refused(Transport.SCREEN, "")
    assert refused(Transport.SCREEN, "x")
    bare = AddressBook(False, [])
    assert refused(Transport.EMAIL, "ada@x.example", bare)
    assert refused(Transport.WEBHOOK, "https://hooks.example/services/", bare)


@pytest.mark.parametrize(
    ("transport", "good", "bad"),
    [
        (
            Transport.SMS,
            ["16465550123@verizon", "12345@verizon"],
            ["", "verizon", "@verizon", "1234@verizon", "+16465550123@verizon", "16465550123@pigeon", "16465550123@\n"],
        ),
        (
            Transport.SMS,
            [],
            ["1646555012345678@verizon", "16465550123@verizon\n", "１６４６５５５@verizon", "16465550123@@verizon"],
        ),
        (
            Transport.TWILIO,
            ["+16465550123", "+12345678"],
            ["", "16465550123", "+0646555012", "+1234567", "+1646555012345678", "+1 646 555", "+16465550123\n"],
        ),
        (Transport.SLACK, ["ops"], ["", "op", "OPS", "https://hooks.slack.com/services/T0/B0/x"]),
        (Transport.TEAMS, ["trial", "other trial"], ["ops"]),
        (Transport.APPRISE, [], ["", "ops"]),
    ],
)
def test_numbers_and_configured_names_pass_and_nothing_like_them(
    transport: Transport, good: list[str], bad: list[str]
) -> None:
    assert [one for one in good if refused(transport, one)] == []
    assert [one for one in bad if not refused(transport, one)] == []
    assert all(refused(transport, one, AddressBook(True, [])) for one in good)


@pytest.mark.parametrize("prefix", ["ftp://x/", "https://x/?a=1", "https://user@x/", "x", "https://x/a/../b"])
def test_a_prefix_that_is_no_plain_url_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError):
        AddressBook(True, [prefix])


def test_what_fails_together_is_one_target() -> None:
    one = target_of(Recipient(Transport.WEBHOOK, "https://Hooks.example/services/a"))
    assert one == target_of(Recipient(Transport.WEBHOOK, "https://hooks.example:443/services/b"))
    assert target_of(Recipient(Transport.EMAIL, "a@x")) == target_of(Recipient(Transport.EMAIL, "b@y"))
    assert target_of(Recipient(Transport.TWILIO, "+1")) == target_of(Recipient(Transport.TWILIO, "+2"))
    assert target_of(Recipient(Transport.SLACK, "ops")) != target_of(Recipient(Transport.SLACK, "trial"))
