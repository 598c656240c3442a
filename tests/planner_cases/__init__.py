# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare planners with plans that Elasticsearch's own classes made (recorded-answers.md 3).

Usage, in a checkout: cd tests; python -m planner_cases {emulator,collection} FILE...
"""
