# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test what the images for jobs, and the settings of ansible-navigator, say of this collection."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.mlops.elasticsearch.plugins.module_utils._core.options.environment import NAMES
from ansible_collections.mlops.elasticsearch.plugins.plugin_utils.survey.limits import ENVIRONMENT
from checks.collection import NAME, ROOT

FOLDER = ROOT / "extensions/ee"


def test_the_navigator_hands_on_each_variable() -> None:
    settings = yaml.safe_load((FOLDER / "ansible-navigator.yml").read_text())["ansible-navigator"]
    assert settings["execution-environment"]["environment-variables"]["pass"] == sorted({*NAMES, ENVIRONMENT})


@pytest.mark.parametrize("kind", ["execution", "decision"])
def test_an_image_has_the_collection_and_no_base_of_ours(kind: str) -> None:
    definition = yaml.safe_load((FOLDER / f"{kind}-environment.yml").read_text())
    assert {"name": NAME} in definition["dependencies"]["galaxy"]["collections"]
    assert "images" not in definition, "the base image is the choice of who builds"
