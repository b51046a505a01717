from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tasks.conf import get_config

Configure = Callable[..., None]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Change settings for one test: `configure(TASKYARD_SHELL="1")`."""
    with pytest.MonkeyPatch.context() as patch:

        def change(**settings: str) -> None:
            for name, value in settings.items():
                patch.setenv(name, value)
            get_config.cache_clear()

        yield change
    get_config.cache_clear()
