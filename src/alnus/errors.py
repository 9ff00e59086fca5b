"""The errors that a user can cause and mend; each carries the exit status of the command that meets it."""

from __future__ import annotations


class AlnusError(Exception):
    """What is wrong, the value received, which file or patient, and what to do: one line for the user.

    Never holds a name, id or date from a DICOM header: patients appear under the study's own id.
    """

    exit_status = 1


class UsageError(AlnusError):
    """A command was called with arguments that do not go together."""

    exit_status = 2


class ConfigError(AlnusError):
    """A configuration has an unknown key, a wrong type or values that contradict each other."""

    exit_status = 3


class CohortError(AlnusError):
    """A cohort, split or predictions table cannot be used as it stands."""

    exit_status = 4


class MediaError(AlnusError):
    """A video or image file cannot be read as one."""

    exit_status = 5


class WeightsError(AlnusError):
    """A weights file, checkpoint or model directory cannot be used."""

    exit_status = 6
