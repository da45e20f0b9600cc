# SPDX-License-Identifier: Apache-2.0
"""The calls of Dataverse's API that are imitated: path below ``/api`` → function, and the release that brought them."""

from __future__ import annotations

from sidecrate.testing.dataverse import adding, datasets, direct, editing, files, info, publishing
from sidecrate.testing.routes import Route

_D = "/datasets/{dataset}"
_F = "/files/{file}"

ROUTES = (
    Route("GET", "/info/version", info.version),
    Route("GET", "/info/exportFormats", info.export_formats, (6, 5)),
    Route("GET", "/files/fixityAlgorithm", info.fixity, (5, 14)),
    Route("GET", "/licenses", info.licences, (5, 10)),
    Route("GET", "/metadatablocks/{block}", info.block),
    Route("GET", "/users/:me", info.me),
    Route("GET", "/users/token", info.token),
    Route("GET", "/dataverses/{alias}/metadatablocks", info.collection_blocks),
    Route("GET", "/dataverses/{alias}/contents", datasets.contents),
    Route("POST", "/dataverses/{alias}/validateDatasetJson", datasets.validate, (6, 1)),
    Route("POST", "/dataverses/{alias}/datasets", datasets.create),
    Route("GET", "/datasets/export", info.export),
    Route("PUT", "/datasets/mpupload", direct.complete),
    Route("DELETE", "/datasets/mpupload", direct.abort),
    Route("GET", _D, datasets.show),
    Route("DELETE", _D, datasets.delete),
    Route("GET", f"{_D}/uploadlimits", info.upload_limits, (6, 9)),
    Route("GET", f"{_D}/uploadurls", direct.upload_urls),
    Route("POST", f"{_D}/add", adding.add, is_exclusive=True),
    Route("POST", f"{_D}/addFiles", direct.add_files, (5, 6), is_exclusive=True),
    Route("POST", f"{_D}/replaceFiles", direct.replace_files, (5, 13), is_exclusive=True),
    Route("PUT", f"{_D}/deleteFiles", files.delete_many, (6, 6)),
    Route("PUT", f"{_D}/editMetadata", editing.edit_metadata),
    Route("PUT", f"{_D}/metadata", editing.put_jsonld, (5, 6)),
    Route("PUT", f"{_D}/license", editing.put_licence, (6, 9)),
    Route("GET", f"{_D}/locks", publishing.locks),
    Route("DELETE", f"{_D}/locks", publishing.unlock),
    Route("POST", f"{_D}/actions/:publish", publishing.publish),
    Route("POST", f"{_D}/submitForReview", publishing.submit),
    Route("POST", f"{_D}/returnToAuthor", publishing.return_to_author),
    Route("GET", f"{_D}/versions", datasets.versions),
    Route("PUT", f"{_D}/versions/:draft", editing.put_draft),
    Route("DELETE", f"{_D}/versions/:draft", datasets.delete_draft),
    Route("GET", f"{_D}/versions/{{version}}", datasets.version),
    Route("GET", f"{_D}/versions/{{version}}/files", datasets.version_files),
    Route("GET", f"{_D}/versions/{{version}}/citation", info.cite, (5, 14)),
    Route("GET", f"{_D}/versions/{{version}}/citation/{{format}}", info.cite_as, (6, 6)),
    Route("GET", f"{_D}/versions/{{version}}/linkset", info.linkset, (5, 14)),
    Route("GET", _F, files.show),
    Route("DELETE", _F, files.delete),
    Route("POST", f"{_F}/replace", adding.replace, is_exclusive=True),
    Route("POST", f"{_F}/metadata", files.put_metadata),
    Route("PUT", f"{_F}/restrict", files.restrict),
    Route("GET", "/access/datafile/{file}", files.download),
)
PAGES = (Route("GET", "/dataset.xhtml", info.landing_page),)
