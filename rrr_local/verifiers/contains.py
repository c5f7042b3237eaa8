"""The check `contains`: certain words are in the answer, and others are not.

    | option      | default  | meaning                                                                                   |
    | answer      | "answer" | the column with the text, or the list of texts, that must be there                        |
    | separator   | none     | what stands between several texts in one, such as "|"                                     |
    | match       | "all"    | of several texts "all" must be there, or "any" one of them                                |
    | without     | []       | texts that must not be there                                                              |
    | ignore_case | false    | capital letters do not matter                                                             |

Texts are found inside words too: "cat" is in "concatenate". Of a longer answer the last 10,000 characters are searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rrr_local.episode import Verdict, VerdictKind
from rrr_local.verifiers.answers import LONGEST_COMPARED, nothing_in, short, tagged
from rrr_local.verifiers.exact import accepted_texts, comparable
from rrr_local.verifiers.options import Options


@dataclass(frozen=True, slots=True)
class Contains:
    """Searches for texts."""

    answer: str
    """The column with what must be there."""
    separator: str
    """Empty: a text is one text."""
    match: str
    """`all` or `any`."""
    without: tuple[str, ...]
    ignore_case: bool

    kind = "contains"

    @classmethod
    def read(cls, options: Options) -> Contains:
        return cls(
            answer=options.text("answer", "answer"),
            separator=options.text("separator") if options.has("separator") else "",
            match=options.choice("match", ("all", "any")),
            without=options.texts("without"),
            ignore_case=options.flag("ignore_case", False),
        )

    @property
    def configuration(self) -> Mapping[str, object]:
        return {
            "kind": self.kind,
            "answer": self.answer,
            "separator": self.separator,
            "match": self.match,
            "without": list(self.without),
            "ignore_case": self.ignore_case,
        }

    def check_row(self, row: Mapping[str, object]) -> None:
        accepted_texts(row, self.answer, self.separator)

    def judge(self, reply: str, row: Mapping[str, object]) -> Verdict:
        wanted = accepted_texts(row, self.answer, self.separator)
        answer = tagged(reply)
        if not answer.text:
            return Verdict(VerdictKind.UNPARSED, nothing_in(answer))
        text = comparable(answer.text[-LONGEST_COMPARED:], self.ignore_case)
        found = {each: comparable(each, self.ignore_case) in text for each in (*wanted, *self.without)}
        reason = _complaint([each for each in wanted if not found[each]], len(wanted), self.match)
        banned = next((each for each in self.without if found[each]), None)
        if banned is not None:
            reason = f"{short(banned)!r} is in the answer"
        if reason:
            return Verdict(VerdictKind.FAIL, reason, answer.shown)
        first = next(each for each in wanted if found[each])
        more = " and all the rest" if self.match == "all" and len(wanted) > 1 else ""
        return Verdict(VerdictKind.PASS, f"{short(first)!r}{more} is in the answer", answer.shown)


def _complaint(missing: list[str], count: int, match: str) -> str:
    """What is not there and should be; empty when nothing is."""
    if match == "all" and missing:
        return f"{short(missing[0])!r} is not in the answer"
    if match == "any" and len(missing) == count:
        return f"none of {count} texts is in the answer" if count > 1 else f"{short(missing[0])!r} is not in the answer"
    return ""
