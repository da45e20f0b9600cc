# SPDX-License-Identifier: Apache-2.0
"""The vocabularies of an instance: ids that a record may name, and what is shown of them."""

from __future__ import annotations

from typing import Any

from sidecrate.testing.messages import RefusalError

Term = dict[str, Any]

_ROLES = (
    "contactperson=Contact person;datacollector=Data collector;datacurator=Data curator;datamanager=Data manager;"
    "distributor=Distributor;editor=Editor;hostinginstitution=Hosting institution;other=Other;producer=Producer;"
    "projectleader=Project leader;projectmanager=Project manager;projectmember=Project member;"
    "registrationagency=Registration agency;registrationauthority=Registration authority;relatedperson=Related person;"
    "researchgroup=Research group;researcher=Researcher;rightsholder=Rights holder;sponsor=Sponsor;"
    "supervisor=Supervisor;translator=Translator;workpackageleader=Work package leader"
)
_PLAIN = {
    "resourcetypes": (
        "publication-annotationcollection=Annotation collection;audio=Audio;publication-book=Book;"
        "publication-section=Book chapter;software-computationalnotebook=Computational notebook;"
        "publication-conferencepaper=Conference paper;publication-datapaper=Data paper;dataset=Dataset;"
        "image-diagram=Diagram;image-drawing=Drawing;event=Event;image-figure=Figure;image=Image;"
        "instrument=Instrument;publication-journal=Journal;publication-article=Journal article;lesson=Lesson;"
        "model=Model;publication-other=Other;image-other=Other;other=Other;"
        "publication-datamanagementplan=Output management plan;image-photo=Photo;physicalobject=Physical object;"
        "image-plot=Plot;poster=Poster;publication-preprint=Preprint;presentation=Presentation;project=Project;"
        "publication=Publication;publication-report=Report;software=Software;"
        "publication-softwaredocumentation=Software documentation;publication-technicalnote=Technical note;"
        "publication-dissertation=Thesis;video=Video;workflow=Workflow;publication-workingpaper=Working paper"
    ),
    "contributorsroles": _ROLES,
    "creatorsroles": _ROLES,
    "relationtypes": (
        "cites=Cites;collects=Collects;compiles=Compiles;continues=Continues;describes=Describes;documents=Documents;"
        "hasmetadata=Has metadata;haspart=Has part;hastranslation=Has translation;hasversion=Has version;"
        "iscitedby=Is cited by;iscollectedby=Is collected by;iscompiledby=Is compiled by;"
        "iscontinuedby=Is continued by;isderivedfrom=Is derived from;isdescribedby=Is described by;"
        "isdocumentedby=Is documented by;isidenticalto=Is identical to;ismetadatafor=Is metadata for;"
        "isnewversionof=Is new version of;isobsoletedby=Is obsoleted by;isoriginalformof=Is original form of;"
        "ispartof=Is part of;ispreviousversionof=Is previous version of;ispublishedin=Is published in;"
        "isreferencedby=Is referenced by;isrequiredby=Is required by;isreviewedby=Is reviewed by;"
        "issourceof=Is source of;issupplementto=Is supplement to;issupplementedby=Is supplemented by;"
        "istranslationof=Is translation of;isvariantformof=Is variant form of;isversionof=Is version of;"
        "obsoletes=Obsoletes;other=Other;references=References;requires=Requires;reviews=Reviews"
    ),
    "titletypes": "alternative-title=Alternative title;other=Other;subtitle=Subtitle;translated-title=Translated title",
    "descriptiontypes": (
        "abstract=Abstract;methods=Methods;other=Other;series-information=Series information;"
        "table-of-contents=Table of contents;technical-info=Technical info"
    ),
    "datetypes": (
        "accepted=Accepted;available=Available;collected=Collected;copyrighted=Copyrighted;coverage=Coverage;"
        "created=Created;issued=Issued;other=Other;submitted=Submitted;updated=Updated;valid=Valid;withdrawn=Withdrawn"
    ),
    "languages": "zho=Chinese;nld=Dutch;eng=English;fra=French;deu=German;ita=Italian;jpn=Japanese;spa=Spanish",
}
_CC = "https://creativecommons.org"
_LICENCES = (
    ("apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    ("bsd-3-clause", 'BSD 3-Clause "New" or "Revised" License', "https://opensource.org/licenses/BSD-3-Clause"),
    ("cc-by-4.0", "Creative Commons Attribution 4.0 International", f"{_CC}/licenses/by/4.0/"),
    ("cc-by-nc-4.0", "Creative Commons Attribution Non Commercial 4.0 International", f"{_CC}/licenses/by-nc/4.0/"),
    ("cc-by-sa-4.0", "Creative Commons Attribution Share Alike 4.0 International", f"{_CC}/licenses/by-sa/4.0/"),
    ("cc0-1.0", "Creative Commons Zero v1.0 Universal", f"{_CC}/publicdomain/zero/1.0/"),
    ("gpl-3.0-or-later", "GNU General Public License v3.0 or later", "https://www.gnu.org/licenses/gpl-3.0.html"),
    ("mit", "MIT License", "https://opensource.org/licenses/MIT"),
)
_ORGANISATIONS = (
    ("01ggx4157", "European Organization for Nuclear Research", "CERN"),
    ("02ex6cf31", "Brookhaven National Laboratory", "BNL"),
    ("01653xx13", "Data Futures GmbH", ""),
)
_FUNDERS = (("00k4n6c32", "European Commission"), ("05k73zm37", "Academy of Finland"))
_SUBJECTS = ("nuclear-pore=Nuclear pore;nuclear-envelope=Nuclear envelope", "https://example.org/rig/terms/")


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, title) for key, _, title in (item.partition("=") for item in text.split(";"))]


