"""A real mail server on the loopback, with the moods that mail servers have."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Mail:
    """One message that was taken."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    peer: object = None
    """The other end of the connection it came on."""

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        return email.message_from_bytes(self.data, policy=email.policy.default)

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        """Its text."""
        return str(self.message.get_content())


@dataclass
class MailServer:
    """Takes mail, keeps it, and refuses what it is told to. It may be stopped and started on the same port."""

    refuse: dict[str, str] = field(default_factory=dict)
    """What to answer to a recipient, such as "550 no such user"."""

    greylist: int = 0
    """How often each recipient is told to come back later."""

    refuse_data: str = ""
    """What to answer to every message."""

    tls: ssl.SSLContext | None = None
    """The context for STARTTLS, which is required then."""

    login: tuple[str, str] | None = None
    """Who must log in, and how."""

    def __post_init__(self) -> None:
        self._mails: list[Mail] = []
        self._came = threading.Condition()
        self._asked: Counter[str] = Counter()
        self._controller: Controller | None = None
        self.port = free_port()

    def start(self) -> None:
        """Listen."""
        controller = _Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        self._controller = controller

    def stop(self) -> None:
        """Listen no more; what was taken is kept."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> MailServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def mails(self) -> list[Mail]:
        """What was taken so far."""
        with self._came:
            return list(self._mails)

    def wait_for(self, count: int, seconds: float = 60.0) -> list[Mail]:
        """The mails, once there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self._mails) >= count, seconds), f"{len(self._mails)} of {count}"
            return list(self._mails)

    def asked(self, recipient: str) -> int:
        """How often somebody wanted to write to a recipient."""
        with self._came:
            return self._asked[recipient]

    # What aiosmtpd calls.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        with self._came:
            self._asked[address] += 1
            self._came.notify_all()
        if self._asked[address] <= self.greylist:
            return "451 4.7.1 come back later"
        if answer := self.refuse.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        data = envelope.content or b""
        assert isinstance(data, bytes)
        with self._came:
            self._mails.append(Mail(str(envelope.mail_from), tuple(envelope.rcpt_tos), data, session.peer))
            self._came.notify_all()
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Whether somebody may log in."""
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.login, handled=given == self.login)


class _Controller(Controller):
    def __init__(self, server: MailServer, **where: Any) -> None:
        self._server = server
        super().__init__(server, **where)

    def factory(self) -> SMTP:
        server = self._server
        return SMTP(
            server,
            tls_context=server.tls,
            require_starttls=server.tls is not None,
            auth_required=server.login is not None,
            authenticator=server.authenticate,
        )


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
