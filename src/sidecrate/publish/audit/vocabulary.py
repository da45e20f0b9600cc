# SPDX-License-Identifier: Apache-2.0
"""Whether the terms of a crate mean anything: JSON-LD expansion by pyld, from shipped contexts, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from sidecrate.errors import Finding

_CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld",
    "https://w3id.org/ro/crate/1.3/context": "ro-crate-1.3.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run.jsonld",
}
BASE = "https://crate.invalid/"  # what relative ids are resolved against; nobody can own it (RFC 2606)


@cache
def _context(name: str) -> Any:
    return json.loads((files("sidecrate.provenance") / "contexts" / name).read_text(encoding="utf-8"))


def load_context(url: str, _options: Any = None) -> dict[str, Any]:
    """Return a context for pyld from the files shipped here; no other address is ever asked.

    Raises
    ------
    pyld.jsonld.JsonLdError
        The context is not one of those shipped.
    """
    from pyld import jsonld

    name = _CONTEXTS.get(url)
    if name is None:
        raise jsonld.JsonLdError(f"the context {url} is not shipped", "loading document failed")
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": _context(name)}


def expand(document: Any) -> list[Any]:
    """Return a document in expanded form, relative ids resolved against `BASE`.

    Raises
    ------
    pyld.jsonld.JsonLdError
        It is not JSON-LD, or uses a context that is not shipped.
    """
    from pyld import jsonld

    found: list[Any] = jsonld.expand(document, {"base": BASE, "documentLoader": load_context})
    return found


def check_vocabulary(document: dict[str, Any], where: str) -> Iterator[Finding]:
    """Yield a finding when a crate cannot be expanded, and one for each property or type that means nothing."""
    from pyld import jsonld

    try:
        expand(document)
        undefined = _undefined(document)
    except (jsonld.JsonLdError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).split("\n")[0]
        advice = "refer to the context of RO-Crate 1.1 or 1.3, and derive the crate again"
        yield Finding("error", "crate.jsonld", where, f"not JSON-LD that can be expanded ({reason})", advice)
        return
    for term in undefined:
        message = f"the term {term!r} means nothing in the context of the crate: it is lost on expansion"
        yield Finding("error", "crate.term", where, message, "use a term of RO-Crate, or define it in the context")


def _undefined(document: dict[str, Any]) -> list[str]:
    """Return the terms that vanish: each gets a node of its own, and pyld is the judge of what is left of it."""
    entities = [entity for entity in document.get("@graph", []) if isinstance(entity, dict)]
    keys = sorted({key for entity in entities for key in entity if not key.startswith("@")})
    types = sorted({kind for entity in entities for kind in _list(entity.get("@type")) if isinstance(kind, str)})
    probes = [{"@id": f"urn:key:{number}", key: [{"@id": "urn:x"}]} for number, key in enumerate(keys)]
    left = {node["@id"] for node in expand({"@context": document.get("@context"), "@graph": probes}) if len(node) > 1}
    lost = [key for number, key in enumerate(keys) if f"urn:key:{number}" not in left]
    nodes = [{"@id": f"urn:type:{number}", "@type": kind} for number, kind in enumerate(types)]
    meant = expand({"@context": document.get("@context"), "@graph": nodes})
    return lost + [types[number] for number, node in enumerate(meant) if node["@type"][0].startswith(BASE)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
