// What each test file has: a server and people at browsers, from its first test to its last.

import { afterAll, afterEach, beforeAll } from 'vitest'
import { People } from './people'
import { Server } from './server'

export interface World {
  server: Server
  people: People
}

/** To be called once, at the top of a file. What it returns is filled in before the first test. */
export function world(): World {
  const all = {} as World
  beforeAll(async () => {
    all.server = await Server.start()
    all.people = await People.come(all.server.base)
  })
  // Where a test fails, pictures of all windows are left in the build directory.
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return
    const name = task.name.replace(/[^\w]+/g, '-').slice(0, 80)
    await all.people.photograph(`${process.env.PARLEY_BUILD || '.'}/check-e2e-${name}`)
  })
  afterAll(async () => {
    await all.people?.leave()
    await all.server?.stop()
  })
  return all
}