def _ror(identifier: str) -> list[dict[str, str]]:
    return [{"identifier": identifier, "scheme": "ror"}]


def stock() -> dict[str, dict[str, Term]]:
    """Return vocabulary → id → term; a new one at each call, so that a test may change it."""
    found: dict[str, dict[str, Term]] = {
        kind: {key: {"id": key, "title": {"en": title}} for key, title in _pairs(text)} for kind, text in _PLAIN.items()
    }
    found["licenses"] = {
        key: {"id": key, "title": {"en": title}, "props": {"url": url, "scheme": "spdx"}}
        for key, title, url in _LICENCES
    }
    found["affiliations"] = {
        key: {"id": key, "name": name, "title": {"en": name}, "acronym": acronym, "identifiers": _ror(key)}
        for key, name, acronym in _ORGANISATIONS
    }
    found["funders"] = {
        key: {"id": key, "name": name, "title": {"en": name}, "identifiers": _ror(key)} for key, name in _FUNDERS
    }
    award = "00k4n6c32::101000001"
    number = {"number": "101000001", "title": {"en": "A made-up award"}, "funder": {"id": "00k4n6c32"}}
    found["awards"] = {award: {"id": award, **number}}
    words, base = _SUBJECTS
    found["subjects"] = {
        base + key: {"id": base + key, "scheme": "RIG", "subject": title, "title": {"en": title}}
        for key, title in _pairs(words)
    }
    found["names"] = {}
    return found


SHOWN = {  # what a record shows of a term beside its id
    "affiliations": ("name", "identifiers"),
    "funders": ("name",),
    "awards": ("number", "title"),
    "subjects": ("subject", "scheme"),
    "licenses": ("title", "props"),
}


def shown(terms: dict[str, dict[str, Term]], vocabulary: str, identifier: str) -> Term:
    """Return a term as records show it."""
    term = terms[vocabulary][identifier]
    return {"id": identifier, **{key: term[key] for key in SHOWN.get(vocabulary, ("title",))}}


def check(terms: dict[str, dict[str, Term]], vocabulary: str, identifier: object) -> None:
    """Refuse an id the vocabulary does not have; ids are case-sensitive.

    Raises
    ------
    RefusalError
        400, with the value and nothing else.
    """
    if not isinstance(identifier, str) or identifier not in terms[vocabulary]:
        raise RefusalError(400, f"Invalid value {identifier}.")


def search(terms: dict[str, Term], words: str) -> list[Term]:
    """Return the terms that hold every word, in id, title, name or acronym."""
    wanted = words.lower().replace('"', "").split()
    return [term for term in terms.values() if all(word in _text(term) for word in wanted)]


def _text(term: Term) -> str:
    parts = [term["id"], term.get("name", ""), term.get("acronym", ""), *term.get("title", {}).values()]
    return " ".join(parts).lower()
