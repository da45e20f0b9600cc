# SPDX-License-Identifier: Apache-2.0
"""What a client asks before it deposits, and what people and machines read afterwards."""

from __future__ import annotations

from html import escape
from typing import Any

from sidecrate.testing.dataverse.blocks import citation
from sidecrate.testing.dataverse.datasets import find_collection
from sidecrate.testing.dataverse.drafts import seen
from sidecrate.testing.dataverse.envelope import ok, text
from sidecrate.testing.dataverse.licences import LICENCES
from sidecrate.testing.dataverse.rendering import dataset_json
from sidecrate.testing.dataverse.server import GUEST, FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, Version
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer, text_answer

FORMATS = ("dataverse_json", "schema.org")


def version(server: FakeDataverse, request: Request) -> Answer:
    """Return the release."""
    del request
    return ok({"version": ".".join(str(part) for part in server.version), "build": "fake"})


def fixity(server: FakeDataverse, request: Request) -> Answer:
    """Return what native uploads are hashed with (5.14)."""
    del request
    return text(server.settings.checksum_algorithm, server.settings.moves_message)


def licences(server: FakeDataverse, request: Request) -> Answer:
    """Return the licences on offer."""
    del server, request
    return ok(LICENCES)


def block(server: FakeDataverse, request: Request) -> Answer:
    """Return the citation block."""
    if request.params["block"] != "citation":
        raise RefusalError(404, f"Can't find metadata block '{request.params['block']}'")
    return ok(_block_json(server, (), is_whole=True))


def collection_blocks(server: FakeDataverse, request: Request) -> Answer:
    """Return the blocks of a collection, with its own requirements when fields are asked for (6.3)."""
    required = find_collection(server, request).required
    if not (request.flag("returnDatasetFieldTypes") and server.since(6, 3)):
        return ok([{"id": 1, "name": "citation", "displayName": "Citation Metadata", "displayOnCreate": True}])
    return ok([_block_json(server, required, is_whole=not request.flag("onlyDisplayedOnCreate"))])


def _block_json(server: FakeDataverse, required: tuple[str, ...], is_whole: bool) -> dict[str, Any]:
    fields = {
        name: kind.as_json(required)
        for name, kind in citation(server.version).items()
        if is_whole or kind.is_on_create or name in required or (required and set(required) & kind.children.keys())
    }
    return {"id": 1, "name": "citation", "displayName": "Citation Metadata", "displayOnCreate": True, "fields": fields}


def upload_limits(server: FakeDataverse, request: Request) -> Answer:
    """Return what is left of quota and number of files (6.9)."""
    dataset = server.dataset(request)
    if not server.may_edit(server.user(request), dataset):
        raise RefusalError(403, "You do not have permission to upload files to this dataset.")
    limits = {}
    if server.settings.quota_bytes is not None:
        limits["storageQuotaRemaining"] = max(server.settings.quota_bytes - dataset.bytes, 0)
    if server.settings.max_files is not None:
        limits["numberOfFilesRemaining"] = max(server.settings.max_files - len(dataset.latest.entries), 0)
    return ok({"uploadLimits": limits})


def me(server: FakeDataverse, request: Request) -> Answer:
    """Return who asks."""
    user = server.user(request)
    if user is GUEST:
        raise RefusalError(401, "User with token null not found.")
    return ok({"id": 1, "identifier": f"@{user.name}", "displayName": user.name, "superuser": user.is_superuser})


def token(server: FakeDataverse, request: Request) -> Answer:
    """Tell when a token expires, without showing more of it than the asker knows."""
    user = server.user(request)
    if user is GUEST:
        raise RefusalError(404, "Token not found.")
    return text(f"Token {user.token} expires on 2099-01-01 00:00:00.0", server.settings.moves_message)


# ---------------------------------------------------------------------------------------- citation, export, links


def cite(server: FakeDataverse, request: Request) -> Answer:
    """Return the citation as HTML, inside the envelope (5.14)."""
    dataset, found = _version(server, request)
    authors = "; ".join(_authors(found))
    url = f"https://doi.org/{dataset.pid.removeprefix('doi:')}"
    year = (found.released or found.updated).year
    link = f'<a href="{url}" target="_blank">{url}</a>'
    words = f'{escape(authors)}, {year}, "{escape(_title(found))}", {link}, Root, {_shown(found)}'
    return text(words, server.settings.moves_message)


