"""What is kept of a submitted call leads back to the address the user has set, and nowhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from imagewright.providers.base import Finished, Handle, Output, Running
from imagewright.providers.common.provider import noted, path_under, with_notes

USUAL = "/tasks/1"


@pytest.mark.parametrize(
    ("base", "link", "path"),
    [
        ("https://api.example", "https://api.example/v1/tasks/1", "/v1/tasks/1"),
        ("https://api.example", "https://api.example/v1/tasks/1?part=2", "/v1/tasks/1?part=2"),
        ("https://api.example/v1", "https://api.example/v1/tasks/1", "/tasks/1"),
        ("https://gateway.example/vendor", "https://api.example/v1/tasks/1", "/v1/tasks/1"),
        ("https://gateway.example/vendor", "https://gateway.example/vendor/v1/tasks/1", "/v1/tasks/1"),
        ("https://gateway.example/v1", "https://api.example/v10/tasks/1", "/v10/tasks/1"),
        ("https://api.example", "", USUAL),
        ("https://api.example", "https://api.example", USUAL),
        ("https://api.example", "https://api.example/", USUAL),
        ("https://api.example", "tasks/1", USUAL),
        ("https://api.example", "https://[", USUAL),
        ("https://api.example", "https://\u2100.example/tasks/1", USUAL),
        ("https://api.example", ".evil.example/tasks/1", USUAL),
        ("https://api.example", "@evil.example/tasks/1", USUAL),
        ("https://api.example", "//evil.example/tasks/9", "/tasks/9"),
        ("https://api.example", "https://evil.example//other.example/x", "//other.example/x"),
    ],
)
def test_a_link_is_asked_for_at_the_base_address(base: str, link: str, path: str) -> None:
    found = path_under(base, link, USUAL)
    assert found == path
    assert urlsplit(base + found).netloc == urlsplit(base).netloc


def test_notes_come_back_with_the_last_answer_only() -> None:
    notes = ("One thing.", "Another.")
    handle = Handle("vendor", with_notes({"task": "1"}, notes))
    assert all(isinstance(value, str) for value in handle.data.values())
    finished = Finished((Output(url="https://x"),), notes=("Own.",))
    assert noted(handle, Running()) == Running()
    assert noted(handle, finished).notes == ("Own.", *notes)  # type: ignore[union-attr] # it is finished
    assert noted(Handle("vendor", with_notes({"task": "1"}, ())), finished) == finished
