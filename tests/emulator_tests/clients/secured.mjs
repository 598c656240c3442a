// Copyright (c) mlops.elasticsearch contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A short life over TLS for each way to authenticate, with @elastic/elasticsearch; secured.py does the same in Python.
// Usage: node secured.mjs FOLDER, with the cases on standard input. FOLDER has the client's node_modules.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [folder] = process.argv.slice(2)
const load = createRequire(`${folder}/`)
const { Client, errors } = load('@elastic/elasticsearch')
const manifest = `${folder}/node_modules/@elastic/elasticsearch/package.json`
const release = JSON.parse(readFileSync(manifest, 'utf-8')).version

function options (given) {
  const tls = {}
  if (given.ca) tls.ca = readFileSync(given.ca)
  if (given.certificate) tls.cert = readFileSync(given.certificate)
  if (given.key) tls.key = readFileSync(given.key)
  // As documented: the fingerprint is looked at in place of a CA.
  if (given.fingerprint) tls.rejectUnauthorized = false
  const auth = given.user
    ? { username: given.user, password: given.password }
    : given.api_key ? { apiKey: given.api_key } : given.bearer ? { bearer: given.bearer } : undefined
  return { node: given.url, maxRetries: 0, requestTimeout: 30000, tls, auth, caFingerprint: given.fingerprint }
}

async function life (client, name) {
  await client.ml.startTrainedModelDeployment({ model_id: 'm', deployment_id: name, wait_for: 'started' })
  const stats = await client.ml.getTrainedModelsStats({ model_id: name })
  const updated = await client.ml.updateTrainedModelDeployment({ model_id: name, number_of_allocations: 2 })
  const stopped = await client.ml.stopTrainedModelDeployment({ model_id: name })
  return {
    state: stats.trained_model_stats[0].deployment_stats.state,
    allocations: updated.assignment.task_parameters.number_of_allocations,
    stopped: stopped.stopped,
    username: (await client.security.authenticate()).username
  }
}

async function outcome (given) {
  const client = new Client(options(given))
  try {
    return await life(client, given.name)
  } catch (error) {
    const exception = error.name
    if (error instanceof errors.ResponseError) return { exception, status: error.statusCode, body: error.body }
    if (error instanceof errors.ConnectionError) return { exception, message: error.message }
    throw error
  } finally {
    await client.close()
  }
}

const cases = {}
for (const given of JSON.parse(readFileSync(0, 'utf-8'))) cases[given.name] = await outcome(given)
console.log(JSON.stringify({ client: release, cases }))