def cite_as(server: FakeDataverse, request: Request) -> Answer:
    """Return the citation in a format, bare (6.6)."""
    dataset, found = _version(server, request)
    doi, year = dataset.pid.removeprefix("doi:"), (found.released or found.updated).year
    wanted = request.params["format"]
    if wanted == "BibTeX":
        named = {"author": " and ".join(_authors(found)), "publisher": "Root", "title": _title(found), "doi": doi}
        lines = "".join(f"{key} = {{{value}}},\n" for key, value in named.items())
        body = f"@data{{{doi},\n{lines}year = {{{year}}}\n}}\n"
        return text_answer(body)
    if wanted == "RIS":
        authors = "\r\n".join(f"AU  - {name}" for name in _authors(found))
        return text_answer(
            f"TY  - DATA\r\nT1  - {_title(found)}\r\n{authors}\r\nDO  - doi:{doi}\r\nPY  - {year}\r\nER  - \r\n"
        )
    if wanted == "CSL":
        names = [{"literal": name} for name in _authors(found)]
        issued = {"date-parts": [[year]]}
        return json_answer({"type": "dataset", "DOI": doi, "title": _title(found), "author": names, "issued": issued})
    raise RefusalError(400, f"Unknown or not imitated citation format {wanted}")


def _version(server: FakeDataverse, request: Request) -> tuple[Dataset, Version]:
    dataset = server.dataset(request)
    return dataset, seen(server, server.user(request), dataset, request.params["version"])


def _title(version: Version) -> str:
    return str(version.fields["title"]["value"])


def _authors(version: Version) -> list[str]:
    return [str(author["authorName"]["value"]) for author in version.fields["author"]["value"]]


def _shown(version: Version) -> str:
    return "DRAFT VERSION" if version.number is None else f"V{version.number[0]}"


def export_formats(server: FakeDataverse, request: Request) -> Answer:
    """Return the exporters (6.5)."""
    del server, request
    facts = {"mediaType": "application/json", "isHarvestable": False, "isVisibleInUserInterface": True}
    return ok({name: {"displayName": name, **facts} for name in FORMATS})


def export(server: FakeDataverse, request: Request) -> Answer:
    """Return a published dataset in a format, bare; an exporter that is not there is 403."""
    dataset = server.world.find_dataset(":persistentId", request.param("persistentId"))
    if request.param("version") == ":draft":
        found: Version | None = seen(server, server.user(request), dataset, ":draft")
    else:
        found = dataset.latest_published
    if found is None:
        raise RefusalError(400, f"Dataset {dataset.pid} is not published")
    if request.param("exporter") not in FORMATS:
        raise RefusalError(403, "Export Failed")
    if request.param("exporter") == "dataverse_json":
        shown = dataset_json(server, dataset, found)
        return json_answer({**dataset_json(server, dataset), "datasetVersion": shown["latestVersion"]})
    doi = f"https://doi.org/{dataset.pid.removeprefix('doi:')}"
    people = [{"@type": "Person", "name": name} for name in _authors(found)]
    graph = {"@context": "http://schema.org", "@type": "Dataset", "@id": doi, "identifier": doi}
    return json_answer({**graph, "name": _title(found), "creator": people, "version": found.name})


def linkset(server: FakeDataverse, request: Request) -> Answer:
    """Return the links of a published version: bare from 6.1 on, before in the envelope."""
    dataset, found = _version(server, request)
    if found.is_draft:
        raise RefusalError(400, "Linkset is available for published versions only.")
    base = f"{server.url}/api"
    pid = f"persistentId={dataset.pid}"
    described = [
        {"href": f"{base}/datasets/export?exporter={name}&{pid}", "type": "application/json"} for name in FORMATS
    ]
    items = [{"href": f"{base}/access/datafile/{one.file.id}", "type": one.file.content_type} for one in found.entries]
    links = [{"anchor": f"{server.url}/dataset.xhtml?{pid}", "item": items, "describedby": described}]
    return json_answer({"linkset": links}) if server.since(6, 1) else ok({"linkset": links})


def landing_page(server: FakeDataverse, request: Request) -> Answer:
    """Return a page with the ``Link`` header of signposting (5.14)."""
    dataset = server.world.find_dataset(":persistentId", request.param("persistentId"))
    found = dataset.latest_published
    if found is None:
        raise RefusalError(404, "Not found")
    linkset_url = f"{server.url}/api/datasets/:persistentId/versions/{found.name}/linkset?persistentId={dataset.pid}"
    page = text_answer(f"<html><title>{escape(_title(found))}</title></html>", 200, "text/html; charset=utf-8")
    if server.since(5, 14):
        cite_url = f"https://doi.org/{dataset.pid.removeprefix('doi:')}"
        page.headers["Link"] = (
            f'<{cite_url}>;rel="cite-as", <{linkset_url}>;rel="linkset";type="application/linkset+json"'
        )
    return page
