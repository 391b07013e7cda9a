"""Run the demonstration: `python -m diana_cli.demo`."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from diana_cli.demo import deidentifying, receiving, storing, telling
from diana_cli.demo.story import PATIENT, SITE, STORE, TRIAL, Demo, Step, StepFailed
from diana_cli.mesh.supervisor import Mesh, MeshFailed
from diana_client import MeshError
from diana_common.errors import DianaError


def stop_mesh(demo: Demo) -> Iterator[str]:
    """Stop the services in good order."""
    demo.services.close()
    demo.mesh.stop()
    yield "all services have ended"


STEPS = (
    Step("Configure who is told", telling.configure),
    Step("Start a mesh of local processes", storing.start_mesh, "diana-cli up"),
    Step("Load a folder of real files", storing.load_folder, "diana-cli dgetall path:DIR put archive: print"),
    Step("Load a ZIP file", storing.load_zip, "diana-cli dgetall zip:FILE put archive:"),
    Step("Receive a study over the DICOM network", receiving.receive, "dcmsend -aec DIANA 127.0.0.1 11112 FILES"),
    Step("Wait for the index", storing.await_index, "diana-cli ls"),
    Step("Find a study", storing.find_study, f"diana-cli find -m PatientID={PATIENT}"),
    Step("Fetch it back and compare", storing.fetch_study, f"diana-cli find -m PatientID={PATIENT} get --out DIR"),
    Step("Mint an identity", storing.mint_identity, f"diana-cli guid --patient-id {PATIENT}"),
    Step(
        "De-identify the study into another store",
        deidentifying.deidentify,
        f"diana-cli anonymize STUDY_UID --to {STORE} --attribute trial={TRIAL} --attribute site={SITE}",
    ),
    Step(
        "Show an instance before and after",
        deidentifying.compare,
        f"diana-cli dgetall archive:{STORE} print -r PatientName -r StudyDate",
    ),
    Step("Search the new files for the old values", deidentifying.search),
    Step(
        "De-identify a file as it passes",
        deidentifying.pass_file,
        "diana-cli dgetall path:DIR anonymize --out NEW_DIR",
    ),
    Step("Read the mail that tells of it", telling.read_mail, f"diana-cli dispatch {TRIAL}-{SITE} --body Thanks."),
    Step("Stop the mesh", stop_mesh),
)


def main() -> int:
    """Run all steps; the exit status."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diana-demo-") as room:
        demo = Demo(Path(room), Mesh(Path(room) / "state", free_ports=True))
        try:
            for number, step in enumerate(STEPS, 1):
                _run(console, demo, step, f"{number}/{len(STEPS)}")
        except (StepFailed, DianaError, MeshError, MeshFailed, OSError) as error:
            console.print(f"FAILED  {error}", style="bold red")
            return 1
        except KeyboardInterrupt:
            console.print("interrupted")
            return 130
        finally:
            demo.close()
    console.print(f"All steps passed in {time.monotonic() - began:.1f} s.", style="bold green")
    console.print("A mesh of your own: diana-cli up, then the commands above in another terminal.")
    return 0


def _run(console: Console, demo: Demo, step: Step, number: str) -> None:
    began = time.monotonic()
    console.print(f"{number}  {step.title}", style="bold")
    for line in step.run(demo):
        console.print(f"     {line}")
    console.print(f"     {time.monotonic() - began:.2f} s", style="dim")
    if step.try_next:
        console.print(f"     try: {step.try_next}", style="cyan")


if __name__ == "__main__":
    raise SystemExit(main())
