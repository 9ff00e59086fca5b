"""Reasons in the reader's language: what the room's parts say in English, one line each, told by its pattern.

Errors are raised where no language is known. What no pattern tells stays as it is and is marked as English, so that a
screen reader and the reader know it for what it is.
"""

from __future__ import annotations

import re
from functools import cache

from markupsafe import Markup, escape

from alnus.serve.languages import translations

_CHINESE = re.compile("[\u4e00-\u9fff]")


def N_(message: str) -> str:  # noqa: N802  gettext's name for a message that is translated where it is shown
    """Return a message as it is."""
    return message


PATTERNS = (
    # what comes in
    N_("the file is empty"),
    N_("the file is larger than the %(bytes)s bytes that are taken"),
    N_("the file cannot be written (%(why)s)"),
    N_("the room's disk is full: nothing more is received until there is space"),
    N_("%(count)s videos wait already; send this one later"),
    N_("too many files are coming at this moment; send this one later"),
    N_("the ZIP file has %(count)s files; at most %(most)s are taken"),
    N_("the ZIP file unpacks to more than is taken: send fewer files at a time"),
    N_("the ZIP file's list of members is larger than is taken: send fewer files at a time"),
    N_("the ZIP file holds no video, image or DICOM file"),
    N_("the ZIP file is not packed by deflate; pack it again the usual way"),
    N_("the ZIP file cannot be unpacked (%(why)s)"),
    N_("this is the room's own report or heatmap, which is not scored again"),
    N_("the upload has no valid token: load the page again"),
    N_("the form has no valid token: load the page again"),
    N_("sign in first"),
    N_("this host name is not served; see --name"),
    N_("an error in Alnus; what it was stands in the server's log"),
    N_("its pictures are not there"),
    N_("only an administrator may do this"),
    N_("the request is larger than the room takes"),
    N_("closed while you read in a study"),
    # why a file cannot be used
    N_("it is not a DICOM or video file, nor an image"),
    N_("it cannot be decoded (%(why)s)"),
    N_("it holds no image: a report, a directory or another object without pixels"),
    N_("it holds no video stream"),
    N_("there is no decoder for its video codec"),
    N_("no frame of its video can be decoded"),
    N_("its frames are %(size)s pixels"),
    N_("its frames are %(size)s pixels; at most %(most)s a side are read"),
    N_("it has %(frames)s frames or more; at most %(most)s are read"),
    N_("the file is cut, or its pixel data were taken out"),
    N_("the file is cut: only %(what)s frames are there"),
    N_("the file is damaged: %(what)s can be decoded"),
    N_("the file is damaged: %(what)s cannot be decoded"),
    N_("its %(container)s container cannot be read (%(why)s)"),
    N_("its %(container)s container cannot be read (%(why)s): it is cut or was never finished"),
    N_("its transfer syntax is not supported (%(syntax)s); convert it to one that is"),
    N_("decoding needed more than %(limit)s MB of memory"),
    N_("decoding took longer than %(limit)s s and was ended"),
    N_("decoding took longer than its size and its frames allow, and was ended"),
    N_("an error in Alnus (%(kind)s)"),
    N_("its worker was ended too often in this step"),
    # what to do about it, said behind a semicolon
    N_("copy it again from its source"),
    N_("copy it again from its source, or convert it to MP4 (H.264)"),
    N_("convert it to MP4 (H.264)"),
    N_("export it again from the scanner or PACS"),
    N_("correct its header or export it again from the scanner or PACS"),
    N_("export it again as one, or leave it out"),
    N_("export it again with its pictures, or leave it out"),
    N_("leave it out"),
    # what the quality gate warns of
    N_("not ultrasound: %(what)s"),
    N_("too few frames: %(what)s"),
    N_("frozen: %(what)s"),
    N_("black: %(what)s"),
    N_("saturated: %(what)s"),
    N_("colour doppler: %(what)s"),
    N_("dual pane: %(what)s"),
    N_("calipers: %(what)s"),
    N_("small region: %(what)s"),
    N_("low frame rate: %(what)s"),
    # people
    N_("a password has %(least)s to %(most)s characters; this one has %(count)s"),
    N_("a password is not the name, nor blank"),
    N_("a name has 2 to 64 letters, digits and . _ - @"),
    N_("the name %(name)s is taken"),
    N_("there is no such case"),
    N_("the case is still being worked on; delete it when that is done"),
    N_("the case belongs to a reader study, whose answers are of it; it is kept"),
    N_("results of the case are still to be sent; wait, or give them up on the page DICOM"),
    N_("there is no such account"),
    N_("there is no such key"),
    N_("there is no such study"),
    # reader studies
    N_("name: give the study a name of 1 to 120 characters"),
    N_("wash-out: a crossover needs 1 to %(most)s days, received %(days)s"),
    N_("seed: a whole number is expected, received %(seed)s"),
    N_("seed: a whole number from 0 to %(most)s is expected, received %(seed)s"),
    N_("network: the design %(design)s shows what a network says; choose one"),
    N_("cases: a study has 1 to %(most)s whose work is done, this one has %(count)s"),
    N_("cases: %(name)s is no case or video of this room whose work is done; leave it out"),
    N_(
        "cases: %(one)s and %(other)s are of one patient, and readings of one patient are not independent; keep one of "
        "them"
    ),
    N_("readers: choose at least one; five or more carry a conclusion about readers in general"),
    N_("readers: %(name)s is no active account of a reader; administrators see labels and cannot read"),
    N_(
        "case %(case)s: the network %(network)s has not explained all its videos, or is served no more; serve it, or "
        "make a study with another"
    ),
    N_("study %(study)s has been started already"),
    N_("study %(study)s is not running"),
    N_("study %(study)s has been started; close it instead"),
    N_("truth: the table is empty; give two columns, case and truth"),
    N_("truth: the first line names the columns: case and truth"),
    N_("truth: row %(row)s is neither 0 nor 1 (1 = metastasis); mend or leave out"),
    N_("truth: row %(row)s says otherwise of a case than a row above; keep one"),
    N_("truth: the rows of case %(case)s and its videos contradict each other; keep one"),
    N_("truth: no row is of a case of this study; its cases are named C-…, as the study's page shows"),
    # the DICOM node
    N_("the called AE title is not this node's"),
    N_("the calling AE title may not send"),
    N_("too many associations at one time"),
    N_("no answer"),
    N_("the archive refused the association"),
    N_("the archive does not take objects of this kind"),
    N_("the connection was cut"),
    N_("the archive answered %(status)s"),
    N_("the DICOMweb service did not take it (%(why)s)"),
    N_("the DICOMweb service answered %(status)s"),
    N_("its source is not there any more: send the study again"),
)  # fmt: skip


