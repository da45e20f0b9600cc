# SPDX-License-Identifier: Apache-2.0
"""Judge one crate with roc-validator and no network: ``CONTEXTS CRATE PROFILE SEVERITY``; issues are printed as JSON.

Runs in ``.venv-judges``. The validator takes JSON-LD contexts from its HTTP cache only and ships that cache empty, so
a good crate would be said to fail; the cache is filled here from CONTEXTS, a JSON object of address and file.
"""

import json
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import requests
import requests_cache
from rocrate_validator import services
from rocrate_validator.models import ValidationSettings
from urllib3 import HTTPResponse


class Shelf(requests.adapters.HTTPAdapter):
    """Answers a request for an address from the file that stands for it."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__()
        self._files = files

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        address = str(request.url)
        file = BytesIO(Path(self._files[address]).read_bytes())
        headers = {"Content-Type": "application/ld+json"}
        found = HTTPResponse(file, headers=headers, status=200, preload_content=False, request_url=address)
        return self.build_response(request, found)


def fill_cache(cache: Path, contexts: dict[str, str]) -> None:
    """Store the contexts as if they had been fetched."""
    with requests_cache.CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Shelf(contexts))
        for address in contexts:
            session.get(address).raise_for_status()


def main() -> None:
    """Validate, print."""
    contexts, crate, profile, severity = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
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
