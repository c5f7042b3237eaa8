"""What a rated or checked turn is worth for training, and why: one rule, said wherever a turn is shown.

A failure can be trained on when a verifier can score new tries at it, and when the model saw nothing but the problem: a
reflection is rewarded by a retry that a check passes, and the trainer shows the problem alone.

    failed, checked, alone                      -> +1 trainable
    failed, by a person only                    -> give the right answer
    failed, checked, after other turns          -> kept
    passed at the first try                     -> nothing to learn
    check and person disagree                   -> disputed
"""

from __future__ import annotations

from dataclasses import dataclass

from rrr_local.episode import Split, VerdictKind

FAILED = (VerdictKind.FAIL, VerdictKind.UNPARSED, VerdictKind.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Case:
    """What counts of a turn's first attempt."""

    check: VerdictKind | None
    """What the verifier says; None where there is nothing to check against."""
    person: bool | None = None
    """Whether the person said it is good; None where they said nothing."""
    alone: bool = True
    """Whether the model saw nothing but the problem."""
    stopped: bool = False
    """Whether it was stopped before its end."""
    split: Split | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Trainable:
    """Whether a run could learn from a turn."""

    yes: bool
    why: str
    """In a few words, as it stands beside the turn."""
    missing: str = ""
    """The command that would make it trainable; empty where there is none."""


def trainable(case: Case) -> Trainable:
    """The rule above."""
    if case.stopped:
        return Trainable(False, "kept; it was stopped before its end")
    if case.check is None:
        return _unchecked(case.person)
    if case.check is VerdictKind.ERROR:
        return Trainable(False, "kept; the check itself broke")
    passed = case.check is VerdictKind.PASS
    if case.person is not None and case.person is not passed:
        return Trainable(False, f"disputed: the check says {'right' if passed else 'wrong'}, you do not")
    if passed:
        return Trainable(False, "nothing to learn: it passed at the first try")
    return _failed(case)


def _unchecked(person: bool | None) -> Trainable:
    if person is None:
        return Trainable(False, "you decide: /good, /wrong, or /check ANSWER", "/check")
    if person:
        return Trainable(False, "kept; nothing to learn from a right answer")
    return Trainable(False, "kept; give the right answer with /check to make it trainable", "/check")


def _failed(case: Case) -> Trainable:
    if case.excluded:
        return Trainable(False, "kept; you excluded it from training")
    if case.split is Split.EVAL:
        return Trainable(False, "kept; it is held out to measure with, never trained on")
    if not case.alone:
        return Trainable(False, "kept; it depends on the turns before it")
    return Trainable(True, "+1 trainable")
