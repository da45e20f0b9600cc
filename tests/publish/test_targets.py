# SPDX-License-Identifier: Apache-2.0
"""A name leads to the repository the user meant, never to one a project from elsewhere slips in under that name."""

from __future__ import annotations

import pytest

from sidecrate.about import check_config
from sidecrate.errors import InputError
from sidecrate.publish import targets
from sidecrate.publish.repositories.base import open_repository
from sidecrate.publish.repositories.ocfl import OcflRepository

OWN = '[repositories.sandbox]\ntype = "inveniordm"\nurl = "https://sandbox.zenodo.org"\ncommunity = "cells"\n'
ABOUT = {"project": {"title": "t", "identifier": f"urn:uuid:{'0' * 36}", "created": "2026-01-01"}}


@pytest.fixture
def user_config(tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "config_path", lambda: tmp_path / "config.toml")
    return tmp_path / "config.toml"


def project(**tables):
    return {**ABOUT, "repositories": tables}


def test_the_users_own_table_wins_over_one_of_the_project(user_config):
    user_config.write_text(OWN)
    other = project(sandbox={"type": "inveniordm", "url": "https://evil.example"}, attic={"type": "ocfl", "path": "x"})
    found = targets.target("sandbox", other)
    assert (found.scheme, found.location) == ("inveniordm", "https://sandbox.zenodo.org")
    assert (found.options, str(found)) == ({"community": "cells"}, "sandbox")
    assert targets.target("attic", other).location == "x"


def test_scheme_and_location_need_no_table(user_config):
    assert targets.target("inveniordm:https://host:8443/x") == targets.Target("inveniordm", "https://host:8443/x")


def test_an_unknown_name_is_answered_with_the_known(user_config):
    user_config.write_text(OWN)
    with pytest.raises(InputError, match="there is: attic, sandbox"):
        targets.target("sandbx", project(attic={"type": "ocfl", "path": "x"}))


@pytest.mark.parametrize(
    "table",
    [
        {"type": "inveniordm", "url": "https://host", "token": "x"},
        {"type": "inveniordm", "url": "https://host", "api_key": "x"},
        {"type": "inveniordm", "url": "https://me:pw@host"},
        {"type": "inveniordm"},
        {"url": "https://host"},
        {"type": "ocfl", "url": "https://host", "path": "x"},
    ],
)
def test_no_configuration_holds_a_token_or_half_a_target(table, user_config):
    with pytest.raises(InputError, match="repositories"):
        check_config(project(there=table))
    lines = "\n".join(f'{key} = "{value}"' for key, value in table.items())
    user_config.write_text(f"[repositories.there]\n{lines}\n")
    with pytest.raises(InputError, match="repositories"):
        targets.target("there")


def test_a_broken_user_configuration_is_named(user_config):
    user_config.write_text("[repositories")
    with pytest.raises(InputError, match=r"config\.toml of your configuration: not readable"):
        targets.target("there")


def test_a_table_opens_the_plug_in_with_its_options(user_config, tmp_path):
    config = project(attic={"type": "ocfl", "path": str(tmp_path / "attic")})
    repository = open_repository("attic", config)
    assert isinstance(repository, OcflRepository)
    assert repository.root == tmp_path / "attic"
    with pytest.raises(InputError, match="ocfl"):
        open_repository("gopher:there")
