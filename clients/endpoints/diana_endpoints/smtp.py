"""A mail server: a message an item, and messages to whom one names."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import config_invalid
from diana_endpoints.connection_settings import secret, untrusted
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.smtp_settings import SmtpSettings, Tls, read_url
from diana_endpoints.telling import Telling, one_line

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PATIENCE = 5.0


class Smtp(Telling):
    """Endpoint `smtp`: one connection, made when it is first needed and whenever the server has ended it.

    Raises DianaError: PEER_UNAVAILABLE where the server cannot be reached, ENDPOINT_REFUSED for what it does not
    take, INVALID_FIELD for an address that is none.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        super().__init__(settings.subject, settings.body)
        self._settings = settings
        self._open: smtplib.SMTP | None = None

    def close(self) -> None:
        """End the connection."""
        if self._open:
            self._open.close()
            self._open = None

    def check(self) -> Health:
        """Whether the server takes a connection, and the login if there is one (NOOP)."""
        try:
            with _errors(), _connected(replace(self._settings, timeout=_PATIENCE)) as connection:
                code, _ = connection.noop()
            return Health(code == 250, f"answers {code}")
        except DianaError as error:
            return Health(False, error.message)

    def tell(self, recipient: str, subject: str, body: str) -> Item:
        """Send one message to a recipient, or to all of the settings' `to`."""
        recipients = [recipient] if recipient else list(self._settings.to)
        if not recipients:
            raise invalid_field("recipient", "is required: name one, or set `to`")
        message = self._message(recipients, subject, body)
        with _errors():
            refused = self._connection().send_message(message, self._sender(), recipients)
        if refused:
            raise DianaError(
                Reason.ENDPOINT_REFUSED, f"the mail server refused {len(refused)} of {len(recipients)} recipients"
            )
        return Item({"outcome": "sent", "recipient": ", ".join(recipients)}, number=1)

    def _message(self, recipients: Sequence[str], subject: str, body: str) -> EmailMessage:
        sender = self._sender()
        for field, address in (("sender", sender), *(("recipient", one) for one in recipients)):
            if not _ADDRESS.fullmatch(address):
                raise invalid_field(field, "must be an e-mail address, such as name@hospital.example")
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), one_line(subject)
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.encode("utf-8", "replace").decode("utf-8"))
        return message

    def _sender(self) -> str:
        return self._settings.sender or _user(self._settings)

    def _connection(self) -> smtplib.SMTP:
        if self._open and not _is_alive(self._open):
            self.close()
        self._open = self._open or _connected(self._settings)
        return self._open


def _is_alive(connection: smtplib.SMTP) -> bool:
    try:
        return connection.noop()[0] == 250
    except (smtplib.SMTPException, OSError):
        return False


def _connected(settings: SmtpSettings) -> smtplib.SMTP:
    """A connection that is protected and logged in as the settings say. Raises smtplib's exceptions and OSError."""
    host, port = settings.address
    own = socket.gethostname()
    if settings.tls is Tls.IMPLICIT:
        made: smtplib.SMTP = smtplib.SMTP_SSL(host, port, own, timeout=settings.timeout, context=_context(settings))
    else:
        made = smtplib.SMTP(host, port, own, timeout=settings.timeout)
    try:
        if settings.tls is Tls.STARTTLS:
            made.starttls(context=_context(settings))
        if user := _user(settings):
            made.login(user, secret(settings.password, settings.password_file, "password"))
        return made
    except BaseException:
        made.close()
        raise


def _context(settings: SmtpSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise config_invalid("ca_file", "cannot be read as certificates (PEM)") from error


def _user(settings: SmtpSettings) -> str:
    return secret(settings.user, settings.user_file, "user")


@contextmanager
def _errors() -> Iterator[None]:
    """smtplib's exceptions as ours. Of the server's words only the code is told: they may hold addresses."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise _refused("the user or password", error.smtp_code) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused("every recipient", next(iter(error.recipients.values()))[0]) from error
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
        raise DianaError(
            Reason.PEER_UNAVAILABLE, "the mail server cannot be reached, or ended the connection"
        ) from error
    except smtplib.SMTPResponseException as error:
        raise _refused("the message", error.smtp_code) from error
    except smtplib.SMTPException as error:
        raise DianaError(Reason.ENDPOINT_REFUSED, "the mail server lacks what the settings ask for") from error
    except ssl.SSLError as error:
        raise untrusted() from error
    except OSError as error:
        raise DianaError(Reason.PEER_UNAVAILABLE, "the mail server cannot be reached") from error


def _refused(what: str, code: int) -> DianaError:
    return DianaError(Reason.ENDPOINT_REFUSED, f"the mail server refuses {what} ({code})")


KIND = Kind(SmtpSettings, Smtp, read_url=read_url)
