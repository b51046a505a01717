"""Just enough of an HTML tree to ask a page for its elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "use", "path", "circle", "rect"}


class Node:
    """One element, with its attributes, children and text."""

    def __init__(self, tag: str, attrs: dict[str, str]) -> None:
        self.tag = tag
        self.attrs = attrs
        self.children: list[Node | str] = []

    @property
    def id(self) -> str:
        return self.attrs.get("id", "")

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def walk(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.walk()

    def find_all(self, tag: str, **wanted: str | Callable[[str], bool]) -> list[Node]:
        return [n for n in self.walk() if n.tag == tag and _fits(n, wanted)]

    def find(self, tag: str, **wanted: str | Callable[[str], bool]) -> Node | None:
        return next(iter(self.find_all(tag, **wanted)), None)


def _fits(node: Node, wanted: dict[str, str | Callable[[str], bool]]) -> bool:
    return all(
        test(node.attrs.get(name, ""))
        if callable(test)
        else node.attrs.get(name) == test
        for name, test in wanted.items()
    )


class Soup(Node):
    """A whole page or fragment."""

    def __init__(self, content: bytes) -> None:
        super().__init__("", {})
        _Builder(self).feed(content.decode())


class _Builder(HTMLParser):
    def __init__(self, root: Node) -> None:
        super().__init__()
        self._open = [root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(
            Node(tag, {name: value or "" for name, value in attrs})
        )

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1:
            if self._open.pop().tag == tag:
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)
