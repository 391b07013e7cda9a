"""What pydicom and pynetdicom say by themselves, kept out of the log."""

from __future__ import annotations

import logging
import warnings

import pydicom.config


def hush() -> None:
    """For the whole process: they quote what peers and patients wrote, wherever it breaks the standard."""
    for library in ("pydicom", "pynetdicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    # Python remembers each warning that it showed, for ever; ignored ones it does not.
    warnings.simplefilter("ignore", UserWarning)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
