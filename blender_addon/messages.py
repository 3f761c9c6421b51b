"""What went wrong, for the artist: the sentence, and the button that mends it."""

from __future__ import annotations

from dataclasses import dataclass

from .jobs import JobError


@dataclass(frozen=True)
class Remedy:
    """A button."""

    operator: str
    label: str
    icon: str = "NONE"


@dataclass(frozen=True)
class Notice:
    """A sentence and what can be done about it; no remedy where the sentence already says all that can be done."""

    sentence: str
    remedy: Remedy | None = None


REMOVE_PHOTO = Remedy("mien.remove_photo", "Remove This Photo", "TRASH")
INSTALL = Remedy("mien.install_backend", "Install Backend", "IMPORT")
PREFERENCES = Remedy("mien.open_preferences", "Open Preferences", "PREFERENCES")
AGAIN = Remedy("mien.fit_photos", "Try Again", "FILE_REFRESH")
LOG = Remedy("mien.show_log", "Show Log", "TEXT")
ADD_PHOTOS = Remedy("mien.add_photos", "Add Photos", "ADD")

#: Every code that a job can fail with, the backend's and our own.
REMEDIES: dict[str, Remedy | None] = {
    # photos
    **dict.fromkeys(
        (
            "missing", "folder", "not_a_file", "no_permission", "unreadable", "empty", "too_large_file", "heic",
            "camera_raw", "not_an_image", "truncated", "animated", "several_pages", "too_many_pixels", "too_small",
            "bad_colour", "transparent", "no_face", "several_faces", "fit_failed",
        ),
        REMOVE_PHOTO,
    ),
    # footage: the sentence names the file, the field to change is beside it
    **dict.fromkeys(("unreadable_video", "no_frames", "mixed_frames", "not_a_take", "missing_head", "bad_paint"), None),
    "no_photo": ADD_PHOTOS,
    # where it runs and writes
    "cannot_write": PREFERENCES,
    "no_cuda": PREFERENCES,
    "bad_request": LOG,
    "backend_missing": INSTALL,
    "backend_incomplete": INSTALL,
    "backend_died": AGAIN,
    "backend_stalled": AGAIN,
    "backend_garbled": AGAIN,
    "backend_stopped": AGAIN,
    "backend_version": None,
    "out_of_memory": None,
    # what the panel cannot ask for, but a script can
    "bad_option": None,
    # the volume's weights, light and subject: the sentence says what to do
    **dict.fromkeys(("no_weights", "bad_weights", "bad_environment", "unknown_subject"), None),
    # a head package that a task was given
    **dict.fromkeys(("not_a_head", "newer_format", "damaged"), AGAIN),
    # ours to mend
    "cannot_encode": LOG,
    "internal": LOG,
}  # fmt: skip


def describe(error: JobError) -> Notice:
    """The notice of an error. A remedy that removes a photo needs one: without, the sentence stands alone."""
    remedy = REMEDIES.get(error.code, LOG)
    if remedy is REMOVE_PHOTO and error.photo is None:
        remedy = None
    return Notice(error.text, remedy)
