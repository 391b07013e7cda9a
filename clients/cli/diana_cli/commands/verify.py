"""verify: whether the installed files of DIANA mesh are those of a release."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Flow, Stage, Takes, show_nothing
from diana_cli.exits import Status
from diana_cli.session import Session
from diana_cli.text import clean
from diana_endpoints.items import Failure

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_INSTALL = "Install a signed release, or hold a checkout against its repository (docs/verify.md)."
_REINSTALL = "Do not use this installation; install the release anew, and find out what changed it."


@click.command("verify", epilog="Example: diana-cli verify --key release.pem")
@click.option("--manifest", type=_FILE, help="The release's manifest, instead of the installed; FILE.sig beside it.")
@click.option("--key", type=_FILE, help="The release's public key in PEM, instead of the installed one.")
def verify(manifest: Path | None, key: Path | None) -> Stage:
    """Hold the installed files of DIANA mesh against the signed manifest of their release.

    Each file that was changed, is missing or was added is named, and the exit status is 1; it is 4 where there is no
    manifest, as in a source checkout. It proves that these files are those that the key's holder signed, and nothing
    of the packages of others, or of this verifier. A store is verified by verify-store.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        _verify(session, manifest, key)
        yield from ()

    return Stage("verify", Takes.ALONE, run, show_nothing)


def _verify(session: Session, manifest_file: Path | None, key: Path | None) -> None:
    from diana_cli.integrity import verification  # cryptography with it: time that other commands need not spend
    from diana_cli.integrity.manifest import NoManifest, NotReleased

    try:
        verdict = verification.verify(manifest=manifest_file, key=key)
    except NoManifest as error:
        session.fail("verify", Failure("MANIFEST_MISSING", str(error), _INSTALL))
        raise Exit(Status.CONFIG) from None
    except NotReleased as error:
        session.fail("verify", Failure("SIGNATURE_INVALID", str(error), _REINSTALL))
        return
    session.failed += len(verdict.findings)
    if not session.json:
        for line in verdict.lines():
            session.echo(clean(line))
        return
    for found in verdict.findings:
        session.echo(json.dumps({"outcome": found.what, "file": found.file, "why": found.why}))
    said = {"outcome": "different" if verdict.findings else "verified", "key_sha256": verdict.key}
    session.echo(json.dumps({**said, **verdict.manifest.distributions, **verdict.counts}))


COMMANDS = (verify,)
