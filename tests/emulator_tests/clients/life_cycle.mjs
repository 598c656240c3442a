// Copyright (c) mlops.elasticsearch contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The steps of life_cycle.json with the typed methods of @elastic/elasticsearch; life_cycle.py does the same in Python.
// Usage: node life_cycle.mjs FOLDER URL SERVER_VERSION. FOLDER has the client's node_modules.
// Prints one JSON object: what came back.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'

const [folder, url, server] = process.argv.slice(2)
const load = createRequire(`${folder}/`)
const { Client, errors } = load('@elastic/elasticsearch')
const manifest = `${folder}/node_modules/@elastic/elasticsearch/package.json`
const release = JSON.parse(readFileSync(manifest, 'utf-8')).version
const names = { $deployment: 'd', $version: server }
const client = new Client({ node: url, maxRetries: 0, requestTimeout: 30000 })
const found = { client: release, typed: 0, missing: [], dropped: [], wrong: [] }

const camel = name => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
const at = (body, path) => (path ? path.split('.') : []).reduce((value, key) => value?.[key], body)
const number = version => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0)

function filled (value) {
  let text = JSON.stringify(value)
  for (const [name, meant] of Object.entries(names)) text = text.replaceAll(name, meant)
  return JSON.parse(text)
}

function reason (body) {
  const error = body?.error ?? body
  return String(error?.reason ?? error)
}

async function caught (work) {
  try {
    return [200, await work()]
  } catch (error) {
    if (!(error instanceof errors.ResponseError)) throw error
    return [error.statusCode, error.body]
  }
}

function method (name) {
  const parts = name.split('.').map(camel)
  const last = parts.pop()
  const owner = parts.reduce((value, key) => value?.[key], client)
  return typeof owner?.[last] === 'function' ? (...given) => owner[last](...given) : undefined
}

async function call (step) {
  const typed = method(step.call)
  if (typed) {
    found.typed += 1
    return caught(() => typed(step.with ?? {}))
  }
  if (!found.missing.includes(step.call)) found.missing.push(step.call)
  if (!step.otherwise) return [null]
  return caught(() => client.transport.request(step.otherwise, { headers: { 'x-opaque-id': 'untyped' } }))
}

async function go (step) {
  const [status, body] = await call(step)
  if (status === null) return
  if (status !== (step.status ?? 200) || (step.error && !reason(body).includes(step.error))) {
    found.wrong.push([step, status, body])
    return
  }
  for (const [path, value] of Object.entries(step.see ?? {})) {
    if (!isDeepStrictEqual(at(body, path), value)) found.wrong.push([step, path, at(body, path) ?? null])
  }
}

const [status, body] = await caught(() => client.info())
if (status !== 200) {
  console.log(JSON.stringify({ client: release, refused: { status, exception: 'ResponseError', body } }))
} else {
  const steps = JSON.parse(readFileSync(new URL('life_cycle.json', import.meta.url), 'utf-8')).map(filled)
  for (const step of steps) {
    const since = number(step.server ?? '8.0.0')
    if (number(server) >= since && number(server) < number(step.until ?? '99.0.0')) await go(step)
  }
  console.log(JSON.stringify(found))
}
await client.close()
