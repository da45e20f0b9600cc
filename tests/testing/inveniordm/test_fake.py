# SPDX-License-Identifier: Apache-2.0
"""What only the fake can be asked: rates, custom fields, reviews, faults in the flow, the journal."""

from __future__ import annotations

import pytest
import requests

from sidecrate.testing import FakeInvenioRDM, faults
from testing.digests import md5
from testing.inveniordm.conftest import site_of
from testing.inveniordm.site import bad_fields, metadata


@pytest.fixture
def mine(fake):
    return site_of(fake)


def test_beyond_the_rate_it_is_429_for_that_user_agent_only(fake, mine):
    fake.settings.user_calls = 3
    url = f"{mine.api}/vocabularies/resourcetypes"
    answers = [mine.me.get(url) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[3].json() == {"message": "3 per 1 minute", "status": 429} and "Retry-After" in answers[3].headers
    assert mine.me.get(url, headers={"User-Agent": "another"}).status_code == 200


def test_custom_fields_keep_their_types(fake, mine):
    fake.settings.custom_fields = {"rig:slices": "integer", "rig:voxel_nm": "double*", "rig:modality": "keyword"}
    given = {"rig:slices": "12", "rig:voxel_nm": [8, "eight"], "rig:modality": "FIB-SEM"}
    draft = mine.create(custom_fields=given)
    assert bad_fields(draft).keys() == {"custom_fields.rig:slices", "custom_fields.rig:voxel_nm.1"}
    assert draft["custom_fields"] == {"rig:voxel_nm": [8.0], "rig:modality": "FIB-SEM"}


def test_an_open_review_stops_the_publication_and_its_acceptance_publishes(fake, mine):
    fake.world.communities.add("pores")
    draft = mine.create(files={"enabled": False})
    review = {"receiver": {"community": "pores"}, "type": "community-submission"}
    assert mine.me.put(draft["links"]["review"], json=review).status_code == 200
    submitted = mine.me.post(f"{draft['links']['self']}/actions/submit-review")
    assert submitted.status_code == 202
    assert mine.publish(draft).status_code == 400
    accept = f"{mine.api}/requests/{submitted.json()['id']}/actions/accept"
    assert mine.me.post(accept, json={}).status_code == 403
    assert mine.admin.post(accept, json={}).status_code == 200
    assert mine.nobody.get(f"{mine.api}/records/{draft['id']}").json()["is_published"]


def test_instances_may_forbid_records_without_files(fake, mine):
    fake.settings.allows_metadata_only = False
    assert "files.enabled" in bad_fields(mine.publish(mine.create(files={"enabled": False})).json())


def test_a_limit_on_bodies_counts_for_parts_each(fake, mine):
    fake.settings.max_body_bytes = 1000
    draft = mine.create()
    mine.start(draft, {"key": "a"}, {"key": "m", "size": 1500, "transfer": {"type": "M", "parts": 2, "part_size": 800}})
    assert mine.put(mine.entry(draft, "a")["links"]["content"], bytes(1001)).status_code == 413
    links = mine.entry(draft, "m")["links"]
    assert [mine.put(part["url"], bytes(700 + 0)).status_code for part in links["parts"]] == [200, 200]
    done = mine.me.post(links["commit"]).json()
    assert done["checksum"] is None and done["size"] == 1500
    fake.hurry()
    assert mine.entry(draft, "m")["checksum"] == f"md5:{md5(bytes(1500))}"


def test_a_refused_commit_leaves_the_file_pending(fake, mine):
    draft = mine.create()
    mine.start(draft, {"key": "a"})
    links = mine.entry(draft, "a")["links"]
    mine.put(links["content"], b"abc")
    fake.fail(faults.refuse(400, "Checksum mismatch."), method="POST", path="*/commit")
    refused = mine.me.post(links["commit"])
    assert refused.status_code == 400 and refused.json() == {"status": 400, "message": "Checksum mismatch."}
    assert mine.entry(draft, "a")["status"] == "pending"
    assert mine.me.post(links["commit"]).status_code == 200


def test_a_creation_whose_answer_is_lost_has_happened(fake, mine):
    fake.fail(faults.drop_after(), method="POST", path="/api/records")
    with pytest.raises(requests.ConnectionError):
        mine.create()
    fake.hurry()
    assert mine.me.get(f"{mine.api}/user/records").json()["hits"]["total"] == 1


def test_bytes_on_the_wire_of_a_version_that_takes_files_over(fake, mine):
    first = mine.deposit(a=bytes(1_000_000), b=b"old")
    fake.journal.clear()
    draft = mine.me.post(f"{mine.api}/records/{first['id']}/versions").json()
    mine.me.post(f"{draft['links']['self']}/actions/files-import")
    mine.me.delete(f"{draft['links']['files']}/b")
    mine.upload(draft, "b", b"new")
    mine.published(draft)
    assert 0 < fake.journal.bytes_received() < 10_000
    assert fake.journal.find("POST", "*/files-import")[0].status == 201
    assert all(exchange.token_sent for exchange in fake.journal)


def test_searches_see_a_write_after_a_while_without_being_hurried():
    with FakeInvenioRDM(index_seconds=0.01) as fake:
        mine = site_of(fake)
        mine.create({"metadata": metadata()})
        seen = (mine.me.get(f"{mine.api}/user/records").json()["hits"]["total"] for _ in range(10_000))
        assert any(seen)
