"""Text from elsewhere: vendors' words with a key in them, prompts, names.

An input is a text in UTF-8. Signs for private use stand for the key, in the spellings that a vendor may repeat.
"""

from __future__ import annotations

from hypothesis import strategies as st

from imagewright.providers.http.classify import LONGEST, sounds_moderated, tidy
from imagewright.providers.http.redact import SEALED, opened, seal_in
from imagewright.text import SHOWN_LENGTH, clip, plain, quoted, say, shortened
from tests.fuzz.target import Target, check_line, check_values, expect
from tests.support.spellings import SPELLINGS, bare, traces

KEY = "sk-Planted0123456789abcdef"
SIGNS = {chr(0xE000 + place): spell(KEY) for place, spell in enumerate(SPELLINGS.values())}
"""What a vendor may repeat, by the sign that stands for it: one of those for private use."""
TRACES = traces(KEY)
"""What gives the key away."""
MOST = 80
"""Characters to which a text is cut here."""
ENDS = ("'", '"', "<", ">", "](")
"""What could end a quotation or begin markup."""
PARTS = (
    *SIGNS,
    *(
        "\ue000",
        "\ue001",
        "\ue006",
        "'",
        '"',
        "<b>",
        "](javascript:",
        "\x1b[2J",
        "\x1b]0;t\x07",
        "\u202e",
        "\u2028",
        "\u200b",
    ),
    *(
        "\u200d",
        "\ufe0f",
        "\U0001f468",
        "\u0644\u200c",
        "\ud800",
        "\x00",
        "\x9b",
        "\n",
        "`",
        "</tool_result>",
        "...",
        "***",
    ),
    *("content policy", "safetyTolerance", "...abcdef", "sk-Pla***cdef", "x" * 400),
)


def _check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    check_line(shortened(text, MOST), MOST)
    expect(len(plain(text)) == len(text), "plain changes the length")
    expect(plain(plain(text)) == plain(text), "plain is not its own end")
    check_line(plain(text), len(text))
    words = quoted(text, MOST)
    check_line(words, MOST + 2 + MOST)  # a space before each bracket of a link
    expect(not any(end in words[1:-1] for end in ENDS), f"it ends its own quotation: {words}")
    for shown in (clip(text), say(text), say([text]), clip(text, MOST)):
        check_values(shown, "what is shown")
    expect(len(clip(text)) <= (SHOWN_LENGTH + 30) * 10, "a clipped text is long")
    sounds_moderated(text)
    _check_keys(text)


def _check_keys(text: str) -> None:
    for sign, spelling in SIGNS.items():
        text = text.replace(sign, spelling)
    shown = tidy(text, KEY)
    check_line(shown, LONGEST)
    expect(not any(trace in bare(shown) for trace in TRACES), f"it shows the key: {shown}")
    sealed = seal_in(text, KEY)
    expect(opened(sealed, KEY) == text, "what was sealed is not what is opened")
    left = SEALED.split(sealed)[::2]
    expect(not any(trace in bare(part) for part in left for trace in TRACES), f"the key is not sealed: {sealed}")


_texts = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=8)), max_size=12).map("".join)
TARGETS = {"words": Target(_check, _texts.map(lambda text: text.encode("utf-8", "surrogatepass")), PARTS)}
