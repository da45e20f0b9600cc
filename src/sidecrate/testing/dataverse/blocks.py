# SPDX-License-Identifier: Apache-2.0
"""The stock citation block: which fields there are, of what class, and what is required."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

# One field a line, children indented: name, type, then flags: * multiple, ! required, v vocabulary, + on create.
_CITATION = """
title text !+
subtitle text
alternativeTitle text {alternative}
alternativeURL url
otherId none *
  otherIdAgency text
  otherIdValue text
author none *+
  authorName text !+
  authorAffiliation text +
  authorIdentifierScheme text v+
  authorIdentifier text +
datasetContact none *+
  datasetContactName text +
  datasetContactAffiliation text +
  datasetContactEmail email !+
dsDescription none *+
  dsDescriptionValue textbox !+
  dsDescriptionDate date +
subject text *!v+
keyword none *+
  keywordValue text +
  keywordTermURI url +
  keywordVocabulary text +
  keywordVocabularyURI url +
topicClassification none *
  topicClassValue text
  topicClassVocab text
  topicClassVocabURI url
publication none *+
  publicationRelationType text v+
  publicationCitation textbox +
  publicationIDType text v+
  publicationIDNumber text +
  publicationURL url
notesText textbox +
language text *v
producer none *
  producerName text ?
  producerAffiliation text
  producerAbbreviation text
  producerURL url
  producerLogoURL url
productionDate date
productionPlace text *
contributor none *
  contributorType text v
  contributorName text
grantNumber none *
  grantNumberAgency text
  grantNumberValue text
distributor none *
  distributorName text
  distributorAffiliation text
  distributorAbbreviation text
  distributorURL url
  distributorLogoURL url
distributionDate date
depositor text
dateOfDeposit date
timePeriodCovered none *
  timePeriodCoveredStart date
  timePeriodCoveredEnd date
dateOfCollection none *
  dateOfCollectionStart date
  dateOfCollectionEnd date
kindOfData text *
series none *
  seriesName text
  seriesInformation textbox
software none *
  softwareName text
  softwareVersion text
relatedMaterial textbox *
relatedDatasets textbox *
otherReferences text *
dataSources textbox *
originOfSources textbox
characteristicOfSources textbox
accessToSources textbox
"""

SUBJECTS = (
    "Agricultural Sciences;Arts and Humanities;Astronomy and Astrophysics;Business and Management;Chemistry;"
    "Computer and Information Science;Earth and Environmental Sciences;Engineering;Law;Mathematical Sciences;"
    "Medicine, Health and Life Sciences;Physics;Social Sciences;Other"
)
_VOCABULARIES = {
    "subject": SUBJECTS,
    "authorIdentifierScheme": "ORCID;ISNI;LCNA;VIAF;GND;DAI;ResearcherID;ScopusID",
    "publicationRelationType": "IsCitedBy;Cites;IsSupplementTo;IsSupplementedBy;IsReferencedBy;References",
    "publicationIDType": (
        "ark;arXiv;bibcode;cstr;doi;ean13;eissn;handle;isbn;issn;istc;lissn;lsid;pmid;purl;upc;url;urn"
    ),
    # Cut; the stock block has 186.
    "language": "Chinese;Danish;Dutch;English;French;German;Italian;Japanese;Polish;Swedish;Not applicable",
    "contributorType": (
        "Data Collector;Data Curator;Data Manager;Editor;Funder;Hosting Institution;Project Leader;Project Manager;"
        "Project Member;Related Person;Researcher;Research Group;Rights Holder;Sponsor;Supervisor;"
        "Work Package Leader;Other"
    ),
}
_TERMS = {  # IRIs of JSON-LD that are not made of the block's own
    "title": "http://purl.org/dc/terms/title",
    "subject": "http://purl.org/dc/terms/subject",
    "author": "http://purl.org/dc/terms/creator",
    "alternativeTitle": "http://purl.org/dc/terms/alternative",
    "language": "http://purl.org/dc/terms/language",
    "contributor": "http://purl.org/dc/terms/contributor",
    "relatedDatasets": "http://purl.org/dc/terms/relation",
    "otherReferences": "http://purl.org/dc/terms/references",
    "publication": "http://purl.org/dc/terms/isReferencedBy",
    "dateOfDeposit": "http://purl.org/dc/terms/dateSubmitted",
}


@dataclass(frozen=True)
class FieldType:
    """A field of a block.

    Attributes
    ----------
    name, kind : str
        `kind` is text, textbox, url, email, date or none (has children).
    is_required_with_siblings : bool
        Needed once another child of the same compound is there.
    """

    name: str
    kind: str
    is_multiple: bool = False
    is_required: bool = False
    is_required_with_siblings: bool = False
    is_on_create: bool = False
    vocabulary: tuple[str, ...] = ()
    parent: str = ""
    children: dict[str, FieldType] = field(default_factory=dict)

    @property
    def type_class(self) -> str:
        """Return ``compound``, ``controlledVocabulary`` or ``primitive``."""
        if self.children:
            return "compound"
        return "controlledVocabulary" if self.vocabulary else "primitive"

    @property
    def title(self) -> str:
        """Return words for people, such as ``Author Name``."""
        spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in self.name)
        return spaced[0].upper() + spaced[1:]

    @property
    def iri(self) -> str:
        """Return its name in JSON-LD."""
        return _TERMS.get(self.name, f"https://dataverse.org/schema/citation/{self.name}")

    def as_json(self, required: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return it as ``GET /metadatablocks/citation`` shows it."""
        shown: dict[str, Any] = {
            "name": self.name,
            "displayName": self.title,
            "displayOnCreate": self.is_on_create,
            "title": self.title,
            "type": self.kind.upper(),
            "typeClass": self.type_class,
            "watermark": "",
            "description": "",
            "multiple": self.is_multiple,
            "isControlledVocabulary": bool(self.vocabulary),
            "displayFormat": "",
            "isRequired": self.is_required or self.name in required,
        }
        if self.vocabulary:
            shown["controlledVocabularyValues"] = list(self.vocabulary)
        if self.children:
            shown["childFields"] = {name: child.as_json(required) for name, child in self.children.items()}
        return shown


@cache
def citation(version: tuple[int, ...]) -> dict[str, FieldType]:
    """Return the block of a release: name → field, children under their parents only."""
    block: dict[str, FieldType] = {}
    parent = ""
    for line in _CITATION.format(alternative="*" if version >= (6, 1) else "").strip().splitlines():
        name, kind, flags = (*line.split(), "")[:3]
        if _is_missing(name, version):
            continue
        indented = line.startswith(" ")
        parent = parent if indented else name
        made = _field_type(name, kind, flags, parent if indented else "", version)
        (block[parent].children if indented else block)[name] = made
    return block


@cache
def all_types(version: tuple[int, ...]) -> dict[str, FieldType]:
    """Return name → field for every field of the block, children too."""
    block = citation(version)
    return {**block, **{name: child for one in block.values() for name, child in one.children.items()}}


def _field_type(name: str, kind: str, flags: str, parent: str, version: tuple[int, ...]) -> FieldType:
    vocabulary = tuple(_VOCABULARIES[name].split(";")) if "v" in flags else ()
    if name == "authorIdentifierScheme" and version >= (6, 6):
        vocabulary += ("ROR",)
    return FieldType(name, kind, "*" in flags, "!" in flags, "?" in flags, "+" in flags, vocabulary, parent)


def _is_missing(name: str, version: tuple[int, ...]) -> bool:
    since = {"publicationRelationType": (6, 4), "keywordTermURI": (6, 3)}
    return version < since.get(name, (0,))
