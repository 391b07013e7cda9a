"""A real mail server: what is told arrives as it was meant, and nothing else; refusals are told without addresses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from diana_common.errors import DianaError
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.protocol.telling import Teller
from diana_endpoints.services import Services
from diana_endpoints.smtp import Smtp
from tests.support.dicom_files import make_small
from tests.support.smtp import MailServer, free_port

_ADA = "ada@hospital.example"
_BOB = "bob@hospital.example"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def _smtp(server: MailServer | int, **settings: Any) -> Smtp:
    port = server if isinstance(server, int) else server.port
    entry = {
        "ctype": "SmtpMessenger",
        "host": "127.0.0.1",
        "port": port,
        "sender": "diana@hospital.example",
        **settings,
    }
    made = Services({"smtp": entry}, {}).endpoint("smtp")
    assert isinstance(made, Smtp)
    return made


def test_a_person_is_told_in_plain_words(server: MailServer) -> None:
    smtp = _smtp(server)
    assert isinstance(smtp, Teller)
    told = smtp.tell(_ADA, "Täglich", "Line one\n.\nßtwo $5 {{ x }}")
    assert told.meta == {"outcome": "sent", "recipient": _ADA}
    [mail] = server.mails
    assert mail.recipients == (_ADA,)
    assert str(mail.message["Subject"]) == "Täglich"
    assert mail.text.replace("\r\n", "\n") == "Line one\n.\nßtwo $5 {{ x }}\n"
    assert str(mail.message["From"]) == "diana@hospital.example"
    smtp.close()


def test_each_item_is_told_by_the_templates_over_one_connection(server: MailServer) -> None:
    smtp = _smtp(
        server, to=[_ADA, _BOB], subject="$trial: $Modality", body="$StudyDescription costs $$5, $AccessionNumber"
    )
    data = [make_small(AccessionNumber=f"A{number}", StudyDescription="Chest") for number in range(3)]
    items = [Item({"trial": "hobit"}, content=BytesContent(one)) for one in data]
    assert [item.meta["outcome"] for item in smtp.put(items)] == ["sent"] * 3
    assert [str(mail.message["Subject"]) for mail in server.mails] == ["hobit: CT"] * 3
    assert [mail.text.strip() for mail in server.mails] == [f"Chest costs $5, A{number}" for number in range(3)]
    assert server.mails[0].recipients == (_ADA, _BOB)
    assert len({mail.peer for mail in server.mails}) == 1
    smtp.close()


def test_a_value_with_an_end_of_line_adds_no_header(server: MailServer) -> None:
    smtp = _smtp(server, to=[_ADA], subject="$what", body="x")
    hostile = "Hello\r\nBcc: eve@evil.example\r\n\r\nbody\x0bmore"
    assert [item.failure for item in smtp.put([Item(data={"what": hostile})])] == [None]
    [mail] = server.mails
    assert mail.recipients == (_ADA,)
    assert mail.message["Bcc"] is None
    assert str(mail.message["Subject"]) == "Hello Bcc: eve@evil.example body more"


@pytest.mark.parametrize("recipient", ["a@b.c\r\nBcc: x@y.z", "no address", "a@b, c@d", "<a@b>", "ä@b.c", "a b@c.d"])
def test_what_is_no_address_is_refused_before_anything_is_sent(server: MailServer, recipient: str) -> None:
    with pytest.raises(DianaError, match="recipient: must be an e-mail address"):
        _smtp(server).tell(recipient, "s", "b")
    with pytest.raises(DianaError, match="recipient: is required"):
        _smtp(server).tell("", "s", "b")
    assert server.mails == []


def test_an_item_that_lacks_what_the_template_names_fails_and_the_rest_go_on(server: MailServer) -> None:
    smtp = _smtp(server, to=[_ADA])
    first, second = smtp.put([Item({"id": "x"}, data={"a": 1}), Item(data={"text": "nodule"})])
    assert first.failure is not None
    assert first.failure.reason == "TEMPLATE_INVALID"
    assert "'text'" in first.failure.message
    assert second.meta["outcome"] == "sent"


def test_a_refused_recipient_or_message_is_told_of_by_code_alone(server: MailServer) -> None:
    server.refuse[_ADA] = "550 no ada here"
    smtp = _smtp(server)
    with pytest.raises(DianaError, match=r"refuses every recipient \(550\)") as refused:
        smtp.tell(_ADA, "s", "b")
    assert "ada" not in refused.value.message
    with pytest.raises(DianaError, match="refused 1 of 2 recipients"):
        _smtp(server, to=[_ADA, _BOB]).tell("", "s", "b")
    server.refuse_data = "554 spam"
    with pytest.raises(DianaError, match=r"refuses the message \(554\)"):
        smtp.tell(_BOB, "s", "b")
    server.refuse_data = ""
    assert smtp.tell(_BOB, "s", "b").meta["outcome"] == "sent"


def test_a_server_that_went_away_is_found_again(server: MailServer) -> None:
    smtp = _smtp(server)
    smtp.tell(_ADA, "one", "b")
    server.stop()
    with pytest.raises(DianaError, match="cannot be reached"):
        smtp.tell(_ADA, "two", "b")
    assert not smtp.check().ok
    server.start()
    smtp.tell(_ADA, "three", "b")
    assert smtp.check().detail == "answers 250"
    assert [str(mail.message["Subject"]) for mail in server.mails] == ["one", "three"]


def test_login_goes_over_tls_that_is_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (tmp_path / "password").write_text("let me in\n")
    settings: dict[str, Any] = {"user": "diana", "password_file": str(tmp_path / "password"), "tls": True}
    with MailServer(tls=context, login=("diana", "let me in")) as server:
        trusted = _smtp(server, **settings, ca_file=str(tmp_path / "ca.pem"))
        assert trusted.tell(_ADA, "s", "b").meta["outcome"] == "sent"
        trusted.close()
        with pytest.raises(DianaError, match="certificate is not trusted"):
            _smtp(server, **settings).tell(_ADA, "s", "b")
        wrong = _smtp(server, tls="starttls", user="diana", password="wrong", ca_file=str(tmp_path / "ca.pem"))
        assert wrong.check().detail.startswith("the mail server refuses the user or password")
        assert len(server.mails) == 1


def test_a_password_is_never_sent_in_the_clear_to_another_host() -> None:
    entry = {"ctype": "smtp", "host": "mail.example", "user": "a", "password": "b"}
    with pytest.raises(DianaError, match="tls must be starttls"):
        Services({"smtp": entry}, {}).endpoint("smtp")


def test_urls_and_the_environment_say_where_it_is(server: MailServer) -> None:
    env = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(server.port),
        "SMTP_FROM": "d@x.example",
        "SMTP_TO": f"{_ADA}, {_BOB}",
    }
    services = Services({}, env)
    for url in ("smtp:", f"smtp://127.0.0.1:{server.port}"):
        endpoint = services.endpoint(url)
        assert isinstance(endpoint, Smtp)
        assert endpoint.tell("", "s", "b").meta["recipient"] == f"{_ADA}, {_BOB}"
    services.close()
    gmail = Services({}, {"GMAIL_USER": "me@gmail.com", "GMAIL_APP_PASSWORD": "x"}).describe("gmail:")
    assert gmail == {"ctype": "gmail", "user": "me@gmail.com", "password": "x"}
    assert isinstance(Services({}, {"GMAIL_USER": "me@gmail.com"}).endpoint("gmail::"), Smtp)


@pytest.mark.parametrize(
    "url", ["gmail:user:secret", "smtp://u:secret@h", "smtp:h", "smtp://h:99999", "apprise:slack://secret"]
)
def test_a_url_with_a_password_or_nonsense_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(DianaError, match="ENDPOINT: ") as refused:
        Services({}, {}).endpoint(url)
    assert "secret" not in refused.value.message.replace("is a secret", "")


def test_send_is_done_by_name(server: MailServer) -> None:
    smtp = _smtp(server)
    [told] = smtp.handle("send", [_ADA, "s"], {"body": "b"})
    assert told.meta["outcome"] == "sent"
    with pytest.raises(DianaError, match="method: is none of this endpoint; did you mean 'send'"):
        list(smtp.handle("sent", [], {}))
    for method, arguments in (("close", []), ("send", []), ("send", [1, 2, 3, 4]), ("__init__", [])):
        with pytest.raises(DianaError):
            list(smtp.handle(method, arguments, {}))


def test_nobody_listening_is_told_of() -> None:
    assert _smtp(free_port()).check().detail == "the mail server cannot be reached"
