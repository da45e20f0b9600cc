# SPDX-License-Identifier: Apache-2.0
"""Judge one crate with roc-validator and no network: ``CONTEXTS CRATE PROFILE SEVERITY``; prints its issues as JSON.

Runs in ``.venv-judges``. The validator takes JSON-LD contexts from its HTTP cache only and ships that cache empty, so
a good crate would be said to fail; the cache is filled here from the contexts that sidecrate ships.
"""

import json
import sys
import tempfile
from pathlib import Path

import requests
import requests_cache
from rocrate_validator import services
from rocrate_validator.models import ValidationSettings
from urllib3 import HTTPResponse

ADDRESSES = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld",
    "https://w3id.org/ro/crate/1.3/context": "ro-crate-1.3.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run.jsonld",
}


class Shelf(requests.adapters.HTTPAdapter):
    """Answers requests from files in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        address = str(request.url)
        file = (self._folder / ADDRESSES[address]).open("rb")
        headers = {"Content-Type": "application/ld+json"}
        found = HTTPResponse(file, headers=headers, status=200, preload_content=False, request_url=address)
        return self.build_response(request, found)


def fill_cache(cache: Path, contexts: Path) -> None:
    """Store the contexts as if they had been fetched."""
    with requests_cache.CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Shelf(contexts))
        for address in ADDRESSES:
            session.get(address).raise_for_status()


def main() -> None:
    """Validate, print."""
    contexts, crate, profile, severity = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "http_cache"
        fill_cache(cache, contexts)
        settings = ValidationSettings(
            rocrate_uri=crate,
            profile_identifier=profile,
            requirement_severity=severity,
            cache_path=cache,
            offline=True,
        )
        result = services.validate(settings)
    issues = [
        {"check": issue.identifier, "message": issue.message or "", "entity": issue.violatingEntity or ""}
        for issue in result.get_issues()
    ]
    print(json.dumps(issues))  # noqa: T201  (the answer of this program)


if __name__ == "__main__":
    main()
