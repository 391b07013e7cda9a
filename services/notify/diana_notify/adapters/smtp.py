"""E-mail over an SMTP server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.deadline import deadline
from diana_notify.adapters.mail import ascii_address, message_of
from diana_notify.adapters.smtp_exchange import announce, on_the_wire, transmit
from diana_notify.adapters.smtp_pool import Session, SmtpPool
from diana_notify.core.model import Parcel

_STEPS = 10
"""How many times the timeout of one step a whole exchange may take."""

_NO = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
"""What a server says to one message; it may well take others."""

_CLOSING = 421
_TOO_LARGE = 552


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that takes our mail. tls: "none", "starttls" or "implicit"."""

    host: str
    port: int
    tls: str
    sender: str
    timeout: float
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None


class SmtpCarrier:
    """Hands messages to the server, one at a time on a connection, and keeps a few connections for the next ones."""

    def __init__(self, server: SmtpServer) -> None:
        """Raises DianaError CONFIG_INVALID for files that cannot be read."""
        self._server = server
        name = socket.getfqdn()
        self._own_name = name if "." in name else "[127.0.0.1]"  # RFC 5321 section 4.1.4
        self._password()
        self._pool = SmtpPool()
        try:
            self._context = ssl.create_default_context(cafile=server.ca_file)
        except (OSError, ssl.SSLError):
            raise config_invalid("smtp.ca_file", "cannot be read as certificates") from None

    @property
    def sender(self) -> str:
        """The address that messages come from."""
        return self._server.sender

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        self.hand_over(parcel.delivery.recipient.address, message_of(parcel, self.sender))

    def hand_over(self, address: str, message: str) -> None:
        """Give the server a message for one address. Raises diana_common.attempts.Failed.

        A connection that was used before may turn out to be dead: then a new one is tried at once, unless the message
        was on its way already.
        """
        data = on_the_wire(message)
        with _typed():
            session = self._pool.take()
            if session is None or not self._use(session, address, data):
                self._use(self._pool.new(self._new()), address, data)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()

    def _use(self, session: Session, address: str, data: bytes) -> bool:
        """Whether the message is handed over; it is not if a connection that was used before fails in time."""
        smtp = session.smtp
        with deadline(_STEPS * self._server.timeout, lambda: smtp.sock):
            try:
                if not session.messages:
                    self._greet(smtp)
                if not self._announce(session, address, len(data)):
                    return False
                transmit(smtp, data)
            except _NO:
                self._pool.give(session)
                raise
            except BaseException:
                smtp.close()
                raise
        self._pool.give(session)
        return True

    def _announce(self, session: Session, address: str, size: int) -> bool:
        smtp = session.smtp
        try:
            announce(smtp, ascii_address(self.sender), ascii_address(address), size)
        except smtplib.SMTPException as error:
            # A server may have had enough of this connection: it hangs up, or takes no further sender.
            if session.messages and (smtp.sock is None or isinstance(error, smtplib.SMTPSenderRefused)):
                session.close()
                return False
            raise
        return True

    def _new(self) -> smtplib.SMTP:
        if self._server.tls == "implicit":
            return smtplib.SMTP_SSL(local_hostname=self._own_name, timeout=self._server.timeout, context=self._context)
        return smtplib.SMTP(local_hostname=self._own_name, timeout=self._server.timeout)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        """Connect and log in. Whatever fails here would fail for every message: Unreachable."""
        server = self._server
        smtp._host = server.host  # type: ignore[attr-defined]  # which only the constructor sets, and TLS needs
        try:
            code, _ = smtp.connect(server.host, server.port)
            if code != 220:
                raise Unreachable(f"SMTP {code} at connect")
            if server.tls == "starttls":
                smtp.starttls(context=self._context)
            if server.user:
                smtp.login(server.user, self._password())
            smtp.ehlo_or_helo_if_needed()
        except smtplib.SMTPResponseException as error:
            raise Unreachable(f"SMTP {error.smtp_code} at login") from None

    def _password(self) -> str:
        """Read for each login, so that it may be renewed."""
        if self._server.password_file is None:
            return ""
        try:
            return self._server.password_file.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise config_invalid("smtp.password_file", "cannot be read") from None


@contextmanager
def _typed() -> Iterator[None]:
    """Turn what smtplib raises into what the core knows. No server's text is kept: it may repeat addresses."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        raise _by_code(next(iter(error.recipients.values()))[0], "recipient") from None
    except smtplib.SMTPSenderRefused as error:
        # What a server has against a sender can be mended; only a size cannot.
        refused = error.smtp_code == _TOO_LARGE
        raise (Refused if refused else Postponed)(f"SMTP {error.smtp_code} for the sender") from None
    except smtplib.SMTPDataError as error:
        raise _by_code(error.smtp_code, "message") from None
    except (smtplib.SMTPException, ssl.SSLError) as error:
        raise Unreachable(type(error).__name__) from None
    except TimeoutError:
        raise Unreachable("timed out") from None
    except OSError as error:
        raise Unreachable((error.strerror or type(error).__name__).lower()) from None


def _by_code(code: int, about: str) -> Failed:
    kind = Unreachable if code == _CLOSING else Refused if code >= 500 else Postponed
    return kind(f"SMTP {code} for the {about}")
