// Renders a component as a part of the page, with the real store and no server.

import './setup'

import { cleanup, render } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactElement } from 'react'
import { afterEach, beforeEach, vi } from 'vitest'
import { initialState, type AppState } from '../../src/core/state'
import { eraseDrafts, openDrafts } from '../../src/drafts'
import { messenger } from '../../src/platform'
import { BO, ME } from '../fakes'

const people = new Map([ME, BO].map((user) => [user.user_id, user]))

/** Sets fields of the state. The user Ada is signed in, and knows Bo. */
export function setState(state: Partial<AppState>): void {
  messenger.store.setState(state)
}

beforeEach(() => {
  setState({ ...initialState, phase: 'signed_in', me: ME, people, chatListLoaded: true, socket: 'ready' })
  openDrafts(ME.user_id)
})

afterEach(() => {
  cleanup()
  eraseDrafts(ME.user_id)
  vi.restoreAllMocks()
})

/** Renders a component; returns simulated keyboard and pointer. */
export function show(element: ReactElement) {
  return { ...render(element), user: userEvent.setup() }
}
