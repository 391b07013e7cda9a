"""One message's exchange with a mail server (RFC 5321 section 3.3), in two parts: until it can be refused, and after.

Both raise what smtplib.SMTP.sendmail does. A connection that is still open then can take another message.
"""

from __future__ import annotations

import smtplib

_CLOSING = 421
_GO_AHEAD = 354


def on_the_wire(message: str) -> bytes:
    """A message in ASCII as it is sent: with its end, dots doubled."""
    text = smtplib.quotedata(message)
    return (text if text.endswith("\r\n") else f"{text}\r\n").encode("ascii") + b".\r\n"


def announce(smtp: smtplib.SMTP, sender: str, recipient: str, size: int) -> None:
    """Say what is to come, until the server waits for it. Nothing is sent if this fails."""
    code, answer = smtp.mail(sender, [f"size={size}"] if smtp.has_extn("size") else [])
    if code != 250:
        _reset(smtp, code)
        raise smtplib.SMTPSenderRefused(code, answer, sender)
    code, answer = smtp.rcpt(recipient)
    if code not in (250, 251):
        _reset(smtp, code)
        raise smtplib.SMTPRecipientsRefused({recipient: (code, answer)})
    code, answer = smtp.docmd("data")
    if code != _GO_AHEAD:
        _reset(smtp, code)
        raise smtplib.SMTPDataError(code, answer)


def transmit(smtp: smtplib.SMTP, data: bytes) -> None:
    """Send what was announced. If the connection dies now, the server may have taken it."""
    smtp.send(data)
    code, answer = smtp.getreply()
    if code != 250:
        _reset(smtp, code)
        raise smtplib.SMTPDataError(code, answer)


def _reset(smtp: smtplib.SMTP, code: int) -> None:
    """Make the connection ready for another message after a no; close it if it cannot be."""
    try:
        if code != _CLOSING and smtp.rset()[0] == 250:
            return
    except smtplib.SMTPException:
        pass
    smtp.close()
