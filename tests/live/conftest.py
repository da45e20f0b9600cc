# SPDX-License-Identifier: Apache-2.0
"""A real InvenioRDM server, named by the environment, and a fresh project for each test: a record belongs to one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import little_project
from publish.conftest import Made
from sidecrate.publish import tokens
from sidecrate.publish.cite_whole import whole
from sidecrate.publish.repositories.base import Receipt, Work
from sidecrate.publish.repositories.inveniordm import InvenioRdmRepository


class Server:
    """The server as somebody else would look at it: plain requests, nothing of ours."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._session.request(method, f"{self.url}/api/{path}", timeout=60, **options)
        assert answer.status_code < 400, (method, path, answer.status_code, answer.text[:300])
        return answer.json() if answer.content else None

    def files(self, record: str, part: str = "/draft") -> dict[str, Any]:
        return {entry["key"]: entry for entry in self.ask("GET", f"records/{record}{part}/files")["entries"]}

    def records_of(self, project: str) -> list[str]:
        """Return every draft and record of a project, once the index has caught up."""
        import time

        time.sleep(2.5)
        found = self.ask("GET", "user/records", params={"q": f'"{project}"', "size": 100, "allversions": "true"})
        return sorted(hit["id"] for hit in found["hits"]["hits"])

    def put(self, record: str, name: str, data: bytes) -> None:
        """Add a file to a draft."""
        place = f"records/{record}/draft/files/{name}"
        self.ask("POST", f"records/{record}/draft/files", json=[{"key": name}])
        self.ask("PUT", f"{place}/content", data=data, headers={"Content-Type": "application/octet-stream"})
        self.ask("POST", f"{place}/commit")

    def download(self, record: str, part: str, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        for name, entry in self.files(record, part).items():
            answer = self._session.get(entry["links"]["content"], timeout=60)
            assert answer.status_code == 200
            (folder / name).write_bytes(answer.content)
        return folder


@pytest.fixture(scope="session")
def server() -> Server:
    url, token = os.environ.get("INVENIORDM_URL"), os.environ.get("INVENIORDM_TOKEN")
    if not url or not token:
        pytest.skip("no InvenioRDM server: set INVENIORDM_URL and INVENIORDM_TOKEN, see `make test-live`")
    return Server(url.rstrip("/"), token)


@pytest.fixture(autouse=True)
def _token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tokens.variable(server.url), server.token)


@pytest.fixture
def made(server: Server, tmp_path: Path) -> Made:
    (tmp_path / "plain").mkdir()
    return Made(little_project.build(tmp_path / "cell", tmp_path / "plain"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def repository(server: Server) -> InvenioRdmRepository:
    return InvenioRdmRepository(server.url)


@pytest.fixture
def work(made: Made) -> Iterator[Callable[..., Work]]:
    """Return what a deposit of the project is about, as it stands."""

    def tell(*earlier: Receipt) -> Work:
        told = made.known()
        cited = whole(told["project"], told["records"], told["artifacts"])
        return Work(cited, made.root / ".sidecrate/uploads", earlier)

    yield tell
