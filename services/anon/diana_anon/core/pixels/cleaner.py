"""The Clean Pixel Data Option for one instance: known regions, then text, blanked in every frame."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from diana_anon.core.pixels.blank import blanked, stretches
from diana_anon.core.pixels.faults import doubtful, unreadable
from diana_anon.core.pixels.image import Image, number, read_image
from diana_anon.core.pixels.judging import check_sizes, text_masks
from diana_anon.core.pixels.locate import Located, find_pixels
from diana_anon.core.pixels.model import CleanedPixels, Codec, Finding, Mask, Region, TextReader
from diana_anon.core.pixels.regions import DeviceRule, DeviceRules, read_rules, shipped_rules
from diana_anon.core.pixels.rewriting import rewritten
from diana_anon.core.pixels.selection import declares_text, may_hold_text
from diana_anon.core.pixels.source import Frames
from diana_anon.core.pixels.ultrasound import outside_regions
from diana_anon.core.pixels.unused import Unused, holds_overlays
from diana_anon.core.profile import PixelPolicy
from diana_common.conditions import Header

FRAMES_READ = 16
"""Frames of one image that are searched for text."""
_PASSES = 3
"""A frame is searched again once what was found is blanked, so often at most: bright text hides dim text."""


class Engine(Codec, TextReader, Protocol):
    """What decodes, encodes and reads."""


class Room(Protocol):
    """Where the new value of an image is put together (core.ports.Spool)."""

    def collect(self, pieces: Iterable[bytes]) -> bytes | mmap.mmap:
        """The pieces in one. Raises INSTANCE_TOO_LARGE, DISK_FULL, INTERNAL."""
        ...


@dataclass(frozen=True, slots=True)
class PixelCleaner:
    """Cleans the pixels of instances. Safe to use from several threads.

    `frames_read`: of an image with more frames than that, as many are searched for text, spread evenly.
    """

    engine: Engine
    room: Room
    frames_read: int = FRAMES_READ

    def clean(self, source: bytes | mmap.mmap, header: Header, policy: PixelPolicy) -> CleanedPixels | None:
        """What becomes of an instance's pixels; None if it has no Pixel Data (7FE0,0010).

        `header` is the DICOM JSON of `source`. Raises INSTANCE_QUARANTINED when it is in doubt whether all text was
        found; PIXELS_UNREADABLE; OCR_MISSING; PROFILE_INVALID for the policy's rules; and what the header scan does.
        """
        located = find_pixels(source)
        if located is None:
            return None
        rules = device_rules(policy).that_hold(header)
        columns, rows = number(header, "00280011") or 0, number(header, "00280010") or 0
        known = [*_known(rules, columns, rows), *outside_regions(header, columns, rows)]
        reads = policy.read_text and may_hold_text(header)
        if not (known or reads or declares_text(header) or holds_overlays(header)):
            return CleanedPixels(located.transfer_syntax_uid)
        return self._cleaned(located, header, known, policy if reads else replace(policy, read_text=False))

    def clear_overlays(self, source: bytes | mmap.mmap, header: Header) -> CleanedPixels | None:
        """What becomes of pixels with overlays in their unused bits (`unused.holds_overlays`), and of nothing else.

        None if there is nothing to clear. Raises PIXELS_UNREADABLE, also for compressed ones, and what `clean` does.
        """
        located = find_pixels(source)
        if located is None:
            return None
        image, frames = self._frames(located, header)
        if not frames.in_unused():
            return None
        done = CleanedPixels(located.transfer_syntax_uid, frames=len(frames), unused_bits_cleared=True, cleaned=False)
        return rewritten(done, located, image, frames, self.engine, self.room)

    def _frames(self, located: Located, header: Header) -> tuple[Image, Frames]:
        if located.encapsulated and holds_overlays(header):
            raise unreadable("overlays lie in unused bits of compressed pixels")
        image = read_image(header, located)
        return image, Frames(located, image, self.engine, Unused.of(header, image.shape))

    def _cleaned(self, located: Located, header: Header, known: list[Mask], policy: PixelPolicy) -> CleanedPixels:
        image, frames = self._frames(located, header)
        searched = list(frames.sampled(self.frames_read)) if policy.read_text else []
        findings = [found for index in searched for found in self._search(frames, index, image, known)]
        if policy.quarantine_below > 0:  # somebody who releases it has looked at it
            check_sizes(findings, number(header, "00280010") or 0, number(header, "00280011") or 0)
        texts = text_masks(findings, policy.quarantine_below)
        masks = (*known, *_clipped(texts, image))
        if declares_text(header) and not masks:
            raise doubtful("Burned In Annotation is YES, and nothing was found")
        done = CleanedPixels(
            located.transfer_syntax_uid,
            masks=masks,
            frames=len(frames),
            frames_read=len(searched),
            unused_bits_cleared=frames.in_unused(),
        )
        if not (masks or done.unused_bits_cleared or any(frames.rest)):
            return done
        return rewritten(done, located, image, frames, self.engine, self.room)

    def _search(self, frames: Frames, index: int, image: Image, known: Sequence[Mask]) -> list[Finding]:
        """The text in one frame, outside what is blanked already; once more after that is blanked too."""
        samples, shape = frames.samples(index)
        found: list[Finding] = []
        blank = [mask.region for mask in known]
        for _ in range(_PASSES):
            shown = b"".join(blanked(memoryview(samples), stretches(shape, blank)))
            read = self.engine.read(shown, shape, image.window)
            new = [replace(one, frame=index) for one in read if not _is_blank(one.region, blank)]
            found += new
            certain = text_masks(new, 0.0)
            if not certain:
                return found
            blank += [mask.region for mask in certain]
        raise doubtful("ever more text is found", found)


def _is_blank(region: Region, blank: Iterable[Region]) -> bool:
    """Whether at least half of a region is blanked already: what is seen there is the blank's own outline."""
    return 2 * sum(map(region.shared, blank)) >= region.area


def device_rules(policy: PixelPolicy) -> DeviceRules:
    """The rules of a policy. Raises PROFILE_INVALID."""
    return read_rules(policy.regions.encode()) if policy.regions else shipped_rules()


def _clipped(masks: Iterable[Mask], image: Image) -> Iterator[Mask]:
    """The masks as far as the image goes."""
    for mask in masks:
        if region := mask.region.within(image.shape.columns, image.shape.rows):
            yield replace(mask, region=region)


def _known(rules: Iterable[DeviceRule], columns: int, rows: int) -> list[Mask]:
    return [mask for rule in rules for mask in rule.masks(columns, rows)]
