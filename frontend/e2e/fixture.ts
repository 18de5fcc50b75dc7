// The server and the browser of a test file, from its first test to its last.

import { afterAll, afterEach, beforeAll } from 'vitest'
import { Browsers } from './browsers'
import { Server } from './server'

export interface Fixture {
  server: Server
  browsers: Browsers
}

/**
 * To be called once, at the top of a file. The result is complete before the first test. `page` is the folder of
 * the page.
 */
export function useFixture(page?: string): Fixture {
  const fixture = {} as Fixture
  beforeAll(async () => {
    fixture.server = await Server.start(page)
    fixture.browsers = await Browsers.launch(fixture.server)
  })
  // A failed test leaves screenshots of all pages in the build directory.
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return
    const name = task.name.replace(/[^\w]+/g, '-').slice(0, 80)
    await fixture.browsers.screenshot(`${process.env.PARLEY_BUILD || '.'}/check-e2e-${name}`)
  })
  afterAll(async () => {
    await fixture.browsers?.close()
    await fixture.server?.stop()
  })
  return fixture
}
