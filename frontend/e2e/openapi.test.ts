// The description that the daemon gives of itself, judged by a validator that nobody here wrote.

import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { Server } from './server'

test('the description at /openapi.json is valid OpenAPI 3.1', async () => {
  const server = await Server.start()
  try {
    const description = await (await fetch(`${server.base}/openapi.json`)).json()
    expect(description.openapi).toMatch(/^3\.1\./)
    expect(await new Validator().validate(description)).toEqual({ valid: true })
    // The validator does find what is wrong.
    delete description.info.title
    expect((await new Validator().validate(description)).valid).toBe(false)
  } finally {
    await server.stop()
  }
})
