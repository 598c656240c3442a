# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: survey_answers
short_description: Check the variables of a play against a survey
version_added: 0.1.0
description:
  - Reads the variables that a survey of AWX or of the automation controller asks for, checks them by the rules of its
    questions, and returns them with the types that the questions have. It changes nothing.
  - AWX checks answers at a launch. In a workflow, artifacts and variables of other jobs replace them without a check,
    C(ansible-playbook) knows no survey, and from ansible-core 2.19 on a text of a survey arrives as what YAML makes of
    it without quotes, such as V(7) for C(007).
  - Null, blanks, and a list of only those count as not given. A question that is not required then has the default of
    the survey, unless that breaks the rules of the question. A required one has only a default of O(defaults), as in
    AWX, which shows other ones in the browser and ignores them.
  - All that is wrong is said at once, a sentence for each mistake.
options:
  survey:
    description:
      - Name of a playbook of this collection, such as V(scale), whose survey is C(playbooks/files/scale_survey.json).
      - For a survey of yours its path, which ends with C(.json). A relative one is searched like that of
        C(ansible.builtin.copy), in C(files) beside the playbook or the role first.
    type: str
    required: true
  defaults:
    description: Answers to questions that are not answered, by variable. They are checked like answers.
    type: dict
    default: {}
  lists:
    description:
      - Variables of questions for a text whose answer is a list of texts. It may be given as a list, as one that is
        written as JSON or YAML, or as a text with an item a line or with commas between them.
    type: list
    elements: str
    default: []
  times:
    description:
      - Variables of questions whose answer may also be a time such as V(90s) or V(5m). Returned are seconds, which the
        bounds of the question limit.
    type: list
    elements: str
    default: []
  reserved:
    description:
      - Variables that the play sets itself, such as one that it hands to a role. The task fails if one of them is an
        extra variable, because that would replace it. So are names that begin with one of them and an underscore, as
        those of a role do, and always names that begin with two underscores.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in C(check_mode) and does the same.
    support: full
  diff_mode:
    description: Shows differences in diff mode.
    support: N/A
    details: Nothing changes.
  idempotent:
    description: If run twice in a row, the second run changes nothing.
    support: full
  action:
    description: Has an action plugin of the same name, which runs on the controller.
    support: full
    details: The plugin is all of it, because only the controller knows the variables of a play.
notes:
  - "Limits hold in a workflow if they come from the environment variable E(ELASTICSEARCH_ML_GUARD), which the
    credential type of this collection sets: nothing that another job hands on can replace it."
  - If a question for a password is answered, Ansible does not show the result of the task, as with C(no_log).
author:
  - mlops.elasticsearch contributors (@mlops-elasticsearch)
seealso:
  - ref: ansible_collections.mlops.elasticsearch.docsite.playbooks
    description: The playbooks that use it, and what it protects them from.
  - ref: ansible_collections.mlops.elasticsearch.docsite.awx
    description: Surveys and job templates.
"""

EXAMPLES = r"""
- name: Scale a deployment with the survey of the playbook scale
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Check the variables
      mlops.elasticsearch.survey_answers:
        survey: scale
        defaults: {dry_run: "false"}
        times: [wait_timeout]
      register: __my_given

    - name: Scale
      mlops.elasticsearch.trained_model_deployment:
        deployment_id: "{{ __my_given.answers.deployment_id }}"
        number_of_allocations: "{{ __my_given.answers.number_of_allocations }}"
        guard: "{{ __my_given.guard | default(omit, true) }}"
        wait_timeout: "{{ __my_given.answers.wait_timeout }}"
      check_mode: "{{ ansible_check_mode or __my_given.answers.dry_run | bool }}"

- name: Give a role what a survey of your own asks for
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Check the variables
      mlops.elasticsearch.survey_answers:
        survey: "{{ survey_folder }}/my_survey.json"
        lists: [deployment_ids]
        reserved: [deployments_list]
      register: __my_given

    - name: Show what was asked for
      ansible.builtin.debug:
        msg: "{{ __my_given.answers.deployment_ids }}"
"""

RETURN = r"""
answers:
  description:
    - The answer to each question, by variable; null if it was not given and has no default, and for all of them if
      something is wrong.
    - A choice is a text, so use C(| bool) for one of V(true) and V(false).
  returned: always
  type: dict
  sample:
    deployment_id: sentiment
    number_of_allocations: 3
    dry_run: "false"
    on_adaptive: fail
    on_endpoint_owned: fail
    wait_timeout: 300
guard:
  description:
    - Limits for one deployment, as the option C(guard) of M(mlops.elasticsearch.trained_model_deployment) takes them.
      Empty if there are none.
    - They come from the environment variable E(ELASTICSEARCH_ML_GUARD) of the controller or of the task, as JSON or
      YAML; only without it from the variable C(guard).
  returned: always
  type: dict
  sample: {max: 8, max_step: 2, on_violation: skip}
guard_of_list:
  description: The same for the option C(guard) of M(mlops.elasticsearch.trained_model_deployments).
  returned: always
  type: dict
  sample: {max_total_step: 4, on_violation: skip}
replaced:
  description: Sentences about variables that do not count, for the summary of a job.
  returned: always
  type: list
  elements: str
  sample:
    - "The variable guard does not count: the credential sets the limits (ELASTICSEARCH_ML_GUARD)."
    - "The variable except does not count. The playbook asks for except_ids: is that meant?"
failure:
  description: The C(code) V(invalid_answers) if something is wrong; null on success.
  returned: always
  type: dict
  sample: {code: invalid_answers}
"""
