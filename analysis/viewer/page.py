"""One HTML file that shows itself: the program, the style and the data in a page that may not make any request.

What comes from outside (tokens, names, paths) stands in the page only as JSON in which no character can end the block,
and in its title, escaped. The content security policy allows the one program that is in the file and nothing else.
"""

import html
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.viewer.payload import Packed
from jattn.errors import InputError

HERE = Path(__file__).parent
FRAME = "width:100%;height:860px;border:1px solid #ddd"
FRAME_RIGHTS = "allow-scripts allow-downloads"  # no origin: nothing outside the frame can be reached from in it
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Page:
    """A page of attention: `write` keeps it, a notebook shows it."""

    title: str
    html: str

    def write(self, path: str | Path) -> Path:
        """Write the page to a file; InputError where that cannot be done."""
        path = Path(path)
        if path.is_dir():
            raise InputError(
                f"out: {str(path)!r} is a folder; name a file in it, such as {str(path / 'attention.html')!r}"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.html.encode())
        except OSError as error:
            raise InputError(f"out: {str(path)!r} cannot be written ({error.strerror}); name another file") from None
        return path

    def frame(self, style: str = FRAME) -> str:
        """The page in a frame of its own, for a notebook or another page."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="{FRAME_RIGHTS}" '
            f'title="{html.escape(self.title)}" style="{style}"></iframe>'
        )

    def _repr_html_(self) -> str:
        return self.frame()

    def __repr__(self) -> str:
        return f"Page({self.title!r}, {len(self.html) / 1e6:.1f} MB)"


def page(packed: Packed) -> Page:
    """The page that shows what is packed."""
    script, style = (_built(name) for name in ("viewer.js", "viewer.css"))
    blobs = [f'<script type="text/plain" id="blobs-{i}">{text}</script>' for i, text in enumerate(packed.blobs)]
    title = packed.payload["title"]
    parts = {
        "hash": script_hash(),
        "title": html.escape(title),
        "style": style,
        "payload": as_json(packed.payload),
        "blobs": "\n".join(blobs),
        "script": script,
    }
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return Page(title, re.sub("<!--([a-z]+)-->", lambda match: parts[match[1]], template))


def script_hash() -> str:
    """The one source of scripts that a content security policy has to allow for the page to work in a frame."""
    return "sha256-" + b64encode(sha256(_built("viewer.js").encode()).digest()).decode()


def as_json(value: Any) -> str:
    """JSON in ASCII that means the same in a script block, whatever strings are in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _built(name: str) -> str:
    """The bundle, which is committed and shipped; a script may not hold what would end its element."""
    text = (HERE / name).read_text(encoding="utf-8").strip()
    if "</script" in text.lower() or "</style" in text.lower():
        raise ValueError(f"{name} holds the end of its own element; build it with esbuild, which escapes it")
    return text