def in_language(language: str, text: str) -> str | None:
    """Return a reason in a language, None where it is said in English alone."""
    if language == "en" or _CHINESE.search(text):
        return text
    return _in_language(language, text) or _in_two_parts(language, text)


def _in_two_parts(language: str, text: str) -> str | None:
    """Return a reason and what to do about it, each said by itself; None where either is said in English alone."""
    reason, _, action = text.rpartition("; ")
    said = (_in_language(language, reason), _in_language(language, action)) if reason else (None, None)
    return None if None in said else "\uff1b".join(filter(None, said))  # the fullwidth semicolon


def _in_language(language: str, text: str) -> str | None:
    known = translations(language).gettext
    exact = known(text) if text else text
    if exact != text:
        return exact
    for pattern, expression in _expressions():
        found = expression.fullmatch(text)
        said = known(pattern)
        if found is not None and said != pattern:
            return said % found.groupdict()
    return None


def shown(language: str, text: str | None) -> Markup:
    """Return a reason as HTML; where it has no translation, marked as English."""
    said = in_language(language, text or "–")
    return Markup('<span lang="en">{}</span>').format(text or "–") if said is None else escape(said)


def told(language: str, text: str) -> str:
    """Return a reason for a page's script: translated where it can be."""
    return in_language(language, text) or text


@cache
def _expressions() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each pattern with the expression that tells it; the longest first, since some begin as others do."""
    ordered = sorted(PATTERNS, key=len, reverse=True)
    return tuple((pattern, re.compile(_expression(pattern), re.DOTALL)) for pattern in ordered)


def _expression(pattern: str) -> str:
    parts = re.split(r"%\((\w+)\)s", pattern)
    return "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
