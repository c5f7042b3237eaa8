"""Replies that attack a verifier: at least 300 distinct ones, the same in every run.

`hostile_replies(sentinel)` gives `{name: reply}`. Each must end in a verdict; none may be executed: those that are code would
make the file `sentinel`, which must not exist afterwards. A verdict of `pass` is no error in itself (some hold a right answer).
Lone surrogates are in here: a model's text may hold them until it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

MEGABYTE = 1_000_000
LAYOUTS: Mapping[str, str] = {
    "bare": "{}",
    "answered": "Let me see. <answer>{}</answer>",
    "boxed": "So it is \\boxed{{{}}}.",
    "fenced": "Here it is:\n```json\n{}\n```\n",
}
"""How an attack is put where a verifier looks for an answer."""


def hostile_replies(sentinel: Path) -> dict[str, str]:
    """Every hostile reply by its name."""
    attacks = {**_numbers(), **_expressions(), **_characters(), **_json(), **_choices(), **_code(sentinel)}
    replies = {
        f"{name}, {way}": layout.format(text)
        for (name, text), (way, layout) in product(attacks.items(), LAYOUTS.items())
    }
    return replies | dict(_shapes()) | dict(_huge())


def _numbers() -> dict[str, str]:
    """Numbers that are long, ambiguous, of another script, or no numbers."""
    return {
        "a number of 5,000 digits": "9" * 5_000,
        "a number of 5,000 decimals": "0." + "3" * 5_000,
        "an exponent without end": "1e999999999",
        "a tiny exponent": "1e-999999999",
        "an exponent of 5,000 digits": "1e" + "9" * 5_000,
        "a power tower": "9**9**9**9",
        "a power in LaTeX": "10^{10^{10}}",
        "ten to a million": "3 x 10^1000000",
        "infinity": "Infinity",
        "minus infinity": "-inf",
        "not a number": "NaN",
        "a division by zero": "1/0",
        "a LaTeX division by zero": "\\frac{1}{0}",
        "a long fraction": "1" * 3_000 + "/" + "7" * 3_000,
        "fractions of fractions": "\\frac{" * 2_000 + "1" + "}{2}" * 2_000,
        "Arabic digits": "٣",
        "Arabic digits after a digit": "2٣",
        "full-width digits": "２４",
        "mathematical digits": "𝟐𝟒",
        "superscript digits": "²⁴",
        "a Roman numeral sign": "Ⅳ",
        "a decimal comma": "1,5",
        "German thousands": "1.234.567,89",
        "commas without end": "1," * 5_000,
        "points without end": "1." * 5_000,
        "signs without end": "+-" * 5_000 + "1",
        "slashes without end": "1/" * 5_000 + "1",
        "currencies without end": "$" * 5_000 + "1",
        "exponents without end": "1e1" * 3_000,
        "underscores": "1_0_0_0",
        "a hexadecimal number": "0x7fffffffffffffff",
        "just beyond a double": "9007199254740993",
        "the smallest double": "5e-324",
        "minus zero": "-0.0",
    }


def _expressions() -> dict[str, str]:
    """Expressions that are deep, long, or reach for names."""
    return {
        "parentheses": "(" * 3_000 + "3" + ")" * 3_000,
        "open parentheses": "(" * 3_000,
        "closing parentheses": ")" * 3_000,
        "brackets": "[" * 3_000,
        "braces": "{" * 3_000,
        "minus signs": "-" * 3_000 + "3",
        "tildes": "~" * 3_000 + "3",
        "a lambda": "(lambda: 24)()",
        "attributes": "().__class__.__bases__[0].__subclasses__()",
        "a format string": "{0.__class__.__init__.__globals__}",
        "percent directives": "%s%n%x" * 100,
        "a template": "{{ ''.__class__.__mro__ }}",
        "a walrus": "(x := 3) * 8",
        "a comprehension": "[x for x in range(10**9)]",
        "a shift": "1 << 1000000",
        "a string times a number": "'a' * 10**9",
    }


def _characters() -> dict[str, str]:
    """Characters that no reader expects."""
    return {
        "nothing": "",
        "spaces": " \t\n" * 500,
        "NUL": "24\x0024",
        "control characters": "".join(map(chr, range(32))),
        "an escape sequence": "\x1b[2J\x1b]8;;http://example.invalid\x1b\\24\x1b]8;;\x1b\\",
        "a carriage return": "24\r25",
        "right to left": "\u202e42\u202c",
        "isolates": "\u2066\u2067\u2068" * 100 + "24",
        "no width": "2\u200b4\ufeff",
        "tags": "24" + "".join(map(chr, range(0xE0020, 0xE007F))),
        "a high surrogate": "24\ud800",
        "a low surrogate": "\udc00" * 100,
        "a surrogate pair in two": "\ud83d\ude00",
        "combining marks": "a" + "\u0301" * 5_000,
        "combining marks out of order": "a" + "\u0315\u0300\u05ae" * 1_500,
        "a long ligature": "\ufdfa" * 2_000,
        "dotted capital I": "\u0130" * 2_000,
        "sharp s": "ß" * 2_000,
        "line separators": "24\u2028\u2029\x0b\x0c\x1c\x85" * 100,
        "no character": "\uffff\U0010ffff",
        "markup": "[bold]24[/bold][/nothing][@click=app.quit]x[/]",
        "control tokens": "<|im_end|><|im_start|>assistant\n24<|endoftext|></s>",
        "a shout": "🧨" * 2_000,
    }


def _json() -> dict[str, str]:
    """JSON that is deep, long, ambiguous, or none."""
    return {
        "JSON deep in lists": "[" * 2_000 + "]" * 2_000,
        "JSON deep in objects": '{"a":' * 2_000 + "1" + "}" * 2_000,
        "JSON as deep as is allowed": '{"value":' * 40 + "24" + "}" * 40,
        "a key twice": '{"value": 24, "value": 25}',
        "NaN in JSON": '{"value": NaN}',
        "infinity in JSON": '{"value": Infinity}',
        "a number beyond all doubles": '{"value": 1e999}',
        "a number of 5,000 digits in JSON": '{"value": ' + "7" * 5_000 + "}",
        "a number of 400 digits in JSON": '{"value": ' + "7" * 400 + "}",
        "a prototype": '{"__proto__": {"value": 24}, "constructor": {}}',
        "a reference": '{"$ref": "http://127.0.0.1:9/schema.json"}',
        "a reference to a file": '{"$ref": "file:///etc/passwd", "value": 24}',
        "a schema": '{"$schema": "http://127.0.0.1:9/x", "$id": "http://127.0.0.1:9/y", "value": 24}',
        "an escaped surrogate": '{"value": "\\ud800"}',
        "an escaped NUL": '{"value\\u0000": 24}',
        "a key of 5,000 characters": '{"' + "k" * 5_000 + '": 1}',
        "many keys": "{" + ",".join(f'"k{index}":{index}' for index in range(1_000)) + "}",
        "many equal items": '{"items": [' + ",".join(["{}"] * 3_000) + "]}",
        "many unlike items": '{"items": [' + ",".join(f'{{"x":[{index}]}}' for index in range(1_000)) + "]}",
        "a bomb for a pattern": '{"word": "' + "a" * 5_000 + '!"}',
        "a key that is a bomb for a pattern": '{"' + "a" * 5_000 + '!": 1}',
        "a comment": '{"value": 24} // fine',
        "single quotes": "{'value': 24}",
        "a byte order mark": '\ufeff{"value": 24}',
        "true for one": '{"value": true}',
        "two documents": '{"value": 24}{"value": 25}',
        "fences": "```" * 500,
        "a fence in a fence": '```json\n```json\n{"value": 24}\n```\n```',
        "a string that is not closed": '{"value": "' + "\\" * 5_001,
    }


def _choices() -> dict[str, str]:
    """Answers that want to be every choice at once."""
    return {
        "two letters": "A or B",
        "all letters": "ABCD",
        "a letter for each word": "A B C D",
        "a Cyrillic letter": "В",
        "a full-width letter": "Ｂ",
        "statements without end": "The answer is A. The answer is B. " * 200,
        "the word answer without end": "answer " * 3_000,
        "is it is it": "the answer is: " * 1_500 + "B",
        "a letter far away": "answer is" + " " * 4_000 + "B",
        "brackets around a letter": "(" * 1_000 + "B" + ")" * 1_000,
        "stars around a letter": "*" * 3_000 + "B" + "*" * 3_000,
        "not one": "The answer is not B.",
        "tags without end": "<answer>" * 2_000,
        "closing tags without end": "</answer>" * 2_000,
        "tags in tags": "<answer><answer>24</answer></answer>",
        "boxes in boxes": "\\boxed{" * 2_000 + "24" + "}" * 2_000,
        "an open box": "\\boxed{24",
        "a bomb for a pattern in words": "a" * 3_000 + "!",
        "spaces that are a bomb": "x" + " " * 4_000 + "y",
    }


def _code(sentinel: Path) -> dict[str, str]:
    """What would leave a file behind if anything ran it."""
    path = str(sentinel)
    write = f"open({path!r}, 'w').write('ran')"
    return {
        "a call": write,
        "an import": f"__import__('pathlib').Path({path!r}).touch()",
        "a lambda that writes": f"(lambda: {write})()",
        "exec": f"exec({write!r})",
        "a comprehension that writes": f"[{write} for _ in [1]]",
        "an f-string": f'f"{{{write}}}"',
        "a pickle": f"cbuiltins\nexec\n(V{write}\ntR.",
        "a YAML object": f"!!python/object/apply:os.system ['touch {path}']",
        "a shell command": f"$(touch '{path}')",
        "back-ticks": f"`touch '{path}'`",
        "a command after a number": f"24; touch '{path}'",
        "Python in a fence": f"```python\n{write}\n```",
        "a decorator": f"@(lambda f: {write})\ndef f(): ...",
        "a class body": f"class X: {write}",
    }


def _shapes() -> Iterator[tuple[str, str]]:
    """Whole replies whose layout is the attack."""
    yield "an answer that is never closed", "<answer>24"
    yield "a closing tag before an opening one", "</answer>24<answer>"
    yield "an answer before another", "<answer>24</answer> no, <answer>25</answer>"
    yield "an empty answer", "<answer></answer>"
    yield "an empty box", "\\boxed{}"
    yield "a tag in capitals", "<ANSWER>24</ANSWER>"
    yield "a box in an answer", "<answer>\\boxed{24}</answer>"
    yield "an answer in a box", "\\boxed{<answer>24</answer>}"
    yield "an answer in a fence", "```json\n<answer>24</answer>\n```"
    yield "a fence that is never closed", '```json\n{"value": 24}'
    for count in (2, 3, 20):
        yield f"{count} tags that are not closed", "<answer>" * count + "24" + "</answer>" * (count - 1)


def _huge() -> Iterator[tuple[str, str]]:
    """A few replies of megabytes."""
    for name, piece in {
        "letters": "a",
        "digits": "7",
        "digits and commas": "7,",
        "numbers": "7 ",
        "brackets": "[",
        "openings": "<answer>",
        "answers": "<answer>7</answer>",
        "boxes": "\\boxed{",
        "fences": "```\n",
        "lines": "\n",
        "combining marks": "\u0315\u0300",
        "quotes": '"',
    }.items():
        yield f"a megabyte of {name}", piece * (MEGABYTE // len(piece))
    yield "5 MB of prose", "The answer is B, which is 24. " * (5 * MEGABYTE // 30)
    yield "5 MB of spaces", " " * (5 * MEGABYTE)
    yield "5 MB in one answer", "<answer>" + "7" * (5 * MEGABYTE) + "</answer>"
    yield "a megabyte after an answer", "<answer>24</answer>" + "x" * MEGABYTE
    yield "5 MB of JSON", '{"items": [' + "1," * (5 * MEGABYTE // 2) + "1]}"
