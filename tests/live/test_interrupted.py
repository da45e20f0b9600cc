# SPDX-License-Identifier: Apache-2.0
"""Cut off anywhere and run again: one record, every file, no file twice; never more bytes than need be."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from contextlib import suppress

import pytest
import requests

from live.test_inveniordm import errors, pack, restored
from publish.conftest import Made, killed
from sidecrate.errors import NetworkError, SidecrateError
from sidecrate.project import Project
from sidecrate.publish.repositories.inveniordm import InvenioRdmRepository
from sidecrate.publish.sending import Reading

pytestmark = [pytest.mark.live, pytest.mark.slow]
EVERY = int(os.environ.get("LIVE_EVERY", "1"))  # of the requests of a deposit; all of them take many minutes


def another(made, folder):
    """Return a copy of a project under an identifier of its own: to the server it is another project."""
    shutil.copytree(made.root, folder)
    config = folder / "sidecrate.toml"
    config.write_text(config.read_text().replace(made.project.id, f"urn:uuid:{uuid.uuid4()}"))
    return Made(Project(folder))


class Cut:
    """Lets a number of requests through; after the answer to the last one the process dies, or the answer is lost."""

    def __init__(self, number, *, lost=False):
        self.number, self.lost, self.counted = number, lost, 0
        self._real = requests.Session.request
        self.bound = lambda session, *args, **kwargs: self.ask(session, *args, **kwargs)

    def ask(self, session, *args, **kwargs):
        answer = self._real(session, *args, **kwargs)
        self.counted += 1
        if self.counted == self.number:
            if not self.lost:
                os.kill(os.getpid(), signal.SIGKILL)
            raise requests.ConnectionError("the answer was lost")
        return answer


def flow(server, work, package, *earlier, publish=True):
    repository = InvenioRdmRepository(server.url)
    repository._http._pause = lambda _: None
    return repository.deposit(package, work=work(*earlier), publish=publish)


def work_of(made):
    from sidecrate.publish.cite_whole import whole
    from sidecrate.publish.repositories.base import Work

    told = made.known()
    cited = whole(told["project"], told["records"], told["artifacts"])
    return lambda *earlier: Work(cited, made.root / ".sidecrate/uploads", earlier)


def assert_whole(server, repository, project, package, receipt, folder):
    assert server.records_of(project.id) == [receipt.record]
    assert receipt.status == "published"
    assert errors(repository.check(receipt, package)) == []
    assert set(server.files(receipt.record, "")) == set(receipt.parcels)
    assert restored(server.download(receipt.record, "", folder)) == package.digests


def requests_of(server, made, outside, monkeypatch):
    """Return how many requests an undisturbed deposit makes."""
    counting = Cut(0)
    with monkeypatch.context() as patched:
        patched.setattr(requests.Session, "request", counting.bound)
        own = another(made, outside / "counted")
        flow(server, work_of(own), pack(own, outside / "counted-bag"))
    return counting.counted


@pytest.mark.parametrize("lost", [False, True], ids=["killed", "answer lost"])
def test_cut_off_after_any_request_the_next_run_completes_it(made, outside, server, repository, monkeypatch, lost):
    total = requests_of(server, made, outside, monkeypatch)
    assert total > 20
    for number in range(1, total + 1, EVERY):
        own = another(made, outside / f"cell{number}")
        package = pack(own, outside / f"bag{number}")
        cut = Cut(number, lost=lost)

        def act(cut=cut, own=own, package=package):
            requests.Session.request = cut.bound
            return flow(server, work_of(own), package)

        if lost:
            with monkeypatch.context() as patched:
                patched.setattr(requests.Session, "request", requests.Session.request)
                with suppress(NetworkError):  # it says so and stops; the next run completes it
                    act()
        else:
            killed(act)
        receipt = flow(server, work_of(own), package)
        assert_whole(server, repository, own.project, package, receipt, outside / f"back{number}")
        for name in (f"cell{number}", f"bag{number}", f"back{number}"):
            shutil.rmtree(outside / name)


def test_a_new_version_cut_off_after_any_request_is_completed(made, outside, server, repository, work):
    first = flow(server, work, pack(made, outside / "first"))
    made.keep(more__bin=os.urandom(5_000))
    package = pack(made, outside / "second")
    for number in range(1, 1000, EVERY):
        child = os.fork()
        if child == 0:
            try:
                requests.Session.request = Cut(number).bound
                flow(server, work, package, first)
            finally:
                os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
    assert number > 5
    receipt = flow(server, work, package, first)
    assert (receipt.version, receipt.object_id) == ("v2", first.object_id)
    assert server.records_of(made.project.id) == sorted([first.record, receipt.record])
    assert restored(server.download(receipt.record, "", outside / "back")) == package.digests


def test_a_large_part_goes_on_where_it_was_killed(made, outside, server, repository, work, monkeypatch):
    made.keep(large=os.urandom(200 << 20))
    package = pack(made, outside / "bag")

    def act():
        real = Reading.advance

        def advance(self, stop):
            for block in real(self, stop):
                if self.at > 150 << 20:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield block

        Reading.advance = advance
        flow(server, work, package)

    killed(act)
    sent = []
    real = requests.Session.request

    def counted(session, method, url, **kwargs):
        if method == "PUT" and "content" in url:
            sent.append(len(kwargs["data"]))
        return real(session, method, url, **kwargs)

    monkeypatch.setattr(requests.Session, "request", counted)
    receipt = flow(server, work, package)
    assert sum(sent) < 90 << 20  # two of four pieces were there
    assert_whole(server, repository, made.project, package, receipt, outside / "back")
    shutil.rmtree(outside)


def test_ten_changed_of_five_thousand_send_less_than_a_hundredth(made, outside, server, repository, work, monkeypatch):
    chunks = {f"array/c{number}": os.urandom(10_000) for number in range(5_000)}
    made.keep(**chunks)
    first = flow(server, work, pack(made, outside / "first"))
    made.keep(**(chunks | {f"array/c{number * 499}": os.urandom(10_000) for number in range(10)}))
    second = pack(made, outside / "second")
    sent = []
    real = requests.Session.request

    def counted(session, method, url, **kwargs):
        sent.append(len(kwargs.get("data") or b""))
        return real(session, method, url, **kwargs)

    monkeypatch.setattr(requests.Session, "request", counted)
    receipt = flow(server, work, second, first)
    assert sum(sent) < 0.01 * sum(map(len, chunks.values()))
    assert restored(server.download(receipt.record, "", outside / "back")) == second.digests
    shutil.rmtree(outside)


def test_a_second_process_is_refused_while_one_deposits(made, outside, server, work):
    package = pack(made, outside / "bag")
    from sidecrate.publish.memory import remembered

    with remembered(work().memory, server.url, made.project.id), pytest.raises(SidecrateError, match="another process"):
        flow(server, work, package)
