"""What is no sound JSON is refused, and the place of the fault is named."""

import pytest

from headwater.dialects import strict
from headwater.dialects.base import BodyError


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (b'{"events":[{"data":{"x":NaN}}]}', "events[0].data.x", "finite number"),
        (b'{"a":[1,-Infinity]}', "a[1]", "finite number"),
        (b'{"a":1e999}', "a", "finite number"),
        (b'{"a":' + b"9" * 500 + b"}", "", ""),
        (b'{"a":{"b":"\xff"}}', "a.b", "UTF-8"),
        (b'{"a":{"\xff":1}}', "a", "key"),
        (b'{"a":["\\ud800"]}', "a[0]", "surrogates"),
        (b"[" * 100_000, "", "nested too deeply"),
        (b'{"a":' * 100_000, "", "nested too deeply"),
        (b"", "", "not valid JSON"),
        (b"{", "", "not valid JSON"),
        (b'{"a":"\x01"}', "", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "", "not valid JSON"),
        (b"{}{}", "", "not valid JSON"),
        (b"{'a':1}", "", "line 1, column 2"),
    ],
)
def test_names_the_fault(body: bytes, path: str, words: str) -> None:
    if not words:
        assert strict.decode(body)
        return
    with pytest.raises(BodyError) as caught:
        strict.decode(body)
    assert caught.value.path == path
    assert words in caught.value.message


def test_sound_json_passes_as_it_is() -> None:
    assert strict.decode('{"a":[1,2.5,"é\\n\\ud83d\\ude00",null,true]}'.encode()) == {
        "a": [1, 2.5, "é\n😀", None, True]
    }
