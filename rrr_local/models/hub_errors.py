"""What can go wrong with the hub, by cause, as a person should read it.

The order matters: huggingface_hub's `GatedRepoError` is a `RepositoryNotFoundError`, and its `LocalEntryNotFoundError` (nothing in the
cache, and the hub not reached) says nothing of itself: the cause is what it was raised from.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rrr_local.errors import ModelError, NotFoundError, ResourceError, RrrError, UsageError
from rrr_local.models import records
from rrr_local.models.suggestions import SUGGESTIONS


class Cancelled(Exception):
    """A person has cancelled the download."""


@contextmanager
def readable_errors(repo_id: str, revision: str | None, reached: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Errors inside are raised as ours, each from the one it was. `reached`: the bytes that have come, and all.

    What is ours already, a cancellation, and what is nothing that is known of the hub (a bug) pass as they are.
    """
    try:
        yield
    except Exception as error:  # the library raises its own kinds, two HTTP libraries', and Python's
        made = next((made for link in _chain(error) if (made := _readable(link, repo_id, revision, reached()))), None)
        if made is None or made is error:
            raise
        raise made from error


def _readable(error: Exception, repo_id: str, revision: str | None, reached: tuple[int, int]) -> Exception | None:
    if isinstance(error, RrrError | Cancelled):
        return error
    return _by_kind(error, repo_id, revision, reached)


def _chain(error: BaseException | None) -> Iterator[Exception]:
    """The error, and what it was raised from."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__


def _by_kind(error: Exception, repo_id: str, revision: str | None, reached: tuple[int, int]) -> RrrError | None:
    import huggingface_hub.constants
    import huggingface_hub.errors

    errors: Any = huggingface_hub.errors
    host = huggingface_hub.constants.ENDPOINT
    match error:
        case errors.GatedRepoError():
            return ModelError(
                f"the author of {repo_id} asks you to accept conditions first",
                f"accept them at {host}/{repo_id}, then sign in with `hf auth login`",
            )
        case errors.DisabledRepoError():
            return NotFoundError(f"{repo_id} was withdrawn", "choose another model; `rrr models suggest` names some")
        case errors.RevisionNotFoundError():
            return NotFoundError(
                f"{repo_id} has no revision {revision}", f"its commits are at {host}/{repo_id}/commits"
            )
        case errors.RepositoryNotFoundError():
            return NotFoundError(f"there is no model {repo_id}, or it is private", _other_way(repo_id))
        case errors.EntryNotFoundError() if isinstance(error, errors.HfHubHTTPError):
            return ModelError(
                f"a file of {repo_id} is not there ({_said(error)})", "try again; choose another model if it stays away"
            )
        case errors.HFValidationError():
            return UsageError(f"{repo_id!r} is not the name of a model", "it looks like organisation/name")
        case errors.OfflineModeIsEnabled():
            return ModelError("HF_HUB_OFFLINE is set: the hub must not be asked", "unset it to get a model")
        case errors.FileMetadataError():
            return _stranger(host)
        case errors.HfHubHTTPError():
            return _by_status(error.response.status_code, repo_id, host)
        case errors.HTTPError():
            return _lost(host, reached, error)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ResourceError("the disk is full", "free some space, then try again")
        case OSError() if "Consistency check failed" in str(error):
            return ModelError("a file came shorter or longer than it is", _again())
        case ValueError() | TypeError() | KeyError():  # an answer in another form than the hub's
            return _stranger(host)
        case ConnectionError() | TimeoutError():
            return _lost(host, reached, error)
    return None


def _by_status(status: int, repo_id: str, host: str) -> RrrError:
    if status in (401, 403):
        return ModelError(
            f"{host} does not let you have {repo_id} ({status})",
            "sign in with `hf auth login`, with a token that may read it",
        )
    if status == 404:
        return NotFoundError(f"there is no model {repo_id}, or it is private", _other_way(repo_id))
    if status == 429:
        return ModelError(f"{host} has been asked too often", "wait some minutes, then try again")
    return ModelError(f"{host} has trouble of its own ({status})", "try again later; what is here already stays")


def _lost(host: str, reached: tuple[int, int], error: Exception) -> ModelError:
    done, total = reached
    if done:
        return ModelError(
            f"the connection to {host} was lost after {done / 10**6:.1f} of {total / 10**6:.1f} MB",
            "try again: files that came whole stay, the others start again",
        )
    return ModelError(f"{host} cannot be reached ({_said(error)})", _again())


def _stranger(host: str) -> ModelError:
    return ModelError(
        f"something else answers for {host}",
        "does this network want you to sign in on a web page first, or go through a proxy?",
    )


def _other_way(repo_id: str) -> str:
    known = {*(suggestion.repo_id for suggestion in SUGGESTIONS), *records.names()}
    close = difflib.get_close_matches(repo_id, known, n=1)
    return f"did you mean {close[0]}?" if close else "check the name; for a private one, `hf auth login`"


def _again() -> str:
    here = ", ".join(records.names()[:3])
    return f"check the connection, then try again{f'; on this machine: tiny, {here}' if here else '; tiny works without one'}"


def _said(error: Exception) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:200]
