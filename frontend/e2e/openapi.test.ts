// Validates the daemon's OpenAPI description with an independent validator.

import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { Server } from './server'

test('/openapi.json is valid OpenAPI 3.1', async () => {
  const server = await Server.start()
  try {
    const response = await fetch(`${server.base}/openapi.json`)
    const description = (await response.json()) as { openapi: string; info: { title?: string } }
    expect(description.openapi).toMatch(/^3\.1\./)
    expect(await new Validator().validate(description)).toEqual({ valid: true })
    // The validator rejects a description with a fault.
    delete description.info.title
    expect((await new Validator().validate(description)).valid).toBe(false)
  } finally {
    await server.stop()
  }
})
