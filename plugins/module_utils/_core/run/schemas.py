# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schemas of the answers about the cluster and the user, as far as tasks of every resource read them."""

from __future__ import annotations

from ..http.schema import boolean, object_with, text

SERVER = object_with(version=object_with(number=text, build_flavor=text), cluster_name=text, cluster_uuid=text)
INFO = object_with(native_code=object_with(version=text), upgrade_mode=boolean)
FEATURES = object_with(features=object_with(ml=object_with(available=boolean)))
RIGHTS = object_with(username=text, cluster=object_with())
