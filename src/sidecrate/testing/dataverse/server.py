# SPDX-License-Identifier: Apache-2.0
"""The fake Dataverse: its users, its clock of background work, and what its two ports do."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sidecrate.testing.dataverse import envelope
from sidecrate.testing.dataverse.settings import Settings
from sidecrate.testing.dataverse.state import Collection, Dataset, User, World
from sidecrate.testing.messages import Answer, RefusalError, Request
from sidecrate.testing.objectstore import ObjectStore
from sidecrate.testing.routes import find
from sidecrate.testing.server import FakeServer, Service

GUEST = User(":guest", "", may_create=False)
HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}  # Dataverse's names → hashlib's


class FakeDataverse(FakeServer):
    """A Dataverse on loopback that behaves as its source says, for testing deposit clients offline.

    Parameters
    ----------
    version : str
        Release to imitate; calls that came later are not there, and shapes are those of that release.
    **settings
        Attributes of `Settings`.

    Attributes
    ----------
    url, token : str
        Where it is, and the API token of somebody who may create and publish.
    contributor_token, stranger_token, admin_token, expired_token : str
        Somebody who may create but not publish; somebody who may do nothing with others' drafts; a superuser;
        nobody any more.
    settings : Settings
        May be changed while it runs.
    world : World
        What it holds; look under ``server.lock``.
    store : ObjectStore
        The S3 bucket behind direct uploads, on another host name and port.

    Examples
    --------
    >>> with FakeDataverse(version="6.12") as server:  # doctest: +SKIP
    ...     deposit(server.url, server.token)
    ...     assert not any(exchange.token_sent for exchange in server.journal.find(service="store"))
    """

    def __init__(self, version: str = "6.12", **settings: Any) -> None:
        super().__init__()
        self.version = tuple(int(part) for part in version.split("."))
        self.settings = Settings(**settings)
        self.digests = tuple({"md5", HASHES[self.settings.checksum_algorithm]})
        self.world = World({"root": Collection("root")})
        self._calls: Counter[tuple[str, str]] = Counter()
        self._busy: set[int] = set()
        self._make_users()
        self.store = ObjectStore(self)
        self._api = DataverseService(self)

    def _make_users(self) -> None:
        names = ("curator", "contributor", "stranger", "admin", "expired")
        token = {name: str(uuid.uuid4()) for name in names}
        self.token = token["curator"]
        self.contributor_token, self.stranger_token = token["contributor"], token["stranger"]
        self.admin_token, self.expired_token = token["admin"], token["expired"]
        self.tokens = set(token.values())
        self._users = {
            token[name]: User(name, token[name], name == "admin", name in ("curator", "admin"), name != "stranger")
            for name in names[:-1]
        }

    @property
    def url(self) -> str:
        """Return the address, without ``/api``."""
        return self._api.url

    def services(self) -> list[Service]:
        """Return API and object store."""
        return [self._api, self.store.service]

    def since(self, *release: int) -> bool:
        """Return whether the imitated release is that one or later."""
        return self.version >= release

    def add_collection(self, alias: str, is_published: bool = True, required: tuple[str, ...] = ()) -> None:
        """Make a collection; `required` are fields it asks for beyond those of the block."""
        with self.lock:
            self.world.collections[alias] = Collection(alias, is_published, required)

    # ---------------------------------------------------------------------------------------------- who and what

    def user(self, request: Request) -> User:
        """Return who asks.

        Raises
        ------
        RefusalError
            401 for a key nobody has, also where none is needed.
        """
        key = request.headers.get("X-Dataverse-key") or request.param("key")
        if not key:
            return GUEST
        if key not in self._users:
            raise RefusalError(401, "Bad API key")
        return self._users[key]

    def may_edit(self, user: User, dataset: Dataset) -> bool:
        """Return whether somebody may change a dataset and see its draft."""
        return user.is_superuser or user.is_curator or user.name == dataset.owner

    def dataset(self, request: Request) -> Dataset:
        """Return the dataset a request names in its path."""
        return self.world.find_dataset(request.params["dataset"], request.param("persistentId"))

    def count_call(self, user: User, command: str) -> None:
        """Refuse with 429 when somebody has called a command too often (6.2); there is no ``Retry-After``."""
        self._calls[user.name, command] += 1
        limit = self.settings.calls_an_hour
        if limit is None or user.is_superuser or not self.since(6, 2):
            return
        if self._calls[user.name, command] > limit:
            raise RefusalError(429, f"Too many requests: command {command}, user @{user.name}.")

    @contextmanager
    def editing(self, dataset: int) -> Iterator[bool]:
        """Surround an edit that two cannot do at a time; yields whether another one is under way."""
        with self.lock:
            collides = dataset in self._busy
            self._busy.add(dataset)
        try:
            yield collides
        finally:
            if not collides:
                with self.lock:
                    self._busy.discard(dataset)


class DataverseService(Service):
    """The API port: ``/api/…`` and ``/api/v1/…``."""

    def __init__(self, owner: FakeDataverse) -> None:
        super().__init__(owner)
        from sidecrate.testing.dataverse.table import PAGES, ROUTES  # the routes need this module

        self.routes = (*ROUTES, *PAGES)
        self.version = owner.version
        self.dataverse = owner

    def path_of(self, request: Request) -> str:
        """Return the path below ``/api`` or ``/api/v1``; what lies beside it stays as it is."""
        return request.path.removeprefix("/api").removeprefix("/v1")

    @contextmanager
    def open(self, request: Request) -> Iterator[None]:
        """Let edits of one dataset collide from the arrival of the one to the answer of the other."""
        with contextlib.ExitStack() as stack:
            with self.owner.lock, contextlib.suppress(RefusalError):
                route, params = find(self.routes, request.method, self.path_of(request), self.version)
                if route.is_exclusive:
                    number = self._dataset_of(request, params).id
                    request.collides = stack.enter_context(self.dataverse.editing(number))
            yield

    def _dataset_of(self, request: Request, params: dict[str, str]) -> Dataset:
        world = self.dataverse.world
        if "file" in params:
            return world.find_file(params["file"])[0]
        return world.find_dataset(params["dataset"], request.param("persistentId"))

    def carry_out(self, request: Request) -> Answer:
        """Return the answer of the route, after a look at the key."""
        is_download = self.path_of(request).startswith("/access/")
        if self.dataverse.since(6) or not is_download:
            self.dataverse.user(request)
        try:
            return super().carry_out(request)
        except RefusalError as refusal:
            if refusal.status in (404, 405) and refusal.message in ("Not Found", "Method Not Allowed"):
                raise self._no_such_call(request, refusal.status) from refusal
            raise

    def _no_such_call(self, request: Request, status: int) -> RefusalError:
        said = "endpoint does not exist on this server" if status == 404 else f"does not take {request.method}"
        facts = {"code": status, "requestUrl": f"{self.url}{request.path}", "requestMethod": request.method}
        return RefusalError(status, f"'{request.path}' {said}. Please check your code for typos.", **facts)

    def error(self, refusal: RefusalError) -> Answer:
        """Return an error in the envelope."""
        return envelope.error(refusal)
