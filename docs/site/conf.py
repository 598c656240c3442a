# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configure Sphinx for `make docs`, as `antsibull-docs sphinx-init` does, but without a download.

Pages that antsibull-docs writes refer to labels of Ansible's own documentation. They are listed here, in the form that
Sphinx reads from other sites: a line for each, compressed.
"""

import zlib
from pathlib import Path

project = "mlops.elasticsearch"
extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_title = "mlops.elasticsearch"
html_show_sphinx = False
html_copy_source = False
html_use_index = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True

ANSIBLE = "https://docs.ansible.com/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
_HEAD = b"""# Sphinx inventory version 2
# Project: Ansible
# Version:
# The remainder of this file is compressed using zlib.
"""
_LINES = "".join(f"{name} std:label -1 {page}#{name.replace('_', '-')} Ansible\n" for name, page in LABELS.items())
_INVENTORY = Path(__file__).parents[2] / ".build/docs/ansible.inv"
_INVENTORY.write_bytes(_HEAD + zlib.compress(_LINES.encode()))
intersphinx_mapping = {"ansible": (ANSIBLE, str(_INVENTORY))}
