#!/usr/bin/env bash
# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Build the collection, install it, and run real playbooks with it, against a local emulator of Elasticsearch.
# Usage: tests/demo.sh BIN [FOLDER]
#   BIN     folder with ansible-playbook and python, from an environment with requirements/demo.txt
#   FOLDER  for the tarball and the installed collection, by default .build/demo
# For a real cluster set MLOPS_TEST_CLUSTER=http://user:password@host:9200 and, if it has no model `sentiment`,
# MLOPS_TEST_MODEL. The id of the deployment then begins with a prefix of the run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

bin=$(cd "${1:?usage: tests/demo.sh BIN [FOLDER]}" && pwd)
folder=${2:-$root/.build/demo}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$root"

# Ignore the user's own Ansible configuration and clusters.
for name in $(compgen -e | grep -E '^(ELASTICSEARCH_|ELASTIC_|ANSIBLE_)' || true); do unset "$name"; done
unset PYTHONPATH
export no_proxy=127.0.0.1
cat >"$folder/ansible.cfg" <<CFG
[defaults]
callback_result_format = yaml
collections_path = $folder/collections
home = $folder/home
localhost_warning = false
[inventory]
inventory_unparsed_warning = false
CFG
export PATH="$bin:$PATH" ANSIBLE_CONFIG="$folder/ansible.cfg"
bold='' plain=''
if [ -t 1 ]; then
    bold=$'\033[1m' plain=$'\033[0m'
    export ANSIBLE_FORCE_COLOR=true
fi
heading() { printf '\n%s# %s%s\n' "$bold" "$1" "$plain"; }

emulator='' # process id; empty for a real cluster
running=''  # set while the demo has a deployment on a real cluster
finish() {
    if [ -n "$emulator" ]; then
        kill "$emulator" 2>/dev/null || true
        wait "$emulator" || true
    elif [ -n "$running" ]; then
        ansible-playbook tests/demo/stop.yml "${options[@]}"
    fi
    rm -f "$folder/address"
}
trap finish EXIT
trap 'exit 130' INT TERM

heading 'Build the collection and install it'
rm -rf "$folder"/collections "$folder"/*.tar.gz
ansible-galaxy collection build --output-path "$folder" >/dev/null
ansible-galaxy collection install --offline --collections-path "$folder/collections" "$folder"/*.tar.gz

options=()
if [ -n "${MLOPS_TEST_CLUSTER:-}" ]; then
    part() { python -c 'import sys, urllib.parse as u; p = u.urlsplit(sys.argv[1]); print(getattr(p, sys.argv[2]) or "")' "$MLOPS_TEST_CLUSTER" "$1"; }
    ELASTICSEARCH_URL=${MLOPS_TEST_CLUSTER/\/\/*@/\/\/}
    ELASTICSEARCH_USERNAME=$(part username)
    ELASTICSEARCH_PASSWORD=$(part password)
    export ELASTICSEARCH_USERNAME ELASTICSEARCH_PASSWORD
    options=(-e "model_id=${MLOPS_TEST_MODEL:-sentiment}" -e "deployment_id=demo-$$-search" -e number_of_allocations=2)
    running=yes
else
    heading 'Start an emulator of Elasticsearch, with two machine learning nodes and a model'
    rm -f "$folder/address"
    mkfifo "$folder/address"
    PYTHONPATH=tests python -m emulator --parent-pid $$ \
        --node ml-1=2,8gb --node ml-2=2,8gb --model sentiment >"$folder/address" &
    emulator=$!
    read -r addresses <"$folder/address"
    address() { python -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$addresses" "$1"; }
    ELASTICSEARCH_URL=$(address url)
    control=$(address control_url)
fi
export ELASTICSEARCH_URL
printf 'export ELASTICSEARCH_URL=%s\n' "$ELASTICSEARCH_URL"

# Print the number of write requests that the emulator has received; for a real cluster it is unknown.
writes() {
    [ -n "$emulator" ] || return 0
    python -c 'import json, sys, urllib.request as r; print(len(json.load(r.urlopen(sys.argv[1] + "/journal"))))' "$control"
}

# Run a playbook, and record how much it changed and wrote: play "title" playbook [options]
figures=()
play() {
    local what=$1 before
    shift
    set -- "$@" ${options[@]+"${options[@]}"}
    heading "$what: ansible-playbook $*"
    before=$(writes)
    ansible-playbook "$@" | tee "$folder/output"
    changed=$(grep -o 'changed=[0-9]*' "$folder/output" | tail -n 1 | cut -d= -f2)
    written=$(writes)
    written=${written:+$((written - before))}
    figures+=("$(printf '%-28s %8s %8s' "$what" "$changed" "${written:-?}")")
}

play 'Start' tests/demo/start.yml
play 'Dry run of a change' tests/demo/scale.yml --check --diff
play 'The change' tests/demo/scale.yml --diff
play 'Second run' tests/demo/scale.yml --diff
second="second run: $changed changed, ${written:-an unknown number of} writes"
play 'Stop' tests/demo/stop.yml
running=''

heading 'What happened'
printf '%-28s %8s %8s\n' '' changed writes
printf '%s\n' "${figures[@]}"
printf '\n%s\n' "$second"
case $second in
'second run: 0 changed, 0 writes' | 'second run: 0 changed, an unknown number of writes') ;;
*) exit 1 ;;
esac
