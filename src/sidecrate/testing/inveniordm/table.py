# SPDX-License-Identifier: Apache-2.0
"""The calls of InvenioRDM's API that are imitated."""

from __future__ import annotations

from sidecrate.testing.inveniordm import drafts, files, records, search
from sidecrate.testing.routes import Route

_R = "/api/records/{id}"
_D = f"{_R}/draft"
_OWN_ADDRESS = ("affiliations", "funders", "awards", "subjects", "names")

ROUTES = (
    Route("POST", "/api/records", drafts.create),
    Route("GET", "/api/records", search.records),
    Route("GET", "/api/user/records", search.mine),
    Route("GET", _R, records.show),
    Route("DELETE", _R, records.delete),
    Route("GET", _D, drafts.show),
    Route("PUT", _D, drafts.replace),
    Route("POST", _D, drafts.edit),
    Route("DELETE", _D, drafts.delete),
    Route("POST", f"{_D}/pids/doi", drafts.reserve_doi),
    Route("DELETE", f"{_D}/pids/doi", drafts.release_doi),
    Route("POST", f"{_D}/actions/publish", records.publish),
    Route("POST", f"{_D}/actions/files-import", files.import_files),
    Route("PUT", f"{_D}/review", records.put_review),
    Route("POST", f"{_D}/actions/submit-review", records.submit_review),
    Route("POST", "/api/requests/{review}/actions/accept", records.accept),
    Route("GET", f"{_D}/files", files.show_all),
    Route("POST", f"{_D}/files", files.start),
    Route("DELETE", f"{_D}/files", files.delete_all),
    Route("GET", f"{_D}/files-archive", files.read_archive),
    Route("PUT", f"{_D}/files/{{key:path}}/content/{{part}}", files.put_part),
    Route("PUT", f"{_D}/files/{{key:path}}/content", files.put_content),
    Route("GET", f"{_D}/files/{{key:path}}/content", files.read_content),
    Route("POST", f"{_D}/files/{{key:path}}/commit", files.commit),
    Route("GET", f"{_D}/files/{{key:path}}", files.show),
    Route("DELETE", f"{_D}/files/{{key:path}}", files.delete),
    Route("POST", f"{_R}/versions", records.new_version),
    Route("GET", f"{_R}/versions", records.versions),
    Route("GET", f"{_R}/versions/latest", records.latest),
    Route("POST", f"{_R}/quota", files.set_quota),
    Route("GET", f"{_R}/files", records.show_files),
    Route("GET", f"{_R}/files-archive", records.read_archive),
    Route("GET", f"{_R}/files/{{key:path}}/content", records.read_content),
    Route("GET", f"{_R}/files/{{key:path}}", records.show_file),
    Route("GET", "/api/vocabularies/{vocabulary}", search.vocabulary),
    Route("GET", "/api/vocabularies/{vocabulary}/{term}", search.term),
    *(Route("GET", f"/api/{name}", search.vocabulary) for name in _OWN_ADDRESS),
    *(Route("GET", f"/api/{name}/{{term:path}}", search.term) for name in _OWN_ADDRESS),
)
